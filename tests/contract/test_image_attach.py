"""Attaching pictures: what is learnt from them, and what is refused without a trace."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from anyio import Path as AsyncPath

from factories import make_noise_png, make_picture, make_plan, make_png, make_report, refusal, size_of_picture
from zorivest_async import (
    CorruptImageError,
    ForeignKeyError,
    ImageError,
    ImageNote,
    ImageOwnerType,
    ImageTooLargeError,
    NotFoundError,
    UnsupportedImageError,
    ValidationError,
)
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from implementations import Journal

pytestmark = pytest.mark.asyncio

FORMATS = ["PNG", "JPEG", "WEBP", "GIF"]
TRADE = ImageOwnerType.TRADE


def announce_png(width: int, height: int) -> bytes:
    """Make a PNG that is well-formed, says how large it is, and has no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("source", ["bytes", "bytearray", "memoryview", "path", "text path"])
async def test_a_picture_is_understood_and_kept(
    journal: Journal, tmp_path: Path, image_format: str, source: str
) -> None:
    """The original stays byte for byte; type, size and thumbnail come from its content, whatever its name."""
    data = make_picture(640, 320, image_format=image_format)
    file = tmp_path / "screenshot without extension"
    sources: dict[str, Any] = {
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "path": file,
        "text path": str(file),
    }
    if "path" in source:
        await _write(file, data)
    before = utc_now()
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", sources[source], caption="entry")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        found = await uow.images.get(number)
    assert found is not None
    assert found.data == data
    assert (found.id, found.owner_type, found.owner_id, found.caption) == (number, TRADE, "0001", "entry")
    assert (found.mime_type, found.width, found.height) == (f"image/{image_format.lower()}", 640, 320)
    assert found.file_size == len(data)
    assert before <= found.created_at <= utc_now()
    assert found.thumbnail is not None
    assert size_of_picture(found.thumbnail) == ("WEBP", 200, 100)


async def _write(file: Path, data: bytes) -> None:
    await AsyncPath(file).write_bytes(data)


@pytest.mark.parametrize("owner_type", ["trade", "report", "plan", *ImageOwnerType])
async def test_every_kind_of_owner_has_pictures(journal: Journal, owner_type: Any) -> None:
    """The enum's member and its text are the same; numbers need not be written out."""
    async with journal.unit_of_work() as uow:
        await uow.trade_reports.save(make_report(id=1))
        await uow.trade_plans.save(make_plan(id=1))
        owner_id = "0001" if owner_type == "trade" else 1
        number = await uow.images.attach(owner_type, owner_id, make_png())
        (info,) = await uow.images.list_for_owner(owner_type, owner_id)
        assert (info.id, info.owner_type, info.owner_id) == (number, ImageOwnerType(owner_type), str(owner_id))
        assert info.owner_type.__class__ is ImageOwnerType


PNG = make_noise_png(64, 64)
REFUSED: dict[str, tuple[bytes, type[ImageError]]] = {
    "nothing": (b"", UnsupportedImageError),
    "a text": (b"This is not an image.", UnsupportedImageError),
    "an SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', UnsupportedImageError),
    "a BMP": (make_picture(image_format="BMP"), UnsupportedImageError),
    "a TIFF": (make_picture(image_format="TIFF"), UnsupportedImageError),
    "zeros": (bytes(1_000), UnsupportedImageError),
    "no pixels": (announce_png(0, 0), CorruptImageError),
    "no height": (announce_png(10, 0), CorruptImageError),
    "no data": (announce_png(10, 10), CorruptImageError),
    "a signature": (PNG[:8], CorruptImageError),
    "half of it": (PNG[: len(PNG) // 2], CorruptImageError),
    "all but its end": (PNG[:-1], CorruptImageError),
    "a flipped bit": (PNG[:200] + bytes([PNG[200] ^ 1]) + PNG[201:], CorruptImageError),
    "a bomb": (announce_png(100_000, 100_000), ImageTooLargeError),
    "half a JPEG": (make_picture(image_format="JPEG")[:500], CorruptImageError),
    "half a GIF": (make_picture(image_format="GIF")[:100], CorruptImageError),
    "half a WebP": (make_picture(image_format="WEBP")[:60], CorruptImageError),
}


@pytest.mark.parametrize("by_path", [False, True], ids=["bytes", "file called .png"])
@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_whole_picture_is_refused(
    journal: Journal, tmp_path: Path, data: bytes, error: type[ImageError], by_path: bool
) -> None:
    """The error says which of three things is wrong; nothing is stored and the unit of work goes on."""
    file = tmp_path / "chart.png"
    if by_path:
        await _write(file, data)
    async with refusal(journal, error) as (uow, caught):
        await uow.images.attach(TRADE, "0001", file if by_path else data)
    assert type(caught.value) is error
    async with journal.unit_of_work() as uow:
        assert await uow.images.list_for_owner(TRADE, "0001") == []


@pytest.mark.parametrize(("name", "error"), [("absent.png", FileNotFoundError), ("", UnsupportedImageError)])
async def test_a_path_must_lead_to_a_file(journal: Journal, tmp_path: Path, name: str, error: type[Exception]) -> None:
    """A missing file is the system's own error, a folder is not an image."""
    async with refusal(journal, error) as (uow, _):
        await uow.images.attach(TRADE, "0001", tmp_path / name)


@pytest.mark.parametrize("owner_type", ImageOwnerType)
async def test_a_picture_needs_its_owner(journal: Journal, owner_type: ImageOwnerType) -> None:
    """The error names the owner that is missing, and nothing is stored."""
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.images.attach(owner_type, "absent", make_png())
    assert (caught.value.entity, caught.value.key) == ("ImageAttachment", "absent")
    async with journal.unit_of_work() as uow:
        assert await uow.images.list_for_owner(owner_type, "absent") == []


@pytest.mark.parametrize(
    ("owner_type", "caption", "field"),
    [("account", None, "owner_type"), (TRADE, "NUL \0", "caption"), (TRADE, 5, "caption")],
)
async def test_what_is_said_about_a_picture_is_checked(
    journal: Journal, owner_type: Any, caption: Any, field: str
) -> None:
    """As in any entity; nothing is stored."""
    async with refusal(journal, ValidationError) as (uow, caught):
        await uow.images.attach(owner_type, "0001", make_png(), caption=caption)
    assert (caught.value.entity, caught.value.field) == ("ImageAttachment", field)
    async with journal.unit_of_work() as uow:
        assert await uow.images.list_for_owner(TRADE, "0001") == []


@pytest.mark.parametrize("source", [5, None, ["picture.png"]])
async def test_a_source_is_bytes_or_a_path(journal: Journal, source: Any) -> None:
    """bytes(5) would be five zeros."""
    async with refusal(journal, ValidationError) as (uow, caught):
        await uow.images.attach(TRADE, "0001", source)
    assert caught.value.field == "data"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_any_bytes_will_do(journal: Journal, kind: Any) -> None:
    """They are copied before the thread looks at them."""
    async with journal.unit_of_work() as uow:
        image_id = await uow.images.attach(TRADE, "0001", kind(make_png()))
        assert await uow.images.get_full_data(image_id) == make_png()


async def test_a_missing_end_marker_is_noted(journal: Journal) -> None:
    """The original is kept as it is, and its notes can be asked for at any time."""
    whole = make_picture(64, 48, image_format="GIF")
    async with journal.unit_of_work() as uow:
        numbers = [await uow.images.attach(TRADE, "0001", data) for data in (whole, whole[:-1])]
        assert [await uow.images.get_notes(number) for number in numbers] == [(), (ImageNote.NO_END,)]
        assert await uow.images.get_full_data(numbers[1]) == whole[:-1]
        with pytest.raises(NotFoundError):
            await uow.images.get_notes(999_999)
