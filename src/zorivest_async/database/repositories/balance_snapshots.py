"""Balance snapshots."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import bindparam, func, select

from zorivest_async.database.aggregates import BALANCE_SNAPSHOT
from zorivest_async.database.repositories.base import Repository, window
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import BALANCE_SNAPSHOTS
from zorivest_async.domain.entities import BalanceSnapshot

__all__ = ["SqlAlchemyBalanceSnapshotRepository"]

_OF_ACCOUNT = BALANCE_SNAPSHOTS.c.account_id == bindparam("account_id")
_COUNT = Statement(select(func.count()).select_from(BALANCE_SNAPSHOTS).where(_OF_ACCOUNT))


class SqlAlchemyBalanceSnapshotRepository(Repository[BalanceSnapshot]):
    """Append-only repository of :class:`~zorivest_async.BalanceSnapshot` entities."""

    mapper: ClassVar = BALANCE_SNAPSHOT.mapper
    _newest_first = window(
        mapper.select.where(_OF_ACCOUNT).order_by(BALANCE_SNAPSHOTS.c.datetime.desc(), BALANCE_SNAPSHOTS.c.id.desc())
    )

    async def save(self, snapshot: BalanceSnapshot, /) -> int:
        """Insert a snapshot and return its row number.

        Raises:
            ForeignKeyError: There is no such account.
        """
        return await self._insert_numbered(snapshot)

    async def get_latest(self, account_id: str) -> BalanceSnapshot | None:
        """Return an account's latest snapshot by time, or ``None`` if it has none."""
        found = await self._fetch(self._newest_first, account_id=account_id, **self._window(1, 0))
        return found[0] if found else None

    async def list_for_account(
        self, account_id: str, limit: int | None = 100, offset: int = 0
    ) -> list[BalanceSnapshot]:
        """Return an account's snapshots, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, account_id=account_id, **self._window(limit, offset))

    async def count_for_account(self, account_id: str) -> int:
        """Return the number of an account's snapshots."""
        return int(await self._scalar(_COUNT, account_id=account_id))
