"""The demo's run: keep a journal, close it, show that it is locked, reopen it, compare."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from anyio import to_thread

from zorivest_async import ImageOwnerType, Vault, VaultError, WrongPassphraseError
from zorivest_async.demo.comparison import Attached, Check, compare
from zorivest_async.demo.loop_watch import LoopWatch
from zorivest_async.demo.samples import (
    draw_sample_charts,
    find_images,
    look_at,
    read_executions,
    read_sample_executions,
)
from zorivest_async.demo.story import tell_story

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zorivest_async import Trade
    from zorivest_async.demo.progress import Progress
    from zorivest_async.demo.samples import Picture
    from zorivest_async.demo.story import Story

__all__ = ["DemoResult", "run_demo"]


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found out.

    Attributes:
        checks: How each kind of thing came back.
        sqlite3_refusal: What the standard library's sqlite3 said to the file; ``None`` where it did not refuse it as no
            database.
        passphrase_refusal: What the library raised for a wrong passphrase; ``None`` where that opened the vault.
        file_bytes: Size of the closed vault.
        elapsed_s: How long everything took.
        longest_stall_ms: How long the event loop was at most kept from its work.
    """

    checks: Sequence[Check]
    sqlite3_refusal: str | None
    passphrase_refusal: str | None
    file_bytes: int
    elapsed_s: float
    longest_stall_ms: float

    @property
    def problems(self) -> list[str]:
        """What is not as it must be, a sentence each."""
        problems = [
            f"{check.kind}: {check.stored:,} stored, {check.read:,} read back, {check.equal:,} of them equal"
            for check in self.checks
            if not check.ok
        ]
        if self.sqlite3_refusal is None:
            problems.append("sqlite3 did not refuse the vault as a file that is no database")
        if self.passphrase_refusal is None:
            problems.append("a wrong passphrase opened the vault")
        return problems


async def run_demo(
    vault_path: Path,
    passphrase: str,
    *,
    executions: Path | None,
    images: Path | None,
    charts_folder: Path,
    progress: Progress,
) -> DemoResult:
    """Store a journal in a new vault, and find out whether it is locked and comes back equal.

    Everything that is given is read and checked before the vault is created.

    Args:
        vault_path: Where the vault will be; nothing must be there.
        passphrase: Its passphrase.
        executions: A CSV file of executions, or ``None`` for the bundled sample.
        images: A folder of images, or ``None`` for charts that are drawn from bundled prices.
        charts_folder: An empty folder to draw them into.
        progress: Is told what is being done.

    Raises:
        SampleError: The executions or the images cannot be used.
        VaultError: Something is at ``vault_path`` already, or a vault cannot be made there.
        OSError: A file that was given cannot be read.
    """
    began = perf_counter()
    async with LoopWatch() as watch:
        trades = await _get_executions(executions, progress)
        story = tell_story(trades, await _get_pictures(images, charts_folder, progress))
        await to_thread.run_sync(_require_nothing_at, vault_path)
        attached = await _keep_journal(vault_path, passphrase, story, progress)
        progress.step = "trying the closed vault without the passphrase"
        file_bytes = (await to_thread.run_sync(vault_path.stat)).st_size
        sqlite3_refusal = await to_thread.run_sync(_try_sqlite3, vault_path)
        passphrase_refusal = await _try_wrong_passphrase(vault_path)
        progress.step = "reopening the vault"
        async with (
            Vault.open(vault_path, passphrase=passphrase, create=False) as vault,
            vault.unit_of_work(read_only=True) as uow,
        ):
            checks = await compare(uow, story, attached, progress)
    return DemoResult(
        checks=checks,
        sqlite3_refusal=sqlite3_refusal,
        passphrase_refusal=passphrase_refusal,
        file_bytes=file_bytes,
        elapsed_s=perf_counter() - began,
        longest_stall_ms=watch.longest_stall_ms,
    )


async def _get_executions(path: Path | None, progress: Progress) -> list[Trade]:
    progress.step = "reading executions"
    if path is None:
        return await to_thread.run_sync(read_sample_executions)
    return await to_thread.run_sync(read_executions, path)


async def _get_pictures(folder: Path | None, charts_folder: Path, progress: Progress) -> list[Picture]:
    if folder is None:
        progress.step = "drawing charts"
        paths = await to_thread.run_sync(draw_sample_charts, charts_folder)
    else:
        progress.step = "looking for images"
        paths = await to_thread.run_sync(find_images, folder)
    pictures: list[Picture] = []
    for number, path in enumerate(paths, 1):
        progress.step = f"looking at images: {number:,} / {len(paths):,}"
        pictures.append(await to_thread.run_sync(look_at, path))
    return pictures


def _require_nothing_at(path: Path) -> None:
    if os.path.lexists(path):
        raise VaultError(path, "something is there already, and the demo never writes into it; choose another name")


async def _keep_journal(path: Path, passphrase: str, story: Story, progress: Progress) -> list[Attached]:
    progress.step = "creating the vault"
    async with Vault.open(path, passphrase=passphrase) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(story.account)
            await uow.trades.save_many(_counted(story.trades, progress))
            progress.step = "storing the rest of the journal"
            report_id = await uow.trade_reports.save(story.report)
            plan_id = await uow.trade_plans.save(story.plan)
            await uow.watchlists.save(story.watchlist)
            for snapshot in story.balances:
                await uow.balance_snapshots.save(snapshot)
            await uow.settings.bulk_upsert(story.settings)
            await uow.market_provider_settings.save(story.provider)
            await uow.commit()
        attached: list[Attached] = []
        async with vault.unit_of_work() as uow:
            for owner_type, owner_id, picture, caption in _placements(story, report_id, plan_id):
                progress.step = f"attaching images: {len(attached) + 1:,} / {len(story.pictures) + 2:,}"
                image_id = await uow.images.attach(owner_type, owner_id, picture.path, caption=caption)
                attached.append(Attached(image_id, owner_type, owner_id, picture, caption))
            await uow.commit()
    return attached


def _counted(trades: Sequence[Trade], progress: Progress) -> Iterator[Trade]:
    for number, trade in enumerate(trades, 1):
        progress.step = f"storing executions: {number:,} / {len(trades):,}"
        yield trade


def _placements(story: Story, report_id: int, plan_id: int) -> Iterator[tuple[ImageOwnerType, str, Picture, str]]:
    """Spread the images over the executions; the first of them also explains the plan, and the last the report."""
    for number, picture in enumerate(story.pictures):
        trade = story.trades[number * len(story.trades) // len(story.pictures)]
        yield ImageOwnerType.TRADE, trade.exec_id, picture, f"{picture.path.stem}, at {trade.price}"
    yield ImageOwnerType.PLAN, str(plan_id), story.pictures[0], "What the plan was made from"
    yield ImageOwnerType.REPORT, str(report_id), story.pictures[-1], "How it went"


def _try_sqlite3(path: Path) -> str | None:
    """Return what the standard library's sqlite3 says to the file, if it is that this is no database."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.DatabaseError as error:
            return str(error) if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else None
    return None


async def _try_wrong_passphrase(path: Path) -> str | None:
    try:
        async with Vault.open(path, passphrase=secrets.token_urlsafe(), create=False):
            return None
    except WrongPassphraseError as error:
        return type(error).__name__
