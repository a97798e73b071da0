"""Image work leaves the event loop, and no more of it runs at a time than the policy says, whoever is cancelled."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
from PIL import Image

from zorivest_async.errors import ConfigurationError, CorruptImageError, VaultClosedError
from zorivest_async.images import ImageOffload, ImagePolicy, make_thumbnail, process_image

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

POLICY = ImagePolicy()


class Gate:
    """A function for threads: it reports that it runs, and returns (or raises) its argument once it is let through."""

    def __init__(self) -> None:
        self.most = 0
        self.calls: list[object] = []
        self._running = 0
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._starts = asyncio.Semaphore(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_through()

    def __call__(self, value: object) -> object:
        """Run in a thread."""
        with self._lock:
            self.calls.append(value)
            self._running += 1
            self.most = max(self.most, self._running)
        self._loop.call_soon_threadsafe(self._starts.release)
        self._open.wait()
        with self._lock:
            self._running -= 1
        if isinstance(value, Exception):
            raise value
        return value

    async def started(self, count: int = 1) -> None:
        """Wait for so many more calls to have begun."""
        for _ in range(count):
            await self._starts.acquire()

    async def nothing_starts(self) -> bool:
        """Tell whether no further call begins in the time in which one would."""
        try:
            async with asyncio.timeout(0.1):
                await self.started()
        except TimeoutError:
            return True
        return False

    def let_through(self) -> None:
        """Let every call return, now and from now on."""
        self._open.set()


async def cancelled_natively(work: Coroutine[Any, Any, object], gate: Gate) -> None:
    """Await the work in a task that is cancelled once the work runs."""
    task = asyncio.create_task(work)
    await gate.started()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_by_a_scope(work: Coroutine[Any, Any, object], gate: Gate) -> None:
    """Await the work in a scope that is cancelled once the work runs."""

    async def cancel(scope: anyio.CancelScope) -> None:
        await gate.started()
        scope.cancel()

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(cancel, scope)
            await work
    assert scope.cancelled_caught


async def cancelled_with_every_task(work: Coroutine[Any, Any, object], gate: Gate) -> None:
    """Await the work in a task that is cancelled with every other one, inner ones included, once the work runs."""
    task = asyncio.create_task(work)
    await gate.started()
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


WAYS_TO_CANCEL = [cancelled_natively, cancelled_by_a_scope, cancelled_with_every_task]


@pytest.fixture(scope="module")
def chart() -> bytes:
    """An image that is larger than its thumbnail."""
    buffer = BytesIO()
    Image.effect_mandelbrot((640, 360), (-2, -1, 1, 1), 50).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def chart_path(chart: bytes, tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "chart.png"
    path.write_bytes(chart)
    return path


@pytest.fixture
def expected(chart: bytes) -> tuple[object, bytes]:
    """What the plain functions make of it."""
    return process_image(chart, POLICY), make_thumbnail(chart, 320, POLICY)


@pytest.mark.asyncio
async def test_results_are_those_of_the_plain_functions(
    chart: bytes, chart_path: Path, expected: tuple[object, bytes]
) -> None:
    """The offload adds a thread and nothing else."""
    offload = ImageOffload(POLICY)
    assert await offload.process(chart) == expected[0]
    assert await offload.thumbnail(chart, 320) == expected[1]
    assert await offload.read_file(chart_path) == chart
    await offload.aclose()


@pytest.mark.asyncio
async def test_errors_are_those_of_the_plain_functions(chart: bytes, tmp_path: Path) -> None:
    """They arrive where the work was awaited."""
    offload = ImageOffload(POLICY)
    with pytest.raises(CorruptImageError):
        await offload.process(chart[:-1])
    with pytest.raises(ConfigurationError):
        await offload.thumbnail(chart, 0)
    with pytest.raises(FileNotFoundError):
        await offload.read_file(tmp_path / "missing.png")
    await offload.aclose()


@pytest.mark.asyncio
async def test_work_runs_in_another_thread() -> None:
    """The event loop goes on meanwhile."""
    offload = ImageOffload(POLICY)
    assert await offload.run(threading.get_ident) != threading.get_ident()
    await offload.aclose()


@pytest.mark.asyncio
async def test_no_more_runs_at_a_time_than_the_policy_says() -> None:
    """Ten callers, three threads: three run, the others wait, and all are served."""
    offload = ImageOffload(ImagePolicy(threads=3))
    with Gate() as gate:
        callers = [asyncio.create_task(offload.run(gate, number)) for number in range(10)]
        await gate.started(3)
        assert await gate.nothing_starts()
        gate.let_through()
        assert await asyncio.gather(*callers) == list(range(10))
    assert gate.most == 3
    await offload.aclose()


@pytest.mark.asyncio
@pytest.mark.parametrize("cancelled", WAYS_TO_CANCEL)
async def test_a_cancelled_caller_leaves_at_once_and_its_work_keeps_its_place(cancelled: Any) -> None:
    """The thread of an abandoned image still runs: another one may not start beside it, however often this happens."""
    offload = ImageOffload(POLICY)
    with Gate() as gate:
        for number in range(POLICY.threads):
            await cancelled(offload.run(gate, number), gate)
        waiting = asyncio.create_task(offload.run(gate, "waiting"))
        assert await gate.nothing_starts()
        gate.let_through()
        assert await waiting == "waiting"
    assert gate.most == POLICY.threads
    await offload.aclose()


@pytest.mark.asyncio
async def test_work_that_waits_is_dropped_with_its_caller() -> None:
    """Nothing is decoded for nobody, and the next in line is not held up by it."""
    offload = ImageOffload(ImagePolicy(threads=1))
    with Gate() as gate:
        first, second, third = (asyncio.create_task(offload.run(gate, name)) for name in ("first", "second", "third"))
        await gate.started()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.let_through()
        assert [await first, await third] == ["first", "third"]
        await offload.aclose()
    assert gate.calls == ["first", "third"]


@pytest.mark.asyncio
async def test_work_that_was_just_asked_for_is_dropped_with_its_caller() -> None:
    """Also before it could take a place."""
    offload = ImageOffload(POLICY)
    with Gate() as gate:
        caller = asyncio.create_task(offload.run(gate, "dropped"))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await offload.aclose()
    assert gate.calls == []


@pytest.mark.asyncio
async def test_an_abandoned_failure_is_not_reported() -> None:
    """Nobody waits for it, so asyncio must not complain that nobody asked."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    offload = ImageOffload(POLICY)
    with Gate() as gate:
        await cancelled_natively(offload.run(gate, CorruptImageError()), gate)
    await offload.aclose()
    gc.collect()
    await asyncio.sleep(0)
    assert reports == []


@pytest.mark.asyncio
async def test_closing_waits_for_the_work_that_was_taken() -> None:
    """What runs and what waits, with a caller or without."""
    offload = ImageOffload(ImagePolicy(threads=1))
    with Gate() as gate:
        await cancelled_natively(offload.run(gate, "abandoned"), gate)
        caller = asyncio.create_task(offload.run(gate, "waiting"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(offload.aclose())
        assert await gate.nothing_starts()
        assert not closing.done()
        gate.let_through()
        await closing
        assert gate.calls == ["abandoned", "waiting"]
        assert await caller == "waiting"


@pytest.mark.asyncio
async def test_a_cancelled_close_can_be_repeated() -> None:
    """Cancellation ends the wait, not the work; new work is refused from the first close on."""
    offload = ImageOffload(POLICY)
    with Gate() as gate:
        caller = asyncio.create_task(offload.run(gate, "chart"))
        await gate.started()
        closing = asyncio.create_task(offload.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(VaultClosedError):
            await offload.run(gate, "late")
        gate.let_through()
        await offload.aclose()
        assert await caller == "chart"


@pytest.mark.asyncio
async def test_after_closing_nothing_is_taken(chart: bytes, chart_path: Path) -> None:
    """Closing twice is closing once."""
    offload = ImageOffload(POLICY)
    await offload.aclose()
    await offload.aclose()
    for work in (offload.process(chart), offload.thumbnail(chart, 320), offload.read_file(chart_path)):
        with pytest.raises(VaultClosedError):
            await work


def test_making_one_needs_no_event_loop() -> None:
    """What belongs to a loop is made when work is first given to it."""
    offload = ImageOffload(POLICY)

    async def use() -> str:
        result = await offload.run(str.upper, "chart")
        await offload.aclose()
        return result

    assert asyncio.run(use()) == "CHART"


@pytest.mark.asyncio
async def test_the_bound_holds_when_callers_come_and_go_at_random(chart: bytes) -> None:
    """Three hundred callers, a third of which are cancelled at some moment; the others get their result."""
    dice = random.Random(20)  # noqa: S311
    offload = ImageOffload(POLICY)
    lock = threading.Lock()
    running = most = 0

    def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        process_image(chart, ImagePolicy(thumbnail_px=8))
        with lock:
            running -= 1
        return number

    callers = [asyncio.create_task(offload.run(work, number)) for number in range(300)]
    for number, caller in enumerate(callers):
        if dice.random() < 0.3:
            caller.cancel()
        if number % 10 == 0:
            await asyncio.sleep(0.001)
    results = await asyncio.gather(*callers, return_exceptions=True)
    await offload.aclose()
    served = [number for number, result in enumerate(results) if result == number]
    assert len(served) + sum(isinstance(result, asyncio.CancelledError) for result in results) == 300
    assert len(served) > 100
    assert (running, most) == (0, POLICY.threads)
