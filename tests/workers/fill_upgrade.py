"""Open an older vault on a small file system with more and more room, until its upgrade fits.

Usage: ``python -m workers.fill_upgrade FOLDER VAULT KEY``, where the folder is on a file system of few megabytes, the
vault is elsewhere, and the key is in hexadecimal digits; prints what each attempt left as JSON.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from zorivest_async import Vault, VaultError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey

FIRST_ROOM_BYTES = 72 * 1024
"""For the shared memory of the WAL, without which no vault is opened."""

STEP_BYTES = 24 * 1024


def fill(filler: Path, room_bytes: int) -> None:
    """Leave so much room."""
    size = shutil.disk_usage(filler.parent).free - room_bytes
    filler.write_bytes(bytes(max(size, 0)))


def version_of(path: Path, key: bytes) -> int:
    """Return the version of a vault's schema."""
    with closing(open_cipher(vault_uri(path), VaultKey(key), ConnectionSettings(read_only=True))) as raw:
        (version,) = raw.execute("PRAGMA user_version").fetchone()
    return int(version)


async def attempt(path: Path, key: bytes) -> str:
    """Open the vault, and return the name of the error that it ends with."""
    try:
        async with Vault.open(path, key=key, create=False):
            return ""
    except VaultError as error:
        return type(error).__name__


def main(folder: Path, original: Path, key: bytes) -> list[dict[str, Any]]:
    """Try with more and more room."""
    path, filler = folder / "journal.vault", folder / "filler"
    attempts: list[dict[str, Any]] = []
    while not attempts or attempts[-1]["error"]:
        shutil.copy(original, path)
        fill(filler, FIRST_ROOM_BYTES + len(attempts) * STEP_BYTES)
        error = asyncio.run(attempt(path, key))
        same = path.read_bytes() == original.read_bytes()
        filler.unlink()
        names = sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")
        attempts.append({"error": error, "same": same, "names": names, "version": version_of(path, key)})
    return attempts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), bytes.fromhex(sys.argv[3]))))
