"""A process that kills itself on the way through the library's code: between two steps of its work, at one chosen."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import zorivest_async

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Death", "die"]

PACKAGE = os.path.dirname(str(zorivest_async.__file__))  # noqa: PTH120 - compared with code's own file names
STEPS_IN = (os.path.join(PACKAGE, "database"), os.path.join(PACKAGE, "integrations"))  # noqa: PTH118
NO_STEPS_IN = os.path.join(STEPS_IN[0], "long_operation.py")  # noqa: PTH118 - reports progress as often as time allows


def die() -> NoReturn:
    """End this process at once, as ``Popen.kill()`` would: no block is left, nothing is flushed."""
    if sys.platform == "win32":
        os._exit(1)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("a process survived SIGKILL")


class Death:
    """Counts the lines that threads run in the library's code from now on, and kills the process at one.

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
                die()
        return self._count
