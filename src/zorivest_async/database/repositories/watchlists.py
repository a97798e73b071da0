"""Repository of watchlists and their items."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, delete, exists, select

from zorivest_async.database.aggregates import WATCHLIST, WATCHLIST_ITEM
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.repositories.base import NumberedRepository, window
from zorivest_async.database.statements import Statement, each, has_value, sought
from zorivest_async.database.tables import WATCHLIST_ITEMS, WATCHLISTS
from zorivest_async.domain.entities import Watchlist, WatchlistItem
from zorivest_async.domain.validation import LARGEST_INTEGER
from zorivest_async.errors import ForeignKeyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.repositories.base import Source

__all__ = ["SqlAlchemyWatchlistRepository"]


_DELETE_ITEMS = Statement(delete(WATCHLIST_ITEMS).where(WATCHLIST_ITEMS.c.watchlist_id == bindparam("list_id")))
_IS_NAME = Statement(select(exists().where(has_value(WATCHLISTS.c.name, sought("name", WATCHLISTS.c.name)))))


class _ItemRepository(NumberedRepository[WatchlistItem]):
    mapper: ClassVar = WATCHLIST_ITEM.mapper
    _of_lists = Statement(
        mapper.select.where(WATCHLIST_ITEMS.c.watchlist_id.in_(each("list_ids", is_number=True))).order_by(
            WATCHLIST_ITEMS.c.id
        )
    )

    _of_list = Statement(
        mapper.select.where(WATCHLIST_ITEMS.c.watchlist_id == bindparam("list_id")).order_by(WATCHLIST_ITEMS.c.id)
    )

    async def of_list(self, watchlist_id: int) -> list[WatchlistItem]:
        return await self._fetch(self._of_list, list_id=watchlist_id)

    async def of_lists(self, watchlist_ids: Sequence[int]) -> list[WatchlistItem]:
        return await self._fetch(self._of_lists, list_ids=json.dumps(watchlist_ids))

    async def save_of_list(self, watchlist_id: int, items: Sequence[WatchlistItem]) -> None:
        fields, given = self.mapper.fields, {"watchlist_id": watchlist_id, "id": None}
        for start in range(0, len(items), SLICE_ROWS):
            rows = self._codec.to_rows(items[start : start + SLICE_ROWS], fields)
            owned = [tuple([given.get(n, v) for n, v in zip(fields, row, strict=True)]) for row in rows]
            await self._execute_rows(self.mapper.insert, owned)


class SqlAlchemyWatchlistRepository(NumberedRepository[Watchlist]):
    """Repository of :class:`~zorivest_async.Watchlist` entities with their items."""

    mapper: ClassVar = WATCHLIST.mapper

    _newest_first = window(mapper.select.order_by(WATCHLISTS.c.created_at.desc(), WATCHLISTS.c.id.desc()))

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._items = _ItemRepository(source)

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[Watchlist]:
        number = self.mapper.fields.index("id")
        items: dict[int | None, list[WatchlistItem]] = defaultdict(list)
        for item in await self._items.of_lists([row[number] for row in rows]):
            items[item.watchlist_id].append(item)
        return self._codec.to_entities(rows, items=[tuple(items[row[number]]) for row in rows])

    async def save(self, watchlist: Watchlist, /) -> int:
        """Insert a watchlist with its items, which get new row numbers, and return its row number.

        Raises:
            DuplicateError: Its row number is already stored.
        """
        if not isinstance(watchlist, Watchlist) or not watchlist.items:
            return await super().save(watchlist)
        async with self._all_or_nothing():
            watchlist_id = await super().save(watchlist)
            await self._items.save_of_list(watchlist_id, watchlist.items)
        return watchlist_id

    async def update(self, watchlist: Watchlist, /) -> None:
        """Write a stored watchlist's name and description; its items have separate methods.

        Raises:
            NotFoundError: It is not stored.
        """
        await super().update(watchlist)

    async def delete(self, watchlist_id: int, /) -> bool:
        """Delete a watchlist with its items and return whether there was one."""
        async with self._all_or_nothing():
            await self._execute(_DELETE_ITEMS, watchlist_id, list_id=watchlist_id)
            return await super().delete(watchlist_id)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[Watchlist]:
        """Return watchlists with their items, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))

    async def exists_by_name(self, name: str) -> bool:
        """Return whether a watchlist has exactly this name."""
        return bool(await self._scalar(_IS_NAME, name=name))

    async def add_item(self, watchlist_id: int, item: WatchlistItem) -> int:
        """Append an item to a watchlist and return its row number.

        Raises:
            ForeignKeyError: The watchlist is not stored.
        """
        number: Any = watchlist_id
        if number is None or (isinstance(number, int) and not 1 <= number <= LARGEST_INTEGER):
            raise ForeignKeyError(
                "WatchlistItem", watchlist_id, "its watchlist is not stored; save the watchlist first"
            )
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
        """Return a watchlist's items in the order of their addition; none if the watchlist is not stored."""
        return await self._items.of_list(watchlist_id)
