"""Vocabularies, and rules that tie one field to another."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zorivest_async.domain.entities import ImageAttachment, ImageInfo, Watchlist, WatchlistItem
from zorivest_async.domain.enums import AccountType, ConvictionLevel, ImageOwnerType, PlanStatus, TradeAction
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from enum import StrEnum

VOCABULARIES: dict[type[StrEnum], dict[str, str]] = {
    TradeAction: {"BOT": "BOT", "SLD": "SLD"},
    AccountType: {
        "BROKER": "broker",
        "BANK": "bank",
        "REVOLVING": "revolving",
        "INSTALLMENT": "installment",
        "IRA": "ira",
        "K401": "401k",
    },
    ConvictionLevel: {"LOW": "low", "MEDIUM": "medium", "HIGH": "high", "MAX": "max"},
    PlanStatus: {
        "DRAFT": "draft",
        "ACTIVE": "active",
        "EXECUTED": "executed",
        "EXPIRED": "expired",
        "CANCELLED": "cancelled",
    },
    ImageOwnerType: {"TRADE": "trade", "REPORT": "report", "PLAN": "plan"},
}


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.__name__)
def test_members_are_the_strings_that_are_stored(vocabulary: type[StrEnum]) -> None:
    """Names, values and their order are fixed: they are in users' files and users' code."""
    assert {name: member.value for name, member in vocabulary.__members__.items()} == VOCABULARIES[vocabulary]
    assert list(vocabulary) == list(VOCABULARIES[vocabulary].values())


@pytest.mark.parametrize("member", [member for vocabulary in VOCABULARIES for member in vocabulary])
def test_a_member_behaves_as_its_string(member: StrEnum) -> None:
    """A member compares, prints and serialises as its value, and stays the same object through pickling."""
    assert member == member.value
    assert f"{member}" == str(member) == member.value
    assert json.dumps(member) == json.dumps(member.value)
    assert pickle.loads(pickle.dumps(member)) is member  # noqa: S301 - its own bytes


def test_a_refused_member_is_answered_with_the_vocabulary() -> None:
    """The error says which words there are."""
    with pytest.raises(ValidationError) as caught:
        ImageAttachment(b"x", "account")  # type: ignore[arg-type]
    assert str(caught.value) == "ImageAttachment.owner_type must be one of: trade, report, plan"


def test_file_size_follows_from_the_data() -> None:
    """An attachment counts its own bytes."""
    assert ImageAttachment(b"12345").file_size == 5
    assert ImageAttachment(bytearray(b"12345"), file_size=5).file_size == 5  # type: ignore[arg-type]


def test_file_size_cannot_contradict_the_data() -> None:
    """A size that is not the data's is refused, also when the data are replaced under it."""
    with pytest.raises(ValidationError, match=r"^ImageAttachment\.file_size must be the number of bytes in data"):
        ImageAttachment(b"12345", file_size=4)
    with pytest.raises(ValidationError, match="file_size"):
        replace(ImageAttachment(b"12345"), data=b"123")
    assert replace(ImageAttachment(b"12345"), data=b"123", file_size=None).file_size == 3


def test_image_info_believes_the_size_it_is_given() -> None:
    """Without the data there is nothing to compare a size with."""
    assert ImageInfo(file_size=123).file_size == 123
    assert ImageInfo().file_size is None


def test_mutable_bytes_are_copied() -> None:
    """Changing a buffer afterwards does not change the attachment that was made from it."""
    buffer = bytearray(b"12345")
    image = ImageAttachment(buffer, thumbnail=memoryview(buffer))  # type: ignore[arg-type]
    buffer[0] = 0
    assert image.data == image.thumbnail == b"12345"


def test_items_are_copied_in_order() -> None:
    """Changing a list afterwards does not change the watchlist that was made from it."""
    items = [WatchlistItem("SPY"), WatchlistItem("QQQ"), WatchlistItem("SPY")]
    watchlist = Watchlist("gaps", items=items)  # type: ignore[arg-type]
    items.reverse()
    items.clear()
    assert [item.ticker for item in watchlist.items] == ["SPY", "QQQ", "SPY"]


def test_watchlists_are_equal_however_their_items_are_numbered() -> None:
    """Storing gives rows their numbers and changes nothing else."""
    item = WatchlistItem("SPY")
    listed = Watchlist("gaps", items=(item,))
    assert replace(listed, id=4, items=(replace(item, id=9, watchlist_id=4),)) == listed
    assert replace(listed, items=(item, item)) != listed
