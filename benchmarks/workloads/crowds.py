"""Many tasks at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import ORMS, PEERS, REFERENCES, present
from benchmarks.slow_sync import EXTRA_MS
from benchmarks.trades import make_new_trades
from benchmarks.workloads.single import JournalWorkload

if TYPE_CHECKING:
    from benchmarks.contenders.base import Contender
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["ManyReaders", "ManyWriters", "ReadersBesideWriter"]

_READERS: Final = 50
_READERS_BESIDE: Final = 10

_WRITERS_BESIDE_PEERS: Final = 50
"""The number of writers beside which the peers take part, so that a run does not take hours."""


async def _read_all(contender: Contender, ids: list[str]) -> None:
    for exec_id in ids:
        await contender.read_fresh(exec_id)


async def _save_all(contender: Contender, trades: list[Any]) -> None:
    for trade in trades:
        await contender.save_commit(trade)


def _shares(things: list[Any], count: int) -> list[list[Any]]:
    return [things[number::count] for number in range(count)]


class ManyReaders(JournalWorkload):
    """Fifty tasks that read by key, each read in a unit of work of its own."""

    name = "readers-50"
    title = "50 concurrent readers"
    per = "read"
    names = present(*REFERENCES, *ORMS, *PEERS, "aiosqlite-fetchall", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.operations = max(1, sizes.reads // _READERS) * _READERS

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        contender = self.contenders[name]
        await asyncio.gather(*(_read_all(contender, ids) for ids in _shares(self.ids(self.operations), _READERS)))


class ManyWriters(JournalWorkload):
    """Tasks that save and commit, on this disk or on one whose sync takes longer.

    Args:
        vaults: Where the files come from.
        sizes: How much of it there is.
        writers: How many tasks.
        slow: Whether syncs take :data:`~benchmarks.slow_sync.EXTRA_MS` longer.
    """

    per = "commit"

    def __init__(self, vaults: Vaults, sizes: Sizes, writers: int, *, slow: bool) -> None:
        super().__init__(vaults, sizes)
        self.name = f"writers-{writers}" + (f"-sync-{EXTRA_MS}ms" if slow else "")
        self.title = ("a lone writer" if writers == 1 else f"{writers} concurrent writers") + (
            f", sync + {EXTRA_MS} ms" if slow else ""
        )
        self.needs_slow_sync = slow
        # The ORMs' connections wait for each other in SQLite's busy handler: with slow syncs, for ten seconds.
        peers = (*(() if slow else ORMS), *PEERS) if writers == _WRITERS_BESIDE_PEERS else ()
        self.names = present("limit", "one-by-one", "one-by-one-normal", *peers, "library")
        self._writers = writers
        self.operations = max(2, sizes.commits // writers) * writers

    async def before(self, name: str) -> list[Any]:  # noqa: D102
        return self.contenders[name].prepare(make_new_trades(0, self.operations))

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        contender = self.contenders[name]
        await asyncio.gather(*(_save_all(contender, trades) for trades in _shares(prepared, self._writers)))

    async def after(self, name: str) -> None:  # noqa: D102
        await self.remove_new(name)


class ReadersBesideWriter(JournalWorkload):
    """Ten tasks that read while one commits, until all are done; the time is given for a read."""

    name = "readers-beside-writer"
    title = "10 readers while a writer commits"
    per = "read"

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.operations = sizes.reads

    async def before(self, name: str) -> list[Any]:  # noqa: D102
        return self.contenders[name].prepare(make_new_trades(0, self.sizes.commits))

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        contender = self.contenders[name]
        readers = (_read_all(contender, ids) for ids in _shares(self.ids(self.operations), _READERS_BESIDE))
        await asyncio.gather(_save_all(contender, prepared), *readers)

    async def after(self, name: str) -> None:  # noqa: D102
        await self.remove_new(name)
