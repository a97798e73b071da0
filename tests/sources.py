"""Sources of executions that are made of the executions themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factories import make_trade
from zorivest_async.transfer.importers import Execution, ReadRows

if TYPE_CHECKING:
    from zorivest_async import Trade
    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = ["Given", "booked", "cancelled"]


@dataclass(frozen=True)
class Given:
    """A source of these rows."""

    rows: tuple[Execution, ...]
    time_zone: str | None = None

    def read(self, _operation: Operation) -> ReadRows:
        """Return the rows."""
        read = ReadRows()
        for row in self.rows:
            read.executions.append(row)
        return read


def booked(row: int, trade: Trade | str, order: int | None = None, **more: Any) -> Execution:
    """Return the booking of a trade; one of an identifier with a period has versions."""
    trade = make_trade(trade) if isinstance(trade, str) else trade
    family, period, revision = trade.exec_id.rpartition(".")
    version = {"family": family, "revision": int(revision)} if period else {}
    return Execution(row, trade, **version, booking=more.pop("booking", f"U1/{trade.exec_id}"), order=order, **more)


def cancelled(row: int, exec_id: str, order: int | None = None, *, booking: str | None = None) -> Execution:
    """Return the cancellation of a version of an execution."""
    family, period, revision = exec_id.rpartition(".")
    version = {"family": family, "revision": int(revision)} if period else {}
    return Execution(
        row,
        None,
        **version,
        earlier_ids=(exec_id,),
        booking=booking or f"U1/{exec_id}",
        order=order,
        account_id="U1",
    )
