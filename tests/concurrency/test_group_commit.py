"""Commits share a sync of the WAL: the next writer begins while one waits, and none is acknowledged before its sync."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from workers.ledger import KEY
from zorivest_async import CommitOutcomeUnknownError, KdfProfile, Vault, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio

WRITERS = 8


class Disk:
    """The disk's syncs, which can be held up and made to fail.

    Attributes:
        threads: The name of the thread of each sync that began.
        ready: Set while syncs go on.
        error: What each sync raises, if anything.
    """

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.ready = threading.Event()
        self.error: OSError | None = None
        self._sync = os.fsync

    def sync(self, descriptor: int) -> None:
        """Sync, in the place of ``os.fsync``."""
        self.threads.append(threading.current_thread().name)
        assert self.ready.wait(20)
        if self.error is not None:
            raise self.error
        self._sync(descriptor)


@pytest.fixture
def disk(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk of a vault that is open; it is ready again when the vault is closed."""
    assert vault.path is not None
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.sync)
    yield disk
    disk.ready.set()


async def put(unit: SqlAlchemyUnitOfWork, key: str) -> None:
    """Commit a setting."""
    async with unit:
        await unit.settings.set(key, 1)
        await unit.commit()


async def write(vault: Vault, units: list[SqlAlchemyUnitOfWork]) -> list[asyncio.Task[None]]:
    """Begin to commit in as many tasks, and return when all is written; another task waits behind each of them."""
    async with vault.unit_of_work() as first:
        await first.settings.get("absent")
        tasks = [asyncio.create_task(put(unit, f"{number}")) for number, unit in enumerate(units)]
        last = asyncio.create_task(wait_for_writers(vault))
        await asyncio.sleep(0)
    await last
    return tasks


async def stored(vault: Vault) -> list[str]:
    """Return the keys that a reader sees."""
    async with vault.unit_of_work(read_only=True) as uow:
        return [setting.key for setting in await uow.settings.get_all()]


async def wait_for_writers(vault: Vault) -> None:
    """Wait for a turn, which comes when all that stood in the queue before are written."""
    async with vault.unit_of_work() as uow:
        await uow.settings.get("absent")


async def test_one_sync_serves_all_that_are_written_before_it_begins(vault: Vault, disk: Disk) -> None:
    """The first has one of its own, which all the others are written during; they share the next."""
    units = [vault.unit_of_work() for _ in range(WRITERS)]
    tasks = await write(vault, units)
    assert {unit.outcome for unit in units} == {"unknown"}
    assert not any(task.done() for task in tasks)
    assert await stored(vault) == [f"{number}" for number in range(WRITERS)]  # a reader may see them before
    disk.ready.set()
    await asyncio.gather(*tasks)
    assert {unit.outcome for unit in units} == {"committed"}
    assert disk.threads == ["zorivest-sync"] * 2


async def test_a_lone_writer_syncs_in_its_commit(vault: Vault, disk: Disk) -> None:
    """SQLite syncs in its ``COMMIT``, and no other thread is woken for it, so that it costs what it did."""
    for key in ("first", "second"):
        await put(vault.unit_of_work(), key)
    assert disk.threads == []
    assert "zorivest-sync" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("way", ["session", "connection", "savepoint"])
async def test_a_unit_of_work_through_sqlalchemy_gives_its_turn_back_before_its_sync(
    vault: Vault, disk: Disk, way: str
) -> None:
    """As any other does."""

    async def put_through_sqlalchemy() -> None:
        async with unit:
            if way == "session":
                await unit.session.connection()
            elif way == "connection":
                await unit.connection()
            async with unit.savepoint():
                await unit.settings.set("0", 1)
            await unit.commit()

    unit = vault.unit_of_work()
    task = asyncio.create_task(put_through_sqlalchemy())
    await asyncio.sleep(0)
    await wait_for_writers(vault)
    outcomes = [unit.outcome]
    assert not task.done()
    disk.ready.set()
    await task
    assert [*outcomes, unit.outcome] == ["unknown", "committed"]


async def test_a_commit_of_the_engine_is_not_answered_before_its_sync(vault: Vault, disk: Disk) -> None:
    """It follows commits of units of work that wait for theirs, and does not wait for more than it must."""
    unit = vault.unit_of_work()
    (task,) = await write(vault, [unit])
    async with vault.engine.connect() as connection:  # which waits until the unit is written
        await connection.exec_driver_sql("INSERT INTO settings (key, value, value_type) VALUES ('1', '1', 'int')")
        assert not task.done()
        disk.ready.set()
        await connection.commit()
    await task
    assert await stored(vault) == ["0", "1"]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_task_that_is_cancelled_while_it_waits_for_the_sync_knows_its_outcome(
    vault: Vault, disk: Disk, *, fails: bool
) -> None:
    """It waits for the sync nevertheless, and its cancellation is what is raised."""
    unit = vault.unit_of_work()
    (task,) = await write(vault, [unit])
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    assert unit.outcome == "unknown"
    disk.error = OSError(errno.EIO, "failed") if fails else None
    disk.ready.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert unit.outcome == ("unknown" if fails else "committed")


async def test_nothing_is_written_after_a_sync_has_failed(vault: Vault, disk: Disk) -> None:
    """Not by a transaction that is open either; whoever waited for the sync cannot know."""
    units = [vault.unit_of_work() for _ in range(WRITERS)]
    tasks = await write(vault, units)
    last = vault.unit_of_work()
    async with last:
        await last.settings.set("last", 1)
        disk.error = OSError(errno.EIO, "failed")
        disk.ready.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        with pytest.raises(VaultError):
            await last.commit()
    assert [type(error) for error in errors] == [CommitOutcomeUnknownError] * WRITERS
    assert {unit.outcome for unit in units} == {"unknown"}
    assert last.outcome == "rolled_back"
    assert "last" not in await stored(vault)
    assert len(disk.threads) == 1  # a second sync would prove nothing


@pytest.mark.parametrize("means", ["close", "rekey", "backup", "dispose"])
async def test_what_waits_for_a_sync_is_acknowledged_whatever_is_done_to_the_vault(
    vault_path: Path, monkeypatch: pytest.MonkeyPatch, means: str
) -> None:
    """The connection is closed after the sync, and its WAL is not left open."""
    disk = Disk()
    vault = await Vault.open(vault_path, key=KEY)
    await put(vault.unit_of_work(), "before")
    monkeypatch.setattr(os, "fsync", disk.sync)
    units = [vault.unit_of_work() for _ in range(WRITERS)]
    tasks = await write(vault, units)
    match means:
        case "close":
            working = asyncio.create_task(vault.aclose())
        case "rekey":
            working = asyncio.create_task(vault.rekey("another", profile=KdfProfile.CHEAPEST))
        case "backup":
            working = asyncio.create_task(vault.backup(vault_path.with_name("copy.vault")))
        case _:
            working = asyncio.create_task(vault.engine.dispose())
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in tasks)
    disk.ready.set()
    await asyncio.gather(working, *tasks)
    assert {unit.outcome for unit in units} == {"committed"}
    await vault.aclose()
    assert not await asyncio.to_thread(vault_path.with_name(f"{vault_path.name}-wal").exists)
    credentials = {"passphrase": "another"} if means == "rekey" else {"key": KEY}
    async with Vault.open(vault_path, **credentials) as again:
        assert len(await stored(again)) == WRITERS + 1


async def test_a_switch_of_the_journal_mode_ends_the_sharing(vault: Vault, disk: Disk) -> None:
    """The WAL is gone then, so that SQLite syncs each commit itself."""
    disk.ready.set()
    await put(vault.unit_of_work(), "before")
    await vault.read_engine.dispose()
    async with vault.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        mode = (await connection.exec_driver_sql("PRAGMA journal_mode = DELETE")).scalar()
    assert mode == "delete"
    disk.threads.clear()
    await put(vault.unit_of_work(), "after")
    assert disk.threads == []
