"""Cancelling units of work at random points, by every means there is: the outcome is what the disk says, always."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import anyio
import pytest
from sqlalchemy import text

from factories import make_account, make_image_entity, make_png, make_trade
from zorivest_async import ImageOwnerType, Vault
from zorivest_async.database.models import SettingModel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio

Step: TypeAlias = Literal["begin", "attach", "save", "savepoint", "save_many", "session", "end", "leave"]
Means: TypeAlias = Literal["cancel", "cancel twice", "cancel three times", "timeout", "move_on_after", "nothing"]
MEANS: tuple[Means, ...] = get_args(Means)
WRITING_STEPS: tuple[Step, ...] = (
    "begin",
    "attach",
    "save",
    "savepoint",
    "save_many",
    "session",
    "end",
    "end",
    "leave",
)
"""The end counts twice: a commit is what must not be misjudged."""

WRITERS = 4
READERS = 2
PROMPT_S = 0.5
PNG = make_png(40, 30)
TRADES_PER_UNIT = 3


@dataclass
class Tally:
    """What happened, for the check and for the record."""

    outcomes: dict[int, str] = field(default_factory=dict)
    struck: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    slowest_s: float = 0.0


class Striker:
    """Cancels a task shortly after it comes to a step.

    Args:
        step: Where.
        chance: Decides by which means, and how shortly.
    """

    def __init__(self, step: Step, chance: random.Random) -> None:
        self.step = step
        self.means = chance.choice(MEANS)
        self.delay_s = chance.choice([0.0, chance.uniform(0, 0.0005), chance.uniform(0, 0.004)])
        self.interval_s = chance.choice([0.0, 0.0002, 0.002])
        self.struck_at = 0.0
        self._task: asyncio.Task[None]
        self._timeout = asyncio.timeout(None)
        self._scope = anyio.CancelScope()

    async def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run ``body`` in a task of its own until it ends, in whichever way."""
        self._task = asyncio.create_task(self._within_limits(body))
        await asyncio.wait({self._task})
        body.close()  # where the task was cancelled before it began
        if not self._task.cancelled():
            error = self._task.exception()
            assert error is None or (isinstance(error, TimeoutError) and self.means == "timeout"), repr(error)

    async def _within_limits(self, body: Coroutine[Any, Any, None]) -> None:
        match self.means:
            case "timeout":
                async with self._timeout:
                    await body
            case "move_on_after":
                with self._scope:
                    await body
            case _:
                await body

    def at(self, step: Step) -> None:
        """Note that the task comes to a step."""
        if step != self.step:
            return
        loop = asyncio.get_running_loop()
        self.struck_at = loop.time() + self.delay_s
        match self.means:
            case "timeout":
                self._timeout.reschedule(self.struck_at)
            case "move_on_after":
                self._scope.deadline = self.struck_at
            case "nothing":
                pass
            case _:
                for number in range(1 + ("cancel", "cancel twice", "cancel three times").index(self.means)):
                    loop.call_later(self.delay_s + number * self.interval_s, self._task.cancel)


async def write(uow: SqlAlchemyUnitOfWork, unit: int, at: Callable[[Step], None], ending: str) -> None:
    """Store three trades, an image and a setting, and end in some way."""
    exec_id = f"{unit:06}"
    at("begin")
    async with uow:
        await uow.trades.save(make_trade(f"{exec_id}-0"))
        if unit % 2:
            at("attach")
            await uow.images.attach(ImageOwnerType.TRADE, f"{exec_id}-0", PNG)
        else:
            at("save")
            await uow.images.save(f"{exec_id}-0", make_image_entity())
        at("savepoint")
        async with uow.savepoint():
            await uow.trades.save(make_trade(f"{exec_id}-1"))
        at("session")
        uow.session.add(SettingModel(key=exec_id, value=exec_id, value_type="str"))
        at("save_many")
        await uow.trades.save_many([make_trade(f"{exec_id}-2")])
        at("end")
        if ending == "commit":
            await uow.commit()
        elif ending == "rollback":
            await uow.rollback()
        at("leave")


async def fuzz_writers(vault: Vault, units: list[int], chance: random.Random, tally: Tally) -> None:
    """Write unit after unit, each cancelled somewhere."""
    while units:
        unit = units.pop()
        striker = Striker(chance.choice(WRITING_STEPS), chance)
        ending = "commit" if chance.random() < 0.8 else chance.choice(["rollback", "leave"])
        uow = vault.unit_of_work()
        await striker.run(write(uow, unit, striker.at, ending))
        tally.outcomes[unit] = uow.outcome
        tally.struck[striker.means] += 1
        if striker.struck_at and striker.means != "nothing":
            tally.slowest_s = max(tally.slowest_s, asyncio.get_running_loop().time() - striker.struck_at)


async def read(uow: SqlAlchemyUnitOfWork, at: Callable[[Step], None], tally: Tally) -> None:
    """Check that units are seen whole."""
    at("begin")
    async with uow:
        connection = await uow.connection()
        counts = await connection.execute(
            text("SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM images), (SELECT count(*) FROM settings)")
        )
        trades, images, settings = counts.one()
        assert trades == TRADES_PER_UNIT * settings
        assert images == settings
        tally.reads += 1
        at("leave")


async def fuzz_readers(vault: Vault, units: list[int], chance: random.Random, tally: Tally) -> None:
    """Read as long as there are units to write, and be cancelled now and then."""
    while units:
        striker = Striker(chance.choice(("begin", "leave", "end")), chance)
        await striker.run(read(vault.unit_of_work(read_only=True), striker.at, tally))
        await asyncio.sleep(chance.uniform(0, 0.02))


async def warm_up(vault: Vault) -> None:
    """Have every connection and every thread for images and syncs that there can be."""

    async def hold(barrier: asyncio.Barrier) -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            await uow.accounts.count_all()
            await barrier.wait()

    async def save_account(account_id: str) -> None:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(account_id))
            await uow.commit()

    await save_account("U1")
    await asyncio.gather(*(save_account(f"other {number}") for number in range(4)))  # several at once share syncs
    barrier = asyncio.Barrier(4)
    await asyncio.gather(*(hold(barrier) for _ in range(4)))
    await asyncio.gather(*(vault._image_offload.process(PNG) for _ in range(8)))


async def stored_units(vault: Vault) -> set[int]:
    """Return the units on the disk, none of them in part."""
    rows: Counter[int] = Counter()
    async with vault.unit_of_work(read_only=True) as uow:
        connection = await uow.connection()
        for statement in ("SELECT exec_id FROM trades", "SELECT owner_id FROM images", "SELECT key FROM settings"):
            rows.update(int(name[:6]) for (name,) in await connection.execute(text(statement)))
    assert set(rows.values()) <= {TRADES_PER_UNIT + 2}
    return set(rows)


async def assert_nothing_left(vault: Vault, threads_before: int) -> float:
    """Check that no lock, connection or thread is left behind, and return how long a write took, in seconds."""
    begun = time.monotonic()
    async with vault.unit_of_work() as uow:
        await uow.settings.set("999999", 1)
        await uow.rollback()
    took_s = time.monotonic() - begun
    assert took_s < 1
    assert vault.engine.pool.checkedout() == vault.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with asyncio.timeout(5):
        while threading.active_count() > threads_before:  # noqa: ASYNC110 - threads set no asyncio.Event
            await asyncio.sleep(0.01)
    return took_s


async def fuzz(vault: Vault, count: int, seed: int) -> str:
    """Cancel so many units of work, check that each outcome is true, and return what happened."""
    chance, tally, units = random.Random(seed), Tally(), list(range(count))
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    await warm_up(vault)
    threads_before = threading.active_count()
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(fuzz_writers(vault, units, chance, tally))
        for _ in range(READERS):
            group.create_task(fuzz_readers(vault, units, chance, tally))
    took_s = time.monotonic() - begun
    write_s = await assert_nothing_left(vault, threads_before)
    committed = {unit for unit, outcome in tally.outcomes.items() if outcome == "committed"}
    assert committed == await stored_units(vault)
    assert len(tally.outcomes) == count
    assert count * 0.2 < len(committed) < count * 0.9  # else the points are badly chosen
    assert complaints == []
    assert (await vault.verify()).ok
    assert tally.slowest_s < PROMPT_S
    outcomes = Counter(tally.outcomes.values())
    return (
        f"{count} units of work in {took_s:.1f} s: {dict(outcomes)}, every outcome as on the disk; "
        f"by {dict(tally.struck)}; {tally.reads} reads; "
        f"slowest return {tally.slowest_s * 1000:.0f} ms; next write {write_s * 1000:.1f} ms"
    )


async def test_whatever_is_cancelled_its_outcome_is_what_the_disk_says(
    vault: Vault, tell: Callable[[str], None]
) -> None:
    """Three hundred units, writers and readers together; nothing is left checked out, locked or running."""
    tell(await fuzz(vault, 300, seed=1))


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_10000_cancelled_units_have_the_outcome_that_the_disk_says(
    vault: Vault, tell: Callable[[str], None]
) -> None:
    """The same with ten thousand."""
    tell(await fuzz(vault, 10_000, seed=2))
