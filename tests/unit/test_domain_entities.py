"""Entities have the shape that the contract gives them, and are plain values that nobody can change."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from dataclasses import FrozenInstanceError, asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest

import zorivest_async
from zorivest_async import ValidationError
from zorivest_async.domain.entities import (
    Account,
    BalanceSnapshot,
    ImageAttachment,
    ImageInfo,
    Import,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.enums import (
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    PlanStatus,
    TradeAction,
)
from zorivest_async.domain.imports import ImportKind, ImportRow
from zorivest_async.domain.queries import Page, SaveResult, TradeFilter
from zorivest_async.domain.settings import MarketProviderSetting, Setting

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)

CONTRACT: dict[type[Any], str] = {
    Trade: (
        "exec_id, time, instrument, action, quantity, price, account_id, commission=0.0, realized_pnl=0.0, "
        "currency=None, multiplier=1.0, asset_class=None, fees=0.0, commission_currency=None, notes=None, "
        "order_id=None, result_after_costs=None"
    ),
    Account: (
        'account_id, name, account_type, institution=None, currency="USD", is_tax_advantaged=False, notes=None, '
        "created_at=now"
    ),
    ImageAttachment: (
        'data, owner_type=ImageOwnerType.TRADE, owner_id="", id=None, thumbnail=None, mime_type="image/png", '
        "caption=None, width=None, height=None, file_size=None, created_at=now"
    ),
    ImageInfo: (
        'owner_type=ImageOwnerType.TRADE, owner_id="", id=None, thumbnail=None, mime_type="image/png", '
        "caption=None, width=None, height=None, file_size=None, created_at=now"
    ),
    TradeReport: (
        "trade_id, setup_quality=None, execution_quality=None, followed_plan=None, emotional_state=None, "
        "lessons_learned=None, tags=(), id=None, created_at=now"
    ),
    TradePlan: (
        "ticker, direction, conviction, strategy_name=None, strategy_description=None, entry_price=None, "
        "stop_loss=None, target_price=None, entry_conditions=None, exit_conditions=None, timeframe=None, "
        "status=PlanStatus.DRAFT, linked_trade_id=None, account_id=None, id=None, created_at=now, updated_at=None"
    ),
    Watchlist: "name, description=None, items=(), id=None, created_at=now, updated_at=None",
    WatchlistItem: "ticker, watchlist_id=None, notes=None, id=None, added_at=now",
    BalanceSnapshot: "account_id, datetime, balance, id=None",
    Import: ("source, sha256, profile=None, imported_at=now, inserted=0, duplicate=0, updated=0, failed=0, id=None"),
    Setting: "key, value, value_type, updated_at",
    MarketProviderSetting: (
        "provider_name, api_key=None, rate_limit=5, timeout=30, is_enabled=False, last_tested_at=None, "
        "last_test_status=None, created_at=now, updated_at=None"
    ),
    TradeFilter: (
        "account_id=None, instrument=None, action=None, since=None, until=None, search=None, tag=None, "
        "asset_class=None, currency=None, strategy=None"
    ),
}

EXAMPLES: list[Any] = [
    Import("a.csv", "0" * 64, "exchange", NOON, 1, 2, 3, 4, 5),
    Trade(
        *(
            "0001",
            NOON,
            "SPY",
            TradeAction.BOT,
            100,
            619.61,
            "U1",
            1.02,
            -3.5,
            "EUR",
            100,
            AssetClass.OPTION,
            0.35,
            "USD",
        ),
        *("late", "order 7", False),
    ),
    Account("U1", "margin", AccountType.BROKER, "IBKR", "EUR", True, "notes", NOON),
    ImageAttachment(
        b"original", ImageOwnerType.PLAN, "7", 3, b"small", "image/webp", "entry", 640, 480, len(b"original"), NOON
    ),
    ImageInfo(ImageOwnerType.PLAN, "7", 3, b"small", "image/webp", "entry", 640, 480, 8, NOON),
    TradeReport("0001", 4, 5, False, "calm", "wait", ("gap", "late"), 2, NOON),
    TradePlan(
        *("SPY", TradeAction.SLD, ConvictionLevel.MAX, "fade", "idea", 620.0, 625.5, 610.0, "gap", "fill", "5m"),
        *(PlanStatus.ACTIVE, "0001", "U1", 9, NOON, LATER),
    ),
    Watchlist("gaps", "daily", (WatchlistItem("SPY", 4, "why", 8, NOON),), 4, NOON, LATER),
    WatchlistItem("SPY", 4, "why", 8, NOON),
    BalanceSnapshot("U1", NOON, -250.25, 6),
    Setting("theme", "dark", "str", NOON),
    MarketProviderSetting("Alpha Vantage", "a-key", 60, 10, True, NOON, "success", NOON, LATER),
    TradeFilter("U1", "SPY", TradeAction.BOT, NOON, LATER, "sp", "gap", AssetClass.ETF, "EUR", "fade"),
]


def _name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _default(default: object) -> str:
    if repr(default) == "<factory>":
        return "=now"
    if isinstance(default, Enum):
        return f"={type(default).__name__}.{default.name}"
    return "=" + (json.dumps(default) if isinstance(default, str) else repr(default))


@pytest.mark.parametrize("cls", CONTRACT, ids=_name)
def test_fields_come_in_the_contracts_order_with_its_defaults(cls: type[Any]) -> None:
    """An entity is built by position or keyword, in the order and with the defaults that the contract lists."""
    parameters = inspect.signature(cls).parameters.values()
    empty = inspect.Parameter.empty
    listed = ", ".join(p.name + ("" if p.default is empty else _default(p.default)) for p in parameters)
    assert listed == CONTRACT[cls]
    assert {p.kind for p in parameters} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert [field.name for field in dataclasses.fields(cls)] == [p.name for p in parameters]


def test_every_entity_is_in_the_contract_and_has_an_example() -> None:
    """The tables of this file leave no entity out."""
    public = {getattr(zorivest_async, name) for name in zorivest_async.__all__}
    assert set(CONTRACT) == {cls for cls in public if isinstance(cls, type) and issubclass(cls, Entity)}
    assert set(CONTRACT) == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_fields_keep_what_they_were_given(example: Any) -> None:
    """No default stands in for a value that was given: every optional field of the examples differs from its own."""
    for field in dataclasses.fields(example):
        assert getattr(example, field.name) != field.default


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"sha256": "0" * 63}, "sha256"), ({"sha256": "A" * 64}, "sha256"), ({"failed": -1}, "failed")],
)
def test_an_import_has_a_hash_and_counts(changes: dict[str, Any], field: str) -> None:
    """Others are refused by name."""
    with pytest.raises(ValidationError, match=field):
        Import(**{"source": "a.csv", "sha256": "0" * 64, **changes})


@pytest.mark.parametrize(
    "changes", [{"kind": "other"}, {"hash_after": "0"}, {"before": "\0"}, {"before": 1}, {"import_id": 0}]
)
def test_a_row_of_an_import_is_checked(changes: dict[str, Any]) -> None:
    """It may come from another person's journal."""
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ImportRow(**{"import_id": 1, "kind": ImportKind.INSERTED, "key": "a", **changes})


@pytest.mark.parametrize(
    ("cls", "arguments", "field"),
    [
        (Account, ("U1", "margin", "broker"), "created_at"),
        (ImageAttachment, (b"x",), "created_at"),
        (ImageInfo, (), "created_at"),
        (TradeReport, ("0001",), "created_at"),
        (TradePlan, ("SPY", "BOT", "low"), "created_at"),
        (Watchlist, ("gaps",), "created_at"),
        (Import, ("a.csv", "0" * 64), "imported_at"),
        (WatchlistItem, ("SPY",), "added_at"),
        (MarketProviderSetting, ("Polygon",), "created_at"),
    ],
    ids=_name,
)
def test_a_record_is_made_now_unless_it_says_otherwise(cls: type[Any], arguments: tuple[Any, ...], field: str) -> None:
    """The default is the moment of construction, aware and in UTC, not the moment of import."""
    before = datetime.now(UTC)
    made = getattr(cls(*arguments), field)
    assert before <= made <= datetime.now(UTC)
    assert made.tzinfo is UTC
    assert "=now" in CONTRACT[cls]


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_a_field_can_be_neither_assigned_nor_deleted(example: Any) -> None:
    """Entities are frozen."""
    for field in dataclasses.fields(example):
        with pytest.raises(FrozenInstanceError):
            setattr(example, field.name, getattr(example, field.name))
        with pytest.raises(FrozenInstanceError):
            delattr(example, field.name)


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_an_entity_has_slots_and_no_dict(example: Any) -> None:
    """A listing of thousands pays for the fields alone, and a misspelt attribute has nowhere to go."""
    assert not hasattr(example, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        example.misspelt = 1


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_equal_entities_have_equal_hashes(example: Any) -> None:
    """An entity serves as a member of a set or the key of a dict."""
    twin = copy.deepcopy(example)
    assert twin == example
    assert {example, twin} == {example}


@pytest.mark.parametrize("value", [["a"], {"a": 1}], ids=["list", "dict"])
def test_a_setting_that_holds_a_container_has_no_hash(value: object) -> None:
    """A list cannot be hashed, so neither can what compares by it."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Setting("columns", value, "json", NOON))  # type: ignore[arg-type]


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_row_numbers_and_nothing_else_take_no_part_in_equality(example: Any) -> None:
    """A stored entity equals the one it was made from; any other difference makes it another."""
    names = {field.name for field in dataclasses.fields(example)}
    row_numbers = names & {"id", "watchlist_id"}
    assert {field.name for field in dataclasses.fields(example) if not field.compare} == row_numbers
    for name in row_numbers:
        renumbered = dataclasses.replace(example, **{name: 77})
        assert getattr(renumbered, name) == 77
        assert renumbered == example
        assert hash(renumbered) == hash(example)


def test_entities_of_different_kinds_are_never_equal() -> None:
    """Two kinds with the same contents stay apart."""
    info = ImageInfo(created_at=NOON, file_size=1)
    assert len({info, ImageAttachment(b"x", created_at=NOON)}) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_an_entity_survives_pickling(example: Any) -> None:
    """A worker process gets the same entity, row numbers included, whatever the protocol."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(example, protocol))  # noqa: S301 - its own bytes
        assert type(again) is type(example)
        assert dataclasses.astuple(again) == dataclasses.astuple(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, dataclasses.replace], ids=["copy", "deep", "replace"])
def test_a_copy_has_the_same_fields(example: Any, duplicate: Any) -> None:
    """Copies, and a replacement of nothing, carry every field over, row numbers included."""
    again = duplicate(example)
    assert type(again) is type(example)
    assert dataclasses.astuple(again) == dataclasses.astuple(example)


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_a_repr_shows_the_fields_but_no_bytes_and_no_key(example: Any) -> None:
    """The person who holds an entity may look at it, except at image bytes and API keys."""
    shown = repr(example)
    assert shown.startswith(f"{type(example).__name__}(")
    assert not any(hidden in shown for hidden in ("a-key", "original", "small", "data=", "thumbnail="))


def test_image_info_is_an_attachment_without_its_data() -> None:
    """The two differ in ``data`` alone, so a gallery can show either."""
    assert CONTRACT[ImageAttachment] == f"data, {CONTRACT[ImageInfo]}"
    assert ImageInfo.__dataclass_fields__.keys() == ImageAttachment.__dataclass_fields__.keys() - {"data"}


def test_results_have_names_and_harmless_defaults() -> None:
    """A bulk save that did nothing counts zeros, and a page is the last one unless it says how to go on."""
    assert asdict(SaveResult()) == {"inserted": 0, "skipped": 0, "updated": 0}
    assert asdict(Page([1, 2])) == {"items": [1, 2], "next": None}
    assert (SaveResult(1), Page([1], "2")) == (SaveResult(1), Page([1], "2"))


@pytest.mark.parametrize(("result", "name"), [(SaveResult(), "inserted"), (Page([1]), "items")])
def test_results_are_values_like_entities(result: object, name: str) -> None:
    """They are frozen, and no tuples, which JSON writes without names."""
    assert not isinstance(result, tuple)
    assert copy.deepcopy(result) == result
    with pytest.raises(FrozenInstanceError):
        setattr(result, name, None)


def test_a_field_without_a_rule_is_a_mistake_in_the_class() -> None:
    """A new entity cannot forget to say what its field may hold."""

    @dataclass(frozen=True, slots=True)
    class Unruled(Entity):
        anything: bytearray

    with pytest.raises(TypeError, match="no rule for a field of type"):
        Unruled(bytearray(b"x"))
