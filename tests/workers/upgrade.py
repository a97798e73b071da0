"""Open a vault, which upgrades it: as this release does, or as a later one with revisions of its own.

Usage: ``python -m workers.upgrade PATH [--location FOLDER] [--key HEX]``; prints ``ready``, and ``open`` once it is.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import pytest

from later_release import become
from workers.ledger import KEY
from zorivest_async import Vault


async def main(path: Path, key: bytes) -> None:
    """Open and close it."""
    print("ready", flush=True)
    async with Vault.open(path, key=key, create=False):
        print("open", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--location", type=Path)
    parser.add_argument("--key", type=bytes.fromhex, default=KEY)
    arguments = parser.parse_args()
    with pytest.MonkeyPatch.context() as patch:
        if arguments.location is not None:
            become(arguments.location, patch)
        asyncio.run(main(arguments.path, arguments.key))
