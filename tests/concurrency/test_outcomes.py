"""Every task is cancelled at once, as ``asyncio.run`` does when it ends: what was said of a unit of work stays true."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import pytest
from sqlalchemy import text

from factories import make_account, make_png, make_trade
from zorivest_async import (
    ImageOwnerType,
    KdfProfile,
    RepositoryError,
    Vault,
    VaultClosedError,
    WrongPassphraseError,
)
from zorivest_async.database.models import SettingModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

Way: TypeAlias = Literal["plain", "savepoint", "session", "connection", "stream", "bulk"]
"""What a unit of work does before it commits."""

Means: TypeAlias = Literal["asyncio.run", "all tasks", "one task"]
"""How it is cancelled: when its event loop ends, by code that cancels every task, or alone."""

PASSPHRASES = ("correct horse battery staple", "another horse")
PNG = make_png(300, 200)
open_vault = partial(Vault.open, profile=KdfProfile.CHEAPEST)


@pytest.fixture(autouse=True)
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make syncs take longer, so that several commits wait for one when they are cancelled."""
    sync = os.fsync

    def wait_and_sync(descriptor: int) -> None:
        time.sleep(0.003)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", wait_and_sync)


async def write(uow: SqlAlchemyUnitOfWork, way: Way, number: int, image: int) -> None:
    """Store the setting of this number in some way, and commit."""
    key = f"{number:06}"
    async with uow:
        match way:
            case "plain":
                await uow.settings.set(key, 1)
            case "savepoint":
                async with uow.savepoint():
                    await uow.settings.set(key, 1)
            case "session":
                uow.session.add(SettingModel(key=key, value="1", value_type="int"))
                await uow.session.flush()
            case "connection":
                await (await uow.connection()).execute(
                    text("INSERT INTO settings (key, value, value_type) VALUES (:key, '1', 'int')"), {"key": key}
                )
            case "stream":
                stream = uow.images.stream(image, 50)
                await anext(stream)
                await uow.settings.set(key, 1)
            case "bulk":
                await uow.trades.save_many([make_trade(f"{key}-{leg}") for leg in range(3)])
                await uow.settings.set(key, 1)
        await uow.commit()


async def prepare(path: Path) -> int:
    """Make a vault with an image, and return its number."""
    async with open_vault(path, passphrase=PASSPHRASES[0]) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        image = await uow.images.attach(ImageOwnerType.TRADE, "0001", PNG)
        await uow.commit()
        return image


async def stored(path: Path) -> set[int]:
    """Return the numbers that are stored."""
    async with open_vault(path, passphrase=PASSPHRASES[0]) as vault, vault.unit_of_work(read_only=True) as uow:
        return {int(setting.key) for setting in await uow.settings.get_all()}


def cancel_everything() -> None:
    """Cancel every other task of the loop but the main one, inner ones included."""
    spared = {asyncio.current_task(), *(task for task in asyncio.all_tasks() if task.get_name() == "main")}
    for task in asyncio.all_tasks() - spared:
        task.cancel()


class Service:
    """Writes to a vault until its event loop ends, or everything in it is cancelled.

    Args:
        path: The vault.
        way: What its units of work do.
        chance: Decides when they end.
        outcomes: Takes what is said of each.
    """

    def __init__(self, path: Path, way: Way, chance: random.Random, outcomes: dict[int, str]) -> None:
        self._path = path
        self._way = way
        self._chance = chance
        self._outcomes = outcomes

    async def serve(self, image: int, numbers: list[int], means: Means) -> None:
        """Write so many units of work at a time, and have them cancelled."""
        async with open_vault(self._path, passphrase=PASSPHRASES[0]) as vault:
            units = [vault.unit_of_work() for _ in numbers]
            noting = [self._note(unit, number, image) for unit, number in zip(units, numbers, strict=True)]
            tasks = [asyncio.create_task(note) for note in noting]
            if means == "asyncio.run":
                await asyncio.wait(tasks)
                return
            while not all(task.done() for task in tasks):
                await asyncio.sleep(self._chance.uniform(0, 0.02 if means == "all tasks" else 0.004))
                if means == "all tasks":
                    cancel_everything()
                else:
                    self._chance.choice(tasks).cancel()

    async def _note(self, unit: SqlAlchemyUnitOfWork, number: int, image: int) -> None:
        try:
            with suppress(asyncio.CancelledError, VaultClosedError):  # it may be entered when the vault is being closed
                await write(unit, self._way, number, image)
        finally:
            self._outcomes[number] = unit.outcome


def run(path: Path, way: Way, means: Means, *, seed: int, units: int, at_a_time: int) -> str:
    """Cancel so many units of work, check what was said of each, and return what happened."""
    chance = random.Random(seed)
    image = asyncio.run(prepare(path))
    outcomes = dict[int, str]()
    for start in range(0, units, at_a_time):
        service = Service(path, way, chance, outcomes)
        numbers = list(range(start, min(start + at_a_time, units)))

        async def main(service: Service = service, numbers: list[int] = numbers) -> None:
            asyncio.current_task().set_name("main")  # type: ignore[union-attr]  # this is a task
            task = asyncio.create_task(service.serve(image, numbers, means))
            if means == "asyncio.run":
                await asyncio.sleep(chance.uniform(0.002, 0.03))  # and leaves the rest to be cancelled
            else:
                await task

        asyncio.run(main())
        assert not path.with_name(f"{path.name}-wal").exists(), "the vault was not closed"
    there = asyncio.run(stored(path))
    assert {number for number, outcome in outcomes.items() if outcome == "committed"} == there
    assert set(outcomes.values()) <= {"open", "committed", "rolled_back"}  # "open": cancelled before it began
    return f"{way}, {means}: {len(outcomes)} units of work, {dict(Counter(outcomes.values()))}, every outcome as stored"


@pytest.mark.parametrize("means", get_args(Means))
@pytest.mark.parametrize("way", get_args(Way))
def test_an_outcome_is_true_whatever_cancels_it(
    tmp_path: Path, way: Way, means: Means, tell: Callable[[str], None]
) -> None:
    """What is said to be committed is stored, and nothing else; and the vault is closed."""
    tell(run(tmp_path / "journal.vault", way, means, seed=1, units=60, at_a_time=6))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("means", get_args(Means))
@pytest.mark.parametrize("way", get_args(Way))
def test_10000_outcomes_are_true_whatever_cancels_them(
    tmp_path: Path, way: Way, means: Means, tell: Callable[[str], None]
) -> None:
    """The same, 560 times for each way and means."""
    tell(run(tmp_path / "journal.vault", way, means, seed=2, units=560, at_a_time=8))


@pytest.mark.parametrize("turns", range(12))
def test_a_closing_that_is_cancelled_with_everything_else_closes(tmp_path: Path, turns: int) -> None:
    """Nothing is left beside the vault, whichever of its steps the cancellation meets, and it can be had alone."""
    path = tmp_path / "journal.vault"

    async def main() -> None:
        vault = await open_vault(path, passphrase=PASSPHRASES[0])
        async with vault.unit_of_work() as uow:
            await uow.settings.set("n", 1)
            await uow.commit()
        closing = asyncio.create_task(vault.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        cancel_everything()
        await asyncio.wait({closing})
        await vault.aclose()
        async with open_vault(path, passphrase=PASSPHRASES[0]) as alone:
            await alone.rekey(PASSPHRASES[1], profile=KdfProfile.CHEAPEST)

    asyncio.run(main())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["journal.vault", "journal.vault.lock"]


def test_a_closing_whose_event_loop_ended_is_finished_by_another(tmp_path: Path) -> None:
    """The second call does what the first could not."""
    path = tmp_path / "journal.vault"
    loop = asyncio.new_event_loop()
    vault = loop.run_until_complete(_opened(path))
    closing = loop.create_task(vault.aclose())
    for _ in range(4):  # turns of the loop, after which it has begun
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert not closing.done()
    loop.close()
    asyncio.run(vault.aclose())
    assert "closed" in repr(vault)
    assert not path.with_name(f"{path.name}-wal").exists()
    closing.get_coro().close()  # which asyncio would report as never finished
    closing._log_destroy_pending = False  # type: ignore[attr-defined]


async def _opened(path: Path) -> Vault:
    vault = await open_vault(path, passphrase=PASSPHRASES[0])
    async with vault.unit_of_work() as uow:
        await uow.settings.set("n", 1)
        await uow.commit()
    return vault


@pytest.mark.parametrize("seed", range(4))
def test_a_long_operation_ends_as_it_says_when_everything_is_cancelled(tmp_path: Path, seed: int) -> None:
    """A backup is whole or not there; exactly the passphrase that was said to be the vault's opens it."""
    path, chance = tmp_path / "journal.vault", random.Random(seed)
    said = Counter[str]()

    async def main(number: int) -> None:
        async with open_vault(path, passphrase=passphrase) as vault:
            backing_up = asyncio.create_task(vault.backup(tmp_path / f"{number}.backup"))
            await asyncio.sleep(chance.uniform(0, 0.02))
            cancel_everything()
            await asyncio.wait({backing_up})
            said["backups"] += not backing_up.cancelled()
            changing = asyncio.create_task(vault.rekey(PASSPHRASES[1 - current], profile=KdfProfile.CHEAPEST))
            await asyncio.sleep(chance.uniform(0, 0.06))
            cancel_everything()
            await asyncio.wait({changing})
            said["rekeyed" if not changing.cancelled() else "cancelled"] += 1

    async def opens(name: Path, word: str) -> bool:
        try:
            async with open_vault(name, passphrase=word, create=False):
                return True
        except WrongPassphraseError:
            return False

    current, passphrase = 0, PASSPHRASES[0]
    asyncio.run(prepare(path))
    for number in range(6):
        before = said["rekeyed"]
        asyncio.run(main(number))
        opening = [asyncio.run(opens(path, word)) for word in PASSPHRASES]
        assert sum(opening) == 1
        if said["rekeyed"] > before:
            assert opening[1 - current]
        current = opening.index(True)
        passphrase = PASSPHRASES[current]
    copies = list(tmp_path.glob("*.backup"))
    assert len(copies) >= said["backups"]
    for copy in copies:
        assert any(asyncio.run(opens(copy, word)) for word in PASSPHRASES)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.asyncio
async def test_a_commit_that_fails_while_its_task_is_cancelled_was_rolled_back(vault: Vault) -> None:
    """The cancellation is what is raised, and the outcome is what the file holds."""
    outcomes = list[str]()

    async def save_an_orphan_and_commit() -> None:
        async with vault.unit_of_work() as uow:
            connection = await uow.connection()
            await connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            await uow.trades.save(make_trade(account_id="missing"))  # which COMMIT refuses
            asyncio.get_running_loop().call_soon(task.cancel)
            try:
                await uow.commit()
            finally:
                outcomes.append(uow.outcome)

    task = asyncio.create_task(save_an_orphan_and_commit())
    await asyncio.wait({task})
    assert task.cancelled()
    assert outcomes == ["rolled_back"]
    async with vault.unit_of_work() as uow:
        assert await uow.trades.list_all() == []
        with pytest.raises(RepositoryError):
            await uow.trades.save(make_trade(account_id="missing"))
