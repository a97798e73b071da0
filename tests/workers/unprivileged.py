"""Open a vault as a user without privileges: root may write everywhere, and becomes ``nobody`` first.

Usage: ``python -m workers.unprivileged PATH PASSPHRASE``; prints ``opened``, or the name of the library's error and
what it says.
"""

from __future__ import annotations

import asyncio
import os
import sys

from workers.loaded import load_library
from zorivest_async import KdfProfile, Vault, ZorivestError

assert sys.platform != "win32", "Windows has no user that root becomes"

NOBODY = 65534


async def main(path: str, passphrase: str) -> None:
    """Open it, or say why not."""
    try:
        async with Vault.open(path, passphrase=passphrase, profile=KdfProfile.CHEAPEST):
            print("opened")
    except ZorivestError as error:
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    if os.geteuid() == 0:
        load_library()
        os.setuid(NOBODY)
    asyncio.run(main(*sys.argv[1:]))
