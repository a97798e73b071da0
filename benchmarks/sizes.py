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
        commits: Commits in a round; two of each writer at least.
        writers: Tasks that write at a time.
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
    writers: tuple[int, ...]
    bulk: tuple[int, ...]
    listed: tuple[int, ...]
    paged: int
    gallery: tuple[int, ...]
    backup_mb: int
    screenshots: int


LONG: Final = Sizes(
    rounds=9,
    stall_s=0.6,
    journal=100_000,
    reads=500,
    commits=200,
    writers=(1, 10, 50, 200),
    bulk=(10_000, 100_000),
    listed=(1_000, 100_000),
    paged=500_000,
    gallery=(20, 500),
    backup_mb=200,
    screenshots=20,
)

SHORT: Final = Sizes(
    rounds=5,
    stall_s=0.15,
    journal=20_000,
    reads=200,
    commits=50,
    writers=(1, 50),
    bulk=(5_000,),
    listed=(1_000, 20_000),
    paged=150_000,
    gallery=(20, 100),
    backup_mb=30,
    screenshots=4,
)
