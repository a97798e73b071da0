"""Executions without a side, such as expirations: they close the position that the file's other executions opened."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import ValidationError
from zorivest_async.transfer.importers.packing import Execution, Executions
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import paced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.domain.entities import Trade
    from zorivest_async.transfer.importers.source import ReadRows

__all__ = ["Closings"]

_UNKNOWN: Final = (
    "action follows from the position, which the other executions of this file do not contain in this quantity; "
    "export a longer period, or enter the execution yourself"
)


class Closings:
    """Rows that close a position, until all other rows are read.

    Args:
        to_trade: Constructor of the execution from its fields.
        remember: Called with each constructed execution.
    """

    def __init__(self, to_trade: Callable[[dict[str, Any]], Trade], remember: Callable[[Trade], None]) -> None:
        self._to_trade = to_trade
        self._remember = remember
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._positions: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def take(self, trade: Trade) -> None:
        """Note an execution with a side."""
        self._positions[trade.account_id, trade.instrument] += _signed(trade)

    def wait(self, line: int, fields: dict[str, Any]) -> None:
        """Keep a row without a side."""
        self._waiting.append((line, fields))

    def finish(self, rows: ReadRows, operation: Operation) -> None:
        """Add the waiting rows at their places, or to those that failed."""
        closing: list[Execution] = []
        for line, fields in paced(self._waiting, operation):
            about = (str(fields["account_id"]), str(fields["instrument"]))
            open_quantity, quantity = self._positions[about], fields["quantity"].copy_abs()
            if not quantity or abs(open_quantity) < quantity:
                rows.failed.add(line, None, Reason.UNREADABLE, _UNKNOWN)
                continue
            side = TradeAction.SLD if open_quantity > 0 else TradeAction.BOT
            try:
                trade = self._to_trade({**fields, "action": side})
            except ValidationError as error:
                rows.failed.add(line, None, Reason.UNREADABLE, f"{error.field} {error.problem}")
                continue
            self._positions[about] += _signed(trade)
            self._remember(trade)
            closing.append(Execution(line, trade, stated=frozenset({*fields, "action"})))
        if closing:
            rows.executions = _merged(paced(rows.executions, operation), closing)


def _signed(trade: Trade) -> Decimal:
    quantity = Decimal(repr(trade.quantity))
    return quantity if trade.action is TradeAction.BOT else -quantity


def _merged(executions: Iterable[Execution], closing: list[Execution]) -> Executions:
    """Return both in the order of their lines, which orders executions of one time."""
    merged = Executions()
    left = iter(closing)
    following = next(left, None)
    for execution in executions:
        while following is not None and following.row < execution.row:
            merged.append(following)
            following = next(left, None)
        merged.append(execution)
    while following is not None:
        merged.append(following)
        following = next(left, None)
    return merged
