"""Positions by another way than the library's: frames of pandas, and fractions in plain lists."""

from __future__ import annotations

import re
from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd

from zorivest_async import TradeAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zorivest_async import Trade
    from zorivest_async.analytics import Position, Split

KEY = ["account_id", "instrument", "currency", "asset_class", "multiplier"]


def fraction(number: float) -> Fraction:
    """Return the number that a float prints as."""
    return Fraction(repr(float(number)))


def digits_as_numbers(text: str) -> str:
    """Pad the digits of a text, so that its order as text is that of its numbers."""
    return re.sub(r"\d+", lambda found: found[0].zfill(30), text)


def frame_of(trades: Iterable[Trade], currencies: Mapping[str, str]) -> Any:
    """Return executions in order, with what they leave open filled in."""
    fields = ({name: getattr(t, name) for name in type(t).__match_args__} for t in trades)
    frame: Any = pd.DataFrame(fields, dtype=object)
    frame["place"] = [
        (t.time, t.sequence is None, t.sequence or 0, digits_as_numbers(t.exec_id)) for t in frame.itertuples()
    ]
    frame = frame.sort_values("place", ignore_index=True)
    frame["currency"] = frame["currency"].where(frame["currency"].notna(), frame["account_id"].map(dict(currencies)))
    known = frame.dropna(subset="asset_class").groupby(["account_id", "instrument"])["asset_class"].agg(set).to_dict()
    only = {book: next(iter(found)) for book, found in known.items() if len(found) == 1}
    frame["asset_class"] = pd.Series(
        [t.asset_class or only.get((t.account_id, t.instrument)) for t in frame.itertuples()], dtype=object
    )
    return frame


class Trip:
    """A round trip as lists of what came in and what went out."""

    def __init__(self, key: tuple[Any, ...], sign: int, time: Any) -> None:
        self.key, self.sign, self.opened, self.closed = key, sign, time, None
        self.lots: list[list[Fraction]] = []  # quantity, price, costs
        self.entries: list[tuple[Fraction, Fraction]] = []
        self.exits: list[tuple[Fraction, Fraction, Fraction]] = []  # quantity, price, price in
        self.largest = Fraction()
        self.commission = self.fees = Fraction()
        self.others: dict[str, Fraction] = defaultdict(Fraction)
        self.results: list[tuple[float | None, bool | None]] = []
        self.exec_ids: list[str] = []

    @property
    def open(self) -> Fraction:
        """Quantity that is open."""
        return sum((lot[0] for lot in self.lots), start=Fraction())

    def pay(self, row: Any, part: Fraction) -> Fraction:
        """Add a part of the costs of an execution, and return those in the trip's currency."""
        self.exec_ids.append(row.exec_id)
        commission, fees = fraction(row.commission) * part, fraction(row.fees) * part
        if row.commission_currency in (None, self.key[2]):
            self.commission += commission
            self.fees += fees
            return commission + fees
        if commission or fees:
            self.others[row.commission_currency] += commission + fees
        return Fraction()

    def come_in(self, quantity: Fraction, price: Fraction, costs: Fraction, method: str) -> None:
        """Open more."""
        self.entries.append((quantity, price))
        self.lots.append([quantity, price, costs])
        if method == "average" and len(self.lots) > 1:
            total = self.open
            value, all_costs = (sum(part) for part in zip(*((q * p, c) for q, p, c in self.lots), strict=True))
            self.lots = [[total, value / total, all_costs]]
        self.largest = max(self.largest, self.open)

    def go_out(self, quantity: Fraction, price: Fraction, method: str) -> None:
        """Close some of it, lot by lot."""
        while quantity:
            lot = self.lots[-1 if method == "lifo" else 0]
            taken = min(quantity, lot[0])
            self.exits.append((taken, price, lot[1]))
            lot[2] *= 1 - taken / lot[0]
            lot[0] -= taken
            quantity -= taken
            self.lots = [lot for lot in self.lots if lot[0]]

    def split(self, ratio: Fraction) -> None:
        """Convert everything to new units."""
        self.lots = [[quantity * ratio, price / ratio, costs] for quantity, price, costs in self.lots]
        self.entries = [(quantity * ratio, price / ratio) for quantity, price in self.entries]
        self.exits = [(quantity * ratio, out / ratio, into / ratio) for quantity, out, into in self.exits]
        self.largest *= ratio

    def summary(self) -> dict[str, Any]:
        """Return the fields of the position."""
        recorded = [result for result, _ in self.results]
        stated = [after for _, after in self.results]
        is_recorded = (
            bool(recorded)
            and None not in recorded
            and (any(recorded) or None not in stated)
            and len({after is True for after in stated}) == 1
        )
        costs = self.commission + self.fees
        if is_recorded:
            gross = sum((fraction(result) for result in recorded if result is not None), start=Fraction())
            if stated[0]:
                gross += costs - sum(lot[2] for lot in self.lots)
        else:
            gross = sum((q * (out - into) for q, out, into in self.exits), start=Fraction())
            gross *= self.sign * fraction(self.key[4])
        return {
            **dict(zip(KEY, self.key, strict=True)),
            "side": TradeAction.BOT if self.sign > 0 else TradeAction.SLD,
            "opened": self.opened,
            "closed": self.closed,
            "quantity": float(self.largest),
            "open_quantity": float(self.sign * self.open),
            "average_entry": mean([(q, p) for q, p in self.entries]),
            "average_exit": mean([(q, out) for q, out, _ in self.exits]),
            "average_open": mean([(q, p) for q, p, _ in self.lots]),
            "gross": float(gross),
            "commission": float(self.commission),
            "fees": float(self.fees),
            "net": float(gross - costs),
            "other_costs": tuple((currency, float(amount)) for currency, amount in sorted(self.others.items())),
            "result_source": "recorded" if is_recorded else "matched",
            "executions": len(self.exec_ids),
            "exec_ids": tuple(self.exec_ids),
        }


def mean(pairs: Sequence[tuple[Fraction, Fraction]]) -> float | None:
    """Return the average price."""
    total = sum((quantity for quantity, _ in pairs), start=Fraction())
    return float(sum(quantity * price for quantity, price in pairs) / total) if total else None


def expected_positions(
    trades: Iterable[Trade], currencies: Mapping[str, str], splits: Sequence[Split] = (), method: str = "fifo"
) -> list[dict[str, Any]]:
    """Return the fields of all positions: closed ones in the order of closing, then open ones in that of opening."""
    frame = frame_of(trades, currencies)
    rows = [*frame.itertuples()]
    closed: list[tuple[int, Trip]] = []
    still_open: list[tuple[int, Trip]] = []
    for book in frame.groupby([frame[name].map(str) for name in KEY], sort=False).groups.values():
        key = tuple(getattr(rows[book[0]], name) for name in KEY)
        trip: Trip | None = None
        opened_at = 0
        ratios = sorted((s.time, s.exact_ratio) for s in splits if s.instrument == key[1])
        for number in book:
            row: Any = rows[number]
            while ratios and ratios[0][0] <= row.time:
                _, ratio = ratios.pop(0)
                if trip is not None:
                    trip.split(ratio)
            sign = 1 if row.action == "BOT" else -1
            quantity, price, left = fraction(row.quantity), fraction(row.price), Fraction(1)
            if trip is not None and trip.sign != sign:
                part = min(quantity, trip.open)
                trip.pay(row, part / quantity)
                trip.results.append((row.realized_pnl, row.result_after_costs))
                trip.go_out(part, price, method)
                left -= part / quantity
                if not trip.open:
                    trip.closed = row.time
                    closed.append((number, trip))
                    trip = None
            if left == 1 and trip is None and closes_unknown(rows, number):
                lone = Trip(key, -sign, None)
                lone.pay(row, Fraction(1))
                lone.results.append((row.realized_pnl, row.result_after_costs))
                lone.exits, lone.largest, lone.closed = [(quantity, price, price)], quantity, row.time
                closed.append((number, lone))
            elif left:
                if trip is None:
                    trip, opened_at = Trip(key, sign, row.time), number
                trip.come_in(quantity * left, price, trip.pay(row, left), method)
        if trip is not None:
            for _, ratio in ratios:
                trip.split(ratio)
            still_open.append((opened_at, trip))
    in_order = [*sorted(closed, key=lambda one: one[0]), *sorted(still_open, key=lambda one: one[0])]
    return [trip.summary() for _, trip in in_order]


def closes_unknown(rows: Sequence[Any], number: int) -> bool:
    """Return whether what finds nothing open has a result other than its costs, and is not closed at the same time."""
    row = rows[number]
    if not row.realized_pnl or fraction(row.realized_pnl) == -fraction(row.commission) - fraction(row.fees):
        return False
    return not any(
        (other.time, other.account_id, other.instrument) == (row.time, row.account_id, row.instrument)
        and other.action != row.action
        for other in rows[number + 1 :]
    )


def found_fields(positions: Iterable[Position]) -> list[dict[str, Any]]:
    """Return the same fields of positions."""
    names = [*KEY, *Trip(("", "", "", None, 1.0), 1, None).summary()]
    return [{name: getattr(position, name) for name in dict.fromkeys(names)} for position in positions]
