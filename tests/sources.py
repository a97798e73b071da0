"""Sources of executions that are made of the executions themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def booked(row: int, trade: Trade | str, order: int | None = None) -> Execution:
    """Return the booking of a trade; one of an identifier with a period has versions."""
    trade = make_trade(trade) if isinstance(trade, str) else trade
    family, revision = _version_of(trade.exec_id)
    return Execution(row, trade, family, revision, booking=f"U1/{trade.exec_id}", order=order)


def cancelled(row: int, exec_id: str, order: int | None = None) -> Execution:
    """Return the cancellation of a version of an execution."""
    family, revision = _version_of(exec_id)
    ids = (exec_id,)
    return Execution(row, None, family, revision, False, ids, f"U1/{exec_id}", order, account_id="U1")


def _version_of(exec_id: str) -> tuple[str | None, int]:
    family, period, revision = exec_id.rpartition(".")
    return (family, int(revision)) if period else (None, 0)
