"""A setting comes back from its column of text as the value and the type that it was."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from zorivest_async.domain import settings
from zorivest_async.domain.settings import Setting, decode_setting, encode_setting
from zorivest_async.domain.validation import MAX_TEXT_LENGTH
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
CONTAINERS = st.lists(NESTED) | st.dictionaries(TEXT, NESTED)


class _Level(IntEnum):
    HIGH = 3

    def __str__(self) -> str:
        return "high"


class _Theme(StrEnum):
    DARK = "dark"


class _Float(float):
    __slots__ = ()


class _Pair(NamedTuple):
    left: int
    right: int


@pytest.fixture
def most_digits() -> Iterator[int]:
    """Set Python's default limit on the digits of integers, and afterwards whatever it was before."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(4300)
    yield 4300
    sys.set_int_max_str_digits(before)


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "stored", "value_type"),
    [
        ("dark", "dark", "str"),
        ("", "", "str"),
        ("true", "true", "str"),
        (7, "7", "int"),
        (-(2**200), str(-(2**200)), "int"),
        (True, "true", "bool"),
        (False, "false", "bool"),
        (0.1, "0.1", "float"),
        (-0.0, "-0.0", "float"),
        (1e300, "1e+300", "float"),
        (None, "null", "json"),
        ([], "[]", "json"),
        ({"a": [1, 2.0, None, "é"]}, '{"a": [1, 2.0, null, "é"]}', "json"),
    ],
    ids=repr,
)
def test_each_type_has_one_stored_form(value: Any, stored: str, value_type: str) -> None:
    """The forms are in users' files: they do not change from release to release."""
    assert encode_setting(value) == (stored, value_type)
    assert repr(decode_setting(stored, value_type)) == repr(value)


@given(TEXT | st.booleans() | st.integers(-(2**4000), 2**4000))
@hypothesis_settings(deadline=None)
def test_text_flags_and_integers_come_back_as_they_were(value: str | bool | int) -> None:
    """Whatever the size of the integer, and whatever the text looks like."""
    again = decode_setting(*encode_setting(value))
    assert again == value
    assert type(again) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
@hypothesis_settings(deadline=None)
def test_floats_come_back_bit_for_bit(value: float) -> None:
    """The sign of zero and the last bit included, on their own and within JSON."""
    again, nested = decode_setting(*encode_setting(value)), decode_setting(*encode_setting([value]))
    assert isinstance(again, float)
    assert isinstance(nested, list)
    assert struct.pack(">d", again) == struct.pack(">d", nested[0]) == struct.pack(">d", value)


@given(CONTAINERS)
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_json_comes_back_as_it_was(value: Any) -> None:
    """Lists and dicts of everything that JSON has, in their order, with ints as ints and floats as floats."""
    stored, value_type = encode_setting(value)
    assert value_type == "json"
    assert repr(decode_setting(stored, value_type)) == repr(value)
    assert Setting("columns", value, "json", NOON).value == value


def test_the_longest_integer_is_pythons(most_digits: int) -> None:
    """Python refuses to print or read longer ones, so they are refused before they are stored."""
    longest = 10**most_digits - 1
    assert decode_setting(*encode_setting(longest)) == longest
    with pytest.raises(ValidationError, match=r"^Setting\.value has too many digits$"):
        encode_setting(longest + 1)
    with pytest.raises(ValidationError):
        encode_setting([longest + 1])
    with pytest.raises(ValidationError):
        decode_setting("9" * (most_digits + 1), "int")


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, [math.nan], {"a": [math.inf]}, (), (1, 2), [(1, 2)], [_Pair(1, 2)], {"a": ()}),
        *({1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, [{1: "a"}], {"1": "a", 1: "b"}, {1, 2}, [{1}], b"x", [b"x"]),
        *(1j, object(), datetime(2026, 3, 2, tzinfo=UTC), [object()], range(3), int, _circular(), _deep(100_000)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_equal_is_refused(value: Any) -> None:
    """Tuples would become lists, integer keys strings; sets, bytes, nan and circles have no JSON at all."""
    with pytest.raises(ValidationError) as caught:
        encode_setting(value)
    assert (caught.value.entity, caught.value.field) == ("Setting", "value")
    assert caught.value.problem.startswith("must ")


@pytest.mark.parametrize("value", ["a\0", "\ud800", ["\ud800"], {"\udfff": 1}, ["\ud83d\ude00"]], ids=ascii)
def test_text_that_cannot_be_stored_is_refused_within_json_too(value: Any) -> None:
    """A lone surrogate has no UTF-8; a NUL within JSON is written as an escape and does no harm."""
    with pytest.raises(ValidationError):
        encode_setting(value)
    assert decode_setting(*encode_setting(["a\0"])) == ["a\0"]


def test_what_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored form has the length of the longest text field at most, whatever its type."""
    longest = "x" * MAX_TEXT_LENGTH
    assert encode_setting(longest) == (longest, "str")
    for too_long in (f"{longest}x", [longest], {longest: None}):
        with pytest.raises(ValidationError, match="must have at most 1,000,000 characters"):
            encode_setting(too_long)
    monkeypatch.setattr(settings, "MAX_TEXT_LENGTH", 100)
    with pytest.raises(ValidationError, match="must have at most 100 characters when stored"):
        encode_setting(10**100)


@pytest.mark.parametrize(
    ("stored", "value_type"),
    [
        *(("", "int"), ("x", "int"), ("1.0", "int"), ("0x10", "int"), ("true", "int"), ("9" * 5000, "int")),
        *(
            ("", "float"),
            ("x", "float"),
            ("nan", "float"),
            ("inf", "float"),
            ("-Infinity", "float"),
            ("1e999", "float"),
        ),
        *(("", "bool"), ("True", "bool"), ("1", "bool"), ("0", "bool"), ("yes", "bool")),
        *(("", "json"), ("{", "json"), ("{'a': 1}", "json"), ("[1,]", "json"), ("[" * 100_000, "json")),
        *(("NaN", "json"), ("[Infinity]", "json"), ('{"a": -Infinity}', "json"), ("[1e999]", "json")),
        *(("x", ""), ("x", "STR"), ("x", "text"), ("x", "bytes")),
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_garbage_is_refused(stored: str, value_type: str, most_digits: int) -> None:
    """A text that is not of the type it claims raises the library's own error, without the text."""
    assert most_digits < 5000
    with pytest.raises(ValidationError) as caught:
        decode_setting(stored, value_type)
    assert str(caught.value) == "Setting.value is stored in a form that does not match its value_type"


@given(st.text(), st.sampled_from(["str", "int", "float", "bool", "json"]) | st.text())
@hypothesis_settings(deadline=None)
def test_any_text_is_decoded_or_refused(stored: str, value_type: str) -> None:
    """No stored text, whoever wrote it, raises anything but the library's own error."""
    try:
        value = decode_setting(stored, value_type)
    except ValidationError:
        return
    assert value_type == "json" or type(value).__name__ == value_type


VALUES: dict[str, Any] = {"str": "1", "int": 1, "float": 1.0, "bool": True, "json": [1]}


@pytest.mark.parametrize("named", VALUES)
@pytest.mark.parametrize("actual", VALUES)
def test_a_value_type_names_the_type_of_its_value(named: str, actual: str) -> None:
    """Nothing is converted: a flag is no integer, an integer no float, a string of digits no number."""
    if named == actual:
        assert Setting("k", VALUES[actual], named, NOON).value == VALUES[actual]
    else:
        with pytest.raises(ValidationError, match=r"^Setting\.value_type does not name the type of the value$"):
            Setting("k", VALUES[actual], named, NOON)


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (_Theme.DARK, "dark"),
        (_Level.HIGH, 3),
        (_Float(0.5), 0.5),
        (OrderedDict(a=1), {"a": 1}),
        ([_Theme.DARK, _Level.HIGH, _Float(0.5)], ["dark", 3, 0.5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_setting_keeps_plain_types(given_value: Any, kept: Any) -> None:
    """What was saved equals what is read, in type as well: no enum members, no subclasses."""
    setting = Setting("k", given_value, encode_setting(kept)[1], NOON)
    assert repr(setting.value) == repr(kept)
    assert type(setting.value) is type(kept)


def test_a_setting_does_not_share_its_container() -> None:
    """Changing a list afterwards does not change the setting that was made from it."""
    columns = ["time", {"width": 3}]
    setting = Setting("columns", columns, "json", NOON)
    columns.append("price")
    assert isinstance(columns[1], dict)
    columns[1]["width"] = 4
    assert setting.value == ["time", {"width": 3}]
    assert json.loads(encode_setting(setting.value)[0]) == setting.value
