"""The vault as a whole: opening and backing up; and importing the package."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from argon2.low_level import hash_secret_raw

from benchmarks.connecting import open_raw
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.limit import HandOff
from benchmarks.contenders.zorivest import Library
from benchmarks.vaults import KEY, PASSPHRASE
from benchmarks.workloads.base import Workload
from zorivest_async import KdfProfile, Vault, derive_key

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contenders.base import Contender
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["Backup", "ImportTime", "OpenConnections", "OpenWithPassphrase"]

_CONNECTIONS: Final = 10


class OpenConnections(Workload):
    """Ten connections with the raw key: what opening costs besides Argon2id."""

    name = "open-ten"
    title = "open ten connections, besides Argon2id"
    per = "connection"
    operations = _CONNECTIONS

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        self._path = await self.vaults.journal(0)
        self._opened: Contender | None = None

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        self._opened = await CONTENDERS[name].open(self._path, KEY, _CONNECTIONS)
        await self._opened.hold_open(_CONNECTIONS)

    async def after(self, name: str) -> None:  # noqa: ARG002, D102
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()


class OpenWithPassphrase(Workload):
    """A vault opened with its passphrase, beside Argon2id alone in a thread."""

    name = "open-passphrase"
    title = "open with passphrase"
    per = "opening"
    names = ("argon2id", "library")

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        self._path, self._salt = await self.vaults.locked()
        self._opened: Vault | None = None

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        if name == "library":
            self._opened = await Vault.open(self._path, passphrase=PASSPHRASE, create=False)
            async with self._opened.unit_of_work(read_only=True) as uow:
                await uow.accounts.count_all()
        else:
            await asyncio.to_thread(derive_key, PASSPHRASE, self._salt, KdfProfile.DEFAULT)

    async def count(self) -> dict[str, float]:
        """Count how often Argon2id runs when ten connections are opened."""
        with patch("zorivest_async.security.kdf.hash_secret_raw", wraps=hash_secret_raw) as hashing:
            vault = await Vault.open(self._path, passphrase=PASSPHRASE, create=False, readers=_CONNECTIONS - 1)
            opened = Library(vault)
            await opened.hold_open(_CONNECTIONS)
            await opened.aclose()
        return {"argon2id-runs": hashing.call_count}

    async def after(self, name: str) -> None:  # noqa: ARG002, D102
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()


def _vacuum_into(path: Path, destination: Path) -> None:
    with closing(open_raw(path, KEY)) as connection:
        connection.execute("VACUUM INTO ?", (str(destination),))


class Backup(Workload):
    """A copy of a large vault, beside ``VACUUM INTO`` in a thread, which neither syncs nor reads back what it wrote."""

    name = "backup"
    per = "backup"
    names = ("vacuum-into", "library")
    memory = names

    def __init__(self, vaults: Vaults, sizes: Sizes) -> None:
        super().__init__(vaults, sizes)
        self.title = f"backup of a {sizes.backup_mb:,} MB vault"

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        self._path = await self.vaults.sized(self.sizes.backup_mb)
        self._copy = self.vaults.folder / "copy.vault"
        self._copy.unlink(missing_ok=True)
        self._vault = await Vault.open(self._path, key=KEY, create=False)
        self._hand_off = HandOff()

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        if name == "library":
            await self._vault.backup(self._copy)
        else:
            await self._hand_off.call(_vacuum_into, self._path, self._copy)

    async def after(self, name: str) -> None:  # noqa: ARG002, D102
        self._copy.unlink()

    async def aclose(self) -> None:  # noqa: D102
        await self._vault.aclose()
        await self._hand_off.aclose()


class ImportTime(Workload):
    """The package imported by a fresh interpreter, beside what it needs in any case."""

    name = "import"
    title = "import of the package"
    per = "import"
    names = ("dependencies", "library")

    _MODULES: Final = {"library": "zorivest_async", "dependencies": "sqlalchemy.ext.asyncio, PIL.Image"}
    _PROGRAM: Final = "from time import perf_counter as now; began = now(); import {}; print(now() - began)"

    async def open(self, names: tuple[str, ...]) -> None:
        """Nothing to open."""

    async def run(self, name: str, prepared: Any) -> float:  # noqa: ARG002, D102
        command = (sys.executable, "-c", self._PROGRAM.format(self._MODULES[name]))
        # What pip installs is compiled; a checkout is, too, after the warm-up.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.vaults.folder / "bytecode")
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment)
        output, _ = await process.communicate()
        return float(output)
