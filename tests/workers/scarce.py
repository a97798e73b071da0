"""Use a vault where the system lacks or forbids something, and say what comes of it.

Usage: ``python -m workers.scarce CONDITION FOLDER``, where CONDITION is one of ``CONDITIONS``. A line of JSON says, for
each thing that was tried, its error and what that says, or ``ok``; and the outcomes of two units of work.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.ledger import KEY
from workers.loaded import load_library
from workers.system_calls import fail
from zorivest_async import KdfProfile, Vault, ZorivestError, create_encrypted_connection, create_vault_engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

assert sys.platform != "win32", "memory, sizes and descriptors are limited as on POSIX"

NOBODY = 65534
LARGE = "z" * 900_000


def limit_sizes() -> None:
    """Let no file grow beyond half a megabyte, as ``ulimit -f`` does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))


def take_descriptors() -> None:
    """Leave no descriptor free, nor any that is given back later."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))


def give_privileges_up() -> None:
    """Become another user, who may not read the library in the folder of some virtual environments."""
    load_library()
    os.setuid(NOBODY)


def mount_read_only(folder: Path) -> None:
    """Mount a folder over itself, so that nothing in it can be changed by its name."""
    for options in (("--bind",), ("-o", "remount,bind,ro")):
        subprocess.run(["mount", *options, folder, folder], check=True)  # noqa: S607


CONDITIONS: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "size": limit_sizes,
    "quota": lambda: fail({"pwrite64"}, errno.EDQUOT),
    "full": lambda: fail({"pwrite64"}, errno.ENOSPC),
    "failing writes": lambda: fail({"pwrite64"}, errno.EIO),
    "failing reads": lambda: fail({"pread64"}, errno.EIO),
    "descriptors": take_descriptors,
    "threads": lambda: fail({"clone", "clone3"}, errno.EAGAIN),
    "privileges": give_privileges_up,
    "read-only": lambda: mount_read_only(Path(sys.argv[2])),
}


async def ending_of(work: Awaitable[object]) -> str:
    """Await something and say how it ended."""
    try:
        await work
    except ZorivestError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - a bare error is what this is about
        return f"RAW {type(error).__name__}: {error}"
    return "ok"


async def main(condition: str, folder: Path) -> dict[str, Any]:
    """Do it."""
    path, idle, backup = folder / "journal.vault", folder / "idle.vault", folder / "backup.vault"
    happened: dict[str, Any] = {}

    async def put(vault: Vault, key: str, value: str) -> None:
        uow = vault.unit_of_work()
        try:
            async with uow:
                await uow.settings.set(key, value)
                await uow.commit()
        finally:
            happened[f"outcome of {key}"] = uow.outcome

    async def read(vault: Vault) -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("first") == LARGE

    async def reopen(file: Path, *, create: bool = False) -> None:
        await (await Vault.open(file, key=KEY, create=create)).aclose()

    async def connect() -> None:
        connection = await create_encrypted_connection(folder / "notes.db", "words", profile=KdfProfile.CHEAPEST)
        await connection.close()

    async def use_engine() -> None:
        engine = create_vault_engine(idle, KEY)
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql("SELECT count(*) FROM settings")
        finally:
            await engine.dispose()

    for file in (idle, path):
        async with Vault.open(file, key=KEY) as vault:
            await put(vault, "first", LARGE)
            if file == idle:
                await vault.backup(backup)
    vault = await Vault.open(path, key=KEY)
    await put(vault, "second", "small")
    await read(vault)
    CONDITIONS[condition]()
    happened["write"] = await ending_of(put(vault, "third", LARGE))
    happened["read"] = await ending_of(read(vault))
    happened["verify"] = await ending_of(vault.verify())
    happened["backup"] = await ending_of(vault.backup(folder / "copy.vault"))
    happened["rekey"] = await ending_of(vault.rekey("new", profile=KdfProfile.CHEAPEST))
    happened["open"] = await ending_of(reopen(idle))
    happened["create"] = await ending_of(reopen(folder / "new.vault", create=True))
    happened["connect"] = await ending_of(connect())
    happened["engine"] = await ending_of(use_engine())
    happened["restore"] = await ending_of(Vault.restore(backup, folder / "restored.vault", key=KEY))
    return happened


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1], Path(sys.argv[2])))))
    sys.stdout.flush()
    os._exit(0)
