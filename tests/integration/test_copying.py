"""A whole journal is copied between files, memory and servers, API keys included, all of it or nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from canaries import PASSPHRASE
from factories import make_account, make_report, make_trade
from implementations import open_server
from whole_journals import everything, fill
from zorivest_async import ConfigurationError, KdfProfile, MarketProviderSetting, RepositoryError, Vault
from zorivest_async.transfer.copying import copy_journal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from zorivest_async import Progress

    Opener = Callable[[Path], AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def open_file(folder: Path) -> AsyncGenerator[Vault]:
    """Open a vault in a file of a folder of its own."""
    await asyncio.to_thread(folder.mkdir)
    async with Vault.open(folder / "journal.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        yield vault


@asynccontextmanager
async def open_memory(_folder: Path) -> AsyncGenerator[Vault]:
    """Open a vault in memory."""
    async with Vault.in_memory() as vault:
        yield vault


OPENERS: dict[str, Opener] = {"file": open_file, "memory": open_memory, "server": open_server}
PAIRS = [("file", "file"), ("file", "server"), ("server", "file"), ("server", "server"), ("memory", "file")]


@pytest.mark.parametrize(("old", "new"), PAIRS)
async def test_a_copy_is_equal(tmp_path: Path, old: str, new: str) -> None:
    """Every row with its number and times, images byte for byte, the API key, and the search."""
    async with OPENERS[old](tmp_path / "old") as source, OPENERS[new](tmp_path / "new") as target:
        await fill(source)
        before = await everything(source)
        seen: list[Progress] = []

        counts = await copy_journal(source, target, progress=seen.append)

        assert counts == {name: len(rows) for name, rows in before.items()}
        assert all(counts.values())
        assert await everything(target) == await everything(source) == before
        assert [(one.phase, one.done) for one in seen if one.done == one.total] == [
            ("copy", sum(counts.values())),
            ("compare", sum(counts.values())),
        ]
        async with target.unit_of_work(read_only=True) as uow:
            assert await uow.market_provider_settings.reveal_api_key("p") == "canary-5e7a91"
            assert [hit.id for hit in await uow.search.find("note")] == ["U1"]


@pytest.mark.parametrize("new", OPENERS)
async def test_later_rows_get_later_numbers(tmp_path: Path, new: str) -> None:
    """Row numbers of the source are never given again."""
    async with open_memory(tmp_path) as source, OPENERS[new](tmp_path / "new") as target:
        async with source.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.trades.save_many([make_trade("0001"), make_trade("0002")])
            number = await uow.trade_reports.save(make_report("0001"))
            await uow.commit()
        await copy_journal(source, target)
        async with target.unit_of_work() as uow:
            assert await uow.trade_reports.save(make_report("0002")) > number


@pytest.mark.parametrize("new", OPENERS)
async def test_a_target_with_rows_is_refused(tmp_path: Path, new: str) -> None:
    """It stays as it is."""
    async with open_memory(tmp_path) as source, OPENERS[new](tmp_path / "new") as target:
        async with target.unit_of_work() as uow:
            await uow.accounts.save(make_account("kept"))
            await uow.commit()
        with pytest.raises(ConfigurationError, match="already has rows"):
            await copy_journal(source, target)
        async with target.unit_of_work(read_only=True) as uow:
            assert [account.account_id for account in await uow.accounts.list_all()] == ["kept"]


async def test_a_vault_is_not_copied_into_itself() -> None:
    """In memory that would wait for itself."""
    async with Vault.in_memory() as vault:
        with pytest.raises(ConfigurationError, match="same vault"):
            await copy_journal(vault, vault)


async def test_what_another_program_adds_meanwhile_is_no_part_of_the_copy(tmp_path: Path) -> None:
    """The copy is one snapshot of the source."""
    async with open_file(tmp_path / "old") as source, open_memory(tmp_path) as target:
        async with source.unit_of_work() as uow:
            await uow.accounts.save(make_account("first"))
            await uow.commit()
        adding: list[asyncio.Task[None]] = []

        async def add() -> None:
            async with source.unit_of_work() as uow:
                await uow.accounts.save(make_account("second"))
                await uow.commit()

        await copy_journal(source, target, progress=lambda _: adding.append(asyncio.create_task(add())))
        await asyncio.gather(*adding[:1], return_exceptions=True)
        async with target.unit_of_work(read_only=True) as uow:
            assert [account.account_id for account in await uow.accounts.list_all()] == ["first"]
        await asyncio.gather(*adding, return_exceptions=True)


@pytest.mark.parametrize("change", ["UPDATE accounts SET name = 'other'", "DELETE FROM accounts"])
async def test_a_target_that_stores_something_else_keeps_nothing(tmp_path: Path, change: str) -> None:
    """A trigger of the user's own changes what was stored, or takes it away."""
    async with open_memory(tmp_path) as source, open_file(tmp_path / "new") as target:
        async with source.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.commit()
        async with target.unit_of_work() as uow:
            connection = await uow.connection()
            await connection.exec_driver_sql(f"CREATE TRIGGER mine AFTER INSERT ON accounts BEGIN {change}; END")
            await uow.commit()
        with pytest.raises(RepositoryError, match="other rows"):
            await copy_journal(source, target)
        async with target.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.count_all() == 0


async def _copy_cancelled(source: Vault, target: Vault, phase: str, *, at_end: bool) -> None:
    """Cancel a copy at the beginning or the end of a phase."""

    def cancel(progress: Progress) -> None:
        if progress.phase == phase and (progress.done == progress.total) is at_end:
            task.cancel()

    task = asyncio.create_task(copy_journal(source, target, progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("new", OPENERS)
async def test_a_cancelled_copy_leaves_nothing(tmp_path: Path, new: str) -> None:
    """The target can be copied into afterwards."""
    async with open_memory(tmp_path) as source, OPENERS[new](tmp_path / "new") as target:
        await fill(source)
        for phase, at_end in (("copy", False), ("copy", True), ("compare", False)):
            await _copy_cancelled(source, target, phase, at_end=at_end)
            assert not any((await everything(target)).values())
        await copy_journal(source, target)
        assert await everything(target) == await everything(source)


async def test_no_api_key_is_in_an_error(tmp_path: Path) -> None:
    """A server without a passphrase stores no API keys, and the error shows none."""
    async with open_memory(tmp_path) as source, open_server(tmp_path) as target:
        target._store.api_key_cipher = None
        async with source.unit_of_work() as uow:
            await uow.market_provider_settings.save(MarketProviderSetting("p", api_key="canary-5e7a91"))
            await uow.commit()
        with pytest.raises(ConfigurationError) as caught:
            await copy_journal(source, target)
        assert "canary" not in repr(caught.value) + str(caught.value)
        assert not any((await everything(target)).values())
