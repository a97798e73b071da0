"""Order of executions: by time, by their order in the source, and by identifier with digits as numbers."""

from __future__ import annotations

import re
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

__all__ = ["Ordering", "in_order", "natural"]

_SORTED_AT_ONCE: Final = 1000
_DIGITS: Final = re.compile(r"([0-9]+)")
_time = attrgetter("time")


class Timed(Protocol):
    """What has a time and an identifier."""

    @property
    def time(self) -> datetime: ...
    @property
    def exec_id(self) -> str: ...


_TimedT = TypeVar("_TimedT", bound=Timed)


def natural(text: str) -> tuple[Any, ...]:
    """Return a key that sorts a text with its digits as numbers: ``"/2"`` before ``"/10"``.

    Numbers are compared by their length and digits, as converting very long ones is slow.
    """
    parts: list[Any] = _DIGITS.split(text)
    for index in range(1, len(parts), 2):
        digits = parts[index].lstrip("0")
        parts[index] = (len(digits), digits)
    return (*parts, (0, text))  # what differs in leading zeros alone


def _place(execution: Timed) -> tuple[Any, ...]:
    sequence = getattr(execution, "sequence", None)
    return sequence is None, sequence or 0, natural(execution.exec_id)


def _sorted(same_time: list[_TimedT]) -> list[_TimedT]:
    """Sort executions of one time, in parts, so that a thread releases the interpreter's lock often enough."""
    if len(same_time) == 1:
        return same_time
    if len(same_time) <= _SORTED_AT_ONCE:
        return sorted(same_time, key=_place)
    starts = range(0, len(same_time), _SORTED_AT_ONCE)
    parts = (sorted(same_time[start : start + _SORTED_AT_ONCE], key=_place) for start in starts)
    return [*merge(*parts, key=_place)]


def in_order(executions: Iterable[_TimedT]) -> list[_TimedT]:
    """Return executions oldest first; those of the same time in the order of their source, then of identifiers."""
    by_time = sorted(executions, key=_time)
    return [execution for _, same_time in groupby(by_time, _time) for execution in _sorted([*same_time])]


class Ordering(Generic[_TimedT]):
    """Reorders slices of executions that come oldest first, so that those of the same time are together, in order."""

    def __init__(self) -> None:
        self._held: list[_TimedT] = []

    @property
    def held(self) -> int:
        """Number of executions that wait for others of the same time."""
        return len(self._held)

    def add(self, executions: Sequence[_TimedT]) -> list[_TimedT]:
        """Take a slice, and return the executions that are older than its last one.

        Raises:
            ValidationError: A time is older than the one before it, so another program has stored it.
        """
        ready: list[_TimedT] = []
        held = self._held
        for execution in executions:
            if held and execution.time != held[0].time:
                if execution.time < held[0].time:
                    raise ValidationError("Trade", "time", "is stored in a form that no release writes")
                ready += _sorted(held)
                held = []
            held.append(execution)
        self._held = held
        return ready

    def rest(self) -> list[_TimedT]:
        """Return the executions that are left."""
        held, self._held = self._held, []
        return _sorted(held)
