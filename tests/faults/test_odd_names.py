"""Names that lead to no file a vault can be: typed errors at every door, at once, and what is there stays."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from command_line import run_vault_command
from special_files import make_pipe, make_socket, terminal_at
from zorivest_async import (
    KdfProfile,
    NotAVaultError,
    Vault,
    VaultError,
    VaultNotFoundError,
    create_encrypted_connection,
    create_vault_engine,
    derive_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes are files on POSIX")

PASSPHRASE = "correct horse battery staple"
CHEAPEST = KdfProfile.CHEAPEST
PROMPT_S = 20.0


async def make(path: Path, passphrase: str = PASSPHRASE) -> None:
    """Make a vault."""
    await (await Vault.open(path, passphrase=passphrase, profile=CHEAPEST)).aclose()


async def open_vault(path: Path) -> None:
    """Open a vault, or make it."""
    await make(path)


async def open_existing(path: Path) -> None:
    """Open a vault that is there."""
    await (await Vault.open(path, passphrase=PASSPHRASE, create=False)).aclose()


async def connect(path: Path) -> None:
    """Open a connection."""
    await (await create_encrypted_connection(path, PASSPHRASE, profile=CHEAPEST)).close()


async def use_engine(path: Path) -> None:
    """Open a connection of an engine."""
    engine = create_vault_engine(path, derive_key(PASSPHRASE, bytes(16), CHEAPEST))
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


async def back_up_to(path: Path) -> None:
    """Make a backup of another vault."""
    async with Vault.open(path.parent / "other.vault", passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
        await vault.backup(path)


async def restore_to(path: Path) -> None:
    """Restore another vault."""
    source = path.parent / "other.vault"
    await make(source)
    await Vault.restore(source, path, passphrase=PASSPHRASE)


async def restore_from(path: Path) -> None:
    """Restore it."""
    await Vault.restore(path, path.parent / "new.vault", passphrase=PASSPHRASE)


async def adopt_to(path: Path) -> None:
    """Make a vault of a plaintext journal."""

    def write() -> Path:
        source = path.parent / "plain.db"
        with closing(sqlite3.connect(source)) as plain:
            plain.execute("CREATE TABLE accounts (account_id)")
        return source

    await Vault.adopt(await asyncio.to_thread(write), path, passphrase=PASSPHRASE, profile=CHEAPEST)


async def adopt_from(path: Path) -> None:
    """Make a vault of what is there."""
    await Vault.adopt(path, path.parent / "new.vault", passphrase=PASSPHRASE, profile=CHEAPEST)


DOORS: dict[str, Callable[[Path], Coroutine[Any, Any, None]]] = {
    door.__name__: door
    for door in (
        open_vault,
        open_existing,
        connect,
        use_engine,
        back_up_to,
        restore_to,
        restore_from,
        adopt_to,
        adopt_from,
    )
}


THINGS: dict[str, Callable[[Path], None]] = {
    "directory": lambda path: path.mkdir(),
    "named pipe": make_pipe,
    "socket": make_socket,
}


@contextmanager
def made(thing: str, path: Path) -> Iterator[None]:
    """Make a thing of a name, for as long as the block runs."""
    if thing == "device":
        with terminal_at(path):
            yield
    else:
        THINGS[thing](path)
        yield


def error_of(door: str, path: Path) -> VaultError:
    """Return the error with which a door answers within seconds."""

    async def enter() -> None:
        async with asyncio.timeout(PROMPT_S):
            await DOORS[door](path)

    with pytest.raises(VaultError) as caught:
        asyncio.run(enter())
    assert "create=True" not in str(caught.value)
    assert str(caught.value)
    return caught.value


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("thing", [*THINGS, "device"])
def test_what_is_no_file_is_no_vault(tmp_path: Path, thing: str, door: str) -> None:
    """A directory, a pipe, a socket or a device in a vault's place is named, and left alone."""
    path = tmp_path / "journal.vault"
    with made(thing, path):
        kind = stat.S_IFMT(path.stat().st_mode)
        error = error_of(door, path)
        assert type(error) is NotAVaultError or (door == "back_up_to" and "already exists" in str(error))
        assert stat.S_IFMT(path.stat().st_mode) == kind


@pytest.mark.parametrize("door", [door for door in DOORS if door != "adopt_from"])
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", ".lock"])
@pytest.mark.parametrize("thing", ["directory", "named pipe"])
def test_what_is_no_file_beside_a_vault_is_named(tmp_path: Path, thing: str, suffix: str, door: str) -> None:
    """SQLite would wait for ever for a pipe of a name that it uses, and not tell a directory from a missing file."""
    path = tmp_path / "journal.vault"
    if door not in ("back_up_to", "adopt_to"):
        asyncio.run(make(path))
        path.with_name(f"{path.name}.lock").unlink()
    THINGS[thing](path.with_name(path.name + suffix))
    error = error_of(door, path)
    assert not isinstance(error, VaultNotFoundError)
    assert f"{path.name}{suffix}" in str(error)
    assert thing in str(error)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 300, "too long"),
        ("n" * 250, "too long"),
        ("/".join(["d" * 100] * 6), "too long"),
        ("circle", "symbolic links form a loop"),
        ("missing/journal.vault", "parent directory does not exist"),
        ("file/journal.vault", "parent directory does not exist"),
    ],
    ids=["long name", "long name with a suffix", "long path", "circle", "no directory", "a file for a directory"],
)
def test_a_name_that_cannot_be_a_file_s_is_explained(tmp_path: Path, name: str, words: str, door: str) -> None:
    """The error says what is wrong with it."""
    path = tmp_path / name
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("elcric")
    (tmp_path / "elcric").symlink_to("circle")
    if "/" in name and words == "too long":
        path.parent.mkdir(parents=True)
    if name == "circle" and door == "back_up_to":  # which never follows what has the name already
        words = "already exists"

    if door in ("back_up_to", "restore_to", "adopt_to"):
        # What else they need lies in a directory that exists.
        other = {"back_up_to": back_up_beside, "restore_to": restore_beside, "adopt_to": adopt_beside}[door]
        with pytest.raises(VaultError, match=words) as caught:
            asyncio.run(other(tmp_path, path))
    else:
        with pytest.raises(VaultError, match=words) as caught:
            asyncio.run(DOORS[door](path))
    assert "create=True" not in str(caught.value)


async def back_up_beside(folder: Path, path: Path) -> None:
    """Make a backup of a vault elsewhere."""
    async with Vault.open(folder / "other.vault", passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
        await vault.backup(path)


async def restore_beside(folder: Path, path: Path) -> None:
    """Restore a vault that lies elsewhere."""
    await make(folder / "other.vault")
    await Vault.restore(folder / "other.vault", path, passphrase=PASSPHRASE)


async def adopt_beside(folder: Path, path: Path) -> None:
    """Adopt a journal that lies elsewhere."""

    def write() -> None:
        with closing(sqlite3.connect(folder / "plain.db")) as plain:
            plain.execute("CREATE TABLE accounts (account_id)")

    await asyncio.to_thread(write)
    await Vault.adopt(folder / "plain.db", path, passphrase=PASSPHRASE, profile=CHEAPEST)


@pytest.mark.skipif(sys.platform == "darwin", reason="names of files are UTF-8 there")
def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    """The vault is made, used, backed up, rekeyed and restored under it, and its errors can be printed."""
    path, copy = (tmp_path / os.fsdecode(name) for name in (b"\xff.vault", b"\xfe.vault"))

    async def use() -> None:
        async with Vault.open(path, passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
            async with vault.unit_of_work() as uow:
                await uow.settings.set("n", 1)
                await uow.commit()
            await vault.backup(copy)
            await vault.rekey("another", profile=CHEAPEST)
            assert (await vault.verify()).ok
        await Vault.restore(copy, path, passphrase=PASSPHRASE)
        await open_existing(path)

    asyncio.run(use())
    finished = run_vault_command("info", str(path.with_name("\udcfd.vault")), passphrase=PASSPHRASE)
    assert finished.returncode == 5
    assert "Traceback" not in finished.stderr
