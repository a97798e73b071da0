"""Watchlists and their items."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, delete, exists, select

from zorivest_async.database.repositories.base import NumberedRepository, window
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement, each
from zorivest_async.database.tables import WATCHLIST_ITEMS, WATCHLISTS
from zorivest_async.domain.entities import Watchlist, WatchlistItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.repositories.base import Source

__all__ = ["SqlAlchemyWatchlistRepository"]


_DELETE_ITEMS = Statement(delete(WATCHLIST_ITEMS).where(WATCHLIST_ITEMS.c.watchlist_id == bindparam("list_id")))
_IS_NAME = Statement(select(exists().where(WATCHLISTS.c.name == bindparam("name"))))


class _ItemRepository(NumberedRepository[WatchlistItem]):
    mapper: ClassVar = RowMapper(WatchlistItem, WATCHLIST_ITEMS, fixed=frozenset({"added_at", "watchlist_id"}))
    _of_lists = Statement(
        mapper.select.where(WATCHLIST_ITEMS.c.watchlist_id.in_(each("list_ids"))).order_by(WATCHLIST_ITEMS.c.id)
    )

    async def of_lists(self, watchlist_ids: Sequence[int]) -> list[WatchlistItem]:
        return await self._fetch(self._of_lists, list_ids=json.dumps(watchlist_ids))

    async def delete_of_list(self, watchlist_id: int) -> None:
        await self._execute(_DELETE_ITEMS, list_id=watchlist_id)


class SqlAlchemyWatchlistRepository(NumberedRepository[Watchlist]):
    """Stores :class:`~zorivest_async.Watchlist` entities with their items."""

    mapper: ClassVar = RowMapper(Watchlist, WATCHLISTS, elsewhere=frozenset({"items"}), fixed=frozenset({"created_at"}))

    _newest_first = window(mapper.select.order_by(WATCHLISTS.c.created_at.desc(), WATCHLISTS.c.id.desc()))

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._items = _ItemRepository(source)

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[Watchlist]:
        number = self.mapper.fields.index("id")
        items: dict[int | None, list[WatchlistItem]] = defaultdict(list)
        for item in await self._items.of_lists([row[number] for row in rows]):
            items[item.watchlist_id].append(item)
        return self.mapper.to_entities(rows, items=[tuple(items[row[number]]) for row in rows])

    async def save(self, watchlist: Watchlist, /) -> int:
        """Insert a watchlist with its items, under new row numbers of their own, and return its row number.

        Raises:
            DuplicateError: Its row number is stored already.
        """
        watchlist_id = await super().save(watchlist)
        for item in watchlist.items:
            await self._items.save(replace(item, watchlist_id=watchlist_id, id=None))
        return watchlist_id

    async def update(self, watchlist: Watchlist, /) -> None:
        """Write a stored watchlist's name and description; its items have methods of their own.

        Raises:
            NotFoundError: It is not stored.
        """
        await super().update(watchlist)

    async def delete(self, watchlist_id: int, /) -> bool:
        """Delete a watchlist with its items and return whether there was one."""
        await self._items.delete_of_list(watchlist_id)
        return await super().delete(watchlist_id)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[Watchlist]:
        """Return watchlists with their items, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))

    async def exists_by_name(self, name: str) -> bool:
        """Return whether a watchlist has exactly this name."""
        return bool(await self._scalar(_IS_NAME, name=name))

    async def add_item(self, watchlist_id: int, item: WatchlistItem) -> int:
        """Put an item at the end of a watchlist and return its row number.

        Raises:
            ForeignKeyError: There is no such watchlist.
        """
        return await self._items.save(replace(item, watchlist_id=watchlist_id, id=None))

    async def update_item(self, item: WatchlistItem) -> None:
        """Write a stored item's ticker and notes.

        Raises:
            NotFoundError: It is not stored.
        """
        await self._items.update(item)

    async def remove_item(self, item_id: int) -> bool:
        """Delete an item and return whether there was one."""
        return await self._items.delete(item_id)

    async def get_items(self, watchlist_id: int) -> list[WatchlistItem]:
        """Return a watchlist's items in the order they were added; none where there is no such list."""
        return await self._items.of_lists([watchlist_id])
