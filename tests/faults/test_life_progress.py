"""Long operations: they tell how far they are, and stop when nobody wants them any more, leaving nothing behind."""

from __future__ import annotations

import asyncio
import random
import shutil
import threading
import time
from typing import TYPE_CHECKING

import anyio
import pytest
import pytest_asyncio
from sqlcipher3 import dbapi2 as sqlcipher

from files import names_in
from stores import file_store
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import (
    KdfProfile,
    Progress,
    Vault,
    VaultInUseError,
)
from zorivest_async.database.sqlcipher import long_operation
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PROMPT_S = 0.5
"""A cancelled operation has ended, cleaned up, within this time."""

OPERATIONS = ["backup", "rekey", "restore", "verify"]
UNITS = range(1, 41)
IMAGE_BYTES = 600_000
CANCELLATIONS = [4, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault of some twenty megabytes."""
    path = await asyncio.to_thread(lambda: tmp_path_factory.mktemp("original") / "journal.vault")
    async with Vault.open(path, key=KEY) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            for unit in UNITS:
                await write_unit(uow, unit, IMAGE_BYTES)
            await uow.commit()
    return path


@pytest_asyncio.fixture
async def opened(original: Path, tmp_path: Path) -> AsyncIterator[Vault]:
    """A copy of it, open."""
    await asyncio.to_thread(shutil.copy, original, tmp_path / "journal.vault")
    async with Vault.open(tmp_path / "journal.vault", key=KEY) as vault:
        yield vault


def start(operation: str, vault: Vault, progress: Callable[[Progress], object] | None = None) -> Awaitable[object]:
    """Return an operation on a vault, not yet begun."""
    assert vault.path is not None
    folder = vault.path.parent
    if operation == "backup":
        return vault.backup(folder / "copy.vault", progress=progress)
    if operation == "rekey":
        return vault.rekey("new", profile=KdfProfile.CHEAPEST, progress=progress)
    if operation == "restore":
        return Vault.restore(folder / "journal.vault", folder / "copy.vault", key=KEY, progress=progress)
    return vault.verify(progress=progress)


async def assert_as_before(vault: Vault, operation: str, finished: bool) -> None:
    """Nothing lies about, the lock is shared, the vault is complete and can be written to, under one passphrase."""
    path = vault.path
    assert path is not None
    names = {name for name in await names_in(path.parent) if not name.startswith("journal.vault-")}
    assert names - {"copy.vault"} == {"journal.vault"}
    if operation in ("backup", "restore"):
        assert finished == ("copy.vault" in names)
    async with asyncio.timeout(5), vault.unit_of_work() as uow:
        await uow.settings.set("unit 1", 1)
        await uow.commit()
    other = await asyncio.to_thread(VaultLock, path)
    with pytest.raises(VaultInUseError):
        await asyncio.to_thread(other.take)
    await asyncio.to_thread(other.let_go)
    assert await present_units(vault, IMAGE_BYTES) == list(UNITS)
    await vault.aclose()
    opening = Vault.open(path, passphrase="new") if operation == "rekey" and finished else Vault.open(path, key=KEY)
    async with opening as again:
        assert await present_units(again, IMAGE_BYTES) == list(UNITS)


@pytest.mark.parametrize(
    ("operation", "phases"),
    [
        ("backup", ["copy", "verify", "publish"]),
        ("rekey", ["copy", "verify", "publish"]),
        ("restore", ["copy", "verify", "publish"]),
        ("verify", ["pages", "structure", "references", "search"]),
    ],
)
async def test_progress_is_told_on_the_event_loop(opened: Vault, operation: str, phases: list[str]) -> None:
    """Phase after phase, never backwards, to its end, and not more often than anybody can look."""
    reports: list[Progress] = []
    loop_thread = threading.current_thread()

    def note(report: Progress) -> None:
        assert threading.current_thread() is loop_thread
        reports.append(report)

    before = time.monotonic()
    await start(operation, opened, note)
    elapsed_s = time.monotonic() - before
    assert list(dict.fromkeys(report.phase for report in reports)) == phases
    for phase in phases:
        counts = [report.done for report in reports if report.phase == phase]
        total = {report.total for report in reports if report.phase == phase}
        assert counts == sorted(counts)
        assert len(total) == 1
        assert counts[0] == 0
        assert counts[-1] == total.pop()
    assert len(reports) <= 2 * len(phases) + elapsed_s / 0.05
    await assert_as_before(opened, operation, finished=True)


async def test_work_that_cannot_be_measured_is_not_begun_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reports while it runs say no more than that it does."""
    monkeypatch.setattr(long_operation, "REPORT_INTERVAL_S", 0.0)
    reports = list[int]()

    def count() -> None:
        raw = sqlcipher.connect(":memory:", isolation_level=None)
        operation = long_operation.Operation(lambda report: reports.append(report.done))
        with operation.phase(raw, "count", 10):
            raw.execute(
                "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100000) SELECT sum(n) FROM r"
            )
        raw.close()

    await asyncio.to_thread(count)
    *before, last = reports
    assert len(before) > 1
    assert set(before) == {0}
    assert last == 10


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_exception_of_the_callback_stops_the_operation(opened: Vault, operation: str) -> None:
    """It is raised once everything is as it was."""

    def fail(report: Progress) -> None:
        raise KeyError(report.phase)

    with pytest.raises(KeyError, match=r"copy|pages"):
        await start(operation, opened, fail)
    await assert_as_before(opened, operation, finished=False)


@pytest.mark.parametrize("count", CANCELLATIONS)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_cancelled_operation_leaves_nothing_behind(
    original: Path, tmp_path: Path, operation: str, count: int, tell: Callable[[str], None]
) -> None:
    """Whenever it is cancelled, it ends at once, and everything is as it was, or what it made is complete."""
    chance = random.Random(count)
    slowest_s, published = 0.0, 0
    whole_s = 0.5
    for number in range(-1, count):
        folder = tmp_path / str(number + 1)
        await asyncio.to_thread(folder.mkdir)
        await asyncio.to_thread(shutil.copy, original, folder / "journal.vault")
        vault = await Vault.open(folder / "journal.vault", key=KEY)
        task = asyncio.ensure_future(start(operation, vault))
        before = time.monotonic()
        if number < 0:
            await task
            whole_s = time.monotonic() - before
        else:
            await asyncio.wait({task}, timeout=chance.uniform(0, whole_s))
            before = time.monotonic()
            for _ in range(chance.randint(1, 3)):
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait({task})
        took_s = time.monotonic() - before
        finished = not task.cancelled() or await asyncio.to_thread(_is_published, operation, vault)
        published += finished
        slowest_s = slowest_s if finished else max(slowest_s, took_s)  # publishing is not cut short
        await assert_as_before(vault, operation, finished)
        await asyncio.to_thread(shutil.rmtree, folder)
    assert slowest_s < PROMPT_S
    tell(f"{operation}: {count} cancellations within {whole_s:.2f} s, slowest {slowest_s:.2f} s, {published} finished")


def _is_published(operation: str, vault: Vault) -> bool:
    assert vault.path is not None
    if operation == "rekey":
        return file_store(vault)._key.key != KEY
    return vault.path.with_name("copy.vault").exists()


async def test_a_timeout_stops_it_too(opened: Vault) -> None:
    """That of asyncio and that of anyio, as TimeoutError and as a scope that was cancelled."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await start("backup", opened)
    with anyio.move_on_after(0.05) as scope:
        await start("backup", opened)
    assert scope.cancelled_caught
    await assert_as_before(opened, "backup", finished=False)


async def test_a_rekey_waits_for_a_check_of_pages_that_nobody_waits_for(opened: Vault) -> None:
    """It is not refused because of a cancelled verification that still reads."""
    checking = asyncio.Event()
    verification = asyncio.ensure_future(start("verify", opened, lambda _report: checking.set()))
    await checking.wait()
    verification.cancel()
    await asyncio.wait({verification})
    await start("rekey", opened)
    await assert_as_before(opened, "rekey", finished=True)


async def test_a_cancelled_opening_holds_no_lock(tmp_path: Path) -> None:
    """Whenever creating or opening is cancelled."""
    path = tmp_path / "journal.vault"
    kept = []
    for number in range(20):
        opening = asyncio.ensure_future(Vault.open(path, key=KEY))
        await asyncio.wait({opening}, timeout=number * 0.0005)
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled():
            await opening.result().aclose()
        kept.append(opening)  # with a traceback that refers to what it was about to return
    lock = await asyncio.to_thread(VaultLock, path)
    await asyncio.to_thread(lock.take)
    await asyncio.to_thread(lock.let_go)
