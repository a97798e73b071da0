"""The budget of bytes: what is taken is given back, in order of arrival, whoever is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from zorivest_async.images.budget import ByteBudget, HeldBytes

pytestmark = pytest.mark.asyncio


async def waiting(budget: ByteBudget, *sizes: int) -> list[asyncio.Task[int]]:
    """Return tasks that take these sizes, once each has room or waits."""
    tasks = [asyncio.create_task(budget.take(size)) for size in sizes]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def done(tasks: list[asyncio.Task[int]]) -> list[bool]:
    """Return which tasks have room."""
    return [task.done() for task in tasks]


async def turns(count: int = 3) -> None:
    """Let the tasks that were woken run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_room_is_given_in_order_of_arrival() -> None:
    """A large request is not overtaken by small ones, even where those would fit."""
    budget = ByteBudget(10)
    tasks = await waiting(budget, 6, 6, 1, 1)
    assert done(tasks) == [True, False, False, False]
    budget.give_back(6)
    await turns()
    assert done(tasks) == [True, True, True, True]


async def test_a_part_given_back_makes_room() -> None:
    """What was taken for the worst case is not kept."""
    budget = ByteBudget(10)
    tasks = await waiting(budget, 10, 4)
    budget.give_back(3)
    await turns()
    assert done(tasks) == [True, False]
    budget.give_back(1)
    await turns()
    assert done(tasks) == [True, True]


async def test_more_than_the_budget_waits_until_nothing_else_is_held() -> None:
    """It then takes all of it."""
    budget = ByteBudget(10)
    tasks = await waiting(budget, 1, 50, 1)
    assert done(tasks) == [True, False, False]
    budget.give_back(1)
    await turns()
    assert done(tasks) == [True, True, False]
    assert await tasks[1] == 10


async def test_one_that_is_cancelled_lets_those_behind_it_go() -> None:
    """Those that have room while it does not are no longer behind it."""
    budget = ByteBudget(10)
    tasks = await waiting(budget, 6, 9, 3)
    tasks[1].cancel()
    await turns()
    assert done(tasks) == [True, True, True]
    assert await tasks[2] == 3


async def test_room_that_comes_with_a_cancellation_is_given_on() -> None:
    """It came in the same turn of the event loop, in either order."""
    for cancel_first in (False, True):
        budget = ByteBudget(10)
        tasks = await waiting(budget, 10, 10, 10)
        if cancel_first:
            tasks[1].cancel()
        budget.give_back(10)
        tasks[1].cancel()
        await turns(5)
        assert tasks[1].cancelled()
        assert done(tasks) == [True, True, True]


async def test_bytes_are_held_until_the_block_ends() -> None:
    """Their largest size while they are read, then theirs; nothing after a failure or a cancellation."""
    budget = ByteBudget(10)

    async def read() -> bytes:
        assert done(await waiting(budget, 1)) == [False]
        return b"1234"

    async def fail() -> bytes:
        raise OSError("cannot be read")

    async def hang() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def use(held: HeldBytes) -> None:
        async with held:
            pass

    async with HeldBytes(budget, 10, read) as data:
        assert data == b"1234"
        tasks = await waiting(budget, 5, 1)
        assert done(tasks) == [True, False]
    await turns()
    assert done(tasks) == [True, True]
    budget.give_back(7)  # both, and the one of read()
    with pytest.raises(OSError, match="cannot be read"):
        await use(HeldBytes(budget, 10, fail))
    task = asyncio.create_task(use(HeldBytes(budget, 10, hang)))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await budget.take(10) == 10


async def test_without_a_budget_nothing_waits() -> None:
    """As for a task that others may wait for."""

    async def read() -> bytes:
        return b"12"

    async with HeldBytes(None, 100, read) as data:
        assert data == b"12"
