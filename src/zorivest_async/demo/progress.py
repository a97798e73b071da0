"""A line on a terminal that says what a slow run is doing."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Progress"]

_PATIENCE_S = 0.5
_REFRESH_S = 0.1
_LINE_WIDTH = 79
_ERASE_LINE = f"\r{'':{_LINE_WIDTH}}\r"


class Progress:
    """Shows the present :attr:`step` on one line, after half a second, and erases it when the block ends.

    A thread writes it, because a terminal may block. Where the stream is not a terminal, nothing is written.

    Args:
        stream: Where to show it.

    Attributes:
        step: What is being done; set it at any time, it costs nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self.step = "starting"
        self._stream = stream
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _show(self) -> None:
        began, pause_s = monotonic(), _PATIENCE_S
        while not self._over.wait(pause_s):
            pause_s = _REFRESH_S
            line = f"{monotonic() - began:5.1f} s  {self.step}"
            self._stream.write(f"\r{line:{_LINE_WIDTH}.{_LINE_WIDTH}}")
            self._stream.flush()
        if pause_s == _REFRESH_S:
            self._stream.write(_ERASE_LINE)
            self._stream.flush()
