"""Rows at rest come back in order, wherever one begins to read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from zorivest_async import Trade, TradeAction
from zorivest_async.transfer.importers import Execution, ImportEntries, ImportEntry, Reason
from zorivest_async.transfer.importers.blocks import BLOCK_ROWS, Blocks
from zorivest_async.transfer.importers.packing import Executions

LENGTHS = [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS + 3]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_slice_is_that_of_a_list(length: int) -> None:
    """From within a block and across several, past the end and of nothing."""
    blocks, rows = Blocks(), [(number, str(number)) for number in range(length)]
    for row in rows:
        blocks.append(row)
    assert len(blocks) == length
    for start in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 7, length):
        assert [*blocks.from_row(start)] == rows[start:]
        for stop in (start - 1, start, start + 1, start + BLOCK_ROWS, length + 5):
            assert blocks.slice(start, stop) == (rows[start:stop] if stop > start else [])


def test_executions_come_back_equal() -> None:
    """Trades, cancellations and what is known of their versions."""
    trade = Trade("x.01", datetime(2024, 1, 2, tzinfo=UTC), "SPY", TradeAction.SLD, 1.5, -2, "A", 1, 2)
    rows = [
        Execution(1, trade, "x", 1, corrected=True, earlier_ids=("y", "z"), booking="U1/5", order=7),
        Execution(2, None),
    ]
    executions = Executions()
    for row in rows:
        executions.append(row)
    assert [*executions] == executions.slice(0, 2) == rows
    assert executions.slice(0, 1)[0].trade == trade
    assert executions.packed_trade(1) is None


def test_entries_are_a_sequence() -> None:
    """By index from both ends, by slice and in order; past the end is an IndexError; the repr has no identifiers."""
    entries = ImportEntries()
    for number in range(2 * BLOCK_ROWS):
        entries.add(number, f"canary{number}", Reason.NEW, "d")
    expected = [ImportEntry(number, f"canary{number}", Reason.NEW, "d") for number in range(2 * BLOCK_ROWS)]
    assert [*entries] == entries[:] == expected
    assert (entries[3], entries[-1]) == (expected[3], expected[-1])
    assert entries[5:250:7] == expected[5:250:7]
    with pytest.raises(IndexError):
        entries[2 * BLOCK_ROWS]
    assert "canary" not in repr(entries) + repr(entries[3])
