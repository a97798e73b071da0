"""What is no regular file: pipes, sockets and devices, on systems that have them in folders."""

from __future__ import annotations

import os
import socket
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["is_root", "make_device", "make_pipe", "make_socket", "release_pipe", "terminal_at"]


def make_pipe(path: Path) -> None:
    """Make a named pipe that nothing is ever written to."""
    if sys.platform != "win32":
        os.mkfifo(path)


def make_socket(path: Path) -> None:
    """Make a socket."""
    if sys.platform != "win32":
        here = os.getcwd()  # noqa: PTH109 - the name of a socket is short
        os.chdir(path.parent)
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        finally:
            os.chdir(here)


def make_device(path: Path) -> None:
    """Make a device that gives zeros without an end.

    Raises:
        PermissionError: Only an administrator makes devices.
    """
    if sys.platform != "win32":
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))


@contextmanager
def terminal_at(path: Path) -> Iterator[None]:
    """Make a symbolic link to a device that any user may make and none can replace: a pseudo-terminal.

    A link to ``/dev/null`` would let a test that fails as an administrator replace the device of the whole machine.
    """
    if sys.platform != "win32":
        controller, terminal = os.openpty()
        path.symlink_to(os.ttyname(terminal))
        try:
            yield
        finally:
            os.close(terminal)
            os.close(controller)
            path.unlink()
    else:
        yield


def release_pipe(path: Path) -> None:
    """Let go of whatever waits for a named pipe."""
    if sys.platform != "win32":
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def is_root() -> bool:
    """Return whether permissions keep this user from nothing."""
    if sys.platform != "win32":
        return os.geteuid() == 0
    else:  # noqa: RET505 - type checkers look at one branch
        return False
