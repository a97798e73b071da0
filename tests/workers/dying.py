"""A process that kills itself on the way through the library's code: between two steps of its work, at one chosen."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import zorivest_async.database

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Death"]

STEPS_IN = os.path.dirname(str(zorivest_async.database.__file__))  # noqa: PTH120 - compared with code's own file names
NO_STEPS_IN = f"{STEPS_IN}{os.sep}long_operation.py"  # reports progress as often as time allows


class Death:
    """Counts the lines that threads run in the library's database code from now on, and kills the process at one.

    Args:
        line: Which, from 1; 0 to count only.
    """

    def __init__(self, line: int) -> None:
        self.lines = 0
        self._line = line
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        file = frame.f_code.co_filename
        return self._count if file.startswith(STEPS_IN) and file != NO_STEPS_IN else None

    def _count(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self._line:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._count
