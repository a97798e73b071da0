"""Every field of every entity follows its kind's rule; what is refused is named without being shown."""

from __future__ import annotations

import dataclasses
import traceback
from collections import UserString
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async.domain.entities import (
    Account,
    BalanceSnapshot,
    ImageAttachment,
    ImageInfo,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.enums import (
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    PlanStatus,
    TradeAction,
)
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.domain.settings import MarketProviderSetting, Setting
from zorivest_async.errors import ValidationError, ZorivestError
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ITEM = WatchlistItem("SPY", added_at=NOON)
TOO_LONG = "x" * 1_000_001


class _Text(str):
    __slots__ = ()


class _Float(float):
    __slots__ = ()


class _Bytes(bytes):
    __slots__ = ()


class _Count(IntEnum):
    ONE = 1


class _Datetime(datetime):
    pass


def _kinds(listed: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in listed.split())


# The kind of each field; a question mark where None passes.
KINDS: dict[type[Any], dict[str, str]] = {
    Trade: _kinds(
        "exec_id:identifier time:moment instrument:identifier action:action quantity:positive price:number "
        "account_id:identifier commission:number realized_pnl:number? currency:currency? multiplier:positive "
        "asset_class:asset? fees:number commission_currency:currency? notes:text? order_id:identifier? "
        "result_after_costs:flag?"
    ),
    Account: _kinds(
        "account_id:identifier name:identifier account_type:account institution:text? currency:currency "
        "is_tax_advantaged:flag notes:text? created_at:moment"
    ),
    ImageAttachment: _kinds(
        "data:blob owner_type:owner owner_id:text id:size? thumbnail:blob? mime_type:identifier caption:text? "
        "width:size? height:size? file_size:size? created_at:moment"
    ),
    ImageInfo: _kinds(
        "owner_type:owner owner_id:text id:size? thumbnail:blob? mime_type:identifier caption:text? "
        "width:size? height:size? file_size:size? created_at:moment"
    ),
    TradeReport: _kinds(
        "trade_id:identifier setup_quality:rating? execution_quality:rating? followed_plan:flag? "
        "emotional_state:text? lessons_learned:text? tags:tags id:size? created_at:moment"
    ),
    TradePlan: _kinds(
        "ticker:identifier direction:action conviction:conviction strategy_name:text? strategy_description:text? "
        "entry_price:number? stop_loss:number? target_price:number? entry_conditions:text? exit_conditions:text? "
        "timeframe:text? status:status linked_trade_id:identifier? account_id:identifier? id:size? "
        "created_at:moment updated_at:moment?"
    ),
    Watchlist: _kinds("name:identifier description:text? items:items id:size? created_at:moment updated_at:moment?"),
    WatchlistItem: _kinds("ticker:identifier watchlist_id:size? notes:text? id:size? added_at:moment"),
    BalanceSnapshot: _kinds("account_id:identifier datetime:moment balance:number id:size?"),
    Setting: _kinds("key:identifier value:value value_type:value_type updated_at:moment"),
    MarketProviderSetting: _kinds(
        "provider_name:identifier api_key:key? rate_limit:size timeout:size is_enabled:flag last_tested_at:moment? "
        "last_test_status:text? created_at:moment updated_at:moment?"
    ),
    TradeFilter: _kinds(
        "account_id:identifier? instrument:identifier? action:action? since:moment? until:moment? search:text? "
        "tag:text? asset_class:asset? currency:currency? strategy:text?"
    ),
}

# Of each kind: pairs of what is given and what is kept, the first of which build() uses; then what is refused.
NOT_TEXT: list[Any] = [5, b"SPY", ["SPY"], UserString("SPY"), "a\0b", "\0", "a\ud800", "\udfff", TOO_LONG]
NOT_A_NUMBER: list[Any] = [
    *(float("nan"), float("inf"), float("-inf"), _Float("nan"), True, False, "1.5", b"1", 1j, [1.0]),
    *(Decimal("12345678901.12345678"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e400")),
    *(2**53 + 1, 10**400, Fraction(1, 3)),
]
NUMBERS: list[tuple[Any, Any]] = [(1.5, 1.5), (7, 7.0), (Decimal("0.1"), 0.1), (Fraction(1, 4), 0.25), (_Float(2), 2.0)]
RULES: dict[str, tuple[list[tuple[Any, Any]], list[Any]]] = {
    "identifier": ([("U1", "U1"), (_Text("é"), "é"), (" a ", " a ")], [*NOT_TEXT, "", " ", "\t\n", "\u3000"]),
    "text": ([("why", "why"), (_Text("ü"), "ü"), ("", ""), (TradeAction.BOT, "BOT")], NOT_TEXT),
    "currency": (
        [("EUR", "EUR"), (_Text("USD"), "USD"), ("1INCH", "1INCH"), ("OX", "OX"), ("A" * 12, "A" * 12)],
        [*NOT_TEXT, "", "usd", "U", "ÉUR", "US ", "US\n", "U-D", "\uff35\uff33\uff24", "A" * 13],
    ),
    "number": ([*NUMBERS, (-0.0, 0.0), (-3, -3.0), (2**60, float(2**60))], NOT_A_NUMBER),
    "positive": ([*NUMBERS, (5e-324, 5e-324)], [*NOT_A_NUMBER, 0, 0.0, -0.0, -1, Decimal("-0.1")]),
    "rating": ([(n, n) for n in range(1, 6)] + [(_Count.ONE, 1)], [0, 6, 7, -1, True, 3.0, "3", Decimal(3), 2**70]),
    "size": ([(1, 1), (_Count.ONE, 1)], [0, -1, True, 2.0, "2", 2**63, b"1"]),
    "flag": ([(True, True), (False, False)], [0, 1, "no", "", 1.0]),
    "moment": (
        [
            (NOON, NOON),
            (datetime(2026, 3, 2, 12), NOON),  # noqa: DTZ001 - naive on purpose
            (datetime(2026, 3, 2, 7, tzinfo=timezone(timedelta(hours=-5))), NOON),
            (_Datetime(2026, 3, 2, 12, tzinfo=UTC), NOON),
        ],
        [
            *("2026-03-02", b"2026", 0, 1772452800.0, date(2026, 3, 2)),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
        ],
    ),
    "blob": (
        [(b"x", b"x"), (bytearray(b"y"), b"y"), (memoryview(b"z"), b"z"), (_Bytes(b"q"), b"q")],
        [b"", "x", 5, [1]],
    ),
    "tags": (
        [(("gap",), ("gap",)), ([], ()), (["b", _Text("a"), "b"], ("b", "a", "b"))],
        ["gap", "", b"gap", 5, [""], [" "], ["a", 5], ["a\0"], ["\ud800"], [["a"]]],
    ),
    "items": (
        [((ITEM,), (ITEM,)), ([ITEM, ITEM], (ITEM, ITEM)), ([], ())],
        ["SPY", "", b"", 5, ITEM, ["SPY"], [ITEM, None], {ITEM}],
    ),
    "value": ([("x", "x"), (_Text("y"), "y")], ["\0", "\ud800", TOO_LONG, float("nan"), {1}, b"x", (1,), {1: 2}]),
    "value_type": ([("str", "str"), (_Text("str"), "str")], ["", "STR", "bytes", 5, str, "int"]),
    "key": ([("k", "********"), (MaskedSecret("k"), "********")], [*NOT_TEXT, "", " ", MaskedSecret("a\0")]),
    "action": ([("BOT", TradeAction.BOT), (TradeAction.SLD, TradeAction.SLD)], ["BUY", "bot", "", 5, TradeAction]),
    "asset": ([("etf", AssetClass.ETF), (AssetClass.CFD, AssetClass.CFD)], ["STK", "Stock", "", 5, AccountType.IRA]),
    "account": ([("401k", AccountType.K401), (AccountType.IRA, AccountType.IRA)], ["BROKER", "margin", 5, [], "BOT"]),
    "conviction": ([("max", ConvictionLevel.MAX), (_Text("low"), ConvictionLevel.LOW)], ["MAX", "", 4, True]),
    "status": ([("executed", PlanStatus.EXECUTED)], ["open", "", 5, TradeAction.BOT]),
    "owner": ([("report", ImageOwnerType.REPORT)], ["account", "", 5, PlanStatus.DRAFT]),
}


def _build(cls: type[Any], **changes: Any) -> Any:
    return cls(**{field: RULES[kind.rstrip("?")][0][0][0] for field, kind in KINDS[cls].items()} | changes)


def _rule(cls: type[Any], field: str) -> tuple[list[tuple[Any, Any]], list[Any]]:
    return RULES[KINDS[cls][field].rstrip("?")]


def _refusal(build: Callable[..., Any], field: str, wrong: Any) -> ValidationError | None:
    try:
        build(**{field: wrong})
    except ValidationError as error:
        return error
    return None


every_field = pytest.mark.parametrize(
    ("cls", "field"),
    [pytest.param(cls, field, id=f"{cls.__name__}.{field}") for cls, kinds in KINDS.items() for field in kinds],
)


def test_every_field_has_a_kind() -> None:
    """The table above follows the entities field by field."""
    for cls, kinds in KINDS.items():
        assert [field.name for field in dataclasses.fields(cls)] == list(kinds)


@every_field
def test_a_field_keeps_what_a_vault_would_give_back(cls: type[Any], field: str) -> None:
    """What is accepted is kept as the plain type that will be read: no subclass, no other number, no other zone."""
    related = {"file_size": None} if field == "data" else {}
    for given, kept in _rule(cls, field)[0]:
        got = getattr(_build(cls, **{field: given, **related}), field)
        assert got == kept
        assert repr(got) == repr(kept)
        assert type(got) is (MaskedSecret if KINDS[cls][field] == "key?" else type(kept))


@every_field
def test_a_field_refuses_what_cannot_be_right(cls: type[Any], field: str) -> None:
    """The error names the entity, the field and the problem, whether the entity is made or made from another."""
    for position, wrong in enumerate(_rule(cls, field)[1]):
        for build in (partial(_build, cls), partial(dataclasses.replace, _build(cls))):
            error = _refusal(build, field, wrong)
            assert error is not None, f"value {position} was kept"
            assert (error.entity, error.field) == (cls.__name__, field)
            assert str(error) == f"{cls.__name__}.{field} {error.problem}"
            assert error.problem.startswith(("must ", "has ", "is not ", "does not "))


def test_a_refusal_is_a_value_error_of_the_librarys_own() -> None:
    """Callers may catch it by either name."""
    for kind in (ValidationError, ValueError, ZorivestError):
        with pytest.raises(kind):
            _build(Trade, action="BUY")


@every_field
def test_none_passes_only_where_it_means_something(cls: type[Any], field: str) -> None:
    """Optional fields take ``None``, and a setting may be ``None``; the others refuse it like any other wrong value."""
    if KINDS[cls][field].endswith("?"):
        kept = getattr(_build(cls, **{field: None}), field)
        assert kept is None or (cls, field, kept) == (ImageAttachment, "file_size", 1)
    elif (cls, field) == (Setting, "value"):
        assert _build(cls, value=None, value_type="json").value is None
    else:
        with pytest.raises(ValidationError):
            _build(cls, **{field: None})


CANARY = "canary-5e7a91"
PLANTS: list[Any] = [
    *(
        CANARY,
        f"{CANARY}\0",
        f"{CANARY}\ud800",
        CANARY.encode(),
        bytearray(CANARY.encode()),
        MaskedSecret(f"{CANARY}\0"),
    ),
    *([CANARY], (f"{CANARY}\0",), {CANARY: 1}, {CANARY}, [f"{CANARY}\ud800"], UserString(CANARY), Exception(CANARY)),
]


@every_field
def test_an_error_never_shows_the_value(cls: type[Any], field: str) -> None:
    """Message, repr, arguments and printed traceback hide what was refused: it may be a key in a wrong field."""
    errors = [error for plant in PLANTS if (error := _refusal(partial(_build, cls), field, plant))]
    assert len(errors) >= 4
    for error in errors:
        assert error.__context__ is None or error.__suppress_context__
        shown = [str(error), repr(error), repr(error.args), *traceback.format_exception(error)]
        assert CANARY not in "".join(shown)
