"""Numbers as brokers write them: read as they are meant, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from zorivest_async.transfer.importers.csv_numbers import DecimalMarkError, parse_amount
from zorivest_async.transfer.importers.source import FieldError


@pytest.mark.parametrize(
    ("text", "mark", "value", "unit"),
    [
        ("5", ".", "5", ""),
        (".7500", ".", "0.75", ""),
        ("-1,234.5", ".", "-1234.5", ""),
        ("1,234,567", ".", "1234567", ""),
        ("1'234.50", ".", "1234.5", ""),
        ("1\u2019234.50", ".", "1234.5", ""),
        ("1 234.50", ".", "1234.5", ""),
        ("1\u00a0234,50", ",", "1234.5", ""),
        ("4\u202f501,17", ",", "4501.17", ""),
        ("1.234.567,5", ",", "1234567.5", ""),
        ("0,500", ",", "0.5", ""),
        ("- 2.80", ".", "-2.8", ""),
        ("\u22122.80", ".", "-2.8", ""),
        ("100.5-", ".", "-100.5", ""),
        ("(19.98)", ".", "-19.98", ""),
        ("$(400.00)", ".", "-400", ""),
        ("($19.98)", ".", "-19.98", ""),
        ("-$5,011.00", ".", "-5011", ""),
        ("-€624.08212", ".", "-624.08212", "EUR"),
        ("€1,504.04806", ".", "1504.04806", "EUR"),
        ("£3", ".", "3", "GBP"),
        ("C$3", ".", "3", ""),
        ("5.20 SEK", ".", "5.2", "SEK"),
        ("USD 5.20", ".", "5.2", "USD"),
        ("0.029BNB", ".", "0.029", "BNB"),
        ("1,318.44000000USDT", ".", "1318.44", "USDT"),
        ("0,62 $", ",", "0.62", ""),
        ("0.40 Lots", ".", "0.4", "Lots"),
        ("1.5e-7", ".", "0.00000015", ""),
        ("3102.3217898325970227", ".", "3102.3217898325970227", ""),
    ],
)
def test_a_number_is_read_as_it_is_meant(text: str, mark: str, value: str, unit: str) -> None:
    """With its unit, which may be a currency."""
    amount = parse_amount(text, mark)  # type: ignore[arg-type]
    assert (amount.value, amount.unit) == (Decimal(value), unit)


@pytest.mark.parametrize("text", ["0,500", "0,5", "12,5", "1.234,50", "€0,5", "-12,5 SEK"])
def test_the_other_decimal_mark_is_recognised(text: str) -> None:
    """A number that only the other mark explains is not read as thousands."""
    with pytest.raises(DecimalMarkError):
        parse_amount(text)
    assert parse_amount(text, ",").value != 0
    with pytest.raises(DecimalMarkError):
        parse_amount(text.translate(str.maketrans(",.", ".,")), ",")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "--1", "+-1", "-(1)", "(1", "1)", "((1))", "1,23,456", "1,2345.0", "1,,000", "1'2345", "1 23",
        "nan", "Infinity", "0x10", "1_000", "5.", "1/2", "34/42.5", "1:30", "12.05.2026", "USD 5 EUR", "5 5", "\u0665",
        "1e1e1", "5 lots of", "1e99999999999999999999", "01,234",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    """Without a guess."""
    with pytest.raises(FieldError):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("119'15", "119.46875"), ("119-15", "119.46875"), ("119'155", "119.484375"), ("119'15+", "119.484375"),
     ("0'00", "0"), ("119'157", "119.4921875"), ("119.5", "119.5")],
)  # fmt: skip
def test_prices_in_32nds_are_read_where_the_profile_says_so(text: str, value: str) -> None:
    """The third digit is of eighths: 2, 5 and 7 stand for a quarter, a half and three quarters."""
    assert parse_amount(text, ".", 32).value == Decimal(value)


@pytest.mark.parametrize("text", ["119'32", "119'159", "119'99"])
def test_an_impossible_fraction_is_refused(text: str) -> None:
    """It is neither in 32nds nor a number with thousands."""
    with pytest.raises(FieldError):
        parse_amount(text, ".", 32)


@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [("1,500", 1), ("1.500", 1), ("-1.500", 1), ("1.50", 0), ("0.500", 0), ("1,500.5", 0), ("1,234,567", 0), ("5", 0)],
)
def test_a_number_that_could_be_meant_either_way_is_marked(text: str, ambiguous: int) -> None:
    """Its mark groups thousands in one file, and separates decimals in another."""
    assert parse_amount(text).is_ambiguous == ambiguous
