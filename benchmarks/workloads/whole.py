"""The vault as a whole: opening and backing up; and importing the package."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

from argon2.low_level import hash_secret_raw

from benchmarks.connecting import open_raw
from benchmarks.contenders import CONTENDERS
from benchmarks.contenders.limit import HandOff
from benchmarks.contenders.zorivest import Library
from benchmarks.trades import exec_id_of
from benchmarks.vaults import KEY, PASSPHRASE
from benchmarks.workloads.base import Workload
from zorivest_async import KdfProfile, Vault, derive_key

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.contenders.base import Contender, FullContender
    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["Backup", "ImportTime", "OpenConnections", "OpenWithPassphrase"]

_CONNECTIONS: Final = 10

_TIMED: Final = "from time import perf_counter as now; began = now(); {}; print(now() - began)"
_IMPORT_PROGRAM: Final = _TIMED.format("import zorivest_async")
_MODULES_PROGRAM: Final = "from importlib import import_module; " + _TIMED.format("[*map(import_module, {})]")
_DEPENDENCIES_PROGRAM: Final = """\
import sys, zorivest_async
from importlib.metadata import packages_distributions
dependencies = packages_distributions().keys() - {"zorivest_async"}
print(*(name for name in sys.modules if name.partition(".")[0] in dependencies and sys.modules[name].__spec__))
"""
"""Names the modules of installed distributions that the package's import loads, each after its parent."""
_FIRST: Final = exec_id_of(0)


class OpenConnections(Workload):
    """Ten connections with the raw key: what opening costs besides Argon2id."""

    name = "open-ten"
    title = "open ten connections, besides Argon2id"
    per = "connection"
    operations = _CONNECTIONS

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        self._path = await self.vaults.journal(0)
        self._opened: FullContender | None = None

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        self._opened = cast("FullContender", await CONTENDERS[name].open(self._path, KEY, _CONNECTIONS))
        await self._opened.hold_open(_CONNECTIONS)

    async def after(self, name: str) -> None:  # noqa: ARG002, D102
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()


class OpenWithKey(Workload):
    """A vault opened with its raw key, up to the first row that is read."""

    name = "open-key"
    title = "open with a raw key, and read a row"
    per = "opening"
    operations = 20

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002
        self._path = await self.vaults.journal(100)
        self._opened: list[Contender] = []

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002
        for _ in range(self.operations):
            opened = await CONTENDERS[name].open(self._path, KEY)
            self._opened.append(opened)
            await opened.read_fresh(_FIRST)

    async def after(self, name: str) -> None:  # noqa: ARG002
        while self._opened:
            await self._opened.pop().aclose()


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
    most_rounds = 3

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
    """The package imported by a fresh interpreter, beside the modules of its dependencies that this brings."""

    name = "import"
    title = "import of the package"
    per = "import"
    names = ("dependencies", "library")

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        modules = await self._run(_DEPENDENCIES_PROGRAM)
        self._programs = {"library": _IMPORT_PROGRAM, "dependencies": _MODULES_PROGRAM.format(modules.split())}

    async def run(self, name: str, prepared: Any) -> float:  # noqa: ARG002, D102
        return float(await self._run(self._programs[name]))

    async def _run(self, program: str) -> str:
        # What pip installs is compiled; a checkout is, too, after the warm-up.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.vaults.folder / "bytecode")
        command = (sys.executable, "-c", program)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env=environment)
        output, _ = await process.communicate()
        return output.decode()
