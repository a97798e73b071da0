"""Many rows at rest: pickled in blocks, which Python's garbage collector does not look into.

A collection of everything looks at each object that may be part of a cycle, in one go. With 100,000 entities among them
it held the event loop for 0.1 s, and with long lists of plain values instead still for 20 ms; and the more such objects
survive, the more often there is a collection of everything.
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
    """Tuples of plain values, in order; only the last few are objects."""

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
        # Pickled above: it has not left this process.
        packed = (pickle.loads(data) for data in islice(self._blocks, block, None))  # noqa: S301
        return islice(chain(chain.from_iterable(packed), self._last), start - block * BLOCK_ROWS, None)

    def slice(self, start: int, stop: int) -> list[Row]:
        """Return the rows from ``start`` to before ``stop``."""
        return [*islice(self.from_row(start), max(stop - start, 0))]

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK_ROWS + len(self._last)
