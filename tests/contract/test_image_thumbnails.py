"""Thumbnails: real ones, smaller than their originals, and made again only where another size is asked for."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from factories import (
    FAKE_BYTES,
    make_image_entity,
    make_noise_png,
    make_picture,
    make_png,
    refusal,
    size_of_picture,
)
from zorivest_async import (
    CorruptImageError,
    ImageError,
    ImageOwnerType,
    InvalidQueryError,
    UnsupportedImageError,
)

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE
SCREENSHOT = make_noise_png()


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_the_stored_thumbnail_answers_for_its_size(journal: Journal, image_format: str) -> None:
    """At the default of 200 pixels it is returned as it is."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", make_picture(640, 320, image_format=image_format))
        (info,) = await uow.images.list_for_owner(TRADE, "0001")
        assert await uow.images.get_thumbnail(number) == info.thumbnail
        assert await uow.images.get_thumbnail(number, max_size=200) == info.thumbnail


@pytest.mark.parametrize(("max_size", "size"), [(64, (64, 32)), (1, (1, 1)), (198, (198, 99)), (320, (320, 160))])
async def test_another_size_is_made_from_the_original(journal: Journal, max_size: int, size: tuple[int, int]) -> None:
    """Smaller or larger than the stored one, which stays."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", make_png(640, 320))
        assert size_of_picture(await uow.images.get_thumbnail(number, max_size)) == ("WEBP", *size)
        assert size_of_picture(await uow.images.get_thumbnail(number)) == ("WEBP", 200, 100)


@pytest.mark.parametrize("max_size", [50, 64, 200, 10_000])
async def test_a_small_picture_is_not_enlarged(journal: Journal, max_size: int) -> None:
    """Its thumbnail has its own size, and was stored with it."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", make_png(50, 40))
        thumbnail = await uow.images.get_thumbnail(number, max_size)
        assert size_of_picture(thumbnail) == ("WEBP", 50, 40)


async def test_a_thumbnail_is_smaller_than_its_original(journal: Journal) -> None:
    """In bytes, and by far; it is no piece of the original either."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", SCREENSHOT)
        for max_size in (200, 100):
            thumbnail = await uow.images.get_thumbnail(number, max_size)
            assert 0 < len(thumbnail) < len(SCREENSHOT) / 5
            assert thumbnail not in SCREENSHOT


@pytest.mark.parametrize("stored", [None, b"not a WebP", make_png(200, 100)], ids=["none", "garbage", "PNG"])
async def test_an_image_stored_without_a_thumbnail_gets_one(journal: Journal, stored: bytes | None) -> None:
    """One that was saved as an entity, undecoded, is decoded when a thumbnail is asked for."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(make_png(640, 320), thumbnail=stored))
        assert size_of_picture(await uow.images.get_thumbnail(number)) == ("WEBP", 200, 100)


@pytest.mark.parametrize(
    ("data", "error"),
    [(FAKE_BYTES, UnsupportedImageError), (b"text", UnsupportedImageError), (SCREENSHOT[:5_000], CorruptImageError)],
    ids=["fake", "text", "truncated"],
)
async def test_what_cannot_be_decoded_has_no_thumbnail(journal: Journal, data: bytes, error: type[ImageError]) -> None:
    """It is an error, and never a piece of the original; the original itself is still there."""
    async with refusal(journal, error) as (uow, _):
        number = await uow.images.save("0001", make_image_entity(data))
        await uow.images.get_thumbnail(number)
    async with journal.unit_of_work() as uow:
        assert await uow.images.get_full_data(number) == data


async def test_a_thumbnail_is_upright_and_carries_no_metadata(journal: Journal) -> None:
    """A photo taken on its side is as wide as it looks, and where it was taken stays in the original."""
    exif = Image.Exif()
    exif[0x0112] = 6  # lying on its right side
    exif[0x010F] = "camera of the trader"
    photo = BytesIO()
    Image.new("RGB", (300, 150)).save(photo, "JPEG", exif=exif)
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", photo.getvalue())
        for max_size in (200, 100):
            thumbnail = await uow.images.get_thumbnail(number, max_size)
            assert size_of_picture(thumbnail) == ("WEBP", max_size // 2, max_size)
            assert b"camera" not in thumbnail
        (info,) = await uow.images.list_for_owner(TRADE, "0001")
        assert (info.width, info.height) == (150, 300)
        assert b"camera" in await uow.images.get_full_data(number)


@pytest.mark.parametrize("max_size", [0, -1, True, 1.5, "200"])
async def test_a_thumbnail_has_at_least_one_pixel(journal: Journal, max_size: Any) -> None:
    """A size that is not a positive whole number is refused."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        number = await uow.images.attach(TRADE, "0001", make_png())
        await uow.images.get_thumbnail(number, max_size)
    assert "max_size" in str(caught.value)
