"""Rows of a CSV file that cancel other rows of it: without an identifier, but with the opposite quantity."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from zorivest_async.domain.enums import TradeAction
from zorivest_async.transfer.importers.packing import Execution, Executions, identified
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import paced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.domain.entities import Trade
    from zorivest_async.transfer.importers.profiles import CsvProfile
    from zorivest_async.transfer.importers.source import ReadRows

__all__ = ["CancelledRows"]

_UNKNOWN: Final = "it cancels a row that this file does not contain; export a longer period"

_Key: TypeAlias = "tuple[object, ...]"


class CancelledRows:
    """Collector of the rows that cancel others.

    Args:
        profile: The profile, whose ``cancellations`` finds them.
    """

    def __init__(self, profile: CsvProfile) -> None:
        self._column, pattern = profile.cancellations or ("", "")
        self._pattern = re.compile(pattern) if self._column else None
        self._parts = sorted(
            profile.exec_id_fields - {"ordinal"} if "ordinal" in profile.exec_id_fields else {"exec_id"}
        )
        self._cancelling: list[tuple[int, _Key]] = []

    def is_one(self, record: Mapping[str, str]) -> bool:
        """Whether a row cancels another one."""
        return self._pattern is not None and self._pattern.search(record.get(self._column, "")) is not None

    def take(self, line: int, trade: Trade) -> None:
        """Note a row that cancels another one."""
        other = TradeAction.SLD if trade.action is TradeAction.BOT else TradeAction.BOT
        self._cancelling.append((line, _key(trade, other)))

    def finish(self, rows: ReadRows, operation: Operation) -> None:
        """Remove the cancelled executions.

        The executions that are left get the first identifiers of those with the same template, as in a statement
        without the cancelled ones; the other identifiers are cancelled, if they are stored.
        """
        if not self._cancelling:
            return
        cancelled = self._matched(rows, operation)
        ids: defaultdict[_Key, list[str]] = defaultdict(list)
        lines: defaultdict[_Key, list[int]] = defaultdict(list)
        for execution in paced(rows.executions, operation):
            if execution.trade is not None:
                ids[self._group(execution.trade)].append(execution.trade.exec_id)
                if execution.row in cancelled:
                    lines[self._group(execution.trade)].append(cancelled[execution.row])
        kept = Executions()
        for execution in paced(rows.executions, operation):
            trade = execution.trade
            if trade is None:
                kept.append(execution)
            elif execution.row in cancelled:
                rows.duplicate.add(execution.row, trade.exec_id, Reason.SUPERSEDED)
            elif (group := self._group(trade)) in lines:
                kept.append(replace(execution, trade=identified(trade, ids[group].pop(0)), corrected=True))
            else:
                kept.append(execution)
        for group, by in lines.items():
            for line, exec_id in zip(by, ids[group], strict=True):
                kept.append(Execution(line, None, earlier_ids=(exec_id,)))
        rows.executions = kept

    def _matched(self, rows: ReadRows, operation: Operation) -> dict[int, int]:
        """Return the line that cancels each cancelled line, and fail those that cancel nothing."""
        wanted = {key for _, key in self._cancelling}
        lines: defaultdict[_Key, list[int]] = defaultdict(list)
        for execution in paced(rows.executions, operation):
            if execution.trade is not None and (key := _key(execution.trade, execution.trade.action)) in wanted:
                lines[key].append(execution.row)
        cancelled: dict[int, int] = {}
        for line, key in self._cancelling:
            left = [each for each in lines[key] if each not in cancelled]
            if left:
                cancelled[max((each for each in left if each < line), default=left[0])] = line
            else:
                rows.failed.add(line, None, Reason.CANCELLED_UNKNOWN, _UNKNOWN)
        return cancelled

    def _group(self, trade: Trade) -> _Key:
        return tuple(getattr(trade, name) for name in self._parts)


def _key(trade: Trade, action: TradeAction) -> _Key:
    return (trade.account_id, trade.instrument, trade.time, trade.price, trade.quantity, action)
