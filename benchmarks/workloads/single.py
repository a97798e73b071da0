"""One trade at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ORMS, PEERS, REFERENCES, present
from benchmarks.trades import make_new_trades, some_ids
from benchmarks.workloads.base import ContenderWorkload

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["JournalWorkload", "ReadFresh", "ReadModifyWrite", "ReadOpen", "SaveCommit"]


class JournalWorkload(ContenderWorkload):
    """A workload over the vault of many trades."""

    async def find_vault(self) -> Path:  # noqa: D102
        return await self.vaults.journal(self.sizes.journal)

    def ids(self, count: int) -> list[str]:
        """Return identifiers of stored trades, the same ones each time."""
        return some_ids(self.sizes.journal, count, seed=1)


class ReadFresh(JournalWorkload):
    """Keyed reads, each in a unit of work of its own."""

    name = "read-fresh"
    title = "keyed read, fresh unit of work"
    per = "read"
    names = present(*REFERENCES, *ORMS, *PEERS, "aiosqlite-fetchall", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.operations = sizes.reads

    async def before(self, name: str) -> list[str]:  # noqa: ARG002, D102
        return self.ids(self.operations)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        read = self.contenders[name].read_fresh
        for exec_id in prepared:
            await read(exec_id)


class ReadOpen(ReadFresh):
    """Keyed reads in one unit of work."""

    name = "read-open"
    title = "keyed read, open unit of work"
    names = present(*REFERENCES, *ORMS, "library")

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        async with self.full(name).reading() as read:
            for exec_id in prepared:
                await read(exec_id)


class SaveCommit(JournalWorkload):
    """Saves, each with its commit."""

    name = "save-commit"
    title = "save + commit, fresh unit of work"
    per = "commit"
    names = present(*REFERENCES, *ORMS, *PEERS, "library")

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.operations = sizes.commits

    async def before(self, name: str) -> list[Any]:  # noqa: D102
        return self.contenders[name].prepare(make_new_trades(0, self.operations))

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        save = self.contenders[name].save_commit
        for trade in prepared:
            await save(trade)

    async def after(self, name: str) -> None:  # noqa: D102
        await self.remove_new(name)


class ReadModifyWrite(JournalWorkload):
    """A trade read, changed and committed."""

    name = "read-modify-write"
    title = "read, modify, write + commit"
    per = "commit"
    names = present(*REFERENCES, *ORMS, *PEERS, "library")

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.operations = sizes.commits

    async def before(self, name: str) -> list[str]:  # noqa: ARG002, D102
        return self.ids(self.operations)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        change = self.contenders[name].read_modify_write
        for exec_id in prepared:
            await change(exec_id)

    async def after(self, name: str) -> None:  # noqa: D102
        await self.remove_new(name)
