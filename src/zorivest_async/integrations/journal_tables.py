"""A vault's tables for a full export: which there are, and their rows as entities and as JSON."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam

from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import (
    ACCOUNTS,
    BALANCE_SNAPSHOTS,
    IMAGES,
    MARKET_PROVIDER_SETTINGS,
    SETTINGS,
    TRADE_PLANS,
    TRADE_REPORTS,
    TRADES,
    WATCHLIST_ITEMS,
    WATCHLISTS,
)
from zorivest_async.domain.entities import (
    Account,
    BalanceSnapshot,
    ImageAttachment,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.settings import MarketProviderSetting, Setting, decode_setting, encode_setting
from zorivest_async.integrations.columns import Kind, columns_of
from zorivest_async.integrations.importers.source import parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["JOURNAL_TABLES", "JournalTable", "TableRepository"]

_DECODE: Final[dict[Kind, Callable[[Any], Any]]] = {"moment": parse_iso, "bytes": b64decode, "texts": tuple}
_ENCODE: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": str,
    "moment": lambda moment: moment.isoformat(),
    "bytes": lambda data: b64encode(data).decode(),
    "texts": list,
}


@dataclass(frozen=True, slots=True)
class JournalTable:
    """One table, which is one file of JSON lines.

    Attributes:
        name: Of the table and the file.
        mapper: Maps its rows to entities.
        omitted: Fields that are not in its file.
        rows: How many are read at a time.
    """

    name: str
    mapper: RowMapper[Any]
    omitted: frozenset[str] = field(default=frozenset())
    rows: int = 200

    @property
    def kinds(self) -> dict[str, Kind | None]:
        """What the values of each field are; ``None`` for those that are JSON already."""
        if self.mapper.entity is Setting:
            return {"key": "text", "value": None, "value_type": "text", "updated_at": "moment"}
        return {c.name: c.kind for c in columns_of(self.mapper.entity) if c.name not in self.omitted}

    def to_json(self, entity: Any) -> str:
        """Return a line for an entity."""
        values = {name: (kind, getattr(entity, name)) for name, kind in self.kinds.items()}
        plain = {
            name: value if value is None or kind not in _ENCODE else _ENCODE[kind](value)
            for name, (kind, value) in values.items()
        }
        return json.dumps(plain, ensure_ascii=False)

    def from_json(self, values: Mapping[str, Any], **more: Any) -> Any:
        """Return the entity of a line.

        Args:
            values: What the line holds.
            more: Values of fields that are not in it.

        Raises:
            ValidationError: A field cannot be right.
            FieldError: A moment cannot be read.
            TypeError: A field is missing, unknown or of another JSON type.
            ValueError: Bytes cannot be read.
        """
        kinds = self.kinds
        fields = {
            name: value if value is None or (kind := kinds.get(name)) not in _DECODE else _DECODE[kind](value)
            for name, value in values.items()
        }
        return self.mapper.entity(**fields, **more)


JOURNAL_TABLES: Final = (
    # Each after those that it refers to.
    JournalTable("accounts", RowMapper(Account, ACCOUNTS)),
    JournalTable("trades", RowMapper(Trade, TRADES)),
    JournalTable("trade_reports", RowMapper(TradeReport, TRADE_REPORTS)),
    JournalTable("trade_plans", RowMapper(TradePlan, TRADE_PLANS)),
    JournalTable("images", RowMapper(ImageAttachment, IMAGES), omitted=frozenset({"data"}), rows=4),
    JournalTable(
        "watchlists", RowMapper(Watchlist, WATCHLISTS, elsewhere=frozenset({"items"})), omitted=frozenset({"items"})
    ),
    JournalTable("watchlist_items", RowMapper(WatchlistItem, WATCHLIST_ITEMS)),
    JournalTable("balance_snapshots", RowMapper(BalanceSnapshot, BALANCE_SNAPSHOTS)),
    JournalTable("settings", RowMapper(Setting, SETTINGS)),
    JournalTable(
        "market_provider_settings",
        # An API key is encrypted under its vault's key, and not for a file that is not encrypted.
        RowMapper(MarketProviderSetting, MARKET_PROVIDER_SETTINGS, elsewhere=frozenset({"api_key"})),
        omitted=frozenset({"api_key"}),
    ),
)


class TableRepository(Repository[Any]):
    """Reads and writes the rows of one table as they are, row numbers and moments included.

    Args:
        connection: Of a unit of work.
        table: The table.
    """

    def __init__(self, connection: AsyncConnection, table: JournalTable) -> None:
        super().__init__(connection)
        self.mapper = table.mapper  # type: ignore[misc]
        key, select = self.mapper.key_column, self.mapper.select.order_by(self.mapper.key_column)
        limited = select.limit(table.rows)
        self._first = Statement(limited)
        self._next = Statement(limited.where(key > bindparam("after", type_=key.type)))

    async def page(self, after: Any) -> list[Any]:
        """Return the entities whose keys follow ``after``, by key; from the first where that is ``None``."""
        return await (self._fetch(self._first) if after is None else self._fetch(self._next, after=after))

    async def insert(self, entities: Sequence[Any]) -> None:
        """Insert entities with the keys that they have."""
        rows = self.mapper.to_rows(entities, self.mapper.fields)
        if self.mapper.entity is Setting:
            place = self.mapper.fields.index("value")
            rows = [(*row[:place], encode_setting(row[place])[0], *row[place + 1 :]) for row in rows]
        await self._execute_rows(self.mapper.insert, rows)

    async def _decode(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        if self.mapper.entity is Setting:
            value, kind = self.mapper.fields.index("value"), self.mapper.fields.index("value_type")
            return self.mapper.to_entities(rows, value=[decode_setting(row[value], row[kind]) for row in rows])
        elsewhere: dict[str, list[Any]] = {}
        if self.mapper.entity is Watchlist:
            elsewhere = {"items": [()] * len(rows)}
        elif self.mapper.entity is MarketProviderSetting:
            elsewhere = {"api_key": [None] * len(rows)}
        return self.mapper.to_entities(rows, **elsewhere)
