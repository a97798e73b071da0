"""Text goes through unchanged, or is refused because SQLite would change it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zorivest_async.domain.entities import Account, TradeReport
from zorivest_async.domain.enums import AccountType, TradeAction
from zorivest_async.domain.validation import MAX_TEXT_LENGTH
from zorivest_async.errors import ValidationError
from zorivest_async.security.secret import MASK, MaskedSecret

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SURROGATES = st.characters(categories=["Cs"])
WHITE = " \t\n\r\v\f\x1c\x85\xa0\u2003\u2028\u3000"


class _Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class _Word(StrEnum):
    CALM = "calm"


def _account(**changes: Any) -> Account:
    return Account(**{"account_id": "U1", "name": "margin", "account_type": AccountType.BROKER} | changes)


def _problem(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        _account(**changes)
    assert [caught.value.field] == list(changes)
    return caught.value.problem


@given(STORABLE)
@settings(deadline=None)
def test_text_is_kept_character_for_character(value: str) -> None:
    """Control characters, line ends, combining marks and emoji stay as they are; nothing is normalised or stripped."""
    assert _account(notes=value).notes == value
    assert _account(name=f"x{value}").name == f"x{value}"


@given(STORABLE, STORABLE)
@settings(deadline=None)
def test_nul_is_refused_wherever_it_stands(before: str, after: str) -> None:
    """SQLite's own functions stop at a NUL."""
    assert _problem(notes=f"{before}\0{after}") == "must not contain NUL characters"


@given(STORABLE, SURROGATES, STORABLE)
@settings(deadline=None)
def test_a_lone_surrogate_is_refused_wherever_it_stands(before: str, surrogate: str, after: str) -> None:
    """It has no UTF-8 form, and a pair of them is not the character they would mean in UTF-16."""
    assert _problem(notes=f"{before}{surrogate}{after}") == "must not contain lone surrogates"
    assert _problem(notes="\ud83d\ude00") == "must not contain lone surrogates"


@pytest.mark.parametrize("character", ["x", "é", "\U0001f4c8"], ids=["ascii", "latin", "astral"])
def test_length_is_counted_in_characters(character: str) -> None:
    """A text of the largest length is kept, and one character more is refused, whatever its bytes."""
    assert MAX_TEXT_LENGTH == 1_000_000
    longest = character * MAX_TEXT_LENGTH
    assert _account(notes=longest).notes == longest
    assert _problem(notes=longest + character) == "must have at most 1,000,000 characters"


@given(st.text(WHITE, max_size=4))
@settings(deadline=None)
def test_an_identifier_has_something_in_it(blank: str) -> None:
    """Nothing, and nothing but white space of any kind, identifies nothing."""
    assert _problem(account_id=blank) == "must not be empty"
    assert _problem(name=blank) == "must not be empty"
    assert _account(account_id=f"{blank}U1{blank}").account_id == f"{blank}U1{blank}"


@pytest.mark.parametrize("field", ["account_id", "name", "institution", "notes", "currency"])
def test_a_subclass_of_str_becomes_a_plain_string(field: str) -> None:
    """The characters count, not what the subclass would print."""
    kept = getattr(_account(**{field: _Loud("USD")}), field)
    assert kept == "USD"
    assert type(kept) is str
    assert _account(notes=_Loud("quiet")).notes == "quiet"


def test_an_enum_member_becomes_its_value() -> None:
    """A member of anyone's string enum is text like any other, and so is a tag."""
    report = TradeReport("0001", emotional_state=_Word.CALM, tags=(_Word.CALM, TradeAction.BOT))
    assert repr((report.emotional_state, report.tags)) == "('calm', ('calm', 'BOT'))"


def test_a_masked_secret_in_a_text_field_is_its_mask() -> None:
    """A key that strays into a note is lost, not shown."""
    kept = _account(notes=MaskedSecret("a-key")).notes
    assert kept == MASK
    assert type(kept) is str


@pytest.mark.parametrize(
    "value", ["usd", "Usd", "U", "ABCDEFGHIJKLM", "U D", "US$", "\u0410\u0412\u0421", "ÜSD", "US\u0664", "USD\n", ""]
)
def test_a_currency_is_2_to_12_capital_letters_or_digits(value: str) -> None:
    """An ISO 4217 code or a ticker, and no list of them: they come and go."""
    assert _problem(currency=value) == 'must be 2 to 12 capital letters or digits, such as "USD" or "USDT"'


@pytest.mark.parametrize("value", ["USD", "XBT", "USDT", "1INCH", "OX", "ABCDEFGHIJKL"])
def test_money_and_coins_are_currencies(value: str) -> None:
    """Accounts and trades may be in either."""
    assert _account(currency=value).currency == value


@given(st.lists(STORABLE.filter(str.strip)))
@settings(deadline=None)
def test_tags_are_kept_in_their_order(tags: list[str]) -> None:
    """Repetitions stay: a journal is not corrected behind the trader's back."""
    assert TradeReport("0001", tags=tags).tags == tuple(tags)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [list, tuple, iter, lambda tags: (tag for tag in tags), dict.fromkeys])
def test_tags_come_from_any_iterable(make: Any) -> None:
    """Lists, generators and the keys of a dict will do, and a list that changes afterwards changes nothing."""
    assert TradeReport("0001", tags=make(["gap", "late"])).tags == ("gap", "late")


@pytest.mark.parametrize("value", ["gap", "", b"gap", _Loud("gap"), _Word.CALM, MaskedSecret("gap"), 5, None])
def test_one_string_is_not_a_sequence_of_tags(value: Any) -> None:
    """The letters of a word are not tags."""
    with pytest.raises(ValidationError, match=r"^TradeReport\.tags must be a sequence of strings$"):
        TradeReport("0001", tags=value)


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ("", "must not be empty"),
        (" \t", "must not be empty"),
        (5, "must be a string, not int"),
        (None, "must be a string, not NoneType"),
        (["gap"], "must be a string, not list"),
        ("a\0", "must not contain NUL characters"),
        ("\udc00", "must not contain lone surrogates"),
    ],
    ids=repr,
)
def test_each_tag_is_checked(tag: Any, problem: str) -> None:
    """One wrong tag among good ones is enough."""
    with pytest.raises(ValidationError) as caught:
        TradeReport("0001", tags=("gap", tag))
    assert (caught.value.field, caught.value.problem) == ("tags", problem)
