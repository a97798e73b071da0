"""Everything that a journal holds, to compare what it was with what it is."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from zorivest_async.database.aggregates import AGGREGATES

if TYPE_CHECKING:
    from implementations import Journal

__all__ = ["snapshot"]

_TIMES = frozenset({"updated_at"})


async def snapshot(journal: Journal) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by table, with their row numbers, but without the times of updates."""
    rows: dict[str, list[dict[str, Any]]] = {}
    async with journal.unit_of_work(read_only=True) as uow:
        for aggregate in AGGREGATES:
            entity = aggregate.as_stored.entity
            found: list[Any] = []
            after = None
            while page := await uow.rows.page(entity, after):
                found += page
                after = aggregate.key_of(page[-1])
            rows[aggregate.name] = [
                {f.name: getattr(each, f.name) for f in fields(each) if f.name not in _TIMES} for each in found
            ]
    return rows
