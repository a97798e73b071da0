"""Turns: so many at a time, in order of arrival, and nobody's is lost."""

from __future__ import annotations

import asyncio

import pytest

from zorivest_async import UnitOfWorkError, VaultBusyError
from zorivest_async.database.queueing import TurnQueue, WriteQueue

pytestmark = pytest.mark.asyncio


async def wait_for_turn(queue: TurnQueue, order: list[int], number: int) -> None:
    """Note when the turn of a number comes, and pass it on."""
    await queue.acquire()
    order.append(number)
    queue.release()


async def waiting(queue: TurnQueue, order: list[int], *numbers: int) -> list[asyncio.Task[None]]:
    """Return tasks that wait, in this order."""
    tasks = [asyncio.create_task(wait_for_turn(queue, order, number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_as_many_as_there_are_places_go_at_once() -> None:
    """The next one waits, and goes when one of them is done."""
    queue, order = TurnQueue(2, 10), list[int]()
    await queue.acquire()
    await queue.acquire()
    (task,) = await waiting(queue, order, 1)
    assert order == []
    queue.release()
    await task
    assert order == [1]


async def test_who_came_first_goes_first() -> None:
    """Nobody who comes later, at a moment when a place has just become free, gets in before."""
    queue, order = TurnQueue(1, 10), list[int]()
    await queue.acquire()
    tasks = await waiting(queue, order, 1, 2, 3)
    queue.release()
    await wait_for_turn(queue, order, 4)
    await asyncio.gather(*tasks)
    assert order == [1, 2, 3, 4]


async def test_who_waits_too_long_is_told() -> None:
    """And is out of the queue then; its place was never taken."""
    queue, order = TurnQueue(1, 0.01), list[int]()
    await queue.acquire()
    with pytest.raises(VaultBusyError):
        await queue.acquire()
    queue.release()
    await asyncio.wait_for(wait_for_turn(queue, order, 1), 1)
    assert order == [1]


@pytest.mark.parametrize("moment", ["long before its turn", "just before its turn", "just after its turn"])
async def test_a_cancelled_turn_is_the_next_ones(moment: str) -> None:
    """Also where the task does not know of the one yet when the other comes."""
    queue, order = TurnQueue(1, 10), list[int]()
    await queue.acquire()
    first, second = await waiting(queue, order, 1, 2)
    if moment == "just after its turn":
        queue.release()
    first.cancel()
    if moment == "long before its turn":
        await asyncio.wait({first})
    if moment != "just after its turn":
        queue.release()
    await asyncio.wait_for(second, 1)
    assert first.cancelled()
    assert order == [2]
    await asyncio.wait_for(queue.acquire(), 1)


async def test_a_task_does_not_wait_for_itself_to_write() -> None:
    """It would wait forever; another task waits, and so may this one once it has finished."""
    queue, order = WriteQueue(10), list[int]()
    await queue.acquire()
    with pytest.raises(UnitOfWorkError):
        await queue.acquire()
    (task,) = await waiting(queue, order, 1)
    queue.release()
    await task
    await queue.acquire()
    assert order == [1]
