"""Work that is finished whatever happens to the task that asked for it."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from zorivest_async._finishing import finish
from zorivest_async.database.sqlcipher.answer import Answer, Mailbox
from zorivest_async.database.sqlcipher.process import current

pytestmark = pytest.mark.asyncio


async def answer_after(event: asyncio.Event, done: list[str]) -> str:
    """Wait, note it, and answer."""
    await event.wait()
    done.append("done")
    return "answer"


async def test_the_answer_and_the_error_are_the_works() -> None:
    """Without a cancellation it is as if it had been awaited."""
    event = asyncio.Event()
    event.set()
    assert await finish(answer_after(event, [])) == "answer"

    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await finish(fail())


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_it_is_finished_through_any_number_of_cancellations(cancellations: int) -> None:
    """The cancellation is raised when the work is done, and not before."""
    event, done = asyncio.Event(), list[str]()
    task = asyncio.create_task(finish(answer_after(event, done)))
    for _ in range(cancellations):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    event.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert done == ["done"]


async def test_it_is_finished_though_every_task_is_cancelled() -> None:
    """The inner task as well, again and again, as at the end of ``asyncio.run``."""
    event, done = asyncio.Event(), list[str]()
    task = asyncio.create_task(finish(answer_after(event, done)))
    for _ in range(3):
        await asyncio.sleep(0)
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
    assert not task.done()
    event.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert done == ["done"]


async def test_it_is_finished_in_a_cancelled_scope() -> None:
    """Level cancellation does not reach the work either."""
    event, done = asyncio.Event(), list[str]()
    asyncio.get_running_loop().call_later(0.02, event.set)
    with anyio.move_on_after(0.001) as scope:
        await finish(answer_after(event, done))
    assert scope.cancelled_caught
    assert done == ["done"]


async def test_an_error_behind_a_cancellation_is_not_reported_twice() -> None:
    """The caller learns of its cancellation; asyncio logs no lost exception."""
    event = asyncio.Event()

    async def fail() -> None:
        await event.wait()
        raise KeyError

    task = asyncio.create_task(finish(fail()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    event.set()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_work_that_cancels_itself_is_cancelled() -> None:
    """As when the event loop shuts down."""

    async def cancel_itself() -> None:
        await asyncio.sleep(0.01)
        raise asyncio.CancelledError

    task = asyncio.create_task(finish(cancel_itself()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_an_answer_declines_cancellation() -> None:
    """Its interrupt is called at once, and again only while there is no answer."""
    interrupts: list[str] = []
    answer = Answer[int](Mailbox(asyncio.get_running_loop()), current(), lambda: interrupts.append("now"))
    assert not answer.cancel()
    assert not answer.cancel()
    assert interrupts == ["now"]
    answer.settle(7, None)
    assert not answer.cancel()
    await asyncio.sleep(0.03)
    assert interrupts == ["now"]
    assert await answer == 7
