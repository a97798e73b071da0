"""Alembic environment: it works on the connection that it gets, without a configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from zorivest_async.database.sqlcipher.search_schema import SEARCH_TABLES
from zorivest_async.database.tables import METADATA
from zorivest_async.database.types import Float64

if TYPE_CHECKING:
    from collections.abc import Collection

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection


def seed_version_table(connection: Connection) -> None:
    """Give Alembic the version in a temporary version table, as a vault has only ``user_version``."""
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql("DROP TABLE IF EXISTS temp.alembic_version")
    connection.exec_driver_sql("CREATE TEMP TABLE alembic_version (version_num TEXT NOT NULL)")
    if version:
        connection.exec_driver_sql("INSERT INTO temp.alembic_version VALUES (?)", (f"{version:04}",))


def record_version(ctx: MigrationContext, step: object, heads: Collection[str], run_args: object) -> None:  # noqa: ARG001
    """Write the version of a revision into the vault."""
    (revision,) = heads
    ctx.execute(f"PRAGMA user_version = {int(revision)}")


def render_plain_type(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Render SQLAlchemy's types in revisions, as the library's may have changed by the time a revision runs."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    if kind == "type" and isinstance(item, Float64):
        return "sa.Double()"
    return False


def compares(name: str | None, kind: str, _parents: object) -> bool:
    """Return whether Alembic compares an object of the database with the models; the search index is not in them."""
    return not (kind == "table" and name in SEARCH_TABLES)


def run() -> None:
    """Run Alembic's command."""
    connection = context.config.attributes["connection"]
    seed_version_table(connection)
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        compare_server_default=True,
        include_name=compares,
        render_item=render_plain_type,
        on_version_apply=record_version,
    )
    context.run_migrations()


run()
