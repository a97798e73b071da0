"""Having system calls fail, as they do where a disk, a quota or a limit of the system says no.

A filter of system calls has the kernel answer so (https://docs.kernel.org/userspace-api/seccomp_filter.html); it
stays until the process ends.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["MACHINES", "fail"]

MACHINES: Final = {
    "x86_64": {
        "pread64": 17,
        "pwrite64": 18,
        "clone": 56,
        "fsync": 74,
        "fdatasync": 75,
        "seccomp": 317,
        "clone3": 435,
    },
    "aarch64": {
        "pread64": 67,
        "pwrite64": 68,
        "fsync": 82,
        "fdatasync": 83,
        "clone": 220,
        "seccomp": 277,
        "clone3": 435,
    },
}
"""Numbers of system calls, by machine."""

PR_SET_NO_NEW_PRIVS = 38
SET_MODE_FILTER = 1
FLAG_TSYNC = 1  # for all threads of the process
RETURN_ERRNO, RETURN_ALLOW = 0x00050000, 0x7FFF0000
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


def fail(calls: Collection[str], number: int) -> None:
    """Have system calls of this process fail from now on.

    Args:
        calls: Their names.
        number: The ``errno`` of the failure.
    """
    numbers = MACHINES[platform.machine()]
    instructions = [
        (LOAD_NUMBER, 0, 0, 0),
        *((JUMP_IF_EQUAL, len(calls) - index, 0, numbers[name]) for index, name in enumerate(calls)),
        (RETURN, 0, 0, RETURN_ALLOW),
        (RETURN, 0, 0, RETURN_ERRNO | number),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in instructions))
    program = struct.pack("HP", len(instructions), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    filtered = not libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) and not libc.syscall(
        numbers["seccomp"], SET_MODE_FILTER, FLAG_TSYNC, program
    )
    if not filtered:
        raise OSError(ctypes.get_errno(), "the system calls cannot be filtered")
