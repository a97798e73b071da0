"""What a workload is."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from benchmarks.contenders import CONTENDERS, ORMS, REFERENCES, present
from benchmarks.contenders.base import File
from benchmarks.vaults import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contenders.base import Contender, FullContender
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["ContenderWorkload", "Workload"]


class Workload(ABC):
    """Work that several contenders do, measured side by side.

    Args:
        vaults: Where the files come from.
        sizes: How much of it there is.

    Attributes:
        name: Short, for the command line and the baseline.
        title: What is done.
        per: What the time is given for.
        operations: How many of these a run does.
        names: Who takes part; ``"library"`` is this library.
        memory: Whose memory is measured, in processes of their own.
        original_bytes: Bytes of originals that need not be read.
        most_rounds: The maximum number of rounds, for what takes long; ``None`` for as many as are asked for.
        needs_slow_sync: Whether it must run in a process whose syncs take longer.
    """

    name: str
    title: str
    per: str = "operation"
    operations: int = 1
    names: tuple[str, ...] = present(*REFERENCES, *ORMS, "library")
    memory: tuple[str, ...] = ()
    original_bytes: int = 0
    most_rounds: int | None = None
    needs_slow_sync: bool = False

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        self.vaults = vaults
        self.sizes = sizes

    @abstractmethod
    async def open(self, names: tuple[str, ...]) -> None:
        """Get ready for the named contenders."""

    async def before(self, name: str) -> Any:  # noqa: ARG002 - for those that need it
        """Return what a run takes; not timed."""
        return None

    @abstractmethod
    async def run(self, name: str, prepared: Any) -> float | None:
        """Do the work; return how long it took, in seconds, where that is known better than from outside."""

    async def after(self, name: str) -> None:  # noqa: B027 - optional
        """Put things back as they were; not timed."""

    async def warm_up(self, name: str) -> None:  # noqa: B027 - optional
        """Do a little of the work, so that what is loaded once does not count as memory that the work takes."""

    async def count(self) -> dict[str, float]:
        """Return what is counted rather than timed, by the name of its measure."""
        return {}

    async def aclose(self) -> None:  # noqa: B027 - optional
        """Close whatever is open."""


class ContenderWorkload(Workload):
    """A workload whose contenders are the usual ones, opened once, over one file."""

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.contenders: dict[str, Contender] = {}
        self.path: Path
        self.paths: dict[str, Path] = {}

    @abstractmethod
    async def find_vault(self) -> Path:
        """Return the file."""

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: D102
        self.path = await self.find_vault()
        self.paths = {name: await asyncio.to_thread(self._file_of, name) for name in names}  # before any is open
        for name, path in self.paths.items():
            self.contenders[name] = await CONTENDERS[name].open(path, KEY)

    def _file_of(self, name: str) -> Path:
        match CONTENDERS[name].file:
            case File.SHARED:
                return self.path
            case File.COPY:
                return self.vaults.copy(self.path)
            case File.PLAIN:
                return self.vaults.plain(self.path, self.path.with_suffix(".plain"))

    def full(self, name: str) -> FullContender:
        """Return a contender of :attr:`Workload.names` that has more than keyed reads, writes and lists."""
        return cast("FullContender", self.contenders[name])

    async def remove_new(self, name: str) -> None:
        """Remove what a contender has saved."""
        await self.contenders[name].remove_new(self.paths[name])

    async def warm_up(self, name: str) -> None:  # noqa: D102
        await self.contenders[name].list_trades(1)

    async def aclose(self) -> None:  # noqa: D102
        while self.contenders:
            await self.contenders.popitem()[1].aclose()
