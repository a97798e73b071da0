"""Open a vault that does not exist yet, at the same moment as other processes, and write to it.

Usage: ``python -m workers.create PATH PASSPHRASE ACCOUNT``; prints ``ready``, waits for a line, prints ``written``
or the name of the library's error.
"""

from __future__ import annotations

import asyncio
import sys

from zorivest_async import Account, AccountType, KdfProfile, Vault, ZorivestError


async def main(path: str, passphrase: str, account: str) -> None:
    """Create or open, and write."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    try:
        opening = Vault.open(path, passphrase=passphrase, profile=KdfProfile.CHEAPEST)
        async with opening as vault, vault.unit_of_work() as uow:
            await uow.accounts.save(Account(account, account, AccountType.BANK))
            await uow.commit()
        print("written", flush=True)
    except ZorivestError as error:
        print(type(error).__name__, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
