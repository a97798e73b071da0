"""Numbers are kept as float64, bit for bit, and nothing is rounded on the way in."""

from __future__ import annotations

import decimal
import math
import numbers
import struct
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zorivest_async.domain.entities import BalanceSnapshot, Trade
from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import ValidationError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def _kept(value: Any) -> float:
    return BalanceSnapshot("U1", NOON, value).balance


def _bits(value: float) -> bytes:
    return struct.pack(">d", value)


def _refusal(value: Any) -> str | None:
    try:
        _kept(value)
    except ValidationError as error:
        return error.problem
    return None


class _ArrayInteger:
    """An integer like an array library's: it compares with a float as a float, so that its last digits do not count."""

    def __init__(self, value: int) -> None:
        self.numerator = value
        self.denominator = 1

    def __int__(self) -> int:
        return self.numerator

    def __float__(self) -> float:
        return float(self.numerator)

    def __eq__(self, other: object) -> bool:
        return float(self) == other

    __hash__ = None  # type: ignore[assignment]


class _Extended:
    """A number with more digits than float64 has."""

    def __init__(self, exactly: Fraction) -> None:
        self._exactly = exactly

    def __float__(self) -> float:
        return float(self._exactly)

    def __eq__(self, other: object) -> bool:
        return self._exactly == other

    __hash__ = None  # type: ignore[assignment]


numbers.Integral.register(_ArrayInteger)
numbers.Real.register(_Extended)


@given(FINITE)
@settings(deadline=None)
def test_a_finite_float_is_kept_bit_for_bit(value: float) -> None:
    """Subnormals and extremes included; only the sign of zero is dropped, because SQLite drops it."""
    assert _bits(_kept(value)) == _bits(value or 0.0)


@given(FINITE)
@settings(deadline=None)
def test_the_decimal_that_a_float_prints_as_is_that_float(value: float) -> None:
    """A Decimal read from a statement is accepted wherever float64 prints back the same digits."""
    assert _bits(_kept(Decimal(repr(value)))) == _bits(value or 0.0)


@given(FINITE)
@settings(deadline=None)
def test_the_decimal_and_the_fraction_that_a_float_equals_are_that_float(value: float) -> None:
    """The exact value of a float is accepted in any type, however many digits it takes to write."""
    assert _bits(_kept(Decimal(value))) == _bits(_kept(Fraction(value))) == _bits(value or 0.0)


@given(st.decimals(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_a_decimal_is_kept_whole_or_refused(value: Decimal) -> None:
    """No digit of a Decimal is ever lost in silence."""
    if _refusal(value) is None:
        assert value in (Decimal(repr(_kept(value))), Decimal(_kept(value)))
    else:
        assert Decimal(repr(float(value))) != value


@given(st.integers(-(2**1030), 2**1030) | st.integers(-(2**54), 2**54))
@settings(deadline=None)
def test_an_integer_is_kept_whole_or_refused(value: int) -> None:
    """Every integer up to 2**53 is kept; a larger one only if it is among those that float64 has."""
    if _refusal(value) is None:
        assert int(_kept(value)) == value
    else:
        assert abs(value) > 2**53


@given(st.fractions())
@settings(deadline=None)
def test_a_fraction_is_kept_whole_or_refused(value: Fraction) -> None:
    """A third is not a float64, a quarter is."""
    if _refusal(value) is None:
        assert Fraction(_kept(value)) == value
    else:
        assert Fraction(float(value)) != value


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("0.10000"), 0.1),
        (Decimal("12345678901.1234"), 12345678901.1234),
        (Decimal("-1E+3"), -1000.0),
        (Decimal(2**60), 2.0**60),
        (Decimal("-0"), 0.0),
        (2**53, 9007199254740992.0),
        (10**22, 1e22),
        (-0.0, 0.0),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        pytest.param(_ArrayInteger(619), 619.0, id="an array library's integer"),
        pytest.param(_Extended(Fraction(1, 8)), 0.125, id="an extended float"),
    ],
    ids=str,
)
def test_a_number_that_fits_is_kept(given_value: Any, kept: float) -> None:
    """What float64 holds digit for digit is accepted whatever the type it comes in."""
    assert _bits(_kept(given_value)) == _bits(kept)
    assert type(_kept(given_value)) is float


@pytest.mark.parametrize(
    "value",
    [
        Decimal("12345678901.12345678"),
        Decimal("0.1000000000000000000001"),
        Decimal("1E-400"),
        Decimal(2**53 + 1),
        2**53 + 1,
        -(2**53) - 1,
        10**23,
        Fraction(1, 3),
        Fraction(1, 10**400),
        _ArrayInteger(2**53 + 1),
        _Extended(Fraction(1, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_with_more_digits_than_fit_is_refused(value: Any) -> None:
    """The caller decides how to round; the library does not."""
    assert _refusal(value) == "has more digits than float64 can hold; round it first"


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("-1E+400")),
        *(10**400, -(10**400), Fraction(10**400)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_number_that_is_not_finite_is_refused_as_such(value: Any) -> None:
    """Neither nan nor infinity nor what would overflow into one can be stored, and rounding would not help."""
    assert str(_refusal(value)).startswith("must be a finite number")


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "bool"), (False, "bool"), ("1.5", "str"), (1j, "complex"), (None, "NoneType")]
)
def test_what_is_not_a_number_is_refused_by_its_type(value: Any, kind: str) -> None:
    """A bool is no number, although Python adds it up."""
    assert _refusal(value) == f"must be a number, not {kind}"


def test_the_callers_decimal_context_changes_nothing() -> None:
    """A context of three digits, or one that traps every mixture with floats, neither rounds nor raises."""
    with decimal.localcontext() as context:
        context.prec = 3
        context.traps[decimal.FloatOperation] = True
        context.traps[decimal.Inexact] = True
        assert _kept(Decimal("619.6125")) == 619.6125
        assert _refusal(Decimal("12345678901.12345678")) is not None
        assert not context.flags[decimal.Inexact]


@given(FINITE)
@settings(deadline=None)
def test_a_quantity_is_above_zero(value: float) -> None:
    """The action says the side, so a quantity has no sign; every other finite price is possible, negative ones too."""
    assume(value != 0)
    assert Trade("1", NOON, "CL", TradeAction.SLD, abs(value), value, "U1").price == value
    with pytest.raises(ValidationError, match=r"^Trade\.quantity must be greater than zero; the action says the side$"):
        Trade("1", NOON, "CL", TradeAction.SLD, -abs(value), value, "U1")


@pytest.mark.parametrize("zero", [0, 0.0, -0.0, Decimal(0), Fraction(0)], ids=repr)
def test_a_quantity_is_not_zero(zero: Any) -> None:
    """An execution of nothing is a mistake, whatever the type or sign of its zero."""
    with pytest.raises(ValidationError, match="quantity must be greater than zero"):
        Trade("1", NOON, "CL", TradeAction.SLD, zero, 1.0, "U1")
