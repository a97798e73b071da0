"""The driver alone where many write: one commit after another, each with a sync of its own or with none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from benchmarks.contenders.bare import Bare

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OneByOne", "OneByOneNormal"]


class OneByOne(Bare):
    """Each commit is synced before the next begins."""


class OneByOneNormal(Bare):
    """``synchronous=NORMAL``: nothing is synced before a checkpoint, and a power failure takes acknowledged commits."""

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: D102
        opened = await super().open(path, key, connections)
        opened._connection.execute("PRAGMA synchronous = NORMAL")  # noqa: SLF001 - of its base class
        return opened
