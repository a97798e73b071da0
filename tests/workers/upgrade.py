"""Open a vault, which upgrades it: as this release does, or as a later one with revisions of its own.

Usage: ``python -m workers.upgrade PATH [LOCATION]``; prints ``ready``, and ``open`` once the vault is.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from later_release import become
from workers.ledger import KEY
from zorivest_async import Vault


async def main(path: str) -> None:
    """Open and close it."""
    print("ready", flush=True)
    async with Vault.open(path, key=KEY, create=False):
        print("open", flush=True)


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        if len(sys.argv) > 2:
            become(Path(sys.argv[2]), patch)
        asyncio.run(main(sys.argv[1]))
