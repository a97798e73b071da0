"""Creation and upgrade of a server's schema by its owner, never by an application's role.

Importing this module imports Alembic.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alembic import command
from alembic.config import Config
from anyio import to_thread

from zorivest_async.database.migrations import postgresql as revisions
from zorivest_async.database.migrations.revisions import alone
from zorivest_async.database.models import SCHEMA_VERSION, Base
from zorivest_async.database.postgresql.roles import grant_statements, quoted, role_statements
from zorivest_async.database.postgresql.schema import derived_metadata
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

__all__ = [
    "RUNTIME_ROLES",
    "Upgraded",
    "install_script",
    "journal_tables",
    "schema_version",
    "upgrade",
]

_LOCK: Final = 0x7A6F726976657374
"""Key of the advisory lock of upgrades: ``zorivest`` in ASCII. Such locks belong to a database."""

RUNTIME_ROLES: Final = """
SELECT grantee.rolname FROM pg_proc AS opening
CROSS JOIN LATERAL aclexplode(opening.proacl) AS granted
JOIN pg_roles AS grantee ON grantee.oid = granted.grantee
WHERE opening.oid = to_regprocedure('zorivest_open_journal(text, boolean)') AND granted.grantee <> opening.proowner
ORDER BY grantee.rolname
"""
"""Query for the roles that may use the schema as applications do."""

_OWNER: Final = """
SELECT pg_has_role(relowner, 'USAGE'), pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = 'journals'::regclass
"""

_FORCED: Final = """
SELECT relname::text AS name FROM pg_class
WHERE relforcerowsecurity AND relnamespace = current_schema()::regnamespace
"""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade has done.

    Attributes:
        before: The version of the schema before it; 0 if there was none.
        after: The version now.
        roles: The roles that may use the schema as applications do.
    """

    before: int
    after: int
    roles: tuple[str, ...]


def journal_tables() -> list[str]:
    """Return the names of all tables of journals, except ``journals`` itself."""
    return [table.name for table in derived_metadata(Base.metadata).sorted_tables if table.name != "journals"]


def _config(output: io.StringIO) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(Path(revisions.__file__).parent).replace("%", "%%"))
    return config


def _revisions_after(version: int) -> str:
    """Return the SQL of the revisions after a version, which also notes theirs."""
    output = io.StringIO()
    with alone():
        command.upgrade(_config(output), f"{version:04}:head" if version else "head", sql=True)
    return output.getvalue()


def _path(schema: str) -> str:
    # The functions keep it. A temporary table is found last, as every role may create one of any name.
    return f"SET LOCAL search_path = {quoted(schema)}, pg_temp"


def install_script(*, owner: str, runtime: str, dump: str, schema: str = "public") -> str:
    """Return the SQL that a superuser runs in an empty database, in psql: the roles, the schema and what they may do.

    Args:
        owner: The name of the role that owns the schema.
        runtime: The name of the role of applications.
        dump: The name of the role of ``pg_dump``.
        schema: The name of the PostgreSQL schema.
    """
    statements = [
        "BEGIN",
        *role_statements(owner=owner, runtime=runtime, dump=dump, schema=schema),
        f"SET LOCAL ROLE {quoted(owner)}",
        _path(schema),
        _revisions_after(0).strip().removesuffix(";"),
        *grant_statements(runtime, journal_tables()),
        "COMMIT",
    ]
    return ";\n\n".join(statements) + ";\n"


async def upgrade(connection: asyncpg.Connection[Any], runtime: Sequence[str] = ()) -> Upgraded:
    """Create the schema, or upgrade it, in one transaction: others see all of it or nothing.

    Two upgrades at once wait for each other, and the second finds nothing to do. Applications wait for what is changed.
    Cancellation rolls back.

    Args:
        connection: A connection of the owner, in no transaction. The schema is the first one of its ``search_path``.
        runtime: Roles that may use the schema from now on; those that may already still may.

    Raises:
        ConfigurationError: The role is not the owner of the schema, or a newer release has upgraded it.
    """
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        schema = await connection.fetchval("SELECT current_schema()")
        if schema is None:
            raise ConfigurationError("the first schema of the role's search_path does not exist; create it first")
        await connection.execute(_path(schema))
        before = await schema_version(connection)
        if before > SCHEMA_VERSION:
            problem = f"the schema has version {before}, and this release knows {SCHEMA_VERSION}; install a newer one"
            raise ConfigurationError(problem)
        await _require_owner(connection, schema, is_new=before == 0)
        if before < SCHEMA_VERSION:
            await _run_revisions(connection, before)
        already = [row["rolname"] for row in await connection.fetch(RUNTIME_ROLES)]
        roles = tuple(dict.fromkeys((*already, *runtime)))
        for role in roles:
            await connection.execute(";\n".join(grant_statements(role, journal_tables())))
        return Upgraded(before, SCHEMA_VERSION, roles)


async def schema_version(connection: asyncpg.Connection[Any]) -> int:
    """Return the version of the schema that a connection finds; 0 if there is none."""
    if await connection.fetchval("SELECT to_regclass('zorivest_version')") is None:
        return 0
    return int(await connection.fetchval("SELECT version_num FROM zorivest_version"))


async def _require_owner(connection: asyncpg.Connection[Any], schema: str, *, is_new: bool) -> None:
    owner = ""
    if is_new:
        may = await connection.fetchval("SELECT has_schema_privilege($1, 'CREATE')", schema)
        what = f"may not create tables in the schema {schema}"
    else:
        may, owner = await connection.fetchrow(_OWNER)
        what = "does not own the tables of journals"
    if not may:
        role = await connection.fetchval("SELECT current_user")
        raise ConfigurationError(f"the role {role} {what}: connect as the owner, not as the role of applications")
    if not is_new:
        # A superuser, or a member of the owner, would own what a revision creates.
        await connection.execute(f"SET LOCAL ROLE {quoted(owner)}")


async def _run_revisions(connection: asyncpg.Connection[Any], before: int) -> None:
    """Run the missing revisions; row security binds the owner, too, so a revision would change no row in silence."""
    forced = [row["name"] for row in await connection.fetch(_FORCED)]
    for table in forced:
        await connection.execute(f"ALTER TABLE {quoted(table)} NO FORCE ROW LEVEL SECURITY")
    await connection.execute(await to_thread.run_sync(_revisions_after, before))
    for table in forced:
        await connection.execute(f"ALTER TABLE IF EXISTS {quoted(table)} FORCE ROW LEVEL SECURITY")
