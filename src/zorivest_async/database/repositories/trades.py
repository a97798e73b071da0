"""Executions."""

from __future__ import annotations

import json
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from sqlalchemy import (
    BindParameter,
    String,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)

from zorivest_async.database.repositories.base import NamedRepository, window
from zorivest_async.database.repositories.images import delete_images_of
from zorivest_async.database.repositories.paging import Position
from zorivest_async.database.repositories.trade_conditions import conditions_of, narrowed
from zorivest_async.database.rows import SLICE_ROWS, RowMapper
from zorivest_async.database.statements import Statement, each
from zorivest_async.database.tables import IMAGES, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.queries import Page, SaveResult, TradeFilter
from zorivest_async.errors import DuplicateError, InvalidQueryError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

__all__ = ["OnDuplicate", "SqlAlchemyTradeRepository"]

OnDuplicate: TypeAlias = Literal["error", "skip", "update"]
"""What becomes of an ``exec_id`` that is stored already."""

_TOTAL_CHANGES = Statement(select(func.total_changes()))
_STORED_IDS = Statement(select(TRADES.c.exec_id).where(TRADES.c.exec_id.in_(each("exec_ids"))))

_OF_TRADE: BindParameter[str] = bindparam("owner")
_REPORTS = select(cast(TRADE_REPORTS.c.id, String)).where(TRADE_REPORTS.c.trade_id == _OF_TRADE)
_DELETE_REPORT_IMAGES = Statement(
    delete(IMAGES).where(IMAGES.c.owner_type == ImageOwnerType.REPORT, IMAGES.c.owner_id.in_(_REPORTS))
)
_DELETE_IMAGES = Statement(delete_images_of(ImageOwnerType.TRADE))
_DELETE_REPORTS = Statement(delete(TRADE_REPORTS).where(TRADE_REPORTS.c.trade_id == _OF_TRADE))
_UNLINK_PLANS = Statement(
    update(TRADE_PLANS).where(TRADE_PLANS.c.linked_trade_id == _OF_TRADE).values(linked_trade_id=None)
)


_AFTER: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) < tuple_(
    bindparam("last_time", type_=String), bindparam("last_exec_id", type_=String)
)


_MAPPER: Final = RowMapper(Trade, TRADES)
_TIME, _EXEC_ID = (_MAPPER.fields.index(name) for name in ("time", "exec_id"))
_GET_MANY = Statement(_MAPPER.select.where(TRADES.c.exec_id.in_(each("exec_ids"))))


class SqlAlchemyTradeRepository(NamedRepository[Trade]):
    """Stores :class:`~zorivest_async.Trade` entities."""

    mapper: ClassVar = _MAPPER
    _save_sql: ClassVar[dict[str, str]] = {
        "error": mapper.insert,
        "skip": mapper.insert_or_skip,
        "update": mapper.upsert,
    }

    async def save_many(self, trades: Iterable[Trade], on_duplicate: OnDuplicate = "error") -> SaveResult:
        """Insert many trades, all or none, in slices that leave the event loop free.

        Args:
            trades: Any number; an iterator is consumed as it is stored, so that memory stays flat.
            on_duplicate: What to do with an ``exec_id`` that is stored already, or comes twice: ``"error"`` (default),
                ``"skip"`` the later one, or ``"update"`` the stored row from it.

        Raises:
            DuplicateError: An ``exec_id`` is stored already or comes twice; its ``key`` names the first one.
            ForeignKeyError: A trade's account is not stored.
            ValidationError: Something in ``trades`` is not a :class:`~zorivest_async.Trade`.
            InvalidQueryError: There is no such ``on_duplicate``.

        Example:
            >>> from dataclasses import replace
            >>> async with vault.unit_of_work() as uow:
            ...     known = await uow.trades.list_all()
            ...     await uow.trades.save_many([replace(known[0], exec_id="0004"), *known], on_duplicate="skip")
            SaveResult(inserted=1, skipped=3, updated=0)
        """
        if on_duplicate not in self._save_sql:
            raise InvalidQueryError("Trade", problem='on_duplicate must be "error", "skip" or "update"')
        result = SaveResult()
        async with self._all_or_nothing():
            earlier_changes = int(await self._scalar(_TOTAL_CHANGES))
            for chunk in _slices(trades):
                try:
                    result = await self._save_slice(chunk, on_duplicate, result)
                except DuplicateError as error:
                    # The rows before the one that failed have been inserted; how many there are tells which it was.
                    changes = int(await self._scalar(_TOTAL_CHANGES)) - earlier_changes
                    error.key = chunk[changes - result.inserted].exec_id
                    raise
        return result

    async def _save_slice(self, trades: list[Trade], on_duplicate: OnDuplicate, so_far: SaveResult) -> SaveResult:
        if not all(isinstance(trade, Trade) for trade in trades):
            raise ValidationError("Trade", "self", "must be a Trade")
        ids = {trade.exec_id for trade in trades}
        known = await self._stored_ids(ids) if on_duplicate == "update" else set[str]()
        changed = await self._execute_rows(
            self._save_sql[on_duplicate], self.mapper.to_rows(trades, self.mapper.fields)
        )
        inserted = len(ids - known) if on_duplicate == "update" else changed
        return SaveResult(
            inserted=so_far.inserted + inserted,
            skipped=so_far.skipped + len(trades) - changed,
            updated=so_far.updated + changed - inserted,
        )

    async def _stored_ids(self, exec_ids: Iterable[str]) -> set[str]:
        return {row[0] for row in await self._fetch_rows(_STORED_IDS, exec_ids=json.dumps([*exec_ids]))}

    async def get_many(self, exec_ids: Iterable[str]) -> dict[str, Trade]:
        """Return the stored trades among these, by ``exec_id``; what is not stored is left out."""
        wanted = iter(exec_ids)
        found: dict[str, Trade] = {}
        while chunk := list(islice(wanted, SLICE_ROWS)):
            found |= {trade.exec_id: trade for trade in await self._fetch(_GET_MANY, exec_ids=json.dumps(chunk))}
        return found

    async def delete(self, exec_id: str, /) -> bool:
        """Delete a trade with its images, its report and the report's images; unlink plans that led to it.

        Returns:
            Whether there was one.
        """
        await self._execute(_DELETE_REPORT_IMAGES, owner=exec_id)
        await self._execute(_DELETE_IMAGES, owner_id=exec_id)
        await self._execute(_DELETE_REPORTS, owner=exec_id)
        await self._execute(_UNLINK_PLANS, owner=exec_id)
        return await super().delete(exec_id)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[Trade]:
        """Return trades, newest first; ``limit=None`` for all of them, decoded in slices."""
        return await self.list_filtered(TradeFilter(), limit=limit, offset=offset)

    async def list_for_account(self, account_id: str, limit: int | None = 100, offset: int = 0) -> list[Trade]:
        """Return an account's trades, newest first; ``limit=None`` for all of them, decoded in slices."""
        return await self.list_filtered(TradeFilter(account_id=account_id), limit=limit, offset=offset)

    async def list_filtered(
        self, trade_filter: TradeFilter, sort: str = "-time", limit: int | None = 100, offset: int = 0
    ) -> list[Trade]:
        """Return trades that a filter lets through.

        Args:
            trade_filter: Which ones.
            sort: Name of a field of :class:`~zorivest_async.Trade`, with ``-`` before it for the largest first. Equal
                ones are ordered by ``exec_id``, in the same direction.
            limit: At most so many; ``None`` for all.
            offset: After so many; :meth:`page` is faster for the depths of a long listing.

        Raises:
            InvalidQueryError: There is no such field, or ``limit`` or ``offset`` is negative.
        """
        name = sort.removeprefix("-")
        if name not in self.mapper.columns:
            raise InvalidQueryError(
                "Trade", problem=f"sort must be one of: {', '.join(self.mapper.fields)}; or - and one"
            )
        parameters = conditions_of(trade_filter)
        statement = _listing(tuple(parameters), name, descending=sort.startswith("-"))
        return await self._fetch(statement, **parameters, **self._window(limit, offset))

    async def count_filtered(self, trade_filter: TradeFilter) -> int:
        """Return how many trades a filter lets through."""
        parameters = conditions_of(trade_filter)
        return int(await self._scalar(_count(tuple(parameters)), **parameters))

    async def page(self, trade_filter: TradeFilter, size: int = 100, after: str | None = None) -> Page[Trade]:
        """Return one page of the trades that a filter lets through, newest first.

        Pages neither repeat nor skip a trade when others are inserted meanwhile, and the last page costs what the first
        does.

        Args:
            trade_filter: Which ones; the same for all pages.
            size: Most trades on the page, at least 1.
            after: ``next`` of the page before; ``None`` for the first.

        Raises:
            InvalidQueryError: ``size`` is not positive, or ``after`` is not the ``next`` of a page.

        Example:
            >>> async with vault.unit_of_work(read_only=True) as uow:
            ...     first = await uow.trades.page(TradeFilter(), size=2)
            ...     last = await uow.trades.page(TradeFilter(), size=2, after=first.next)
            >>> [trade.exec_id for trade in first.items], [trade.exec_id for trade in last.items], last.next
            (['0003', '0002'], ['0001'], None)
        """
        self._require_count("size", size, minimum=1)
        position = None if after is None else Position.from_token(after)
        rows = await self._following(trade_filter, size + 1, position)
        trades = await self._decode(rows[:size])
        return Page(trades, _position(rows[size - 1]).to_token() if len(rows) > size else None)

    async def stream(self, trade_filter: TradeFilter | None = None) -> AsyncGenerator[Trade]:
        """Yield the trades that a filter lets through, newest first, fetched in slices as they are asked for.

        It holds no cursor open: other statements, and breaking off, are fine at any point.

        Args:
            trade_filter: Which ones; all by default.

        Example:
            >>> async with vault.unit_of_work(read_only=True) as uow:
            ...     [trade.exec_id async for trade in uow.trades.stream()]
            ['0003', '0002', '0001']
        """
        position: Position | None = None
        while rows := await self._following(trade_filter or TradeFilter(), SLICE_ROWS, position):
            position = _position(rows[-1])
            for trade in await self._decode(rows):
                yield trade

    async def _following(
        self, trade_filter: TradeFilter, size: int, position: Position | None
    ) -> list[tuple[Any, ...]]:
        parameters = conditions_of(trade_filter)
        statement = _keyset(tuple(parameters), goes_on=position is not None)
        if position is not None:
            parameters |= {"last_time": position.time, "last_exec_id": position.exec_id}
        return await self._fetch_rows(statement, **parameters, **self._window(size, 0))


def _position(row: tuple[Any, ...]) -> Position:
    return Position(row[_TIME], row[_EXEC_ID])


def _slices(trades: Iterable[Trade]) -> Iterator[list[Trade]]:
    remaining = iter(trades)
    while chunk := list(islice(remaining, SLICE_ROWS)):
        yield chunk


@cache
def _listing(names: tuple[str, ...], sort: str, *, descending: bool) -> Statement:
    mapper = SqlAlchemyTradeRepository.mapper
    keys = dict.fromkeys((mapper.columns[sort], mapper.key_column))
    ordered = (key.desc() if descending else key.asc() for key in keys)
    return window(narrowed(mapper.select, names).order_by(*ordered))


@cache
def _keyset(names: tuple[str, ...], *, goes_on: bool) -> Statement:
    statement = narrowed(SqlAlchemyTradeRepository.mapper.select, names)
    following = statement.where(_AFTER) if goes_on else statement
    return window(following.order_by(TRADES.c.time.desc(), TRADES.c.exec_id.desc()))


@cache
def _count(names: tuple[str, ...]) -> Statement:
    return Statement(narrowed(select(func.count()).select_from(TRADES), names))
