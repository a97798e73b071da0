"""The trades that every contender stores and reads: the same rows, made from their numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from zorivest_async import Account, AccountType, Trade, TradeAction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "ACCOUNT",
    "INSERT_TRADE",
    "NEW_ACCOUNT",
    "SELECT_TRADES",
    "exec_id_of",
    "exec_id_of_new",
    "make_new_trades",
    "make_trades",
    "row_of",
    "rows_of",
    "some_ids",
]

_OPENED = datetime(2020, 1, 2, 14, 30, tzinfo=UTC)

ACCOUNT: Final = Account("U100", "what is read", AccountType.BROKER, created_at=_OPENED)
NEW_ACCOUNT: Final = Account("U200", "what is written", AccountType.BROKER, created_at=_OPENED)
"""Trades that a workload saves belong to it, so that they can be removed again."""

_INSTRUMENTS: Final = tuple(f"{a}{b}{c}" for a in "ABCDE" for b in "MNOPQ" for c in "VW")

_COLUMNS: Final = "exec_id, time, instrument, action, quantity, price, account_id, commission, realized_pnl"
SELECT_TRADES: Final = f"SELECT {_COLUMNS} FROM trades"  # noqa: S608 - a constant
INSERT_TRADE: Final = f"INSERT INTO trades ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608

_STRIDE: Final = 7919
"""A prime: multiples of it visit the trades in an order that no cache foresees."""


def exec_id_of(number: int) -> str:
    """Return the identifier of a trade that :func:`make_trades` made."""
    return f"E{number:09d}"


def exec_id_of_new(number: int) -> str:
    """Return the identifier of a trade that :func:`make_new_trades` made."""
    return f"N{number:09d}"


def make_trades(count: int) -> Iterator[Trade]:
    """Yield trades of :data:`ACCOUNT`, oldest first, a minute apart."""
    return (_make(exec_id_of(number), number, ACCOUNT.account_id) for number in range(count))


def make_new_trades(first: int, count: int) -> list[Trade]:
    """Return trades of :data:`NEW_ACCOUNT`, which are numbered apart from the others."""
    return [_make(exec_id_of_new(number), number, NEW_ACCOUNT.account_id) for number in range(first, first + count)]


def _make(exec_id: str, number: int, account_id: str) -> Trade:
    return Trade(
        exec_id,
        _OPENED + timedelta(minutes=number),
        _INSTRUMENTS[number % len(_INSTRUMENTS)],
        TradeAction.SLD if number % 2 else TradeAction.BOT,
        100.0 + number % 900,
        50.0 + (number * 37 % 10_000) / 100,
        account_id,
        commission=1.02,
        realized_pnl=(number * 13 % 2_000) / 10 - 100,
    )


def some_ids(among: int, count: int, seed: int) -> list[str]:
    """Return identifiers of stored trades, scattered over all of them, the same for the same seed."""
    return [exec_id_of((seed * count + index) * _STRIDE % among) for index in range(count)]


def row_of(trade: Trade) -> tuple[Any, ...]:
    """Return what the driver stores of a trade."""
    time = trade.time.replace(tzinfo=None).isoformat(" ", "microseconds")
    return (
        trade.exec_id,
        time,
        trade.instrument,
        trade.action.value,
        trade.quantity,
        trade.price,
        trade.account_id,
        trade.commission,
        trade.realized_pnl,
    )


def rows_of(trades: Iterable[Trade]) -> Iterator[tuple[Any, ...]]:
    """Yield what the driver stores of each trade."""
    return map(row_of, trades)
