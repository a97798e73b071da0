"""How much of everything there is, in the long form and in the short one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["LONG", "SHORT", "Sizes"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Amounts of one form of the benchmark.

    Attributes:
        rounds: How often each contender is timed.
        stall_s: How long the event loop is watched beside each contender, at least, in seconds.
        journal: Trades in the vault that most workloads read.
        reads: Keyed reads in a round.
        commits: Commits in a round.
        bulk: Trades saved at once.
        listed: Trades listed at once.
        paged: Trades in the vault that is paged through.
        gallery: Images of 1 MB of the trades whose gallery is listed.
        backup_mb: Size of the vault that is backed up, in megabytes.
        screenshots: Screenshots attached at once.
    """

    rounds: int
    stall_s: float
    journal: int
    reads: int
    commits: int
    bulk: tuple[int, ...]
    listed: tuple[int, ...]
    paged: int
    gallery: tuple[int, ...]
    backup_mb: int
    screenshots: int


LONG: Final = Sizes(
    rounds=7,
    stall_s=2.0,
    journal=100_000,
    reads=1_000,
    commits=100,
    bulk=(10_000, 100_000),
    listed=(1_000, 100_000),
    paged=1_000_000,
    gallery=(20, 1_000),
    backup_mb=500,
    screenshots=20,
)

SHORT: Final = Sizes(
    rounds=5,
    stall_s=0.15,
    journal=20_000,
    reads=200,
    commits=50,
    bulk=(5_000,),
    listed=(1_000, 20_000),
    paged=150_000,
    gallery=(20, 100),
    backup_mb=30,
    screenshots=4,
)
