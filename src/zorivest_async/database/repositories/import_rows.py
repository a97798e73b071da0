"""Rows of the record of imports, and the statements about them that several modules send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final
from typing import cast as cast_type

from sqlalchemy import String, bindparam, cast, delete, literal, or_, select, union_all

from zorivest_async.database.aggregates import IMPORT_ROW, TRADE
from zorivest_async.database.repositories.base import Repository, decoded
from zorivest_async.database.repositories.currencies import CURRENCIES
from zorivest_async.database.statements import Statement, each
from zorivest_async.database.tables import IMAGES, IMPORT_ROWS, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.imports import ImportKind, ImportRow, ImportTrace
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import ColumnElement

    from zorivest_async.domain.entities import SequencedTrade

__all__ = ["EXECUTION_KINDS", "ImportRowRepository", "is_of_execution", "order_of", "parsed_before"]

EXECUTION_KINDS: Final = (ImportKind.INSERTED, ImportKind.CHANGED, ImportKind.DELETED, ImportKind.BOOKED)
"""The kinds of rows whose key is an ``exec_id``."""

_MAPPER: Final = IMPORT_ROW.mapper
_ROWS: Final = IMPORT_ROWS.c
_OF_IMPORT: Final = _ROWS.import_id == bindparam("import_id")
_OF_OTHERS: Final = _ROWS.import_id != bindparam("import_id")
_AMONG_KEYS: Final = _ROWS.key.in_(each("keys"))
_AMONG_KINDS: Final = _ROWS.kind.in_(each("kinds"))

_OWN = Statement(_MAPPER.select.where(_OF_IMPORT, _AMONG_KINDS, _AMONG_KEYS))
_FORGET = Statement(delete(IMPORT_ROWS).where(_OF_IMPORT, _AMONG_KINDS, _AMONG_KEYS))
_FORGET_ALL = Statement(delete(IMPORT_ROWS).where(_OF_IMPORT))
_TRACES = Statement(
    select(_ROWS.import_id, _ROWS.kind, _ROWS.key, _ROWS.before).where(_OF_OTHERS, _AMONG_KINDS, _AMONG_KEYS)
)
_PAGE = Statement(
    _MAPPER.select.where(_OF_IMPORT, _ROWS.kind == bindparam("kind"), _ROWS.key > bindparam("after"))
    .order_by(_ROWS.key)
    .limit(bindparam("size"))
)
_WHOLE_TRADES = Statement(TRADE.rows.select.where(TRADES.c.exec_id.in_(each("exec_ids"))))

_OLD: Final = bindparam("old", type_=String)
_ATTACHED = Statement(
    union_all(
        select(literal(ImportKind.IMAGE.value), cast(IMAGES.c.id, String)).where(
            IMAGES.c.owner_type == ImageOwnerType.TRADE, IMAGES.c.owner_id == _OLD
        ),
        select(literal(ImportKind.REPORT.value), cast(TRADE_REPORTS.c.id, String)).where(
            TRADE_REPORTS.c.trade_id == _OLD
        ),
        select(literal(ImportKind.PLAN.value), cast(TRADE_PLANS.c.id, String)).where(
            TRADE_PLANS.c.linked_trade_id == _OLD
        ),
    )
)

PAGE_ROWS: Final = 100
"""Number of rows in a page: decoding and hashing its executions takes about two milliseconds."""


def is_of_execution(kind: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a kind is one of :data:`EXECUTION_KINDS`."""
    return or_(*(kind == each_kind.value for each_kind in EXECUTION_KINDS))


def parsed_before(row: ImportRow) -> dict[str, Any]:
    """Return what a row says about the state before the import, and about the booking.

    Raises:
        ValidationError: Another program has changed it.
    """
    try:
        parsed: Any = json.loads(row.before) if row.before is not None else {}
    except (RecursionError, ValueError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValidationError("ImportRow", "before", "is stored in a form that no release writes")
    return cast_type("dict[str, Any]", parsed)


def order_of(before: Mapping[str, Any]) -> int | None:
    """Return the position of a booking among the broker's transactions, if it is stored."""
    order = before.get("order")
    return order if type(order) is int else None


class ImportRowRepository(Repository[ImportRow]):
    """Repository of the rows of the record of imports, for the repository of imports and its recorder."""

    mapper: ClassVar = _MAPPER

    async def add(self, rows: list[ImportRow]) -> None:
        """Insert rows."""
        if rows:
            bulk = self._channel.backend.bulk_insert(self._channel, IMPORT_ROWS)
            await self._execute_rows(self.mapper.insert, self._codec.to_rows(rows, self.mapper.fields), bulk)

    async def own(self, import_id: int, kinds: Iterable[ImportKind], keys: Iterable[str]) -> dict[str, ImportRow]:
        """Return the rows of an import about some keys, of kinds of which each key has at most one."""
        found = await self._fetch(_OWN, import_id=import_id, **_among(kinds, keys))
        return {row.key: row for row in found}

    async def forget(self, import_id: int, kinds: Iterable[ImportKind], keys: Iterable[str]) -> None:
        """Delete the rows of an import about some keys."""
        await self._execute(_FORGET, import_id=import_id, **_among(kinds, keys))

    async def forget_all(self, import_id: int) -> None:
        """Delete the rows of an import."""
        await self._execute(_FORGET_ALL, import_id=import_id)

    async def page(self, import_id: int, kind: ImportKind, after: str) -> list[ImportRow]:
        """Return the next rows of an import of a kind, by key; none at the end."""
        return await self._fetch(_PAGE, import_id=import_id, kind=kind, after=after, size=PAGE_ROWS)

    async def traces(self, keys: Iterable[str], besides: int) -> list[ImportTrace]:
        """Return what imports, besides one, have stored or changed of some executions and cancellations."""
        kinds = (*EXECUTION_KINDS, ImportKind.CANCELLATION)
        rows = await self._fetch_rows(_TRACES, import_id=besides, **_among(kinds, keys))
        return [
            ImportTrace(import_id, key, order_of(parsed_before(ImportRow(import_id, kind, key, before))))
            for import_id, kind, key, before in rows
        ]

    async def whole_trades(self, exec_ids: Iterable[str]) -> dict[str, SequencedTrade]:
        """Return stored executions with their position in their source."""
        rows = await self._fetch_rows(_WHOLE_TRADES, exec_ids=json.dumps([*exec_ids]))
        found: list[Any] = await decoded(TRADE.rows.for_backend[self._channel.backend], rows)
        return {trade.exec_id: trade for trade in found}

    async def attached(self, exec_id: str) -> list[tuple[str, str]]:
        """Return the kind and the row number of what an execution has: images, a report, plans."""
        return [(kind, key) for kind, key in await self._fetch_rows(_ATTACHED, old=exec_id)]

    async def currencies(self, account_ids: Iterable[str]) -> dict[str, str | None]:
        """Return the currency of the stored ones of some accounts."""
        found = await self._fetch_rows(CURRENCIES, account_ids=json.dumps([*account_ids]))
        return {account_id: currency for account_id, currency in found}  # noqa: C416 - rows have no types


def _among(kinds: Iterable[ImportKind], keys: Iterable[str]) -> dict[str, str]:
    return {"kinds": json.dumps([*kinds]), "keys": json.dumps([*keys])}
