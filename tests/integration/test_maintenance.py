"""Backing a vault up, changing its passphrase, and verifying it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_png, make_trade
from files import contents_of, names_in
from stores import file_store
from zorivest_async import (
    ImageOwnerType,
    KdfProfile,
    MarketProviderSetting,
    TradeReport,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultInUseError,
    VaultNotFoundError,
    WrongPassphraseError,
)
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.vault import copying, maintenance
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zorivest_async.security import VaultKey

pytestmark = pytest.mark.asyncio

OLD = "correct horse battery staple"
CHEAPEST = KdfProfile.CHEAPEST


FLIP = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek((int(sys.argv[2]) - 1) * 4096 + 1000)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))
"""
"""A program that damages a page."""


async def fill(vault: Vault) -> None:
    """Store a trade with an image, a report and a provider key."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        await uow.trade_reports.save(TradeReport("0001"))
        await uow.market_provider_settings.save(MarketProviderSetting("Alpha", "s3cret"))
        await uow.commit()


async def assert_filled(vault: Vault) -> None:
    """All of it is there."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.get("0001") == make_trade()
        assert (await uow.images.get_for_trade("0001"))[0].data == make_png()
        assert await uow.market_provider_settings.reveal_api_key("Alpha") == "s3cret"
    assert (await vault.verify()).problems == ()


def change(path: Path, key: VaultKey, *statements: str) -> None:
    """Change a vault as its own code never would."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
        for statement in ("PRAGMA foreign_keys = OFF", *statements):
            raw.execute(statement)


async def test_a_backup_opens_with_the_same_passphrase(vault: Vault, tmp_path: Path) -> None:
    """It is complete, verifies, and is the only new file."""
    await fill(vault)
    await vault.backup(tmp_path / "copy.vault")
    await vault.aclose()
    assert await names_in(tmp_path) == ["copy.vault", "journal.vault"]
    async with Vault.open(tmp_path / "copy.vault", passphrase=OLD, create=False) as copy:
        await assert_filled(copy)


async def test_a_backup_is_taken_while_others_write(vault: Vault, tmp_path: Path) -> None:
    """It holds a state between two commits, and holds up no writer."""
    stop = asyncio.Event()

    async def write() -> int:
        number = 0
        while not stop.is_set():
            async with vault.unit_of_work() as uow:
                await uow.settings.bulk_upsert({"a": number, "b": number})
                await uow.commit()
            number += 1
        return number

    writer = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    await vault.backup(tmp_path / "copy.vault")
    stop.set()
    assert await writer > 1
    async with Vault.open(tmp_path / "copy.vault", passphrase=OLD) as copy, copy.unit_of_work() as uow:
        assert await uow.settings.get("a") == await uow.settings.get("b")


async def test_a_backup_replaces_nothing(vault: Vault, tmp_path: Path) -> None:
    """What is at its destination stays, byte for byte."""
    other = tmp_path / "other"
    await asyncio.to_thread(other.write_bytes, b"precious")
    with pytest.raises(VaultError, match="already exists"):
        await vault.backup(other)
    assert await contents_of(other) == b"precious"
    with pytest.raises(VaultNotFoundError, match="parent directory"):
        await vault.backup(tmp_path / "nowhere" / "copy.vault")
    assert [name for name in await names_in(tmp_path) if not name.startswith("journal")] == ["other"]


async def test_a_backup_that_does_not_verify_is_thrown_away(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left under its name or another."""
    original = copying.require_same

    def damage(temporary: Path, *arguments: Any) -> None:
        original(temporary, *arguments)
        data = bytearray(temporary.read_bytes())
        data[2 * 4096 + 1000] ^= 0xFF
        temporary.write_bytes(data)

    monkeypatch.setattr(maintenance, "require_same", damage)
    with pytest.raises(VaultDamagedError):
        await vault.backup(tmp_path / "copy.vault")
    assert [name for name in await names_in(tmp_path) if not name.startswith("journal")] == []


async def test_after_a_rekey_the_new_passphrase_alone_opens_it(vault: Vault, vault_path: Path) -> None:
    """Everything is there, API keys included, before and after reopening."""
    await fill(vault)
    await vault.rekey("new passphrase", profile=CHEAPEST)
    await assert_filled(vault)
    await vault.aclose()
    assert await names_in(vault_path.parent) == [vault_path.name]
    with pytest.raises(WrongPassphraseError):
        await Vault.open(vault_path, passphrase=OLD)
    async with Vault.open(vault_path, passphrase="new passphrase") as reopened:
        await assert_filled(reopened)


async def test_a_unit_of_work_from_before_a_rekey_works_with_the_new_key(vault: Vault, vault_path: Path) -> None:
    """An API key that it stores can be read by whoever opens the vault later."""
    async with vault.unit_of_work() as uow:
        await uow.market_provider_settings.save(MarketProviderSetting("Alpha", "old secret"))
        await uow.commit()
        await vault.rekey("new passphrase", profile=CHEAPEST)
        await uow.market_provider_settings.save(MarketProviderSetting("Beta", "new secret"))
        assert await uow.market_provider_settings.reveal_api_key("Alpha") == "old secret"
        await uow.commit()
    await vault.aclose()
    async with Vault.open(vault_path, passphrase="new passphrase") as reopened, reopened.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key("Beta") == "new secret"


async def test_row_numbers_go_on_after_a_rekey(vault: Vault) -> None:
    """A deleted row's number is not given again, though the file is a new one."""
    await fill(vault)
    async with vault.unit_of_work() as uow:
        image_id = (await uow.images.list_for_owner(ImageOwnerType.TRADE, "0001"))[0].id
        assert image_id is not None
        await uow.images.delete(image_id)
        await uow.commit()
    await vault.rekey("new passphrase", profile=CHEAPEST)
    async with vault.unit_of_work() as uow:
        assert await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png()) > image_id


async def test_a_rekey_is_refused_while_a_reader_holds_the_vault(vault: Vault, vault_path: Path) -> None:
    """Nothing changes, and both go on."""
    await fill(vault)
    async with vault.unit_of_work(read_only=True) as reader:
        assert await reader.trades.exists("0001")
        with pytest.raises(VaultInUseError):
            await vault.rekey("new passphrase", profile=CHEAPEST)
        assert await reader.trades.exists("0001")
    await assert_filled(vault)
    await vault.aclose()
    async with Vault.open(vault_path, passphrase=OLD) as reopened:
        await assert_filled(reopened)


async def test_a_rekey_that_is_refused_for_a_connection_of_the_vault_gives_up_no_lock(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it took the lock alone, another process could get in between, and replace the file under the reader."""
    taken = list[VaultLock]()
    monkeypatch.setattr(VaultLock, "take", taken.append)
    async with vault.unit_of_work(read_only=True) as reader:
        assert not await reader.trades.exists("0001")
        with pytest.raises(VaultInUseError):
            await vault.rekey("new passphrase", profile=CHEAPEST)
    assert taken == []


async def test_a_rekey_waits_for_the_writer(vault: Vault) -> None:
    """Writers before it finish, writers after it use the new file."""
    await fill(vault)
    async with vault.unit_of_work() as uow:
        await uow.settings.set("before", value=True)
        rekey = asyncio.create_task(vault.rekey("new passphrase", profile=CHEAPEST))
        await asyncio.sleep(0.05)
        await uow.commit()
    after = vault.unit_of_work()
    async with after:
        await after.settings.set("after", value=True)
        await after.commit()
    await rekey
    async with vault.unit_of_work(read_only=True) as uow:
        assert [setting.key for setting in await uow.settings.get_all()] == ["after", "before"]


async def test_a_sound_vault_has_no_problems(vault: Vault) -> None:
    """Every page was authenticated."""
    await fill(vault)
    report = await vault.verify()
    assert report.ok
    assert report.page_count > 20


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM accounts", "row 1 of trades refers to a row of accounts"),
        ("UPDATE images SET owner_id = 'gone'", "image 1 belongs to a trade that does not exist"),
        ("UPDATE images SET owner_type = 'plan', owner_id = '7'", "image 1 belongs to a plan"),
        ("UPDATE images SET owner_type = 'report', owner_id = '7'", "image 1 belongs to a report"),
    ],
)
async def test_what_is_wrong_is_named(vault: Vault, vault_path: Path, statement: str, words: str) -> None:
    """Broken references and orphans are found."""
    await fill(vault)
    await asyncio.to_thread(change, vault_path, file_store(vault)._key, statement)
    report = await vault.verify()
    assert not report.ok
    assert any(words in problem for problem in report.problems)


async def verifies(path: Path) -> bool:
    """Return whether a vault opens and is sound."""
    try:
        async with Vault.open(path, passphrase=OLD) as opened:
            return (await opened.verify()).ok
    except VaultDamagedError:
        return False


def _flip_bits_on_page_3(data: bytearray) -> None:
    data[2 * 4096 + 1000] ^= 0xFF


def _truncate(data: bytearray) -> None:
    del data[-2 * 4096 :]


def _swap_pages_3_and_4(data: bytearray) -> None:
    third, fourth = data[2 * 4096 : 3 * 4096], data[3 * 4096 : 4 * 4096]
    data[2 * 4096 : 3 * 4096], data[3 * 4096 : 4 * 4096] = fourth, third


@pytest.mark.parametrize("damage", [_flip_bits_on_page_3, _truncate, _swap_pages_3_and_4])
async def test_damage_to_the_file_is_found(vault: Vault, vault_path: Path, damage: Callable[[bytearray], None]) -> None:
    """A flipped byte, a cut and two swapped pages are each named."""
    await fill(vault)
    await vault.aclose()
    data = bytearray(await contents_of(vault_path))
    damage(data)
    await asyncio.to_thread(vault_path.write_bytes, data)
    assert not await verifies(vault_path)


async def test_every_problem_is_reported(vault: Vault, vault_path: Path) -> None:
    """SQLite stops after a hundred unless told otherwise."""
    key = file_store(vault)._key
    prepare = ("CREATE TABLE extra (x)", "CREATE INDEX extra_x ON extra (x)")
    writable = "PRAGMA writable_schema = ON"
    rows = "INSERT INTO extra WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 150) SELECT n FROM r"
    await asyncio.to_thread(change, vault_path, key, *prepare, "CREATE TABLE kept AS SELECT * FROM sqlite_master")
    await asyncio.to_thread(change, vault_path, key, writable, "DELETE FROM sqlite_master WHERE name = 'extra_x'")
    await asyncio.to_thread(change, vault_path, key, rows)
    put_back = "INSERT INTO sqlite_master SELECT * FROM kept WHERE name = 'extra_x'"
    await asyncio.to_thread(change, vault_path, key, writable, put_back)
    report = await vault.verify()
    assert sum("missing from index extra_x" in problem for problem in report.problems) == 150


@pytest.mark.parametrize("before", [KdfProfile.DEFAULT, KdfProfile.STRONG, KdfProfile.CHEAPEST])
@pytest.mark.parametrize("asked", [None, KdfProfile.DEFAULT])
async def test_rekey_keeps_the_profile_unless_it_is_told_another(
    tmp_path: Path, before: KdfProfile, asked: KdfProfile | None
) -> None:
    """A vault that was opened again keeps it, too; the profile of tests is a remark of verify()."""
    path = tmp_path / "journal.vault"
    async with Vault.open(path, passphrase="old", profile=before):
        pass
    async with Vault.open(path, passphrase="old", create=False) as vault:
        await vault.rekey("new", profile=asked)
        report = await vault.verify()
    after = asked or before
    assert KdfProfile.of_salt(await contents_of(path)) is after
    assert (report.ok, report.problems) == (True, ())
    assert ["CHEAPEST" in remark for remark in report.notes] == [True] * (after is KdfProfile.CHEAPEST)


async def test_damage_is_a_report_and_not_an_error(vault: Vault, vault_path: Path) -> None:
    """Whichever page is damaged, and however many are, under an open vault: each is named, and nothing is raised."""
    await fill(vault)
    assert (await vault.verify()).ok
    pages = (await asyncio.to_thread(vault_path.stat)).st_size // 4096
    damaged: list[int] = []
    for page in range(pages, 0, -1):
        # In another process, as closing the file in this one would drop SQLite's locks.
        command = [sys.executable, "-c", FLIP, str(vault_path), str(page)]
        await asyncio.to_thread(subprocess.run, command, check=True)
        damaged.append(page)
        if page in (pages, 3, 2, 1):
            report = await vault.verify()
            assert not report.ok
            for number in damaged:
                assert any(problem.endswith(f" {number}") for problem in report.problems)
