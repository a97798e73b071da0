"""Registry of aggregates, which declares each kind of record once.

Repositories take their mapper from here. Adoption, the export and import of a journal and the pytest plugin iterate
over :data:`AGGREGATES`, so that none of them names an entity.
"""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from zorivest_async.database.mapping import Codec, RowMapper
from zorivest_async.database.tables import (
    ACCOUNTS,
    BALANCE_SNAPSHOTS,
    IMAGES,
    IMPORT_ROWS,
    IMPORTS,
    MARKET_PROVIDER_SETTINGS,
    SCHEMA_VERSION,
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
    Import,
    SequencedTrade,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.enums import AccountType, ConvictionLevel, TradeAction
from zorivest_async.domain.imports import ImportKind, ImportRow
from zorivest_async.domain.settings import MarketProviderSetting, Setting, decode_setting, encode_setting
from zorivest_async.errors import ConfigurationError
from zorivest_async.images.sample import draw_chart
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "ACCOUNT",
    "AGGREGATES",
    "BALANCE_SNAPSHOT",
    "IMAGE",
    "IMPORT",
    "IMPORT_ROW",
    "MARKET_PROVIDER_SETTING",
    "SCHEMA_VERSION",
    "SETTING",
    "TRADE",
    "TRADE_PLAN",
    "TRADE_REPORT",
    "WATCHLIST",
    "WATCHLIST_ITEM",
    "Aggregate",
    "Registry",
]

_EntityT = TypeVar("_EntityT", bound=Entity)

_OPENING_BELL: Final = datetime(2024, 3, 8, 14, 30, tzinfo=UTC)
_CREATED: Final = frozenset({"created_at"})


class Aggregate(Generic[_EntityT]):
    """One kind of record: an entity, its table, and the mapping between them.

    Args:
        mapper: Maps the entity to its table, with a codec for each field that needs one.
        example: Returns the fields of the n-th valid entity, counted from 1, for tests.
        rows: Maps whole rows, if these have more than the entity, to an entity that extends it.
        original: The field whose bytes are a separate file in an exported journal.
        page_rows: Number of rows that an export reads at a time.
        since: The version of the schema that added the table; an older journal has no rows of it.
    """

    def __init__(
        self,
        mapper: RowMapper[_EntityT],
        example: Callable[[int], Mapping[str, Any]],
        *,
        rows: RowMapper[Any] | None = None,
        original: str | None = None,
        page_rows: int = 200,
        since: int = 1,
    ) -> None:
        self.mapper = mapper
        self.rows: RowMapper[Any] = rows or mapper
        self.entity: type[_EntityT] = mapper.entity
        self.name = mapper.table.name
        self.example = example
        self.original = original
        self.page_rows = page_rows
        self.since = since

    @property
    def noun(self) -> str:
        """The entity's name in errors, for example ``"trade plan"``."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", self.entity.__name__).lower()

    @cached_property
    def as_stored(self) -> RowMapper[Any]:
        """The mapper of an export: of whole rows, without secrets, which are encrypted under the vault's key."""
        return _without_secrets(self.rows)

    def mapper_of(self, entity: type[Entity]) -> RowMapper[Any]:
        """Return the mapper, without secrets, of the entity or of the one that extends it to whole rows."""
        return self.as_stored if entity is self.rows.entity else _without_secrets(self.mapper)

    @cached_property
    def exported(self) -> tuple[str, ...]:
        """The fields of an exported row, in the order of the entity's fields."""
        left_out = {*self.as_stored.elsewhere, self.original}
        return tuple(field.name for field in fields(self.as_stored.entity) if field.name not in left_out)

    def key_of(self, entity: _EntityT) -> Any:
        """Return the primary key of an entity; one of several columns is a tuple."""
        keys = self.mapper.keys
        return getattr(entity, self.mapper.key) if len(keys) == 1 else tuple(getattr(entity, name) for name in keys)


def _without_secrets(mapper: RowMapper[_EntityT]) -> RowMapper[_EntityT]:
    return mapper.without(mapper.secrets) if mapper.secrets else mapper


class Registry:
    """Ordered collection of aggregates; each may only refer to earlier ones.

    Like SQLAlchemy's ``MetaData``, it is filled while modules are imported, and only read afterwards.

    Args:
        aggregates: The first aggregates.
    """

    def __init__(self, *aggregates: Aggregate[Any]) -> None:
        self._by_entity: dict[type[Entity], Aggregate[Any]] = {}
        for aggregate in aggregates:
            self.register(aggregate)

    def register(self, aggregate: Aggregate[_EntityT]) -> Aggregate[_EntityT]:
        """Add an aggregate, and return it.

        Raises:
            ConfigurationError: The entity or its table is already registered.
        """
        if aggregate.entity in self._by_entity or aggregate.name in self.by_name:
            raise ConfigurationError(f"{aggregate.entity.__name__} or its table is already registered")
        self._by_entity[aggregate.entity] = self._by_entity[aggregate.rows.entity] = aggregate
        return aggregate

    def of(self, entity: type[_EntityT]) -> Aggregate[_EntityT]:
        """Return the aggregate of an entity.

        Raises:
            ConfigurationError: The entity is not registered.
        """
        try:
            return self._by_entity[entity]
        except KeyError:
            raise ConfigurationError(f"{entity.__name__} is not the entity of an aggregate") from None

    @property
    def by_name(self) -> dict[str, Aggregate[Any]]:
        """The aggregates by table name."""
        return {aggregate.name: aggregate for aggregate in self}

    def __iter__(self) -> Iterator[Aggregate[Any]]:
        return iter(dict.fromkeys(self._by_entity.values()))


def _setting_value(stored: str | None, value_type: str | None) -> Any:
    return None if stored is None else decode_setting(stored, value_type or "str")


def _api_key(stored: str | None) -> MaskedSecret | None:
    return None if stored is None else MaskedSecret()


_SETTING_VALUE: Final = Codec(_setting_value, lambda value: encode_setting(value)[0], beside=("value_type",))
_API_KEY: Final = Codec(_api_key, is_secret=True)

# The examples of trades and balances belong to the first account, and the n-th report belongs to the n-th trade.
ACCOUNT: Final = Aggregate(
    RowMapper(Account, ACCOUNTS, fixed=_CREATED),
    lambda n: {"account_id": f"U{n}", "name": f"Account {n}", "account_type": AccountType.BROKER},
)
TRADE: Final = Aggregate(
    RowMapper(Trade, TRADES),
    lambda n: {
        "exec_id": f"{n:04}",
        "time": _OPENING_BELL + timedelta(minutes=n),
        "instrument": "SPY",
        "action": TradeAction.BOT,
        "quantity": 100,
        "price": 513.07,
        "account_id": "U1",
    },
    rows=RowMapper(SequencedTrade, TRADES, name="Trade"),
)
TRADE_REPORT: Final = Aggregate(
    RowMapper(TradeReport, TRADE_REPORTS, fixed=_CREATED),
    lambda n: {"trade_id": f"{n:04}", "setup_quality": 4, "execution_quality": 3, "tags": ("breakout",)},
)
TRADE_PLAN: Final = Aggregate(
    RowMapper(TradePlan, TRADE_PLANS, fixed=_CREATED),
    lambda _: {"ticker": "SPY", "direction": TradeAction.BOT, "conviction": ConvictionLevel.HIGH},
)
WATCHLIST: Final = Aggregate(
    RowMapper(Watchlist, WATCHLISTS, elsewhere={"items": ()}, fixed=_CREATED),
    lambda n: {"name": f"Watchlist {n}"},
)
WATCHLIST_ITEM: Final = Aggregate(
    RowMapper(WatchlistItem, WATCHLIST_ITEMS, fixed=frozenset({"added_at", "watchlist_id"})),
    lambda n: {"ticker": f"TICK{n}"},
)
BALANCE_SNAPSHOT: Final = Aggregate(
    RowMapper(BalanceSnapshot, BALANCE_SNAPSHOTS),
    lambda n: {"account_id": "U1", "datetime": _OPENING_BELL + timedelta(days=n), "balance": 10_000.0},
)
SETTING: Final = Aggregate(
    RowMapper(Setting, SETTINGS, codecs={"value": _SETTING_VALUE}),
    lambda n: {"key": f"setting.{n}", "value": n, "value_type": "int", "updated_at": _OPENING_BELL},
)
MARKET_PROVIDER_SETTING: Final = Aggregate(
    RowMapper(
        MarketProviderSetting,
        MARKET_PROVIDER_SETTINGS,
        renamed={"api_key": "encrypted_api_key"},
        fixed=_CREATED,
        codecs={"api_key": _API_KEY},
    ),
    lambda n: {"provider_name": f"Provider {n}"},
)
IMPORT: Final = Aggregate(
    RowMapper(Import, IMPORTS, fixed=frozenset({"source", "sha256", "profile", "imported_at"})),
    lambda n: {"source": f"statement-{n}.csv", "sha256": f"{n:064x}", "imported_at": _OPENING_BELL},
    since=4,
)
IMPORT_ROW: Final = Aggregate(
    RowMapper(ImportRow, IMPORT_ROWS, codecs={"kind": Codec(ImportKind, str.__str__)}),
    lambda n: {"import_id": 1, "kind": ImportKind.INSERTED, "key": f"{n:04}", "hash_after": f"{n:032x}"},
    since=4,
)
IMAGE: Final = Aggregate(
    RowMapper(ImageAttachment, IMAGES),
    lambda _: {"data": draw_chart(1), "owner_id": "0001", "width": 640, "height": 360},
    original="data",
    page_rows=4,
)

AGGREGATES: Final = Registry(
    ACCOUNT,
    TRADE,
    TRADE_REPORT,
    TRADE_PLAN,
    WATCHLIST,
    WATCHLIST_ITEM,
    BALANCE_SNAPSHOT,
    SETTING,
    MARKET_PROVIDER_SETTING,
    IMPORT,
    IMPORT_ROW,
    IMAGE,
)
"""The aggregates of a vault, in the order of adoption, export and import. Images are last, because they belong to a
trade, a report or a plan."""
