"""Owners of images, and the triggers that delete and update images with them.

An image's owner is in one of three tables, so it cannot be a foreign key. Triggers replace ``ON DELETE CASCADE`` and
``ON UPDATE CASCADE``: images are deleted with their trade, report or plan by every kind of deletion, and follow it when
its key changes.

Inserting an owner fires no trigger: the ORM flushes new images before their new trade, so an image without an owner may
be waiting for it. For the rows that ``REPLACE`` deletes, SQLite only fires triggers if ``PRAGMA recursive_triggers`` is
on, as it is on a vault's connections.
"""

# ruff: noqa: S608 - the statements only contain names of this module

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect

from zorivest_async.database.tables import SET_ASIDE
from zorivest_async.domain.enums import ImageOwnerType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, Table

__all__ = ["ORPHANED_IMAGES", "after_create", "after_drop", "trigger_statements"]

_IMAGES: Final = "images"


@dataclass(frozen=True, slots=True)
class _Owner:
    """A table whose rows own images.

    Attributes:
        table: The name of the table.
        kind: The value of ``owner_type``.
        key: The key column.
        is_number: Whether the key is a number, which ``owner_id`` contains in decimal digits.
    """

    table: str
    kind: ImageOwnerType
    key: str
    is_number: bool

    @property
    def trigger_names(self) -> tuple[str, str]:
        """The names of the table's triggers: for deletions, and for changes of the key."""
        return f"zorivest_images_of_{self.table}_delete", f"zorivest_images_of_{self.table}_update"

    def triggers(self) -> Iterator[str]:
        """Yield the statements that create the table's triggers."""
        on_delete, on_update = self.trigger_names
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {on_delete} AFTER DELETE ON {self.table}\nBEGIN\n"
            f"    DELETE FROM {_IMAGES} WHERE {self._has_images('OLD')};\nEND"
        )
        # A row number has other names, such as rowid, which UPDATE OF does not recognize as the same column.
        column = "" if self.is_number else f" OF {self.key}"
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {on_update} AFTER UPDATE{column} ON {self.table}\n"
            f"WHEN OLD.{self.key} IS NOT NEW.{self.key}\nBEGIN\n"
            f"    UPDATE {_IMAGES} SET owner_id = {self._identifier('NEW')} WHERE {self._has_images('OLD')};\nEND"
        )

    def exists(self) -> str:
        """Return the condition that an image's owner is in the table."""
        # The first condition finds a number by its row; the second one distinguishes '7' from '07'.
        identified = f"{self.key} = owner_id AND {self._identifier(self.table)} = owner_id"
        return f"EXISTS (SELECT 1 FROM {self.table} WHERE {identified})"

    def _has_images(self, row: str) -> str:
        return f"owner_type = '{self.kind}' AND owner_id = {self._identifier(row)}"

    def _identifier(self, row: str) -> str:
        return f"CAST({row}.{self.key} AS TEXT)" if self.is_number else f"{row}.{self.key}"


_OWNERS: Final = (
    _Owner("trades", ImageOwnerType.TRADE, "exec_id", is_number=False),
    _Owner("trade_reports", ImageOwnerType.REPORT, "id", is_number=True),
    _Owner("trade_plans", ImageOwnerType.PLAN, "id", is_number=True),
)

ORPHANED_IMAGES: Final = (
    f"SELECT id, owner_type, owner_id GLOB '{SET_ASIDE}*' FROM {_IMAGES} WHERE NOT CASE owner_type"
    + "".join(f" WHEN '{owner.kind}' THEN {owner.exists()}" for owner in _OWNERS)
    + " END"
)
"""Query for the images without an owner: id, kind of owner, and whether they were set aside."""


def trigger_statements() -> list[str]:
    """Return the statements that create all missing triggers."""
    return [statement for owner in _OWNERS for statement in owner.triggers()]


def after_create(connection: Connection) -> None:
    """Create the triggers after the tables; a trigger is dropped with its table."""
    there = set(inspect(connection).get_table_names())
    for owner in _OWNERS:
        if {owner.table, _IMAGES} <= there:
            for statement in owner.triggers():
                connection.exec_driver_sql(statement)


def after_drop(connection: Connection, tables: Collection[Table]) -> None:
    """Drop the triggers with ``images``: without that table they would make every deletion of an owner fail."""
    if _IMAGES in {table.name for table in tables}:
        for name in (name for owner in _OWNERS for name in owner.trigger_names):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
