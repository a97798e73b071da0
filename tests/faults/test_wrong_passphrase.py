"""A wrong passphrase is told from damage by a bounded number of pages, whatever the size of the file."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from zorivest_async import KdfProfile, Vault, VaultDamagedError, WrongPassphraseError
from zorivest_async.database.sqlcipher.cipher import vault_uri
from zorivest_async.database.sqlcipher.page_check import MOST_PAGES, PAGE_BYTES, opens_some_page
from zorivest_async.security import VaultKey
from zorivest_async.vault.file_format import why_closed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, OTHER = bytes(range(32)), bytes(32)


async def make(path: Path, megabytes: int) -> None:
    """Make a vault of a size."""
    async with Vault.open(path, key=KEY) as vault, vault.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE filler (data BLOB)"))
        for _ in range(megabytes):
            await connection.execute(text("INSERT INTO filler VALUES (randomblob(1000000))"))


def error_of(path: Path, key: bytes) -> type[Exception] | None:
    """Return the type of the error with which a vault does not open."""

    async def attempt() -> None:
        await (await Vault.open(path, key=key, create=False)).aclose()

    try:
        asyncio.run(attempt())
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error)
    return None


@pytest.fixture(scope="module")
def large_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A vault of 200 MB, which ``cipher_integrity_check`` reads for half a second."""
    path = tmp_path_factory.mktemp("large") / "large.vault"
    asyncio.run(make(path, 200))
    yield path
    path.unlink()


def test_the_wrong_key_takes_as_long_as_the_right_one(large_vault: Path) -> None:
    """Neither reads the whole file; the medians of a few attempts are compared."""

    def median(key: bytes) -> float:
        times = list[float]()
        for _ in range(7):
            start = time.monotonic()
            error_of(large_vault, key)
            times.append(time.monotonic() - start)
        return sorted(times)[3]

    assert error_of(large_vault, OTHER) is WrongPassphraseError
    right, wrong = median(KEY), median(OTHER)
    assert wrong < 5 * right


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts what a process reads")
def test_the_wrong_key_reads_a_bounded_number_of_bytes(large_vault: Path) -> None:
    """The limit is in pages, and not in the size of the file."""

    def bytes_read() -> int:
        with open("/proc/self/io", encoding="ascii") as counters:  # noqa: PTH123 - not a file of the test's
            return next(int(line.split()[1]) for line in counters if line.startswith("rchar"))

    key = VaultKey(OTHER)
    before = bytes_read()
    assert not opens_some_page(vault_uri(large_vault), key)
    assert bytes_read() - before < 2 * MOST_PAGES * PAGE_BYTES


@pytest.mark.parametrize("megabytes", [0, 3])
@pytest.mark.parametrize("damage", ["byte", "page", "zeros", "half"])
def test_a_damaged_first_page_is_told_from_a_wrong_key(tmp_path: Path, damage: str, megabytes: int) -> None:
    """The right key authenticates other pages; the wrong one none, and is called wrong though the page is damaged."""
    path = tmp_path / "journal.vault"
    asyncio.run(make(path, megabytes))
    data = bytearray(path.read_bytes())
    match damage:
        case "byte":
            data[100] ^= 1
        case "page":
            data[16:PAGE_BYTES] = random.Random(1).randbytes(PAGE_BYTES - 16)
        case "zeros":
            data[16:PAGE_BYTES] = bytes(PAGE_BYTES - 16)
        case _:
            half = len(data) // 2 // PAGE_BYTES * PAGE_BYTES
            data[16:half] = bytes(half - 16)
    path.write_bytes(data)
    assert error_of(path, KEY) is VaultDamagedError
    assert error_of(path, OTHER) is WrongPassphraseError


def test_a_damaged_first_page_of_a_large_vault_is_told_from_a_wrong_key(large_vault: Path) -> None:
    """A sample of its pages tells as much as all of them."""
    with large_vault.open("r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    try:
        assert error_of(large_vault, KEY) is VaultDamagedError
        assert error_of(large_vault, OTHER) is WrongPassphraseError
    finally:
        with large_vault.open("r+b") as file:
            file.seek(100)
            file.write(byte)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux shows its locks")
def test_looking_at_pages_drops_no_lock_of_the_process(tmp_path: Path) -> None:
    """Another process could otherwise write, or remove the WAL, while this one has the vault open."""
    path = tmp_path / "journal.vault"

    def locks() -> list[str]:
        with open("/proc/locks", encoding="ascii") as table:  # noqa: PTH123 - not a file of the test's
            inode = f":{path.stat().st_ino}"
            return sorted(" ".join(fields[1:]) for line in table if (fields := line.split())[5].endswith(inode))

    async def look() -> None:
        opening = Vault.open(path, passphrase="right", profile=KdfProfile.CHEAPEST)
        async with opening as vault, vault.unit_of_work() as uow:
            await uow.settings.set("n", 1)
            held = await asyncio.to_thread(locks)
            assert held
            with pytest.raises(WrongPassphraseError):
                await Vault.open(path, passphrase="wrong", create=False)
            assert await asyncio.to_thread(locks) == held
            await uow.commit()

    asyncio.run(look())


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="descriptors are listed there")  # noqa: PTH112
def test_looking_at_pages_leaves_no_descriptor(tmp_path: Path) -> None:
    """Not after a hundred wrong passphrases."""
    path = tmp_path / "journal.vault"
    asyncio.run(make(path, 0))
    why_closed(path, VaultKey(OTHER))
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - numbers are enough
    for _ in range(100):
        why_closed(path, VaultKey(OTHER))
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
