"""Declarative profiles of brokers' CSV files."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zorivest_async.transfer.importers.source import AmbiguousTimes

__all__ = ["IBKR_ACTIVITY", "THINKORSWIM", "ZORIVEST", "CsvProfile", "Layout"]

Layout: TypeAlias = Literal["table", "titled", "prefixed"]
"""Where the table of executions is in a file; see :class:`CsvProfile`."""

TRADE_FIELDS: Final = tuple(f.name for f in fields(Trade))
OPTIONAL_FIELDS: Final = tuple(f.name for f in fields(Trade) if f.default is not MISSING)
"""Fields that have their default where a file has no value."""

_REQUIRED: Final = ("time", "instrument", "quantity", "price", "account_id")
_ORDINAL: Final = "ordinal"

_BUY_SELL: Final = MappingProxyType(
    {
        **dict.fromkeys(("buy", "b", "bot", "bought", "buy to open", "buy to close"), TradeAction.BOT),
        **dict.fromkeys(("sell", "s", "sld", "sold", "sell to open", "sell to close", "sell short"), TradeAction.SLD),
    }
)

_ASSET_CLASSES: Final = MappingProxyType(
    {
        **{each.value: each for each in AssetClass},
        **{f"{each.value}s": each for each in AssetClass if each not in (AssetClass.FOREX, AssetClass.CRYPTO)},
        **dict.fromkeys(("call", "put"), AssetClass.OPTION),
        **dict.fromkeys(("equity", "equities"), AssetClass.STOCK),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvProfile:
    """Profile of one broker's CSV files.

    Attributes:
        name: Name of the profile.
        columns: The column of each field of a :class:`~zorivest_async.Trade`; the non-empty values of several columns
            are joined with blanks. Without a column for ``action``, the sign of the quantity is the side. A field
            without a column, or with an empty value, is not stated: it is neither compared with a stored execution nor
            changes it. Without ``realized_pnl``, no result is recorded. An empty ``currency`` fails the row.
        constants: Fields that are the same in all rows, such as ``account_id`` in a file of one account, ``currency``
            and ``multiplier``. ``{"result_after_costs": "true"}`` says that the file's results are after costs.
        exec_id: Template of the execution's identifier, with the names of fields in braces. ``{exec_id}`` is the
            broker's own, from its column; ``"{account_id}:{exec_id}"`` is for a broker that reuses identifiers in other
            accounts. For a broker without identifiers, ``{ordinal}`` numbers the rows that agree in the other fields of
            the template, in the order of the file: identical fills stay separate, and files that overlap by whole days
            agree. Quantity and price are not allowed, so that a corrected value does not become another execution.
        time_zone: Time zone of times without an offset, such as ``"America/New_York"``; ``None`` if all have one.
        time_formats: Formats of ``strptime``, tried in turn; without any, times are in ISO 8601.
        ambiguous_times: What to do with a time that is ambiguous because clocks were put back: ``"fail"`` the row
            (default), or take the ``"earlier"`` or the ``"later"`` one.
        actions: The side of each word for it, in lower case.
        asset_classes: The asset class of each word for it, in lower case. Options, futures, warrants, bonds and others
            need a multiplier; without one, the row fails. The multiplier of the other classes is 1.
        amount_columns: Columns of the product of quantity, price and multiplier, of which the first that has a value
            tells the multiplier. The price of a bond is taken for a percentage where this amount says so.
        standard_multipliers: The multiplier for a word of ``asset_classes`` and a currency, where a file states neither
            a multiplier nor an amount other than 0. It is not applied to instruments that begin with a slash, or whose
            first word has a digit, as those of adjusted options do.
        inverse_pattern: A regular expression that finds inverse (coin-margined) contracts in ``instrument``; their rows
            fail, because a multiplier cannot express their value. A pair whose amounts are in the currency that it
            counts, such as ``BTC/USD`` in BTC, fails without it.
        commission_is_negative: Whether costs are negative.
        commission_pattern: A regular expression for the header of a column of commissions in another currency than the
            row's, with the currency as its group 1.
        decimal_mark: ``"."`` or ``","``; the other one may group thousands.
        empty_values: Texts that mean no value.
        strip: Whether to strip blanks around values.
        ignored_columns: Columns that need no warning.
        only: Read only the rows that have one of these values in a column.
        carried_columns: Columns whose value also applies to the rows below it, as in orders with several legs.
        layout: ``"table"``: a header and its rows. ``"titled"``: such a table in a file of several, below a line with
            its title and above an empty one. ``"prefixed"``: each row begins with its table's title and ``Header`` or
            ``Data``.
        section: The title, for the last two.
        optional_columns: Columns that may be absent; they are then empty.
        account_pattern: A regular expression that finds the account in a line outside the table, as its group 1.
        base_currency_pattern: Likewise the currency of accounts that ``accounts="create"`` creates.
        corporate_actions_section: For the layout ``"prefixed"``, the title of the table of splits, mergers and the
            like, of which the import warns, as it does not import them.
        instruments_section: Likewise the title of the table of instruments, with the columns ``Symbol``, ``Multiplier``
            and ``Type``, and the same column of asset classes as the table of executions.
        delimiter: Delimiter of values.
        encoding: Encoding of the file.
    """

    name: str
    columns: Mapping[str, str | tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    exec_id: str = "{exec_id}"
    time_zone: str | None = None
    time_formats: tuple[str, ...] = ()
    ambiguous_times: AmbiguousTimes = "fail"
    actions: Mapping[str, TradeAction] = field(default_factory=lambda: _BUY_SELL)
    asset_classes: Mapping[str, AssetClass] = field(default_factory=lambda: _ASSET_CLASSES)
    amount_columns: tuple[str, ...] = ()
    standard_multipliers: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    inverse_pattern: str | None = None
    commission_is_negative: bool = False
    commission_pattern: str | None = None
    decimal_mark: Literal[".", ","] = "."
    empty_values: frozenset[str] = frozenset()
    strip: bool = True
    ignored_columns: frozenset[str] = frozenset()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    carried_columns: tuple[str, ...] = ()
    layout: Layout = "table"
    section: str = ""
    optional_columns: frozenset[str] = frozenset()
    account_pattern: str | None = None
    base_currency_pattern: str | None = None
    corporate_actions_section: str = ""
    instruments_section: str = ""
    delimiter: str = ","
    encoding: str = "utf-8-sig"

    def __post_init__(self) -> None:
        unknown = {*self.columns, *self.constants} - set(TRADE_FIELDS)
        if unknown:
            raise self._wrong(f"a trade has no field {', '.join(sorted(unknown))}")
        missing = (
            set(_REQUIRED) - {*self.columns, *self.constants} - ({"account_id"} if self.account_pattern else set())
        )
        if missing:
            raise self._wrong(f"no column or constant is given for {', '.join(sorted(missing))}")
        if self.layout != "table" and not self.section:
            raise self._wrong(f'the layout "{self.layout}" needs the title of a section')
        for name in ("account_pattern", "base_currency_pattern", "commission_pattern"):
            pattern: str | None = getattr(self, name)
            if pattern is not None and re.compile(pattern).groups < 1:
                raise self._wrong(f"{name} has no group")
        self._check_exec_id()

    def _check_exec_id(self) -> None:
        names = self.exec_id_fields
        allowed = {"account_id", "time", "instrument", "action", _ORDINAL} | ({"exec_id"} & {*self.columns})
        if names - allowed:
            raise self._wrong(f"exec_id may contain only {', '.join(sorted(allowed))}")
        if "exec_id" not in names and not {"account_id", "time", _ORDINAL} <= names:
            # Identical fills exist, and two accounts may trade alike (wealthfolio#1035, rotki#9779).
            raise self._wrong("without the broker's identifier, exec_id needs {account_id}, {time} and {ordinal}")

    @property
    def exec_id_fields(self) -> set[str]:
        """The names of the fields in the template of ``exec_id``."""
        return {name for _, name, _, _ in Formatter().parse(self.exec_id) if name is not None}

    def _wrong(self, problem: str) -> ConfigurationError:
        return ConfigurationError(f"profile {self.name!r}: {problem}")


_NO_ID: Final = "{account_id}/{time}/{instrument}/{ordinal}"

IBKR_ACTIVITY: Final = CsvProfile(
    name="IBKR activity statement",
    layout="prefixed",
    section="Trades",
    columns={
        "time": "Date/Time",
        "instrument": "Symbol",
        "quantity": "Quantity",
        "price": "T. Price",
        "commission": "Comm/Fee",
        "realized_pnl": "Realized P/L",
        "currency": "Currency",
        "asset_class": "Asset Category",
        "account_id": "Account",
    },
    constants={"result_after_costs": "true"},
    exec_id=f"ibkr/{_NO_ID}",
    account_pattern=r"^Account Information,Data,Account,([^,]+)",
    base_currency_pattern=r"^Account Information,Data,Base Currency,([A-Z0-9]+)",
    corporate_actions_section="Corporate Actions",
    instruments_section="Financial Instrument Information",
    time_zone="America/New_York",
    time_formats=("%Y-%m-%d, %H:%M:%S",),
    commission_is_negative=True,
    commission_pattern=r"Comm in ([A-Z0-9]+)",
    asset_classes={
        "stocks": AssetClass.STOCK,
        "equity and index options": AssetClass.OPTION,
        "options on futures": AssetClass.OPTION,
        "futures options": AssetClass.OPTION,
        "futures": AssetClass.FUTURE,
        "forex": AssetClass.FOREX,
        "bonds": AssetClass.BOND,
        "treasury bills": AssetClass.BOND,
        "cfds": AssetClass.CFD,
        "forex cfds": AssetClass.CFD,
        "crypto": AssetClass.CRYPTO,
        "cryptocurrencies": AssetClass.CRYPTO,
        "funds": AssetClass.FUND,
        "mutual funds": AssetClass.FUND,
        "warrants": AssetClass.WARRANT,
        "structured products": AssetClass.WARRANT,
        "metals": AssetClass.OTHER,
    },
    amount_columns=("Proceeds", "Notional Value"),
    standard_multipliers={("equity and index options", "USD"): "100"},
    empty_values=frozenset({"--"}),
    only={"DataDiscriminator": frozenset({"Order"})},
    optional_columns=frozenset({"Account"}),
    ignored_columns=frozenset({"C. Price", "Proceeds", "Basis", "MTM P/L", "Code", "Notional Value", ""}),
)
"""Activity statement of Interactive Brokers; it has orders, but no execution identifiers. Prefer Flex XML.

Its results are **after** costs; the tables of currencies have none. Executions get their currency, their asset class,
the currency of the commission where the table names one (``Comm in USD``), and their multiplier: from *Financial
Instrument Information*, else from ``Proceeds`` or ``Notional Value``. An equity or index option in USD that expired,
with the price 0, has the standard multiplier of 100 if the statement does not have that table. Other rows without a
multiplier fail.
"""

THINKORSWIM: Final = CsvProfile(
    name="thinkorswim account statement",
    layout="titled",
    section="Account Trade History",
    columns={
        "time": "Exec Time",
        "instrument": ("Symbol", "Exp", "Strike", "Type"),
        "action": "Side",
        "quantity": "Qty",
        "price": "Price",
        "asset_class": "Type",
    },
    constants={"currency": "USD"},
    exec_id=f"tos/{_NO_ID}",
    account_pattern=r"^Account Statement for (\S+)",
    time_zone="America/New_York",
    time_formats=("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    asset_classes={
        "stock": AssetClass.STOCK,
        "etf": AssetClass.ETF,
        "call": AssetClass.OPTION,
        "put": AssetClass.OPTION,
        "future": AssetClass.FUTURE,
    },
    standard_multipliers={("call", "USD"): "100", ("put", "USD"): "100"},
    empty_values=frozenset({"STOCK", "ETF", "~", "--"}),
    carried_columns=("Exec Time", "Spread", "Order Type"),
    ignored_columns=frozenset({"", "Spread", "Pos Effect", "Net Price", "Order Type"}),
)
"""Account statement of thinkorswim, exported with New York times.

Its trades have **no** results, commissions or fees. They are in USD; stocks, funds and options get their asset class,
and options the multiplier 100 of US options. Futures, options on futures (``/ES``) and adjusted options (``XYZ1``)
fail, because the file does not state their multiplier; so do currencies.
"""

ZORIVEST: Final = CsvProfile(
    name="zorivest",
    columns={name: name for name in TRADE_FIELDS},
    optional_columns=frozenset(OPTIONAL_FIELDS),
    strip=False,
)
"""Files that :func:`~zorivest_async.transfer.exporting.write_csv` writes, with every field; also of older releases.

Whether a result is after costs stands in the file, in ``result_after_costs``.
"""
