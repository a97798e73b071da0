"""Declarative profiles of brokers' CSV files."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field, fields
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import TradeAction
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvProfile:
    """Profile of one broker's CSV files.

    Attributes:
        name: Name of the profile.
        columns: The column of each field of a :class:`~zorivest_async.Trade`; the non-empty values of several columns
            are joined with blanks. Without a column for ``action``, the sign of the quantity is the side.
        constants: Fields that are the same in all rows, such as ``account_id`` in a file of one account.
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
        commission_is_negative: Whether costs are negative.
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
        account_pattern: A regular expression that finds the account in a line outside the table, as its group 1.
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
    commission_is_negative: bool = False
    decimal_mark: Literal[".", ","] = "."
    empty_values: frozenset[str] = frozenset()
    strip: bool = True
    ignored_columns: frozenset[str] = frozenset()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    carried_columns: tuple[str, ...] = ()
    layout: Layout = "table"
    section: str = ""
    account_pattern: str | None = None
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
        if self.account_pattern is not None and re.compile(self.account_pattern).groups < 1:
            raise self._wrong("account_pattern has no group")
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
    },
    exec_id=f"ibkr/{_NO_ID}",
    account_pattern=r"^Account Information,Data,Account,([^,]+)",
    time_zone="America/New_York",
    time_formats=("%Y-%m-%d, %H:%M:%S",),
    commission_is_negative=True,
    empty_values=frozenset({"--"}),
    only={"DataDiscriminator": frozenset({"Order"})},
    ignored_columns=frozenset(
        {"Asset Category", "Currency", "C. Price", "Proceeds", "Basis", "MTM P/L", "Code", "Notional Value"}
    ),
)
"""Activity statement of Interactive Brokers; it has orders, but no execution identifiers. Prefer Flex XML."""

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
    },
    exec_id=f"tos/{_NO_ID}",
    account_pattern=r"^Account Statement for (\S+)",
    time_zone="America/New_York",
    time_formats=("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    empty_values=frozenset({"STOCK", "ETF", "~", "--"}),
    carried_columns=("Exec Time", "Spread", "Order Type"),
    ignored_columns=frozenset({"", "Spread", "Pos Effect", "Net Price", "Order Type"}),
)
"""Account statement of thinkorswim, exported with New York times; its trades have no commissions."""

ZORIVEST: Final = CsvProfile(name="zorivest", columns={name: name for name in TRADE_FIELDS}, strip=False)
"""Files that :func:`~zorivest_async.transfer.exporting.write_csv` writes."""
