"""A damaged vault file: an error or a finding of ``verify()``, and never wrong data."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_image_entity, make_trade
from workers.ledger import KEY
from workers.truth import fill, read_all
from zorivest_async import KdfProfile, RepositoryError, Vault, VaultDamagedError, WrongPassphraseError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE_BYTES = 4096


async def make_vault(path: Path, trades: int, image_bytes: int) -> dict[str, Any]:
    """Create a vault with something in every table and return what can be read in it."""
    async with Vault.open(path, key=KEY) as vault:
        await fill(vault, trades, image_bytes)
        assert (await vault.verify()).ok
        return await read_all(vault)


async def examine(path: Path, truth: dict[str, Any]) -> str:
    """Open and read a damaged vault; return how the damage showed first.

    Raises:
        AssertionError: Wrong data were read, or the damage did not show at all.
    """
    try:
        async with Vault.open(path, key=KEY, create=False) as vault:
            shown = ""
            try:
                assert await read_all(vault) == truth
            except ZorivestError as error:
                shown = f"reading: {type(error).__name__}"
            report = await vault.verify()
            assert not report.ok, "verify() found nothing"
            return shown or "verify()"
    except ZorivestError as error:
        return f"opening: {type(error).__name__}"


def damage(path: Path, truth: dict[str, Any], damaged: Iterator[bytes]) -> dict[str, int]:
    """Put one damaged content after another in a vault's place and count how the damage showed."""
    counts: dict[str, int] = {}
    for data in damaged:
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(data)
        shown = asyncio.run(examine(path, truth))
        counts[shown] = counts.get(shown, 0) + 1
    return counts


def flips(data: bytes, per_page: int, seed: int) -> Iterator[bytes]:
    """Yield the file with one byte changed, so many times for every page."""
    chance = random.Random(seed)
    for page in range(len(data) // PAGE_BYTES):
        for _ in range(per_page):
            flipped = bytearray(data)
            flipped[page * PAGE_BYTES + chance.randrange(PAGE_BYTES)] ^= chance.randrange(1, 256)
            yield bytes(flipped)


def cuts(data: bytes) -> Iterator[bytes]:
    """Yield the file cut at the end of every page."""
    for end in range(0, len(data), PAGE_BYTES):
        yield data[:end]


def swaps(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield the file with two pages in each other's place."""
    chance = random.Random(seed)
    for _ in range(count):
        first, second = sorted(chance.sample(range(len(data) // PAGE_BYTES), 2))
        a, b = first * PAGE_BYTES, second * PAGE_BYTES
        yield (
            data[:a]
            + data[b : b + PAGE_BYTES]
            + data[a + PAGE_BYTES : b]
            + data[a : a + PAGE_BYTES]
            + data[b + PAGE_BYTES :]
        )


def summary(what: str, data: bytes, counts: dict[str, int]) -> str:
    """Say how the damage showed."""
    return f"{what}: {sum(counts.values())} over {len(data) // PAGE_BYTES} pages, 0 wrong data, 0 missed; {counts}"


def test_one_changed_byte_on_any_page_is_found(vault_path: Path, tell: Callable[[str], None]) -> None:
    """It is an error when the page is read, or a finding of verify(); what is read is right."""
    truth = asyncio.run(make_vault(vault_path, 20, 9_000))
    data = vault_path.read_bytes()
    tell(summary("changed bytes", data, damage(vault_path, truth, flips(data, 1, seed=1))))


async def make_image_vault(path: Path, content: bytes) -> None:
    """Create a vault with one image."""
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.images.save("0001", make_image_entity(content))
        await uow.commit()


async def read_image(path: Path, content: bytes) -> list[str]:
    """Read the image, whole and in chunks, and return the errors; what does not concern it reads as before."""

    async def trade_is_readable() -> bool:
        with suppress(ZorivestError):
            async with vault.unit_of_work(read_only=True) as uow:
                return await uow.trades.exists("0001")
        return False

    errors: list[str] = []
    async with Vault.open(path, key=KEY) as vault:
        readable = await trade_is_readable()
        for chunked in (False, True):
            try:
                async with vault.unit_of_work(read_only=True) as uow:
                    stream = uow.images.stream(1, 1_000)
                    data = b"".join([part async for part in stream]) if chunked else await uow.images.get_full_data(1)
            except VaultDamagedError as error:
                errors.append(type(error).__name__)
            else:
                assert data == content
        assert await trade_is_readable() == readable
    return errors


@pytest.mark.parametrize("size", [4_500, 9_000, 40_000])
def test_the_end_of_a_long_value_is_never_read_as_zeros(vault_path: Path, size: int) -> None:
    """Which is what SQLCipher makes of the last page of one; and what is not damaged can be read still."""
    content = random.Random(size).randbytes(size)
    asyncio.run(make_image_vault(vault_path, content))
    data = vault_path.read_bytes()
    refused = 0
    for offset in range(PAGE_BYTES + 100, len(data), PAGE_BYTES):
        vault_path.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])
        errors: list[str] = []
        with suppress(VaultDamagedError):  # on opening
            errors = asyncio.run(read_image(vault_path, content))
        assert errors in ([], ["VaultDamagedError"] * 2)
        refused += bool(errors)
    assert refused > size // PAGE_BYTES


async def go_on_after_damage(path: Path) -> None:
    """Meet damage in a unit of work that has written, and see what the statements after that say and do."""
    async with Vault.open(path, key=KEY) as vault:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("before", value=True)
            with pytest.raises(VaultDamagedError):
                await uow.images.get_full_data(1)
            for statement in (uow.settings.set("after", value=True), uow.trades.list_all(), uow.commit()):
                with pytest.raises(RepositoryError, match=r"an earlier statement .*met damage; roll back to go on"):
                    await statement
            assert uow.outcome == "rolled_back"
            assert await uow.trades.exists("0001")
            await uow.settings.set("in the end", value=True)
            await uow.commit()
        async with vault.unit_of_work(read_only=True) as uow:
            assert [setting.key for setting in await uow.settings.get_all()] == ["in the end"]


def test_what_follows_damage_in_a_unit_of_work_is_refused_until_it_is_rolled_back(vault_path: Path) -> None:
    """The error says why; nothing of the transaction is kept, and what is not damaged can be read and written again."""
    asyncio.run(make_image_vault(vault_path, random.Random(1).randbytes(9_000)))
    data = bytearray(vault_path.read_bytes())
    data[-PAGE_BYTES + 100] ^= 1
    vault_path.write_bytes(data)
    asyncio.run(go_on_after_damage(vault_path))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_three_changed_bytes_per_page_of_a_larger_vault_are_found(
    vault_path: Path, tell: Callable[[str], None]
) -> None:
    """The same, one at a time, over some five hundred pages."""
    truth = asyncio.run(make_vault(vault_path, 3_000, 500_000))
    data = vault_path.read_bytes()
    tell(summary("changed bytes", data, damage(vault_path, truth, flips(data, 3, seed=2))))


def test_a_file_cut_at_any_page_is_found(vault_path: Path, tell: Callable[[str], None]) -> None:
    """Every page that is left authenticates, and still it is not taken for whole."""
    truth = asyncio.run(make_vault(vault_path, 20, 9_000))
    data = vault_path.read_bytes()
    tell(summary("cuts", data, damage(vault_path, truth, cuts(data))))


@pytest.mark.parametrize("count", [15, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_two_pages_in_each_others_place_are_found(vault_path: Path, tell: Callable[[str], None], count: int) -> None:
    """A page authenticates only where it was written."""
    truth = asyncio.run(make_vault(vault_path, 20, 9_000))
    data = vault_path.read_bytes()
    tell(summary("swaps", data, damage(vault_path, truth, swaps(data, count, seed=3))))


def test_a_damaged_salt_is_an_error_until_it_is_put_back(vault_path: Path) -> None:
    """The right passphrase does not open the vault; with the salt from a copy it does, and all is there."""
    passphrase = "correct horse"

    async def make() -> dict[str, Any]:
        async with Vault.open(vault_path, passphrase=passphrase, profile=KdfProfile.CHEAPEST) as vault:
            await fill(vault, 20, 9_000)
            return await read_all(vault)

    async def open_it() -> dict[str, Any]:
        async with Vault.open(vault_path, passphrase=passphrase, create=False) as vault:
            return await read_all(vault)

    truth = asyncio.run(make())
    data = vault_path.read_bytes()
    for offset in range(1, 16):
        vault_path.write_bytes(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        with pytest.raises(WrongPassphraseError, match="salt"):
            asyncio.run(open_it())
    damaged = vault_path.read_bytes()
    vault_path.write_bytes(data[:16] + damaged[16:])
    assert asyncio.run(open_it()) == truth
