"""Many trades at a time: saved, listed, streamed and paged through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import ORMS, PEERS, REFERENCES, present
from benchmarks.trades import make_new_trades
from benchmarks.workloads.base import ContenderWorkload
from benchmarks.workloads.single import JournalWorkload

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contenders.base import Position
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["BulkSave", "FirstPage", "ListTrades", "PageDepth", "StreamTrades", "ThousandthPage", "short_number"]

_PAGE_SIZE: Final = 100
_PAGES_BEFORE: Final = 999
_PAGES_A_ROUND: Final = 40

_MANY: Final = 100_000
_ROUNDS_OF_MANY: Final = 3
_BESIDE_MANY: Final = present(*REFERENCES, "objects", "stock", "library")
"""A round of all contenders with so many rows would take half a minute."""


def short_number(count: int) -> str:
    """Return 1000 as ``1k``."""
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


class BulkSave(ContenderWorkload):
    """Trades saved at once into a vault that has none."""

    per = "row"
    names = present(*REFERENCES, "objects", *ORMS, *PEERS, "library")
    memory = ("bare", "stock", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes, count: int) -> None:
        super().__init__(vaults, sizes)
        self.name = f"bulk-{short_number(count)}"
        self.title = f"bulk save of {count:,}"
        self.operations = count
        if count >= _MANY:
            self.names, self.most_rounds = _BESIDE_MANY, _ROUNDS_OF_MANY

    async def find_vault(self) -> Path:  # noqa: D102
        return await self.vaults.journal(0)

    async def warm_up(self, name: str) -> None:  # noqa: D102
        await self.contenders[name].bulk_save(self.contenders[name].prepare(make_new_trades(self.operations, 1)))

    async def before(self, name: str) -> list[Any]:  # noqa: D102
        return self.contenders[name].prepare(make_new_trades(0, self.operations))

    async def run(self, name: str, prepared: Any) -> None:  # noqa: D102
        await self.contenders[name].bulk_save(prepared)

    async def after(self, name: str) -> None:  # noqa: D102
        await self.remove_new(name)


class ListTrades(JournalWorkload):
    """The newest trades, listed until a round has enough of them."""

    per = "row"
    names = present(*REFERENCES, "objects", *ORMS, *PEERS, "library")
    memory = ("bare", "stock", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes, count: int) -> None:
        super().__init__(vaults, sizes)
        self.name = f"list-{short_number(count)}"
        self.title = f"list {count:,}"
        self._count = count
        if count >= _MANY:
            self.names, self.most_rounds = _BESIDE_MANY, _ROUNDS_OF_MANY
        self._times = max(1, 20_000 // count)
        self.operations = count * self._times

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        for _ in range(self._times):
            await self.contenders[name].list_trades(self._count)


class StreamTrades(JournalWorkload):
    """The newest trades, looked at one by one and not kept."""

    per = "row"
    names = ("bare", "stock", "library")
    memory = names

    def __init__(self, vaults: Vaults, sizes: Sizes, count: int) -> None:
        super().__init__(vaults, sizes)
        self.name = f"stream-{short_number(count)}"
        self.title = f"stream {count:,}"
        self.operations = count
        self.most_rounds = _ROUNDS_OF_MANY if count >= _MANY else None

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        await self.full(name).stream_trades(self.operations)


class _Paging(ContenderWorkload):
    per = "page"
    operations = _PAGES_A_ROUND

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.positions: dict[str, Position] = {}

    async def find_vault(self) -> Path:
        return await self.vaults.journal(self.sizes.paged)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002
        await self.read_page(name, self.positions.get(name))

    async def read_page(self, name: str, after: Position) -> None:
        for _ in range(self.operations):
            await self.full(name).page(_PAGE_SIZE, after)


class FirstPage(_Paging):
    """The first page of many."""

    name = "page-1"

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.title = f"page 1 of {sizes.paged:,} trades"


class ThousandthPage(_Paging):
    """The thousandth page of many."""

    name = "page-1000"

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.title = f"page 1,000 of {sizes.paged:,} trades"

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: D102
        await super().open(names)
        for name in names:
            self.positions[name] = await self.full(name).position_after(_PAGES_BEFORE * _PAGE_SIZE)


class PageDepth(_Paging):
    """The thousandth page beside the first, both this library's."""

    name = "page-depth"
    names = ("library", "first-page")

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.title = f"page 1,000 against page 1 of {sizes.paged:,} trades"

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        await super().open(("library",))
        self.positions["library"] = await self.full("library").position_after(_PAGES_BEFORE * _PAGE_SIZE)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        await self.read_page("library", self.positions.get(name))
