"""How plots write amounts: with a sign that says profit or loss without any colour."""

from __future__ import annotations

import pytest

from zorivest_async.integrations.chart_style import amount, money, short_amount

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00012345, "+0.000123"),
        (-4.16, f"{MINUS}4.16"),
        (66, "+66"),
        (-999.6, f"{MINUS}1,000"),
        (1126.5, "+1,126"),
        (9999.4, "+9,999"),
        (-13_220, f"{MINUS}13.2k"),
        (123_456, "+123k"),
        (-1_234_567, f"{MINUS}1.23M"),
        (2e9, "+2B"),
        (-7.5e12, f"{MINUS}7.5T"),
        (1e300, "+1.0e+300"),
    ],
)
def test_a_day_has_room_for_a_short_amount(value: float, text: str) -> None:
    """Three digits or four, and a unit."""
    assert short_amount(value) == text


def test_a_sum_is_written_to_the_cent() -> None:
    """Small amounts, as of coins, with the digits that they have."""
    assert money(1234567.891, "USD") == "+1,234,567.89 USD"
    assert money(-0.5, "EUR") == f"{MINUS}0.5 EUR"
    assert money(0.00012345, "BTC") == "+0.0001234 BTC"
    assert money(0, "USD") == "0.00 USD"


def test_an_axis_has_no_digits_that_are_noise() -> None:
    """Ticks are computed in float64, and are not of it."""
    assert [amount(0.1 + 0.2), amount(-2000.0), amount(0)] == ["+0.3", f"{MINUS}2,000", "0"]
