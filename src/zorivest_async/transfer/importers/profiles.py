"""Declarative profiles of brokers' CSV files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.transfer.importers.profile_checks import check_profile, wrong

if TYPE_CHECKING:
    from zorivest_async.transfer.importers.csv_numbers import DecimalMark, PriceFraction
    from zorivest_async.transfer.importers.source import AmbiguousTimes

__all__ = ["ZORIVEST", "CsvProfile", "Layout", "Newest", "PrepareRow"]

Layout: TypeAlias = Literal["table", "titled", "prefixed", "records"]
"""Where the table of executions is in a file; see :class:`CsvProfile`."""

Newest: TypeAlias = Literal["detect", "first", "last"]
"""Which end of a file has the newest execution; see :class:`CsvProfile`."""

PrepareRow: TypeAlias = Callable[[dict[str, str]], Mapping[str, str] | Iterable[Mapping[str, str]] | None]
"""Function that changes a row before it is read; see :class:`CsvProfile`."""

TRADE_FIELDS: Final = tuple(f.name for f in fields(Trade))
OPTIONAL_FIELDS: Final = tuple(f.name for f in fields(Trade) if f.default is not MISSING)
"""Fields that have their default where a file has no value."""

_REQUIRED: Final = ("time", "instrument", "quantity", "price", "account_id")

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

    A column without a name is called as the column before it with ``+1``, such as ``"Price+1"``; the second of several
    columns of one name is called ``"Time#2"``.

    Attributes:
        name: Name of the profile.
        columns: The column of each field of a :class:`~zorivest_async.Trade`; the non-empty values of several columns
            are joined with blanks, or added up if the field is a number. Without a column for ``action``, the sign of
            the quantity is the side. A field without a column, or with an empty value, is not stated: it is neither
            compared with a stored execution nor changes it. Without ``realized_pnl``, no result is recorded. An empty
            ``currency`` fails the row; without a column for it, it is the unit of the price, such as ``5.20 SEK``.
        constants: Fields that are the same in all rows, such as ``account_id`` in a file of one account, ``currency``
            and ``multiplier``. ``{"result_after_costs": "true"}`` says that the file's results are after costs.
        asks: What the file does not state and its user must say, with :meth:`given`: ``account_id``, ``currency``,
            ``time_zone``. A source with an incomplete profile is refused.
        exec_id: Template of the execution's identifier, with the names of fields in braces. ``{exec_id}`` is the
            broker's own, from its column; ``"{account_id}:{exec_id}"`` is for a broker that reuses identifiers in other
            accounts. For a broker without identifiers, ``{ordinal}`` numbers the rows that agree in the other fields of
            the template, in the order of the file, or from its end if ``newest`` is ``"first"``: identical fills stay
            separate, and files that overlap by whole days agree. Quantity and price are not allowed, so that a
            corrected value does not become another execution.
        time_zone: Time zone of times without an offset, such as ``"America/New_York"``; ``None`` if all have one.
        zone_column: A column with the IANA name of the time zone of its row.
        zone_names: Offsets of the names of zones after a time, such as ``{"EST": "-05:00"}``.
        time_formats: Formats of ``strptime``, tried in turn; without any, times are in ISO 8601. ``"epoch_s"``,
            ``"epoch_ms"`` and ``"epoch_us"`` count seconds, milliseconds and microseconds from 1970. Each blank, also
            one that may not break, is read as a blank.
        ambiguous_times: What to do with a time that is ambiguous because clocks were put back: ``"fail"`` the row
            (default), or take the ``"earlier"`` or the ``"later"`` one.
        newest: Which end of the file has the newest execution, so that executions of one time keep their order:
            ``"first"``, ``"last"``, or ``"detect"`` it by the times (default).
        actions: The side of each word for it, in lower case.
        closing_words: Words for executions without a side, in lower case, such as ``"expired"``: they close the
            position that the file's other executions of the instrument opened. Without these, the row fails.
        cancellations: A column and a regular expression: a row in which it finds something cancels the row of this file
            with its account, instrument, time and price, and the opposite quantity.
        asset_classes: The asset class of each word for it, in lower case. Options, futures, warrants, bonds and others
            need a multiplier; without one, the row fails. The multiplier of the other classes is 1.
        multipliers: The multiplier of instruments, by patterns of :mod:`fnmatch` such as ``"MNQ??"``; the first that
            matches is taken where the file states none.
        needs_multiplier: Whether the file counts lots or contracts whose size it does not state: a row without a
            multiplier then fails in each class of assets.
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
        decimal_mark: ``"."`` or ``","``; the other one may group thousands, and so may blanks and apostrophes. A row
            with the other decimal mark fails, and so do the file's rows with numbers that could be meant either way.
        price_fraction: The denominator of prices such as ``119'15``: 32 or 64.
        rounded: Fields whose numbers are rounded to float64, such as ``{"price"}``; in the others, a number with more
            digits fails its row.
        empty_values: Texts that mean no value.
        strip: Whether to strip blanks around values.
        ignored_columns: Columns that need no warning, or patterns of :mod:`fnmatch` for them, such as ``"Net *"``.
        only: Read only the rows that have one of these values in a column.
        excluded: Leave out the rows that have one of these values in a column. If the column also is in ``only``, a row
            with a value in neither fails.
        carried_columns: Columns whose value also applies to the rows below it, as in orders with several legs.
        layout: ``"table"``: a header and its rows; the header is the first line that has all columns. ``"titled"``:
            such a table in a file of several, below a line with its title and above an empty one. ``"prefixed"``: each
            row begins with its table's title and ``Header`` or ``Data``. ``"records"``: each row begins with ``HEADER``
            or ``DATA`` and its table's title.
        section: The title, for the last three.
        header: Columns that the header must have, if they are not those of ``columns``: the others then come from
            ``prepare``, or are in ``optional_columns``.
        optional_columns: Columns that may be absent; they are then empty.
        short_rows: Whether values that are missing at the end of a row are empty; otherwise the row fails.
        row_pattern: A regular expression for the beginning of the table's rows. Other lines below the header, such as
            totals and disclaimers, are left out with a warning.
        loose_quotes: Whether to accept quotation marks inside of values, such as ``"Joint" 123``.
        prepare: Function that gets a row as a dictionary of its columns and returns the row to read, several rows, or
            ``None`` to leave it out. :class:`FieldError` fails the row with a reason. Called in a thread.
        merges_parts: Whether several rows with one ``exec_id`` are parts of one execution, whose quantity is their sum.
        account_pattern: A regular expression that finds the account in a line outside the table, as its group 1.
        base_currency_pattern: Likewise the currency of accounts that ``accounts="create"`` creates.
        corporate_actions_section: For the layout ``"prefixed"``, the title of the table of splits, mergers and the
            like, of which the import warns, as it does not import them.
        instruments_section: Likewise the title of the table of instruments, with the columns ``Symbol``, ``Multiplier``
            and ``Type``, and the same column of asset classes as the table of executions.
        delimiter: Delimiter of values.
        encoding: Encoding of the file.
        source: Where the layout was seen in public, and when.
    """

    name: str
    columns: Mapping[str, str | tuple[str, ...]]
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    asks: frozenset[str] = frozenset()
    exec_id: str = "{exec_id}"
    time_zone: str | None = None
    zone_column: str | None = None
    zone_names: Mapping[str, str] = field(default_factory=dict[str, str])
    time_formats: tuple[str, ...] = ()
    ambiguous_times: AmbiguousTimes = "fail"
    newest: Newest = "detect"
    actions: Mapping[str, TradeAction] = field(default_factory=lambda: _BUY_SELL)
    closing_words: frozenset[str] = frozenset()
    cancellations: tuple[str, str] | None = None
    asset_classes: Mapping[str, AssetClass] = field(default_factory=lambda: _ASSET_CLASSES)
    multipliers: Mapping[str, str] = field(default_factory=dict[str, str])
    needs_multiplier: bool = False
    amount_columns: tuple[str, ...] = ()
    standard_multipliers: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    inverse_pattern: str | None = None
    commission_is_negative: bool = False
    commission_pattern: str | None = None
    decimal_mark: DecimalMark = "."
    price_fraction: PriceFraction | None = None
    rounded: frozenset[str] = frozenset()
    empty_values: frozenset[str] = frozenset()
    strip: bool = True
    ignored_columns: frozenset[str] = frozenset()
    only: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    carried_columns: tuple[str, ...] = ()
    layout: Layout = "table"
    section: str = ""
    header: frozenset[str] = frozenset()
    optional_columns: frozenset[str] = frozenset()
    short_rows: bool = False
    row_pattern: str | None = None
    loose_quotes: bool = False
    prepare: PrepareRow | None = None
    merges_parts: bool = False
    account_pattern: str | None = None
    base_currency_pattern: str | None = None
    corporate_actions_section: str = ""
    instruments_section: str = ""
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    source: str = ""

    def __post_init__(self) -> None:
        check_profile(self, required=_REQUIRED, known=TRADE_FIELDS)

    @property
    def exec_id_fields(self) -> set[str]:
        """The names of the fields in the template of ``exec_id``."""
        return {name for _, name, _, _ in Formatter().parse(self.exec_id) if name is not None}

    def given(
        self, *, time_zone: str | None = None, multipliers: Mapping[str, str] | None = None, **constants: str
    ) -> CsvProfile:
        """Return the profile with what its file does not state.

        Args:
            time_zone: Time zone of the times.
            multipliers: Multipliers of instruments, tried before those of the profile.
            constants: Fields that are the same in all rows, such as ``account_id`` and ``currency``.

        Raises:
            ConfigurationError: A trade has no such field, or a value is invalid.
        """
        if stated := sorted(constants.keys() & self.columns.keys()):
            raise wrong(self, stated[0], "is stated by a column of the file; it cannot be given for all rows")
        return replace(
            self,
            constants={**self.constants, **constants},
            time_zone=self.time_zone if time_zone is None else time_zone,
            multipliers={**(multipliers or {}), **self.multipliers},
            asks=self.asks - constants.keys() - (set() if time_zone is None else {"time_zone"}),
        )


ZORIVEST: Final = CsvProfile(
    name="zorivest",
    columns={name: name for name in TRADE_FIELDS},
    optional_columns=frozenset(OPTIONAL_FIELDS),
    strip=False,
)
"""Files that :func:`~zorivest_async.transfer.exporting.write_csv` writes, with every field; also of older releases.

Whether a result is after costs stands in the file, in ``result_after_costs``.
"""
