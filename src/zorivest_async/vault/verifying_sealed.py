"""Verification of a sealed journal: every sealed value of it is read and must authenticate at its place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.aggregates import AGGREGATES
from zorivest_async.database.tables import IMAGES
from zorivest_async.errors import VaultDamagedError
from zorivest_async.vault.verify_report import VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table

    from zorivest_async.database.postgresql.keys import JournalKeys
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork

__all__ = ["verify_sealed"]

_SLICE_ROWS: Final = 200


async def verify_sealed(
    reading: Callable[[], SqlAlchemyUnitOfWork], keys: JournalKeys, operation: Operation
) -> VerifyReport:
    """Read every sealed value in one snapshot, and return the columns with values that do not authenticate.

    What a server may change unnoticed is not found: values in clear, whole rows that are missing, and older states.

    Args:
        reading: Returns a unit of work that reads.
        keys: The keys of the journal.
        operation: Receives the progress, in tables.
    """
    from zorivest_async.database.postgresql.sealed_rows import sealed_columns, sealed_rows  # noqa: PLC0415 - it needs asyncpg

    damaged = Counter[str]()
    tables = [aggregate.mapper.table for aggregate in AGGREGATES]
    async with reading() as uow:
        connection = await uow.connection()
        for number, table in enumerate(tables):
            operation.report("values", number, len(tables))
            columns = sealed_columns(table)
            async for key, values in sealed_rows(connection, table, _SLICE_ROWS):
                for column, stored in zip(columns, values, strict=True):
                    if stored is not None and not _opens(keys, stored, f"{table.name}.{column}", key):
                        damaged[f"{table.name}.{column}"] += 1
            if table is IMAGES:
                damaged["images.data"] += await _damaged_images(uow, connection, table)
    problems = [f"{count} of the values of {label} do not authenticate" for label, count in damaged.items() if count]
    return VerifyReport(tuple(problems), page_count=0)


def _opens(keys: JournalKeys, stored: bytes, label: str, key: Any) -> bool:
    try:
        keys.open(stored, label, key)
    except VaultDamagedError:
        return False
    return True


async def _damaged_images(uow: SqlAlchemyUnitOfWork, connection: Any, table: Table) -> int:
    from zorivest_async.database.postgresql.sealed_rows import sealed_rows  # noqa: PLC0415 - it needs asyncpg

    damaged = 0
    numbers = [key async for key, _ in sealed_rows(connection, table, _SLICE_ROWS)]
    for number in numbers:
        try:
            async for _ in uow.images.stream(number):
                pass
        except VaultDamagedError:
            damaged += 1
    return damaged
