"""Do one thing to a whole vault, so that a test can kill the process meanwhile, or have it hold the vault.

Usage: ``python -m workers.life hold|backup|rekey|restore|create|upgrade|export_journal|...
ARGUMENT...``; prints ``ready``, waits for a line, and
prints ``done`` or the name of the library's error. A number in the line has it die at that step of its work; 0 has it
print ``done`` and how many steps there were.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.dying import Death
from workers.ledger import KEY
from zorivest_async import KdfProfile, Vault, ZorivestError
from zorivest_async.security import ApiKeyCipher
from zorivest_async.transfer.copying import copy_journal
from zorivest_async.transfer.exporting import export_trades
from zorivest_async.transfer.journal import export_journal, import_journal
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine


death: Death | None = None


@asynccontextmanager
async def opened(target: str, journal: str = "") -> AsyncGenerator[Vault]:
    """Open a vault in a file, or a journal of the server at a URL."""
    if not journal:
        async with Vault.open(target, key=KEY, create=False) as vault:
            yield vault
        return
    async with Vault.connect(target, journal=journal, encryption="server") as vault:
        vault._store.api_key_cipher = ApiKeyCipher(bytes(32))
        yield vault


async def _wait_for_a_line() -> None:
    global death  # noqa: PLW0603 - a process dies once
    print("ready", flush=True)
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip():
        death = Death(int(line))


async def hold(path: str) -> None:
    """Have the vault open until told to close it."""
    async with Vault.open(path, key=KEY, create=False) as vault, vault.unit_of_work() as uow:
        await uow.settings.set("held", value=True)
        await uow.commit()
        await _wait_for_a_line()
        await uow.settings.set("held on", value=True)
        await uow.commit()


async def hold_alone(path: str) -> None:
    """Hold the vault's lock as one who replaces it does, until told to let go."""
    lock = VaultLock(Path(path))
    lock.take()
    await _wait_for_a_line()
    lock.let_go()


async def leave_wal(path: str) -> None:
    """Commit, and wait to be killed before that is written back from the WAL."""
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
        await uow.settings.set("in the WAL", value=True)
        await uow.commit()
        await _wait_for_a_line()


async def backup(path: str, destination: str) -> None:
    """Back the vault up."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await _wait_for_a_line()
        await vault.backup(destination)


async def rekey(path: str, old: str, new: str) -> None:
    """Change the passphrase."""
    async with Vault.open(path, passphrase=old, create=False) as vault:
        await _wait_for_a_line()
        await vault.rekey(new, profile=KdfProfile.CHEAPEST)


async def restore(source: str, path: str) -> None:
    """Put the backup in the vault's place."""
    await _wait_for_a_line()
    await Vault.restore(source, path, key=KEY)


async def create(path: str) -> None:
    """Make a vault."""
    await _wait_for_a_line()
    await (await Vault.open(path, key=KEY)).aclose()


async def upgrade(path: str) -> None:
    """Open a vault that an older release wrote."""
    await _wait_for_a_line()
    await (await Vault.open(path, key=KEY, create=False)).aclose()


async def export_whole(path: str, folder: str) -> None:
    """Export the whole journal to a new folder."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await _wait_for_a_line()
        await export_journal(vault, folder)


async def export_csv(path: str, old: str, new: str) -> None:
    """Export the trades to a new file, and in place of one."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await _wait_for_a_line()
        await export_trades(vault, new, overwrite=False)
        await export_trades(vault, old)


async def import_whole(path: str, folder: str) -> None:
    """Import a whole journal."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await _wait_for_a_line()
        await import_journal(vault, folder)


async def copy_whole(source: str, target: str, journal: str = "") -> None:
    """Copy a whole journal into a file, or into a journal of the server at a URL."""
    async with Vault.open(source, key=KEY, create=False) as old, opened(target, journal) as new:
        await _wait_for_a_line()
        await copy_journal(old, new)


async def main(name: str, *arguments: str) -> None:
    """Do it, and say how it ended."""
    work: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        "hold": hold, "hold_alone": hold_alone, "leave_wal": leave_wal, "backup": backup, "rekey": rekey,
        "restore": restore, "create": create, "upgrade": upgrade, "export_journal": export_whole,
        "export_trades": export_csv, "import_journal": import_whole,
        "copy_journal": copy_whole,
    }  # fmt: skip
    try:
        await work[name](*arguments)
        print("done" if death is None else f"done {death.lines}", flush=True)
    except ZorivestError as error:
        print(type(error).__name__, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
