"""Looking at files from a test's event loop, in a thread, as the detector demands."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


async def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted, without lock files, which stay."""
    return await asyncio.to_thread(lambda: sorted(path.name for path in folder.iterdir() if path.suffix != ".lock"))


async def contents_of(path: Path) -> bytes:
    """Return the bytes of a file."""
    return await asyncio.to_thread(path.read_bytes)
