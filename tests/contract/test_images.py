"""Images as they are stored: saved, found, listed without their originals, streamed and deleted."""

from __future__ import annotations

import os
from contextlib import aclosing
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from factories import (
    FAKE_BYTES,
    assert_same,
    make_image_entity,
    make_plan,
    make_report,
    make_trade,
    minutes_later,
    refusal,
)
from zorivest_async import (
    DuplicateError,
    ForeignKeyError,
    ImageAttachment,
    ImageInfo,
    ImageOwnerType,
    InvalidQueryError,
    NotFoundError,
    RepositoryError,
)
from zorivest_async.database.models import ImageModel

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

TRADE, REPORT, PLAN = ImageOwnerType.TRADE, ImageOwnerType.REPORT, ImageOwnerType.PLAN
COMPLETE = ImageAttachment(
    bytes(range(256)),
    REPORT,
    "someone else's",
    None,
    b"\0\xff thumbnail \0",
    "image/webp",
    "Ünïque 100% 'caption'",
    640,
    480,
    256,
    minutes_later(0.5),
)
every_owner = pytest.mark.parametrize("owner_type", ImageOwnerType)


async def store_owner(journal: Journal, owner_type: ImageOwnerType) -> str | int:
    """Store what an image may belong to and return its identifier."""
    async with journal.unit_of_work() as uow:
        owner: str | int = "0001"
        if owner_type == REPORT:
            owner = await uow.trade_reports.save(make_report())
        elif owner_type == PLAN:
            owner = await uow.trade_plans.save(make_plan())
        await uow.commit()
        return owner


@every_owner
@pytest.mark.parametrize("image", [make_image_entity(), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(
    journal: Journal, owner_type: ImageOwnerType, image: ImageAttachment
) -> None:
    """An image comes back as it was, undecoded, with its row number and the owner that saving named."""
    owner_id = await store_owner(journal, owner_type)
    async with journal.unit_of_work() as uow:
        number = await uow.images.save(owner_id, image, owner_type=owner_type)
        await uow.commit()
    given = {"id": number, "owner_type": owner_type, "owner_id": str(owner_id)}
    async with journal.unit_of_work() as uow:
        assert_same(await uow.images.get(number), image, **given)
        (found,) = await uow.images.get_for_owner(owner_type, owner_id)
        assert_same(found, image, **given)
        assert await uow.images.get_full_data(number) == image.data
        (info,) = await uow.images.list_for_owner(owner_type, owner_id)
        assert_same(info, ImageInfo(**{f.name: getattr(found, f.name) for f in fields(ImageInfo)}))
        assert info.file_size == len(image.data)


async def test_a_trade_is_the_usual_owner(journal: Journal) -> None:
    """Its images need no owner type, and come newest first."""
    async with journal.unit_of_work() as uow:
        numbers = [await uow.images.save("0001", make_image_entity(bytes([n + 1]))) for n in range(3)]
        found = await uow.images.get_for_trade("0001")
        assert [(image.id, image.data) for image in found] == [(number, bytes([number])) for number in numbers[::-1]]


@every_owner
async def test_an_owner_has_its_own_images(journal: Journal, owner_type: ImageOwnerType) -> None:
    """Owners of other types with the same identifier have theirs; a trade called 1 is not report 1."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("1"))
        assert await uow.trade_reports.save(make_report("1")) == await uow.trade_plans.save(make_plan()) == 1
        for owner in ImageOwnerType:
            await uow.images.save(1, make_image_entity(caption=owner), owner_type=owner)
        for owner_id in (1, "1"):
            assert [image.caption for image in await uow.images.get_for_owner(owner_type, owner_id)] == [owner_type]
            assert [info.caption for info in await uow.images.list_for_owner(owner_type, owner_id)] == [owner_type]
        assert await uow.images.get_for_owner(owner_type, "absent") == []


@every_owner
@pytest.mark.parametrize("owner_id", ["absent", 7, "", "01", "1.0", "0001 "])
async def test_an_image_needs_its_owner(journal: Journal, owner_type: ImageOwnerType, owner_id: Any) -> None:
    """An owner that is not stored is an error that names it, and nothing is left without an owner."""
    await store_owner(journal, owner_type)
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.images.save(owner_id, make_image_entity(), owner_type=owner_type)
    assert (caught.value.entity, caught.value.key) == ("ImageAttachment", str(owner_id))
    assert owner_type in str(caught.value)
    async with journal.unit_of_work() as uow:
        assert await uow.images.get(1) is None


async def test_a_row_number_is_taken_once(journal: Journal) -> None:
    """An image that brings its number keeps it; another cannot have it, even after the first is gone."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        assert await uow.images.save("0001", make_image_entity(id=7)) == 7
        assert await uow.images.save("0001", make_image_entity()) == 8
        assert await uow.images.delete(8)
        assert await uow.images.save("0001", make_image_entity()) == 9
        await uow.images.save("0001", make_image_entity(b"other", id=7))
    assert (caught.value.entity, caught.value.key) == ("ImageAttachment", 7)
    async with journal.unit_of_work() as uow:
        assert await uow.images.get_full_data(7) == FAKE_BYTES


@pytest.mark.parametrize("method", ["get_full_data", "get_thumbnail"])
async def test_an_image_that_is_not_stored_is_not_found(journal: Journal, method: str) -> None:
    """Never an empty image: asking gives nothing, and its bytes are an error that names the number."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        assert await uow.images.get(7) is None
        await getattr(uow.images, method)(7)
    assert (caught.value.entity, caught.value.key) == ("ImageAttachment", 7)


async def test_a_gallery_has_no_originals(journal: Journal) -> None:
    """It has the thumbnails, and nothing that could hold an original."""
    async with journal.unit_of_work() as uow:
        for _ in range(3):
            await uow.images.save("0001", make_image_entity(thumbnail=b"small"))
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        infos = await uow.images.list_for_owner(TRADE, "0001")
    assert [info.thumbnail for info in infos] == [b"small"] * 3
    assert not hasattr(infos[0], "data")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("chunk_size", [1_000, 4_096, 99_999, 100_000, 100_001, 2**31])
async def test_a_stream_is_the_original(journal: Journal, chunk_size: int, read_only: bool) -> None:
    """Its chunks have the size that was asked for, the last what is left, and their bytes are the original's."""
    data = os.urandom(100_000)
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(data))
        await uow.commit()
    async with journal.unit_of_work(read_only=read_only) as uow:
        chunks = [chunk async for chunk in uow.images.stream(number, chunk_size)]
    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks[:-1]} <= {chunk_size}
    assert 0 < len(chunks[-1]) <= chunk_size


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 0), (0, 1), (9_999, 30_001), (99_999, None), (50, 50), (60, 50), (100_000, None), (5, 2**40)],
)
async def test_a_part_is_streamed_alone(journal: Journal, start: int, stop: int | None) -> None:
    """From one byte to before another, as a slice has them; past the end there is nothing."""
    data = os.urandom(100_000)
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(data))
        chunks = [chunk async for chunk in uow.images.stream(number, 7_000, start=start, stop=stop)]
    assert b"".join(chunks) == data[start:stop]
    assert {len(chunk) for chunk in chunks[:-1]} <= {7_000}


@pytest.mark.parametrize("part", [{"start": -1}, {"stop": -1}, {"start": 1.5}, {"stop": "7"}])
async def test_a_part_has_whole_bounds(journal: Journal, part: dict[str, Any]) -> None:
    """Anything else than a whole number, 0 or more, is refused by name."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        number = await uow.images.save("0001", make_image_entity(os.urandom(10)))
        await anext(uow.images.stream(number, **part))
    assert next(iter(part)) in str(caught.value)


async def test_information_is_that_of_a_listing(journal: Journal) -> None:
    """It is the image's in every field; of no image there is none."""
    image = make_image_entity(caption="entry", thumbnail=b"small", width=3, height=2)
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", image)
        info = await uow.images.get_info(number)
        (listed,) = await uow.images.list_for_owner(TRADE, "0001")
        assert await uow.images.get_info(number + 1) is None
    assert info is not None
    assert (info, info.id) == (listed, number)


async def test_a_stream_may_stop_early(journal: Journal) -> None:
    """Closing it gives the image back: the unit of work reads, deletes and commits."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(os.urandom(600_000)))
        async with aclosing(uow.images.stream(number)) as chunks:
            assert len(await anext(chunks)) == 256 * 1024
        assert await uow.images.delete(number)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await uow.images.get(number) is None


async def test_a_stream_of_a_changed_image_says_so(journal: Journal) -> None:
    """It never mixes the bytes of two versions, and the unit of work goes on."""
    async with refusal(journal, RepositoryError) as (uow, _):
        number = await uow.images.save("0001", make_image_entity(os.urandom(5_000)))
        async with aclosing(uow.images.stream(number, 1_000)) as chunks:
            await anext(chunks)
            await uow.images.delete(number)
            await anext(chunks)


async def test_a_stream_of_nothing_is_an_error(journal: Journal) -> None:
    """It names the number, and is not an empty image."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        await anext(uow.images.stream(7))
    assert (caught.value.entity, caught.value.key) == ("ImageAttachment", 7)


@pytest.mark.parametrize("chunk_size", [0, -1, True, 1.5, "1000", None])
async def test_a_chunk_has_at_least_one_byte(journal: Journal, chunk_size: Any) -> None:
    """A size that is not a positive whole number is refused."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        number = await uow.images.save("0001", make_image_entity())
        await anext(uow.images.stream(number, chunk_size))
    assert "chunk_size" in str(caught.value)


async def test_deleting_tells_whether_there_was_one(journal: Journal) -> None:
    """A second deletion is no error, and the trade's other images stay."""
    async with journal.unit_of_work() as uow:
        kept, gone = [await uow.images.save("0001", make_image_entity()) for _ in range(2)]
        assert await uow.images.delete(gone) is True
        assert await uow.images.delete(gone) is False
        assert [info.id for info in await uow.images.list_for_owner(TRADE, "0001")] == [kept]


@every_owner
async def test_deleting_for_an_owner_counts(journal: Journal, owner_type: ImageOwnerType) -> None:
    """Its images alone are deleted."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("1"))
        assert await uow.trade_reports.save(make_report("1")) == await uow.trade_plans.save(make_plan()) == 1
        for owner in [*ImageOwnerType] * 2:
            await uow.images.save(1, make_image_entity(), owner_type=owner)
        assert await uow.images.delete_for_owner(owner_type, 1) == 2
        assert await uow.images.delete_for_owner(owner_type, 1) == 0
        left = {owner: len(await uow.images.list_for_owner(owner, 1)) for owner in ImageOwnerType}
        assert left == {owner: 0 if owner == owner_type else 2 for owner in ImageOwnerType}


async def test_orm_queries_see_the_same_images(journal: Journal) -> None:
    """The declared model and the repository are two views of one table, within one transaction."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(caption="entry"))
        found = await uow.session.get(ImageModel, number)
        assert found is not None
        assert (found.data, found.caption, found.owner_type) == (FAKE_BYTES, "entry", TRADE)
        await uow.session.execute(delete(ImageModel))
        assert await uow.images.get(number) is None
