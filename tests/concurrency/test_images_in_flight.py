"""Images in flight: a slow writer does not make others read their files, and nothing waits for itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from factories import make_account, make_noise_png, make_trade, size_of_picture
from workers.launch import command, environment
from zorivest_async import (
    ImageOwnerType,
    ImagePolicy,
    KdfProfile,
    SqlAlchemyUnitOfWork,
    Vault,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE
PNG = make_noise_png(300, 200)
FITTING = 2
"""Number of files that fit into the bound of the vault below at a time."""


@pytest_asyncio.fixture
async def vault(vault_path: Path) -> AsyncIterator[Vault]:
    """A vault with a trade, whose images may be a little larger than the file of these tests."""
    policy = ImagePolicy(max_bytes=len(PNG) * 5 // 4, threads=FITTING)
    async with Vault.open(
        vault_path, passphrase="p", profile=KdfProfile.CHEAPEST, images=policy, busy_timeout_s=60
    ) as opened:
        async with opened.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.trades.save(make_trade())
            await uow.commit()
        yield opened


@pytest_asyncio.fixture
async def files(tmp_path: Path) -> list[Path]:
    """Twelve copies of an image."""
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        await asyncio.to_thread(path.write_bytes, PNG)
    return paths


async def attach(vault: Vault, source: Any) -> int:
    """Attach an image in a unit of work of its own."""
    async with vault.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", source)
        await uow.commit()
    return number


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition of the event loop's."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


async def settle(vault: Vault) -> None:
    """Give whatever could still read a file the time to do it: each of these runs after it, in the same threads."""
    for _ in range(20):
        await vault._image_offload.run(len, b"")


def run_in_flight(*arguments: object) -> tuple[int, float]:
    """Return what the program tells: how many images were stored, and the memory that it took, in megabytes."""
    done = subprocess.run(
        command("in_flight", *arguments), env=environment(), capture_output=True, text=True, check=True
    )
    stored, more_mb = done.stdout.split()
    return int(stored), float(more_mb)


def waiting_writers(vault: Vault) -> int:
    """Return how many units of work wait for their turn to write."""
    return sum(not turn.done() for turn in vault._write_queue._waiting)


@pytest.mark.parametrize("kind", ["path", "bytearray"])
async def test_a_slow_writer_keeps_others_from_reading_their_images(vault: Vault, files: list[Path], kind: str) -> None:
    """As many as fit wait for their turn; the others have not read theirs: it may still go, or change."""
    sources: list[Any] = files if kind == "path" else [bytearray(PNG) for _ in files]
    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        tasks = [asyncio.create_task(attach(vault, source)) for source in sources]
        await until(lambda: waiting_writers(vault) == FITTING)
        await settle(vault)
        assert waiting_writers(vault) == FITTING
        for source in sources:
            if kind == "path":
                await asyncio.to_thread(source.unlink)
            else:
                source[:] = bytes(len(source))
        await slow.commit()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    stored = [isinstance(result, int) for result in results]
    assert stored == [True] * FITTING + [False] * (len(files) - FITTING)


async def test_bytes_of_the_caller_are_not_counted(vault: Vault) -> None:
    """They are in memory already."""
    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        tasks = [asyncio.create_task(attach(vault, PNG)) for _ in range(6)]
        await until(lambda: waiting_writers(vault) == 6)
        await slow.commit()
    assert len(set(await asyncio.gather(*tasks))) == 6


async def test_writers_that_attach_after_their_first_write_wait_for_nothing(vault: Vault, files: list[Path]) -> None:
    """All that may be in memory is held by those that wait for their turn: waiting for them would never end."""

    async def write_and_attach(paths: list[Path]) -> None:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("first", value=True)
            for path in paths:
                await uow.images.attach(TRADE, "0001", path)
            await uow.commit()

    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        others = [asyncio.create_task(attach(vault, path)) for path in files]
        writers = [asyncio.create_task(write_and_attach(files[:3])) for _ in range(4)]
        await until(lambda: waiting_writers(vault) == FITTING + len(writers))
        async with asyncio.timeout(20):
            for path in files[:4]:
                await slow.images.attach(TRADE, "0001", path)
        await slow.commit()
    async with asyncio.timeout(60):
        await asyncio.gather(*others, *writers)
    async with vault.unit_of_work(read_only=True) as uow:
        assert len(await uow.images.list_for_owner(TRADE, "0001", limit=None)) == 4 + 12 + 4 * 3


@pytest.mark.parametrize("read_only", [False, True])
async def test_another_unit_of_work_of_the_task_that_writes_waits_for_nothing(
    vault: Vault, files: list[Path], read_only: bool
) -> None:
    """It is refused at once, and not after the others have waited for the task that it belongs to."""
    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        others = [asyncio.create_task(attach(vault, path)) for path in files]
        await until(lambda: waiting_writers(vault) == FITTING)
        async with asyncio.timeout(20), vault.unit_of_work(read_only=read_only) as another:
            with pytest.raises(Exception, match=r"already writing|read-only"):
                await another.images.attach(TRADE, "0001", files[0])
        await slow.commit()
    await asyncio.gather(*others)


async def test_whoever_is_cancelled_gives_its_room_back(vault: Vault, files: list[Path]) -> None:
    """One that waits for its turn, and one that waits for room."""
    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        tasks = [asyncio.create_task(attach(vault, path)) for path in files]
        await until(lambda: waiting_writers(vault) == FITTING)
        for cancelled in (0, FITTING):
            tasks[cancelled].cancel()
            with pytest.raises(asyncio.CancelledError):
                await tasks[cancelled]
        await until(lambda: waiting_writers(vault) == FITTING)
        for path in files:
            await asyncio.to_thread(path.unlink)
        await slow.commit()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, int)] == [1, FITTING + 1]
    assert vault._image_offload._attached._free == vault._image_offload._attached._limit


async def test_a_failed_image_gives_its_room_back(vault: Vault, tmp_path: Path, files: list[Path]) -> None:
    """Whether it cannot be read, cannot be decoded, or has no owner."""
    broken = tmp_path / "broken.png"
    await asyncio.to_thread(broken.write_bytes, PNG[:-1])
    for owner, source in (("0001", tmp_path / "absent.png"), ("0001", broken), ("absent", files[0])) * 3:
        async with vault.unit_of_work() as uow:
            with pytest.raises(Exception, match=r"absent|decoded|not stored"):
                await uow.images.attach(TRADE, owner, source)
    assert vault._image_offload._attached._free == vault._image_offload._attached._limit


async def test_thumbnails_do_not_wait_for_images_that_wait_for_a_writer(vault: Vault, files: list[Path]) -> None:
    """The originals that they read have a bound of their own: readers wait for no writer."""
    number = await attach(vault, PNG)
    async with vault.unit_of_work() as slow:
        await slow.settings.set("slow", value=True)
        tasks = [asyncio.create_task(attach(vault, path)) for path in files]
        await until(lambda: waiting_writers(vault) == FITTING)
        async with asyncio.timeout(20):
            made = await asyncio.gather(*(vault.thumbnail(number, size) for size in (100, 250, 300, 400)))
        assert [size_of_picture(picture)[1] for picture in made] == [100, 250, 300, 300]
        await slow.commit()
    await asyncio.gather(*tasks)


async def test_without_a_queue_of_writers_a_connection_alone_counts(vault: Vault, files: list[Path]) -> None:
    """A unit of work over an engine has no queue; one that has sent something waits for nothing, there as well."""
    offload = vault._image_offload
    async with SqlAlchemyUnitOfWork(vault.engine, images=offload) as uow:
        assert await uow.images.attach(TRADE, "0001", files[0])
        held = [offload.attached(path) for path in files[:FITTING]]
        for holder in held:
            await holder.__aenter__()
        async with asyncio.timeout(20):
            assert await uow.images.attach(TRADE, "0001", files[1])
        for holder in held:
            await holder.__aexit__(None, None, None)
        await uow.commit()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the resident memory from /proc")
@pytest.mark.parametrize(
    ("count", "size", "seconds", "limit_mb"),
    [
        pytest.param(24, 3, 0.5, 60, id="small"),
        pytest.param(200, 10, 8, 150, id="200 of 10 MB", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
async def test_many_paths_take_the_memory_of_a_few(
    tmp_path: Path, count: int, size: int, seconds: float, limit_mb: int
) -> None:
    """Attached at once, beside a unit of work that writes for seconds."""
    stored, more_mb = await asyncio.to_thread(run_in_flight, tmp_path, count, size, seconds)
    assert stored == count
    assert more_mb <= limit_mb
