"""Counting what cancelled writes did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ROWS", "Attempt", "Cancellations", "Write", "summarise"]

ROWS: Final = 4_000
"""Rows of a bulk save that is cancelled."""


class Write(StrEnum):
    """What is cancelled."""

    COMMIT = "save + commit"
    STATEMENT = f"bulk save of {ROWS:,}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one cancelled write did.

    Attributes:
        finished: Whether it ended by itself, before the cancellation or in spite of it.
        error: Name of the error that it ended with, other than ``CancelledError``.
        told_ms: How long it took from the cancellation until the task ended, in milliseconds.
        told: What the caller can learn of the outcome, as ``uow.outcome`` says it; ``None`` for nothing.
        stored: How many of its rows were stored when the task had ended.
        stored_later: How many after the next write.
        rows: How many there were.
        next_ms: How long the next write took, in milliseconds; ``None`` where it failed or took more than 5 s.
        next_error: Name of its error.
        next_stored: Whether the next write is stored.
    """

    finished: bool
    error: str | None
    told_ms: float
    told: str | None
    stored: int
    stored_later: int
    rows: int
    next_ms: float | None
    next_error: str | None
    next_stored: bool


@dataclass(frozen=True, slots=True)
class Cancellations:
    """What the cancelled writes of one contender did.

    Attributes:
        contender: Its name.
        write: What was cancelled.
        cancelled: How many writes ended with ``CancelledError``.
        errors: Names of the errors that others ended with.
        stored: How many of these were stored all the same.
        late: How many of these were stored only after their task had ended: behind the caller's back.
        halves: How many of these were stored in part.
        untold: How many of these left their caller without a way to know whether they were stored.
        untrue: How many of these told their caller what was not so.
        told_max_ms: The longest time from the cancellation to the end of the task, in milliseconds.
        next_failed: How many of the next writes failed, or took more than 5 s.
        next_errors: Names of their errors.
        next_lost: How many of the next writes were acknowledged and are not stored.
        next_ms: The median time of the next write, in milliseconds; ``None`` where all failed.
    """

    contender: str
    write: str
    cancelled: int
    errors: list[str]
    stored: int
    late: int
    halves: int
    untold: int
    untrue: int
    told_max_ms: float
    next_failed: int
    next_errors: list[str]
    next_lost: int
    next_ms: float | None


def summarise(contender: str, write: Write, attempts: Sequence[Attempt]) -> Cancellations:
    """Count what the attempts did; at least one there is."""
    hit = [attempt for attempt in attempts if not attempt.finished]
    took = [attempt.next_ms for attempt in attempts if attempt.next_ms is not None]
    return Cancellations(
        contender,
        write,
        cancelled=len(hit),
        errors=sorted({attempt.error for attempt in attempts if attempt.error is not None}),
        stored=sum(attempt.stored_later == attempt.rows for attempt in hit),
        late=sum(attempt.stored < attempt.stored_later for attempt in hit),
        halves=sum(0 < attempt.stored_later < attempt.rows for attempt in hit),
        untold=sum(attempt.told in (None, "unknown") for attempt in hit),
        untrue=sum(
            (attempt.told == "committed" and attempt.stored_later < attempt.rows)
            or (attempt.told == "rolled_back" and attempt.stored_later > 0)
            for attempt in hit
        ),
        told_max_ms=max((attempt.told_ms for attempt in hit), default=0.0),
        next_failed=sum(attempt.next_ms is None for attempt in attempts),
        next_errors=sorted({attempt.next_error for attempt in attempts if attempt.next_error is not None}),
        next_lost=sum(attempt.next_ms is not None and not attempt.next_stored for attempt in attempts),
        next_ms=median(took) if took else None,
    )
