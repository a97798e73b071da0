"""Executions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from anyio import to_thread
from sqlalchemy import (
    BindParameter,
    String,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from zorivest_async.database.aggregates import TRADE
from zorivest_async.database.error_mapping import translated
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.repositories.base import NamedRepository, window
from zorivest_async.database.repositories.currencies import CURRENCIES, KEEPS_CURRENCY_OF_TRADE
from zorivest_async.database.repositories.foreign_keys import find_refusing_table
from zorivest_async.database.repositories.paging import Position
from zorivest_async.database.repositories.trade_conditions import conditions_of, narrowed
from zorivest_async.database.repositories.trade_executions import (
    EXECUTION_ROWS,
    decode_executions,
    decode_units,
    executions_statement,
    units_statement,
)
from zorivest_async.database.statements import Elements, JsonArray, Statement, each
from zorivest_async.database.tables import IMAGES, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.database.types import StoredTime
from zorivest_async.domain.entities import SequencedTrade, Trade
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.queries import Page, SaveResult, TradeFilter
from zorivest_async.domain.validation import LARGEST_INTEGER
from zorivest_async.errors import (
    CurrencyChangeError,
    DuplicateError,
    InvalidQueryError,
    NotFoundError,
    ValidationError,
)
from zorivest_async.security.tracebacks import forget_locals, hidden_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from sqlalchemy import Column, ColumnElement

    from zorivest_async.database.backend import BulkInsert
    from zorivest_async.database.mapping import RowMapper
    from zorivest_async.domain.queries import ExecutionRow, UnitRow

__all__ = ["OnDuplicate", "SqlAlchemyTradeRepository"]

OnDuplicate: TypeAlias = Literal["error", "skip", "update"]
"""What to do with an ``exec_id`` that is already stored."""

_NO_IDS: Final = "exec_ids must be an iterable of strings"

_AMONG_IDS: Final = TRADES.c.exec_id.in_(each("exec_ids"))
_STORED = Statement(select(TRADES.c.exec_id, TRADES.c.account_id, TRADES.c.currency).where(_AMONG_IDS))

_OF_TRADE: BindParameter[str] = bindparam("owner")
_DELETE_REPORTS = Statement(delete(TRADE_REPORTS).where(TRADE_REPORTS.c.trade_id == _OF_TRADE))
_UNLINK_PLANS = Statement(
    update(TRADE_PLANS).where(TRADE_PLANS.c.linked_trade_id == _OF_TRADE).values(linked_trade_id=None)
)

_families = Elements(bindparam("families", type_=JsonArray)).table_valued("value", name="families")
_VERSIONS = Statement(
    select(_families.c.value, TRADES.c.exec_id).where(
        # A range of the primary key: '/' follows '.', so that what begins with the family and a period is in it.
        TRADES.c.exec_id >= _families.c.value + ".",
        TRADES.c.exec_id < _families.c.value + "/",
    )
)
_EXEC_ID_SOUGHT: BindParameter[str] = bindparam("exec_id")
_IS_IN_USE = Statement(
    select(
        or_(
            exists().where(IMAGES.c.owner_type == ImageOwnerType.TRADE, IMAGES.c.owner_id == _EXEC_ID_SOUGHT),
            exists().where(TRADE_REPORTS.c.trade_id == _EXEC_ID_SOUGHT),
            exists().where(TRADE_PLANS.c.linked_trade_id == _EXEC_ID_SOUGHT),
        )
    )
)
_OLD: BindParameter[str] = bindparam("old")
_NEW: BindParameter[str] = bindparam("new")
_IS_OF_OLD: Final = (IMAGES.c.owner_type == ImageOwnerType.TRADE) & (IMAGES.c.owner_id == _OLD)
_MOVES: Final = (
    Statement(update(IMAGES).where(_IS_OF_OLD).values(owner_id=_NEW)),
    Statement(update(TRADE_REPORTS).where(TRADE_REPORTS.c.trade_id == _OLD).values(trade_id=_NEW)),
    Statement(update(TRADE_PLANS).where(TRADE_PLANS.c.linked_trade_id == _OLD).values(linked_trade_id=_NEW)),
)

_AFTER: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) < tuple_(
    bindparam("last_time", type_=StoredTime), bindparam("last_exec_id", type_=String)
)


_MAPPER: Final = TRADE.mapper
_ROWS: Final = TRADE.rows
"""The mapper of executions with their position in the source."""

_UPDATE_IN_ACCOUNTS_CURRENCY: Final = _MAPPER.update_if(KEEPS_CURRENCY_OF_TRADE)
_SET_SEQUENCE: Final = Statement(
    update(TRADES).where(TRADES.c.exec_id == bindparam("owner")).values(sequence=bindparam("position"))
)
_TIME, _EXEC_ID = (_MAPPER.fields.index(name) for name in ("time", "exec_id"))
_GET_MANY = Statement(_MAPPER.select.where(_AMONG_IDS))

_SAVING: Final[dict[str, Callable[[RowMapper[Any]], Statement]]] = {
    "error": lambda mapper: mapper.insert,
    "skip": lambda mapper: mapper.insert_or_skip,
    "update": lambda mapper: mapper.upsert,
}
"""The statement that saves a trade, by what to do with a duplicate."""


class SqlAlchemyTradeRepository(NamedRepository[Trade]):
    """Repository of :class:`~zorivest_async.Trade` entities."""

    mapper: ClassVar = _MAPPER

    @property
    def _columns(self) -> Mapping[str, Column[Any]]:
        return _ROWS.columns

    async def save(self, trade: Trade, /) -> None:
        """Insert a trade, with its position in the source if it is a ``SequencedTrade``.

        Raises:
            DuplicateError: Its ``exec_id`` is already stored.
            ForeignKeyError: Its account is not stored.
        """
        if not isinstance(trade, SequencedTrade):
            await self._insert(trade)
            return
        row = _ROWS.for_backend[self._channel.backend].to_row(trade, _ROWS.fields)
        await self._execute_row(_ROWS.insert, row, trade.exec_id, names=_ROWS.fields)

    async def update(self, trade: Trade, /) -> None:
        """Write all fields of a stored trade, except its identifier.

        Raises:
            NotFoundError: It is not stored.
            ForeignKeyError: Its account is not stored.
            CurrencyChangeError: Neither the stored trade nor this one has a currency of its own, and it gets an account
                with another currency; set the trade's currency.
        """
        if not isinstance(trade, SequencedTrade):
            await self._update_trade(trade)
            return
        async with self._all_or_nothing():
            await self._update_trade(trade)
            await self._execute(_SET_SEQUENCE, trade.exec_id, owner=trade.exec_id, position=trade.sequence)

    async def _update_trade(self, trade: Trade) -> None:
        if getattr(trade, "currency", None) is not None:
            await super().update(trade)
        elif not (
            await self._updates_unindexed(trade, _MAPPER)  # it stays in its account, and so in its currency
            or await self._updates(trade, _MAPPER, _UPDATE_IN_ACCOUNTS_CURRENCY, getattr(trade, "account_id", None))
        ):
            if await self.exists(trade.exec_id):
                raise CurrencyChangeError("Trade", trade.exec_id)
            raise NotFoundError("Trade", trade.exec_id)

    async def save_many(self, trades: Iterable[Trade], on_duplicate: OnDuplicate = "error") -> SaveResult:
        """Insert many trades, all or none, in slices that leave the event loop free.

        A :class:`~zorivest_async.domain.entities.SequencedTrade` is stored with its position in the source. A plain
        trade is inserted without one, and does not change a stored one.

        Args:
            trades: Any number of trades; an iterator is consumed step by step, so memory use stays constant.
            on_duplicate: What to do with an ``exec_id`` that is already stored, or duplicated in ``trades``:
                ``"error"`` (default), ``"skip"`` the later one, or ``"update"`` the stored row from it.

        Raises:
            DuplicateError: An ``exec_id`` is already stored or duplicated; ``key`` is the first such ``exec_id``.
            ForeignKeyError: A trade's account is not stored.
            CurrencyChangeError: As for :meth:`update`.
            ValidationError: An item of ``trades`` is not a :class:`~zorivest_async.Trade`.
            InvalidQueryError: There is no such ``on_duplicate``.

        Example:
            >>> from dataclasses import replace
            >>> async with vault.unit_of_work() as uow:
            ...     known = await uow.trades.list_all()
            ...     await uow.trades.save_many([replace(known[0], exec_id="0004"), *known], on_duplicate="skip")
            SaveResult(inserted=1, skipped=3, updated=0)
        """
        if on_duplicate not in tuple(_SAVING):  # of any type, as it may come from a request
            raise InvalidQueryError("Trade", problem='on_duplicate must be "error", "skip" or "update"')
        result = SaveResult()
        async with self._all_or_nothing():
            bulk = self._channel.backend.bulk_insert(self._channel, self.mapper.table)
            if on_duplicate == "error":
                await bulk.begin()
            for chunk in _slices(trades):
                try:
                    result = await self._save_slice(chunk, on_duplicate, result, bulk)
                except DuplicateError as error:
                    if on_duplicate == "error":
                        refused = await bulk.refused_row()
                        error.key = chunk[refused].exec_id if refused < len(chunk) else None
                    raise
        return result

    async def _save_slice(
        self, trades: list[Trade], on_duplicate: OnDuplicate, so_far: SaveResult, bulk: BulkInsert
    ) -> SaveResult:
        if not all(isinstance(trade, Trade) for trade in trades):
            raise ValidationError("Trade", "self", "must be a Trade")
        ids = {trade.exec_id for trade in trades}
        known = await self._known(ids, trades) if on_duplicate == "update" else set[str]()
        mapper: RowMapper[Any] = _ROWS if isinstance(trades[0], SequencedTrade) else _MAPPER
        changed = await self._execute_rows(
            _SAVING[on_duplicate](mapper),
            mapper.for_backend[self._channel.backend].to_rows(trades, mapper.fields),
            bulk,
            mapper.fields,
        )
        inserted = len(ids - known) if on_duplicate == "update" else changed
        return SaveResult(
            inserted=so_far.inserted + inserted,
            skipped=so_far.skipped + len(trades) - changed,
            updated=so_far.updated + changed - inserted,
        )

    async def _known(self, exec_ids: Iterable[str], trades: list[Trade]) -> set[str]:
        """Return the identifiers that are stored already.

        Raises:
            CurrencyChangeError: One of the trades would get another currency with its account.
        """
        stored = await self._fetch_rows(_STORED, exec_ids=json.dumps([*exec_ids]))
        account_of = {exec_id: account_id for exec_id, account_id, currency in stored if currency is None}
        moved = [
            (account_of[trade.exec_id], trade)
            for trade in trades
            if trade.currency is None and account_of.get(trade.exec_id, trade.account_id) != trade.account_id
        ]
        if moved:
            accounts = {account_id for old_id, trade in moved for account_id in (old_id, trade.account_id)}
            rows = await self._fetch_rows(CURRENCIES, account_ids=json.dumps([*accounts]))
            currency_of: dict[str, str | None] = dict(rows)
            for old_id, trade in moved:
                # The insertion refuses an account that is not stored.
                if trade.account_id in currency_of and currency_of[trade.account_id] != currency_of.get(old_id):
                    raise CurrencyChangeError("Trade", trade.exec_id)
        return {exec_id for exec_id, _, _ in stored}

    async def get_many(self, exec_ids: Iterable[str]) -> dict[str, Trade]:
        """Return the stored trades among these, by ``exec_id``; missing ones are left out.

        Raises:
            InvalidQueryError: They are not strings.
        """
        if not isinstance(exec_ids, Iterable):
            raise InvalidQueryError("Trade", problem=_NO_IDS)
        wanted = iter(exec_ids)
        found: dict[str, Trade] = {}
        while chunk := list(islice(wanted, SLICE_ROWS)):
            if not all(isinstance(exec_id, str) for exec_id in chunk):
                raise InvalidQueryError("Trade", problem=_NO_IDS)
            found |= {trade.exec_id: trade for trade in await self._fetch(_GET_MANY, exec_ids=json.dumps(chunk))}
        return found

    async def delete(self, exec_id: str, /) -> bool:
        """Delete a trade with its images, its report and the report's images; unlink its plans.

        Returns:
            Whether it existed.
        """
        async with self._all_or_nothing():
            await self._execute(_DELETE_REPORTS, exec_id, owner=exec_id)
            await self._execute(_UNLINK_PLANS, exec_id, owner=exec_id)
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
        """Return the trades that match a filter.

        Args:
            trade_filter: The filter.
            sort: Name of a field of :class:`~zorivest_async.Trade`, with ``-`` before it for descending order. Equal
                values are ordered by ``exec_id``, in the same direction.
            limit: Maximum number of trades; ``None`` for all.
            offset: Number of trades to skip; :meth:`page` is faster deep in a long listing.

        Raises:
            InvalidQueryError: There is no such field, ``limit`` or ``offset`` is not a whole number from 0 to
                2**63 - 1, or ``trade_filter`` is not a ``TradeFilter``.
        """
        name = sort.removeprefix("-") if isinstance(sort, str) else ""
        if name not in self.mapper.columns:
            raise InvalidQueryError(
                "Trade", problem=f"sort must be one of: {', '.join(self.mapper.fields)}; or - and one"
            )
        parameters = conditions_of(trade_filter)
        statement = _listing(tuple(parameters), name, descending=sort.startswith("-"))
        return await self._fetch(statement, **parameters, **self._window(limit, offset))

    async def count_filtered(self, trade_filter: TradeFilter) -> int:
        """Return the number of trades that match a filter."""
        parameters = conditions_of(trade_filter)
        return int(await self._scalar(_count(tuple(parameters)), **parameters))

    async def page(self, trade_filter: TradeFilter, size: int = 100, after: str | None = None) -> Page[Trade]:
        """Return one page of the trades that match a filter, newest first.

        Pages neither repeat nor skip a trade when others are inserted meanwhile, and the last page is as fast as the
        first.

        Args:
            trade_filter: The filter, the same for all pages.
            size: Maximum number of trades on the page, at least 1.
            after: ``next`` of the page before; ``None`` for the first page.

        Raises:
            InvalidQueryError: ``size`` is not a whole number from 1 to 2**63 - 1, ``after`` is not the ``next`` of a
                page, or ``trade_filter`` is not a ``TradeFilter``.

        Example:
            >>> async with vault.unit_of_work(read_only=True) as uow:
            ...     first = await uow.trades.page(TradeFilter(), size=2)
            ...     last = await uow.trades.page(TradeFilter(), size=2, after=first.next)
            >>> [trade.exec_id for trade in first.items], [trade.exec_id for trade in last.items], last.next
            (['0003', '0002'], ['0001'], None)
        """
        self._require_count("size", size, minimum=1)
        position = None if after is None else Position.from_token(after, self._channel.backend)
        rows = await self._following(trade_filter, min(size + 1, LARGEST_INTEGER), position)
        trades = await self._decode(rows[:size])
        return Page(trades, _position(rows[size - 1]).to_token(self._channel.backend) if len(rows) > size else None)

    async def stream(self, trade_filter: TradeFilter | None = None) -> AsyncGenerator[Trade]:
        """Yield the trades that match a filter, newest first, fetched in slices on demand.

        It holds no cursor open, so you may send other statements, or stop, at any point.

        Args:
            trade_filter: The filter; all trades by default.

        Example:
            >>> async with vault.unit_of_work(read_only=True) as uow:
            ...     [trade.exec_id async for trade in uow.trades.stream()]
            ['0003', '0002', '0001']
        """
        position: Position | None = None
        trade: Trade | None = None
        rows: list[tuple[Any, ...]] = []
        try:
            while rows := await self._following(trade_filter or TradeFilter(), SLICE_ROWS, position):
                position = _position(rows[-1])
                for trade in await self._decode(rows):
                    yield trade
        except BaseException as error:
            del rows, trade, position, trade_filter  # a traceback may show local variables
            forget_locals(error)
            raise

    async def stream_executions(self, trade_filter: TradeFilter | None = None) -> AsyncGenerator[list[ExecutionRow]]:
        """Yield the executions that match a filter, oldest first, with the columns that positions need, in slices.

        Decoding a slice takes about a millisecond. It holds no cursor open, so you may send other statements, or stop,
        at any point.

        Args:
            trade_filter: The filter; all executions by default.

        Raises:
            ValidationError: Another program has stored a value that no release writes.
        """
        parameters = conditions_of(TradeFilter() if trade_filter is None else trade_filter)
        names = tuple(parameters)
        following: dict[str, Any] = {}
        while rows := await self._fetch_rows(
            executions_statement(names, goes_on=bool(following)),
            **parameters,
            **following,
            **self._window(EXECUTION_ROWS, 0),
        ):
            following = {"last_time": rows[-1][0], "last_exec_id": rows[-1][1]}
            yield decode_executions(self._channel.backend, rows)

    async def list_mixed_units(self, trade_filter: TradeFilter | None = None) -> list[UnitRow]:
        """Return the asset classes and multipliers of the instruments that have several of either in one account.

        Executions without an asset class count as one of another.

        Args:
            trade_filter: The filter; all executions by default.

        Raises:
            ValidationError: Another program has stored a value that no release writes.
        """
        parameters = conditions_of(TradeFilter() if trade_filter is None else trade_filter)
        rows = await self._fetch_rows(units_statement(tuple(parameters)), **parameters)
        return await to_thread.run_sync(hidden_call(decode_units, rows)) if rows else []

    async def list_versions(self, families: Iterable[str]) -> dict[str, list[str]]:
        """Return the stored identifiers that are a family's name, a period and something more, by family."""
        found: dict[str, list[str]] = {}
        for family, exec_id in await self._fetch_rows(_VERSIONS, families=json.dumps([*families])):
            found.setdefault(family, []).append(exec_id)
        return found

    async def count_in_use(self, exec_ids: Iterable[str]) -> int:
        """Return how many trades have images or a report, which go with them, or a plan that led to them."""
        return sum([bool(await self._scalar(_IS_IN_USE, exec_id=exec_id)) for exec_id in exec_ids])

    async def find_reference(self, exec_ids: Iterable[str]) -> str | None:
        """Return the sentence that names a table of your own that refuses the deletion of trades, or ``None``."""
        values, ours = {"exec_ids": json.dumps([*exec_ids])}, {TRADE_REPORTS.name, TRADE_PLANS.name}
        channel = self._channel
        with translated(channel.backend, self._name):
            table = await find_refusing_table(channel, TRADES, _AMONG_IDS, values, besides=ours)
        return table and f"a row of {table} refers to what would be deleted; delete or change that first"

    async def supersede(self, old: str, new: str) -> None:
        """Give the images, report and plans of one stored trade to another, and delete the first.

        Raises:
            RepositoryError: The other one has a report already, or something of your own refuses it.
        """
        async with self._all_or_nothing():
            for statement in _MOVES:
                await self._execute(statement, old, old=old, new=new)
            await super().delete(old)

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
    """Yield slices of the trades, each with or without positions in the source."""
    for _, alike in groupby(trades, lambda trade: isinstance(trade, SequencedTrade)):
        while chunk := list(islice(alike, SLICE_ROWS)):
            yield chunk


@cache
def _listing(names: tuple[str, ...], sort: str, *, descending: bool) -> Statement:
    mapper = SqlAlchemyTradeRepository.mapper
    keys = dict.fromkeys((mapper.columns[sort], mapper.key_column))
    ordered = (_ordered(key, descending=descending) for key in keys)
    return window(narrowed(mapper.select, names).order_by(*ordered))


def _ordered(key: Column[Any], *, descending: bool) -> ColumnElement[Any]:
    """Return the order of a column, in which a missing value is the smallest."""
    if not key.nullable:
        return key.desc() if descending else key.asc()
    return key.desc().nulls_last() if descending else key.asc().nulls_first()


@cache
def _keyset(names: tuple[str, ...], *, goes_on: bool) -> Statement:
    statement = narrowed(SqlAlchemyTradeRepository.mapper.select, names)
    following = statement.where(_AFTER) if goes_on else statement
    return window(following.order_by(TRADES.c.time.desc(), TRADES.c.exec_id.desc()))


@cache
def _count(names: tuple[str, ...]) -> Statement:
    return Statement(narrowed(select(func.count()).select_from(TRADES), names))
