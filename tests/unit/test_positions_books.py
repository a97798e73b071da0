"""Positions of random books, beside a computation with pandas and fractions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from factories import make_account
from reference_positions import expected_positions, found_fields
from zorivest_async import AssetClass, TradeAction
from zorivest_async.analytics import Split, positions_of
from zorivest_async.domain.entities import SequencedTrade

if TYPE_CHECKING:
    from zorivest_async import Trade

ACCOUNTS = [make_account("U1"), make_account("E1", currency="EUR")]
CURRENCIES = {account.account_id: account.currency for account in ACCOUNTS}
INSTRUMENTS: dict[str, tuple[AssetClass, float]] = {
    "SPY": (AssetClass.STOCK, 1.0),
    "ESZ4": (AssetClass.FUTURE, 50.0),
    "SPY   240119C00475000": (AssetClass.OPTION, 100.0),
}
NEW_YORK = ZoneInfo("America/New_York")
EVES = [datetime(2024, 3, 9, 20, tzinfo=NEW_YORK), datetime(2024, 11, 2, 20, tzinfo=NEW_YORK)]
"""The evenings before clocks are put forward, and back."""


def random_book(seed: int) -> tuple[list[Trade], list[Split]]:
    """Make executions around a change of clocks: flips, partial closes, results of every kind, and splits."""
    random = Random(seed)  # noqa: S311 - the same every time
    eve = EVES[seed % 2].astimezone(UTC)
    kinds = random.choices(["none", "zero", "before", "after"], k=3)
    trades: list[Trade] = []
    for number in range(random.randrange(5, 60)):
        name = random.choice([*INSTRUMENTS])
        kind = kinds[len(name) % 3] if random.random() < 0.9 else random.choice(kinds)
        asset_class, multiplier = INSTRUMENTS[name]
        results: dict[str, dict[str, Any]] = {
            "none": {"realized_pnl": None},
            "zero": {"realized_pnl": 0.0},
            "before": {
                "realized_pnl": random.choice([0.0, random.randrange(-500, 500) / 4]),
                "result_after_costs": random.choice([None, False]),
            },
            "after": {"realized_pnl": random.choice([0.0, random.randrange(1, 900) / 7]), "result_after_costs": True},
        }
        trades.append(
            SequencedTrade(
                f"{random.randrange(200)}-{number}",
                (eve + timedelta(minutes=10 * random.randrange(80))).astimezone(NEW_YORK),
                name,
                random.choice([*TradeAction]),
                random.choice([random.randrange(1, 9), random.randrange(1, 40) / 10]),
                random.choice([0.0, random.randrange(1, 50_000) / 100]),
                random.choice(["U1", "U1", "E1"]),
                commission=random.choice([0.0, random.randrange(-50, 300) / 100]),
                currency=random.choice([None, None, "USD", "EUR", "JPY"]),
                multiplier=multiplier,
                asset_class=random.choice([None, asset_class]),
                fees=random.choice([0.0, random.randrange(0, 50) / 1000]),
                commission_currency=random.choice([None, None, "USD", "JPY"]),
                sequence=random.choice([None, number + 1]),
                **results[kind],
            )
        )
    splits = [
        Split(random.choice([*INSTRUMENTS]), eve + timedelta(hours=hour), random.choice([10, 3, 1.5, 0.1]))
        for hour in random.sample(range(14), random.randrange(3))
    ]
    return trades, splits


@pytest.mark.parametrize("method", ["fifo", "lifo", "average"])
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_random_books_equal_the_reference(first: int, method: str) -> None:
    """Every field of every position, to the last digit, whatever the order in which the executions come."""
    for seed in range(first, first + 50):
        trades, splits = random_book(seed)
        Random(seed).shuffle(trades)  # noqa: S311
        found = positions_of(trades, ACCOUNTS, open=True, method=method, splits=splits)
        assert found_fields(found) == expected_positions(trades, CURRENCIES, splits, method), seed
        for position in found:
            if position.opened is not None and position.closed is not None:
                assert position.holding_time == position.closed - position.opened


def test_the_books_have_what_they_are_for() -> None:
    """Flips, partial closes, splits while open, results of both sources, three currencies, all three in one account."""
    seen: set[str] = set()
    for seed in range(300):
        trades, splits = random_book(seed)
        found = positions_of(trades, ACCOUNTS, open=True, splits=splits)
        ids = [exec_id for position in found for exec_id in position.exec_ids]
        seen |= {position.result_source for position in found if position.executions > 1}
        seen |= {f"currency {position.currency}" for position in found}
        seen |= {f"multiplier {position.multiplier}" for position in found}
        seen |= {"flip"} if len(ids) > len({*ids}) else set()
        seen |= {"partly closed" for p in found if p.open_quantity and p.average_exit is not None}
        seen |= {"other costs" for p in found if p.other_costs}
        seen |= {
            "split" for p in found for s in splits if p.instrument == s.instrument and p.opened and p.opened < s.time
        }
    assert seen == {
        "matched", "recorded", "currency USD", "currency EUR", "currency JPY", "multiplier 1.0", "multiplier 50.0",
        "multiplier 100.0", "flip", "partly closed", "other costs", "split",
    }  # fmt: skip
