"""Declarative profiles of brokers' CSV files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.errors import ConfigurationError
from zorivest_async.transfer.importers.csv_numbers import parse_amount
from zorivest_async.transfer.importers.source import EPOCH_FORMATS, FieldError

if TYPE_CHECKING:
    from zorivest_async.transfer.importers.csv_numbers import DecimalMark, PriceFraction
    from zorivest_async.transfer.importers.source import AmbiguousTimes

__all__ = ["ZORIVEST", "CsvProfile", "Layout", "Newest", "PrepareRow", "check_complete"]

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

_CHOICES: Final[dict[str, tuple[object, ...]]] = {
    "ambiguous_times": ("fail", "earlier", "later"),
    "newest": ("detect", "first", "last"),
    "decimal_mark": (".", ","),
    "price_fraction": (None, 32, 64),
    "layout": ("table", "titled", "prefixed", "records"),
    **dict.fromkeys(
        ("needs_multiplier", "commission_is_negative", "strip", "short_rows", "loose_quotes", "merges_parts"),
        (True, False),
    ),
}
_PATTERNS: Final = {
    **dict.fromkeys(("account_pattern", "base_currency_pattern", "commission_pattern"), 1),
    **dict.fromkeys(("inverse_pattern", "row_pattern"), 0),
}
"""Fields with a regular expression, and the number of its groups that are used."""
_COLLECTIONS: Final = (
    "asks", "time_formats", "amount_columns", "rounded", "empty_values", "ignored_columns", "carried_columns", "header",
    "optional_columns", "closing_words",
)  # fmt: skip
_MAPPINGS: Final = (
    "columns", "constants", "zone_names", "actions", "asset_classes", "multipliers", "standard_multipliers", "only",
    "excluded",
)  # fmt: skip
_NUMBERS: Final = frozenset({"quantity", "price", "commission", "realized_pnl", "multiplier", "fees"})
_ASKED: Final = frozenset({"account_id", "currency", "time_zone"})
_ORDINAL: Final = "ordinal"
_EXAMPLE: Final = datetime(2024, 1, 31, 13, 5, 9, tzinfo=UTC)


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
        multipliers: The multiplier of instruments, by patterns of ``fnmatch`` such as ``"MNQ??"``; the first that
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
        ignored_columns: Columns that need no warning, or patterns of ``fnmatch`` for them, such as ``"Net *"``.
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
            A row that repeats another one fails.
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
        _check(self)

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
            raise _wrong(self, stated[0], "is stated by a column of the file; it cannot be given for all rows")
        return replace(
            self,
            constants={**self.constants, **constants},
            time_zone=self.time_zone if time_zone is None else time_zone,
            multipliers={**(multipliers or {}), **self.multipliers},
            asks=self.asks - constants.keys() - (set() if time_zone is None else {"time_zone"}),
        )


def _wrong(profile: CsvProfile, field: str, problem: str) -> ConfigurationError:
    """Return the error for a field of a profile."""
    return ConfigurationError(f"profile {profile.name!r}: {field}: {problem}")


def _check(profile: CsvProfile) -> None:
    """Check all fields of a profile, so that a mistake does not wait for a file."""
    _check_types(profile)
    _check_columns(profile)
    _check_words(profile)
    _check_constants(profile)
    _check_text(profile)
    _check_times(profile)
    _check_exec_id(profile)


def check_complete(profile: CsvProfile) -> None:
    """Check that a profile lacks nothing that its user must say.

    Raises:
        ConfigurationError: Something is missing; the message names it.
    """
    if profile.asks:
        call = ", ".join(f"{name}=..." for name in sorted(profile.asks))
        raise ConfigurationError(
            f"profile {profile.name!r}: the file does not state {', '.join(sorted(profile.asks))}; "
            f"pass profile.given({call})"
        )


def _check_types(profile: CsvProfile) -> None:
    for name in _MAPPINGS:
        if not isinstance(getattr(profile, name), Mapping):
            raise _wrong(profile, name, "must be a mapping")
    for name in _COLLECTIONS:
        if not isinstance(getattr(profile, name), tuple | frozenset | set | list):
            raise _wrong(profile, name, "must be a tuple or a frozenset of texts, not a single one")
    for name in ("only", "excluded"):
        values: Mapping[str, object] = getattr(profile, name)
        if not all(isinstance(each, frozenset | set | tuple | list) for each in values.values()):
            raise _wrong(profile, name, "needs a frozenset of values for each column")
    for name, choices in _CHOICES.items():
        if getattr(profile, name) not in choices:
            raise _wrong(profile, name, f"must be {' or '.join(map(repr, choices))}")
    if profile.prepare is not None and not callable(profile.prepare):
        raise _wrong(profile, "prepare", "must be a function that takes a row")


def _check_columns(profile: CsvProfile) -> None:
    stated = {*profile.columns, *profile.constants}
    if unknown := sorted(stated - set(TRADE_FIELDS)):
        field = "columns" if unknown[0] in profile.columns else "constants"
        raise _wrong(profile, field, f"a trade has no field {', '.join(unknown)}")
    if unknown := sorted(set(profile.asks) - _ASKED):
        raise _wrong(profile, "asks", f"{unknown[0]} is not one of {', '.join(sorted(_ASKED))}")
    if unknown := sorted(set(profile.rounded) - _NUMBERS):
        raise _wrong(profile, "rounded", f"{unknown[0]} is not a number of a trade")
    given = set(profile.asks) | ({"account_id"} if profile.account_pattern else set[str]())
    if missing := sorted(set(_REQUIRED) - stated - given):
        raise _wrong(profile, "columns", f"no column or constant is given for {', '.join(missing)}")
    for name, columns in profile.columns.items():
        names: tuple[object, ...] = columns if isinstance(columns, tuple) else (columns,)
        if not names or not all(map(_is_text, names)):
            raise _wrong(profile, "columns", f"{name} needs the name of a column, or a tuple of names")
    if profile.layout != "table" and not profile.section:
        raise _wrong(profile, "section", f'the layout "{profile.layout}" needs the title of a section')
    if profile.header and profile.prepare is None and not profile.optional_columns:
        raise _wrong(profile, "header", "needs prepare or optional_columns, as the other columns are not in the file")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_words(profile: CsvProfile) -> None:
    if profile.closing_words and "action" not in profile.columns:
        raise _wrong(profile, "closing_words", "needs a column for action")
    for word in profile.closing_words:
        _check_word(profile, "closing_words", word)
    for name, kind in (("actions", TradeAction), ("asset_classes", AssetClass)):
        words: Mapping[str, object] = getattr(profile, name)
        for word, meaning in words.items():
            _check_word(profile, name, word)
            if not isinstance(meaning, kind):
                raise _wrong(profile, name, f"the meaning of {word!r} must be a {kind.__name__}")


def _check_word(profile: CsvProfile, field: str, word: object) -> None:
    if not isinstance(word, str) or word != word.lower().strip():
        raise _wrong(profile, field, f"the word {word!r} must be in lower case, without blanks around it")


def _check_constants(profile: CsvProfile) -> None:
    for name, text in profile.constants.items():
        if not _is_text(text):
            raise _wrong(profile, "constants", f"{name} must be a text, as in a file")
        known = {"action": profile.actions, "asset_class": profile.asset_classes}.get(name)
        if known is not None and text.lower() not in known:
            raise _wrong(profile, "constants", f"the profile does not know this {name}")
        if name in _NUMBERS:
            _check_number(profile, "constants", text)
    for name in ("multipliers", "standard_multipliers"):
        for text in getattr(profile, name).values():
            _check_number(profile, name, text)


def _check_number(profile: CsvProfile, field: str, text: object) -> None:
    try:
        parse_amount(str(text))
    except FieldError:
        raise _wrong(profile, field, "a value is not a number, written as a text with a decimal point") from None


def _check_text(profile: CsvProfile) -> None:
    for name, groups in _PATTERNS.items():
        pattern: str | None = getattr(profile, name)
        if pattern is not None and _compiled(profile, name, pattern).groups < groups:
            raise _wrong(profile, name, "has no group")
    cancellations: object = profile.cancellations
    if cancellations is not None:
        if not (isinstance(cancellations, tuple) and len(cancellations) == 2 and all(map(_is_text, cancellations))):  # noqa: PLR2004
            raise _wrong(profile, "cancellations", "must be a column and a regular expression")
        _compiled(profile, "cancellations", cancellations[1])
    delimiter: object = profile.delimiter
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n ':
        raise _wrong(profile, "delimiter", "must be one character, neither a quotation mark, a blank nor a line break")
    try:
        TextIOWrapper(BytesIO(), str(profile.encoding))  # None would be the encoding of the system
    except (LookupError, ValueError):
        raise _wrong(profile, "encoding", "Python knows no such encoding of text") from None


def _compiled(profile: CsvProfile, field: str, pattern: object) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise _wrong(profile, field, "is not a regular expression")
    try:
        return re.compile(pattern)
    except re.error:
        raise _wrong(profile, field, "is not a regular expression") from None


def _check_times(profile: CsvProfile) -> None:
    for form in profile.time_formats:
        if form in EPOCH_FORMATS:
            continue
        try:
            datetime.strptime(_EXAMPLE.strftime(form), form)  # noqa: DTZ007 - only the format is checked
        except (TypeError, ValueError, re.error):
            raise _wrong(profile, "time_formats", f"{form!r} is not a format of strptime") from None
        if "%Z" in form:  # strptime ignores what it reads there
            raise _wrong(profile, "time_formats", "has %Z; name the zones and their offsets in zone_names instead")
    for name, offset in profile.zone_names.items():
        try:
            datetime.strptime(offset, "%z")
        except (TypeError, ValueError):
            raise _wrong(profile, "zone_names", f'the offset of {name!r} must be a text such as "-05:00"') from None


def _check_exec_id(profile: CsvProfile) -> None:
    try:
        names = {name for _, name, _, _ in Formatter().parse(profile.exec_id) if name is not None}
    except (TypeError, ValueError):
        raise _wrong(profile, "exec_id", "is not a template with the names of fields in braces") from None
    allowed = {"account_id", "time", "instrument", "action", _ORDINAL} | ({"exec_id"} & {*profile.columns})
    if names - allowed:
        raise _wrong(profile, "exec_id", f"may contain only {', '.join(sorted(allowed))}")
    if "exec_id" not in names and not {"account_id", "time", _ORDINAL} <= names:
        # Identical fills exist, and two accounts may trade alike (wealthfolio#1035, rotki#9779).
        raise _wrong(profile, "exec_id", "without the broker's identifier, it needs {account_id}, {time} and {ordinal}")


ZORIVEST: Final = CsvProfile(
    name="zorivest",
    columns={name: name for name in TRADE_FIELDS},
    optional_columns=frozenset(OPTIONAL_FIELDS),
    strip=False,
)
"""Files that :func:`~zorivest_async.transfer.exporting.write_csv` writes, with every field; also of older releases.

Whether a result is after costs stands in the file, in ``result_after_costs``.
"""
