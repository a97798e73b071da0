"""Storage of many rows in pickled blocks, which Python's garbage collector does not traverse.

A full collection traverses all objects that may be part of a cycle without a pause, and surviving objects make full
collections more frequent. The table shows an import of 100,000 executions, twice, as medians of three to seven
interleaved rounds:

======================================== ============ ======== ============ =====================
rows as                                  processor    memory   longest hold full collections
======================================== ============ ======== ============ =====================
pickled blocks                           8.9 + 8.3 s  47 MB    8 ms         0
tuples in slices, or in one list         8.5 + 7.2 s  96 MB    65 ms        2
slices with a tuple for each column      9.2 + 7.4 s  105 MB   9 ms         0
a table of a database in memory          11.2 + 10 s  58 MB    11 ms        0
======================================== ============ ======== ============ =====================

A temporary table in the vault's own transaction would also write each row twice. It is not possible either: a source is
read before the transaction begins, the transaction of a dry run cannot write, and a report is used after it.
"""

from __future__ import annotations

import pickle
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Blocks", "Row"]

BLOCK_ROWS: Final = 100

Row: TypeAlias = "tuple[Any, ...]"


class Blocks:
    """A list of tuples of plain values, all of which are pickled except the last few."""

    __slots__ = ("_blocks", "_last")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._last: list[Row] = []

    def append(self, row: Row) -> None:
        """Add a row at the end."""
        self._last.append(row)
        if len(self._last) == BLOCK_ROWS:
            self._blocks.append(pickle.dumps(self._last, pickle.HIGHEST_PROTOCOL))
            self._last = []

    def from_row(self, start: int) -> Iterator[Row]:
        """Yield the rows from the one at ``start``."""
        block = min(start // BLOCK_ROWS, len(self._blocks))
        # The data were pickled by append(), and have not left this process.
        packed = (pickle.loads(data) for data in islice(self._blocks, block, None))  # noqa: S301
        return islice(chain(chain.from_iterable(packed), self._last), start - block * BLOCK_ROWS, None)

    def slice(self, start: int, stop: int) -> list[Row]:
        """Return the rows from ``start`` up to, but not including, ``stop``."""
        return [*islice(self.from_row(start), max(stop - start, 0))]

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK_ROWS + len(self._last)
