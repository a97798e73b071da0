"""What a fuzz target is, and the edits that turn valid bytes into hostile ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

__all__ = ["Edit", "Target", "edit", "edits", "require_short", "run"]

_T = TypeVar("_T")

_RUNNER: Final = asyncio.Runner()

_NUMBERS: Final = [
    *(value.to_bytes(size, order) for size in (1, 2, 4, 8) for order in ("little", "big") for value in (0, 1)),
    *(bytes([first]) + rest for first in (0x7F, 0x80, 0xFF) for rest in (b"", b"\xff", b"\xff" * 3, b"\xff" * 7)),
    *(rest + bytes([last]) for last in (0x7F, 0x80) for rest in (b"\0", b"\xff" * 3, b"\0" * 3)),
]
"""Bounds of integers, in both byte orders: what lengths, counts and offsets break at."""

_FRONT: Final = 64

_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Target:
    """One way into a vault.

    Attributes:
        inputs: Makes inputs.
        check: Gives one to the library, and returns whether it was ``"taken"`` or ``"refused"``. What it raises is a
            fault.
        memory_mib: How much the peak of resident memory may rise with one input.
    """

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], str]
    memory_mib: int = 200


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of some bytes.

    Attributes:
        what: ``"set"`` and ``"insert"`` put ``data`` there; ``"delete"`` takes as many bytes away, ``"cut"`` all that
            follow; ``"repeat"`` puts them there once more; ``"flip"`` inverts the bits that are set in ``data``.
        where: Place, modulo the number of bytes.
        data: What is put there, or how much is concerned.
    """

    what: str
    where: int
    data: bytes


def edits(most: int = 6) -> st.SearchStrategy[list[Edit]]:
    """Return a strategy for edits, rather near the start."""
    where = st.one_of(st.integers(0, _FRONT), st.integers(0, 2**20))
    data = st.one_of(st.sampled_from(_NUMBERS), st.binary(min_size=1, max_size=16))
    what = st.sampled_from(["set", "set", "set", "flip", "insert", "delete", "repeat", "cut"])
    return st.lists(st.builds(Edit, what, where, data), max_size=most)


def edit(data: bytes, changes: Sequence[Edit]) -> bytes:
    """Return the bytes with the changes made, one after another."""
    result = bytearray(data)
    for change in changes:
        place = change.where % (len(result) + 1)
        end = place + len(change.data)
        match change.what:
            case "set":
                result[place:end] = change.data
            case "flip":
                result[place:end] = bytes(a ^ b for a, b in zip(result[place:end], change.data, strict=False))
            case "insert":
                result[place:place] = change.data
            case "delete":
                del result[place:end]
            case "repeat":
                result[place:place] = result[place : place + 8 * len(change.data)]
            case _:
                del result[place:]
    return bytes(result)


def require_short(error: Exception) -> None:
    """Check that nothing of an input is in an error's message: it would be as long as the input."""
    assert len(str(error)) < _LONGEST_MESSAGE, len(str(error))


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on the one event loop of the process."""
    return _RUNNER.run(work)
