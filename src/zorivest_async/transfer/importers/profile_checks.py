"""Checks of a profile when it is constructed, so that a mistake does not wait for a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from string import Formatter
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.errors import ConfigurationError
from zorivest_async.transfer.importers.csv_numbers import parse_amount
from zorivest_async.transfer.importers.csv_times import EPOCH_FORMATS
from zorivest_async.transfer.importers.source import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["check_complete", "check_profile", "wrong"]

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


def wrong(profile: CsvProfile, field: str, problem: str) -> ConfigurationError:
    """Return the error for a field of a profile."""
    return ConfigurationError(f"profile {profile.name!r}: {field}: {problem}")


def check_profile(profile: CsvProfile, *, required: Iterable[str], known: Iterable[str]) -> None:
    """Check all fields of a profile.

    Args:
        profile: The profile.
        required: Fields of a trade that a file must state.
        known: All fields of a trade.

    Raises:
        ConfigurationError: A field is invalid; the message names it.
    """
    _check_types(profile)
    _check_columns(profile, set(required), set(known))
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
            raise wrong(profile, name, "must be a mapping")
    for name in _COLLECTIONS:
        if not isinstance(getattr(profile, name), tuple | frozenset | set | list):
            raise wrong(profile, name, "must be a tuple or a frozenset of texts, not a single one")
    for name in ("only", "excluded"):
        values: Mapping[str, object] = getattr(profile, name)
        if not all(isinstance(each, frozenset | set | tuple | list) for each in values.values()):
            raise wrong(profile, name, "needs a frozenset of values for each column")
    for name, choices in _CHOICES.items():
        if getattr(profile, name) not in choices:
            raise wrong(profile, name, f"must be {' or '.join(map(repr, choices))}")
    if profile.prepare is not None and not callable(profile.prepare):
        raise wrong(profile, "prepare", "must be a function that takes a row")


def _check_columns(profile: CsvProfile, required: set[str], known: set[str]) -> None:
    stated = {*profile.columns, *profile.constants}
    if unknown := sorted(stated - known):
        field = "columns" if unknown[0] in profile.columns else "constants"
        raise wrong(profile, field, f"a trade has no field {', '.join(unknown)}")
    if unknown := sorted(set(profile.asks) - _ASKED):
        raise wrong(profile, "asks", f"{unknown[0]} is not one of {', '.join(sorted(_ASKED))}")
    if unknown := sorted(set(profile.rounded) - _NUMBERS):
        raise wrong(profile, "rounded", f"{unknown[0]} is not a number of a trade")
    given = set(profile.asks) | ({"account_id"} if profile.account_pattern else set())
    if missing := sorted(required - stated - given):
        raise wrong(profile, "columns", f"no column or constant is given for {', '.join(missing)}")
    for name, columns in profile.columns.items():
        values: Any = columns
        if not isinstance(values, str) and not (isinstance(values, tuple) and values and all(map(_is_text, values))):
            raise wrong(profile, "columns", f"{name} needs the name of a column, or a tuple of names")
    if profile.layout != "table" and not profile.section:
        raise wrong(profile, "section", f'the layout "{profile.layout}" needs the title of a section')
    if profile.header and profile.prepare is None and not profile.optional_columns:
        raise wrong(profile, "header", "needs prepare or optional_columns, as the other columns are not in the file")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_words(profile: CsvProfile) -> None:
    if profile.closing_words and "action" not in profile.columns:
        raise wrong(profile, "closing_words", "needs a column for action")
    for word in profile.closing_words:
        _check_word(profile, "closing_words", word)
    for name, kind in (("actions", TradeAction), ("asset_classes", AssetClass)):
        words: Mapping[str, object] = getattr(profile, name)
        for word, meaning in words.items():
            _check_word(profile, name, word)
            if not isinstance(meaning, kind):
                raise wrong(profile, name, f"the meaning of {word!r} must be a {kind.__name__}")


def _check_word(profile: CsvProfile, field: str, word: object) -> None:
    if not isinstance(word, str) or word != word.lower().strip():
        raise wrong(profile, field, f"the word {word!r} must be in lower case, without blanks around it")


def _check_constants(profile: CsvProfile) -> None:
    for name, text in profile.constants.items():
        if not _is_text(text):
            raise wrong(profile, "constants", f"{name} must be a text, as in a file")
        known = {"action": profile.actions, "asset_class": profile.asset_classes}.get(name)
        if known is not None and text.lower() not in known:
            raise wrong(profile, "constants", f"the profile does not know this {name}")
        if name in _NUMBERS:
            _check_number(profile, "constants", text)
    for name in ("multipliers", "standard_multipliers"):
        for text in getattr(profile, name).values():
            _check_number(profile, name, text)


def _check_number(profile: CsvProfile, field: str, text: object) -> None:
    try:
        parse_amount(str(text))
    except FieldError:
        raise wrong(profile, field, "a value is not a number, written as a text with a decimal point") from None


def _check_text(profile: CsvProfile) -> None:
    for name, groups in _PATTERNS.items():
        pattern: str | None = getattr(profile, name)
        if pattern is not None and _compiled(profile, name, pattern).groups < groups:
            raise wrong(profile, name, "has no group")
    cancellations: object = profile.cancellations
    if cancellations is not None:
        if not (isinstance(cancellations, tuple) and len(cancellations) == 2 and all(map(_is_text, cancellations))):  # noqa: PLR2004
            raise wrong(profile, "cancellations", "must be a column and a regular expression")
        _compiled(profile, "cancellations", cancellations[1])
    delimiter: object = profile.delimiter
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n ':
        raise wrong(profile, "delimiter", "must be one character, neither a quotation mark, a blank nor a line break")
    try:
        TextIOWrapper(BytesIO(), str(profile.encoding))  # None would be the encoding of the system
    except (LookupError, ValueError):
        raise wrong(profile, "encoding", "Python knows no such encoding of text") from None


def _compiled(profile: CsvProfile, field: str, pattern: object) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise wrong(profile, field, "is not a regular expression")
    try:
        return re.compile(pattern)
    except re.error:
        raise wrong(profile, field, "is not a regular expression") from None


def _check_times(profile: CsvProfile) -> None:
    for form in profile.time_formats:
        if form in EPOCH_FORMATS:
            continue
        try:
            datetime.strptime(_EXAMPLE.strftime(form), form)  # noqa: DTZ007 - only the format is checked
        except (TypeError, ValueError, re.error):
            raise wrong(profile, "time_formats", f"{form!r} is not a format of strptime") from None
        if "%Z" in form:  # strptime ignores what it reads there
            raise wrong(profile, "time_formats", "has %Z; name the zones and their offsets in zone_names instead")
    for name, offset in profile.zone_names.items():
        try:
            datetime.strptime(offset, "%z")
        except (TypeError, ValueError):
            raise wrong(profile, "zone_names", f'the offset of {name!r} must be a text such as "-05:00"') from None


def _check_exec_id(profile: CsvProfile) -> None:
    try:
        names = {name for _, name, _, _ in Formatter().parse(profile.exec_id) if name is not None}
    except (TypeError, ValueError):
        raise wrong(profile, "exec_id", "is not a template with the names of fields in braces") from None
    allowed = {"account_id", "time", "instrument", "action", _ORDINAL} | ({"exec_id"} & {*profile.columns})
    if names - allowed:
        raise wrong(profile, "exec_id", f"may contain only {', '.join(sorted(allowed))}")
    if "exec_id" not in names and not {"account_id", "time", _ORDINAL} <= names:
        # Identical fills exist, and two accounts may trade alike (wealthfolio#1035, rotki#9779).
        raise wrong(profile, "exec_id", "without the broker's identifier, it needs {account_id}, {time} and {ordinal}")
