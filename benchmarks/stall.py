"""How long the event loop is kept from its work, as a distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Stall"]


@dataclass(frozen=True, slots=True)
class Stall:
    """How late a task was that asked to be woken every millisecond.

    Attributes:
        p50_ms: Half of its wakings were less late, in milliseconds.
        p99_ms: 99 of 100 were.
        p999_ms: 999 of 1,000 were.
        max_ms: The latest one.
        ticks: How often it woke; a percentile of few says little.
    """

    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    ticks: int

    @classmethod
    def of(cls, late_s: Sequence[float]) -> Self:
        """Summarise delays, in seconds; there is at least one."""
        ordered = sorted(late_s)

        def percentile_ms(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000

        return cls(percentile_ms(0.5), percentile_ms(0.99), percentile_ms(0.999), ordered[-1] * 1000, len(ordered))
