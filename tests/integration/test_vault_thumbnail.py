"""``vault.thumbnail``: the picture of ``get_thumbnail``, and nothing is held while it is made."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from factories import (
    FAKE_BYTES,
    make_account,
    make_image_entity,
    make_noise_png,
    make_png,
    make_trade,
    size_of_picture,
    statements_of,
)
from zorivest_async import (
    CorruptImageError,
    ImageOwnerType,
    ImagePolicy,
    ImageTooLargeError,
    InvalidQueryError,
    KdfProfile,
    NotFoundError,
    UnitOfWorkError,
    UnsupportedImageError,
    ValidationError,
    Vault,
    VaultClosedError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE
ORIGINAL = make_noise_png(900, 600)
SIZES = [1, 100, 199, 200, 201, 300, 399, 400, 401, 900, 5_000, 100_000]


@pytest_asyncio.fixture(params=["file", "memory"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vault]:
    """A vault with a trade, in a file or in memory."""
    path = tmp_path / "journal.vault"
    opening = (
        Vault.in_memory()
        if request.param == "memory"
        else Vault.open(path, passphrase="p", profile=KdfProfile.CHEAPEST, readers=1)
    )
    async with opening as vault:
        await fill(vault)
        yield vault


async def fill(vault: Vault) -> None:
    """Store an account and a trade."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.commit()


async def attach(vault: Vault, data: bytes = ORIGINAL) -> int:
    """Attach an image."""
    async with vault.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", data)
        await uow.commit()
    return number


async def save(vault: Vault, data: bytes = ORIGINAL, **values: Any) -> int:
    """Store an image as it is, without a preview, as older releases did."""
    async with vault.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(data, **values))
        await uow.commit()
    return number


@asynccontextmanager
async def busy_threads(vault: Vault) -> AsyncGenerator[None]:
    """Keep all threads that decode busy during the block."""
    gate = threading.Event()
    works = [asyncio.create_task(vault._image_offload.run(gate.wait)) for _ in range(ImagePolicy().threads)]
    try:
        yield
    finally:
        gate.set()
        await asyncio.gather(*works)


async def read(vault: Vault) -> None:
    """Read one row."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.get("0001")


@pytest.mark.parametrize("is_old", [False, True], ids=["with a preview", "without"])
async def test_it_is_the_picture_of_the_unit_of_work(journal: Vault, is_old: bool) -> None:
    """Of every size, for images of this release and of older ones."""
    number = await save(journal, width=900, height=600) if is_old else await attach(journal)
    for size in SIZES:
        picture = await journal.thumbnail(number, size)
        async with journal.unit_of_work(read_only=True) as uow:
            assert picture == await uow.images.get_thumbnail(number, size), size
        assert size_of_picture(picture)[1] == min(size, 900)


async def test_by_default_it_is_the_preview_and_decodes_nothing(journal: Vault) -> None:
    """As does a small image of any size; the threads that decode are busy, and no original is read."""
    number, small = await attach(journal), await attach(journal, make_png(50, 40))
    async with busy_threads(journal), asyncio.timeout(20):
        with statements_of(journal.read_engine) as statements:
            assert size_of_picture(await journal.thumbnail(number)) == ("WEBP", 400, 267)
            assert size_of_picture(await journal.thumbnail(number, 200)) == ("WEBP", 200, 134)
            assert size_of_picture(await journal.thumbnail(small, 10_000)) == ("WEBP", 50, 40)
    assert statements
    assert not any("images.data" in statement for statement in statements)


@pytest.mark.parametrize("size", [100, 300, 400, 800])
@pytest.mark.parametrize("is_old", [False, True], ids=["with a preview", "without"])
async def test_nothing_is_held_while_a_picture_is_made(journal: Vault, size: int, is_old: bool) -> None:
    """Two dozen of them wait for the threads; whoever reads or writes finds the connections free."""
    number = await save(journal, width=900, height=600) if is_old else await attach(journal)
    async with asyncio.timeout(60):
        async with busy_threads(journal):
            pictures = [asyncio.create_task(journal.thumbnail(number, size)) for _ in range(24)]
            for _ in range(24):
                await read(journal)
            async with journal.unit_of_work() as uow:
                await uow.settings.set("written", value=True)
                await uow.commit()
        assert len(set(await asyncio.gather(*pictures))) == 1


async def test_thumbnails_leave_readers_to_others(vault_path: Path) -> None:
    """However many are read at once, they take half of the connections."""
    async with Vault.open(vault_path, passphrase="p", profile=KdfProfile.CHEAPEST, readers=4) as vault:
        await fill(vault)
        number = await attach(vault)
        most = 0
        pictures = [asyncio.create_task(vault.thumbnail(number, 400)) for _ in range(40)]
        while not all(picture.done() for picture in pictures):
            most = max(most, 4 - vault._read_turns._free)
            await asyncio.sleep(0)
        assert most == 2


async def test_a_cancelled_caller_leaves_at_once_and_holds_nothing(journal: Vault) -> None:
    """Whether it waits for a connection, for room or for a thread."""
    number = await attach(journal)
    async with asyncio.timeout(60), busy_threads(journal):
        pictures = [asyncio.create_task(journal.thumbnail(number, size)) for size in (300, 800) * 20]
        for _ in range(10):
            await read(journal)
        for picture in pictures:
            picture.cancel()
        results = await asyncio.gather(*pictures, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        await read(journal)
        budget = journal._image_offload._read
        assert budget._free == budget._limit
    assert size_of_picture(await journal.thumbnail(number, 800)) == ("WEBP", 800, 533)


async def test_originals_in_memory_are_bounded(vault_path: Path) -> None:
    """A hundred requests for a size that must be decoded read as few originals as may be in memory."""
    policy = ImagePolicy(max_bytes=len(ORIGINAL) * 5 // 4)
    async with Vault.open(vault_path, passphrase="p", profile=KdfProfile.CHEAPEST, images=policy) as vault:
        await fill(vault)
        number = await attach(vault)
        with statements_of(vault.read_engine) as statements:
            async with busy_threads(vault):
                pictures = [asyncio.create_task(vault.thumbnail(number, 800)) for _ in range(100)]
                while sum("thumbnail" in statement for statement in statements) < len(pictures):
                    await read(vault)
                while sum("images.data" in statement for statement in statements) < policy.threads:
                    await read(vault)
                for _ in range(10):
                    await read(vault)
                originals = [statement for statement in statements if "images.data" in statement]
            assert len(originals) == policy.threads
            await asyncio.gather(*pictures)


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "200", None, 2**63])
async def test_a_size_is_a_whole_number(journal: Vault, size: Any) -> None:
    """The same error as in a unit of work, also where there is no image."""
    number = await attach(journal)
    for image_id in (number, 99):
        with pytest.raises(InvalidQueryError, match="max_size"):
            await journal.thumbnail(image_id, size)


@pytest.mark.parametrize("image_id", [99, -1, 2**63])
async def test_no_image_is_not_found(journal: Vault, image_id: int) -> None:
    """Never an empty picture; one that was deleted is not there either."""
    with pytest.raises(NotFoundError):
        await journal.thumbnail(image_id)
    number = await attach(journal)
    async with journal.unit_of_work() as uow:
        await uow.images.delete(number)
        await uow.commit()
    for size in (200, 400, 800):
        with pytest.raises(NotFoundError):
            await journal.thumbnail(number, size)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (FAKE_BYTES, UnsupportedImageError),
        (ORIGINAL[:5_000], CorruptImageError),
        (ORIGINAL + bytes(21 * 2**20), ImageTooLargeError),
    ],
)
async def test_what_cannot_be_decoded_is_an_error(journal: Vault, data: bytes, error: type[Exception]) -> None:
    """Of the image, and its room is given back."""
    number = await save(journal, data)
    for size in (100, 300, 800):
        with pytest.raises(error):
            await journal.thumbnail(number, size)
    budget = journal._image_offload._read
    assert budget._free == budget._limit


@pytest.mark.parametrize("column", ["thumbnail", "preview", "width"])
async def test_a_value_of_another_program_is_refused(journal: Vault, column: str) -> None:
    """As in a unit of work."""
    number = await attach(journal)
    async with journal.unit_of_work() as uow:
        statement = text(f"UPDATE images SET {column} = 'text'")  # noqa: S608 - names of columns
        await (await uow.connection()).execute(statement)
        await uow.commit()
    with pytest.raises(ValidationError, match=column):
        await journal.thumbnail(number, 300)


async def test_it_stores_nothing(journal: Vault) -> None:
    """A preview that is missing is made by ``verify``, or in a unit of work that writes."""
    number = await save(journal, width=900, height=600)
    picture = await journal.thumbnail(number)
    assert (await journal.verify(previews=True)).previews == 1
    assert await journal.thumbnail(number) == picture


async def test_it_sees_what_is_committed(vault: Vault) -> None:
    """And needs no turn to write."""
    await fill(vault)
    async with vault.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        with pytest.raises(NotFoundError):
            await vault.thumbnail(number)
        await uow.commit()
        await uow.settings.set("writing", value=True)
        assert await vault.thumbnail(number) == await uow.images.get_thumbnail(number, 400)


async def test_a_task_that_would_wait_for_itself_is_told() -> None:
    """A vault in memory has one connection, which the task holds."""
    async with Vault.in_memory() as vault:
        await fill(vault)
        async with vault.unit_of_work() as uow:
            number = await uow.images.attach(TRADE, "0001", ORIGINAL)
            with pytest.raises(UnitOfWorkError, match="wait for forever"):
                await vault.thumbnail(number)


async def test_a_closed_vault_is_refused(journal: Vault) -> None:
    """As by every other method."""
    number = await attach(journal)
    await journal.aclose()
    with pytest.raises(VaultClosedError):
        await journal.thumbnail(number)


@pytest.mark.parametrize("px", [100, 200, 400, 600])
async def test_the_stored_thumbnail_is_the_default_of_the_unit_of_work(px: int) -> None:
    """Whatever size the policy gives it, and whatever the policy says later: nothing is decoded."""
    async with Vault.in_memory(images=ImagePolicy(thumbnail_px=px)) as vault:
        await fill(vault)
        number = await attach(vault)
        async with busy_threads(vault), asyncio.timeout(20), vault.unit_of_work(read_only=True) as uow:
            info = await uow.images.get_info(number)
            assert info is not None
            assert await uow.images.get_thumbnail(number) == info.thumbnail
            assert size_of_picture(info.thumbnail or b"")[1] == px
