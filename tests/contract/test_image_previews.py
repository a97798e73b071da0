"""Previews: stored with an image or when they are first asked for, and what smaller pictures are made from."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from sqlalchemy import select, text, update

from factories import FAKE_BYTES, make_image_entity, make_noise_png, make_png, size_of_picture
from zorivest_async import ImageOwnerType, NotFoundError, SqlAlchemyUnitOfWork, ValidationError
from zorivest_async.database.tables import IMAGES

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE
ORIGINAL = make_noise_png(900, 600)


async def preview_of(uow: SqlAlchemyUnitOfWork, number: int) -> Any:
    """Return what is stored."""
    statement = select(IMAGES.c.preview).where(IMAGES.c.id == number)
    return (await (await uow.connection()).execute(statement)).scalar_one()


async def change(uow: SqlAlchemyUnitOfWork, number: int, **values: object) -> None:
    """Change stored values, as another program would."""
    statement = update(IMAGES).where(IMAGES.c.id == number).values(values)
    await (await uow.connection()).execute(statement)


def made_of(color: str, width: int = 400, height: int = 267) -> bytes:
    """Return a preview of one colour, which shows what a smaller picture was made from."""
    buffer = BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "WEBP")
    return buffer.getvalue()


def is_red(picture: bytes) -> bool:
    """Return whether a picture was made from the red one."""
    with Image.open(BytesIO(picture)) as image:
        pixel: Any = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    return bool(pixel[0] > 200 and pixel[1] < 60)


async def test_it_is_stored_with_the_image(journal: Journal) -> None:
    """And returned as it is where its size is asked for, also in a read-only unit of work."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        await uow.commit()
        stored = await preview_of(uow, number)
    assert size_of_picture(stored) == ("WEBP", 400, 267)
    async with journal.unit_of_work(read_only=True) as uow:
        assert await uow.images.get_thumbnail(number, 400) == stored


@pytest.mark.parametrize(("max_size", "from_preview"), [(100, True), (300, True), (400, True), (401, False)])
async def test_smaller_pictures_are_made_from_it(journal: Journal, max_size: int, *, from_preview: bool) -> None:
    """The original is decoded for larger ones."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        await change(uow, number, preview=made_of("red"))
        picture = await uow.images.get_thumbnail(number, max_size)
        assert max(size_of_picture(picture)[1:]) == max_size
        assert is_red(picture) is from_preview


@pytest.mark.parametrize(("max_size", "stores"), [(199, False), (201, True), (400, True), (401, False)])
async def test_the_first_request_makes_one_for_an_older_image(journal: Journal, max_size: int, *, stores: bool) -> None:
    """In a unit of work that writes, for the sizes that need it; and the next request is answered from it."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(ORIGINAL, thumbnail=None, width=900, height=600))
        assert await preview_of(uow, number) is None
        picture = await uow.images.get_thumbnail(number, max_size)
        assert max(size_of_picture(picture)[1:]) == max_size
        stored = await preview_of(uow, number)
        assert (stored is not None) is stores
        if stores:
            assert size_of_picture(stored) == ("WEBP", 400, 267)
            assert await uow.images.get_thumbnail(number, max_size) == picture
        await uow.rollback()
    async with journal.unit_of_work() as uow:
        with pytest.raises(NotFoundError):
            await uow.images.get_thumbnail(number, max_size)


async def test_a_read_only_unit_of_work_stores_none(journal: Journal) -> None:
    """It gives the same picture, and stays usable."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(ORIGINAL, width=900, height=600))
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        picture = await uow.images.get_thumbnail(number, 300)
        assert size_of_picture(picture) == ("WEBP", 300, 200)
        assert await uow.images.get_thumbnail(number, 300) == picture
        assert (await uow.trades.get_one("0001")).exec_id == "0001"
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await preview_of(uow, number) is None
        assert await uow.images.get_thumbnail(number, 300) == picture


async def test_it_is_in_no_entity(journal: Journal) -> None:
    """An image is as it was before there were previews."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        image, info = await uow.images.get(number), await uow.images.get_info(number)
        assert image is not None
        assert not hasattr(image, "preview")
        assert not hasattr(info, "preview")
        assert image.data == ORIGINAL


@pytest.mark.parametrize(
    "stranger", [b"", FAKE_BYTES, made_of("red", 300, 200), made_of("red", 401, 267), make_png(400, 267)]
)
async def test_what_is_no_preview_of_the_image_is_not_used(journal: Journal, stranger: bytes) -> None:
    """Another program may have stored anything; the picture is made from the original, and that stays."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        await change(uow, number, preview=stranger)
        picture = await uow.images.get_thumbnail(number, 350)
        assert size_of_picture(picture)[:2] == ("WEBP", 350)
        assert not is_red(picture)
        assert await preview_of(uow, number) == stranger


async def test_a_preview_that_is_not_bytes_is_refused(journal: Journal) -> None:
    """As every value that no release writes."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", ORIGINAL)
        statement = text("UPDATE images SET preview = :stored WHERE id = :number")
        await (await uow.connection()).execute(statement, {"stored": "text", "number": number})
        with pytest.raises(
            ValidationError, match=r"ImageAttachment.preview is stored in a form that no release writes"
        ):
            await uow.images.get_thumbnail(number, 400)
