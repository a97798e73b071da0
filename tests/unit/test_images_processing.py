"""Good images: what is learnt from them, and their thumbnails."""

from __future__ import annotations

import os
import struct
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin, PngImagePlugin

from zorivest_async.errors import ConfigurationError, ImageTooLargeError, UnsupportedImageError
from zorivest_async.images import ImagePolicy, make_thumbnail, process_image, read_image_file, thumbnail_fits

POLICY = ImagePolicy()
FORMATS = ["PNG", "JPEG", "WEBP", "GIF"]
RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255)
CHARTS = Path(__file__).parents[2].parent / "shared" / "data" / "charts"


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the image as a file."""
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def decode(data: bytes) -> Image.Image:
    """Return the image in a file, with its pixels."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def quadrants(width: int, height: int) -> Image.Image:
    """Red and green above blue and white: every orientation of it looks different."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def close(pixel: Any, expected: tuple[int, ...], tolerance: int = 24) -> bool:
    """Tell whether a pixel has a colour, give or take what lossy compression does to it."""
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, expected, strict=True))


def corners(image: Image.Image) -> list[Any]:
    """Return the colours of the four quadrants, row by row."""
    rgb = image.convert("RGB")
    return [rgb.getpixel((rgb.width * x // 4, rgb.height * y // 4)) for y in (1, 3) for x in (1, 3)]


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_format_is_told_by_the_content(image_format: str) -> None:
    """Media type and size come from the bytes; nothing has a name that could lie."""
    processed = process_image(encode(quadrants(640, 360), image_format), POLICY)
    assert processed.mime_type == f"image/{image_format.lower()}"
    assert (processed.width, processed.height) == (640, 360)


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_thumbnail_is_a_smaller_webp_of_the_same_picture(image_format: str) -> None:
    """Its longest side is the policy's, and its colours are where they were."""
    data = encode(quadrants(640, 360), image_format)
    thumbnail = decode(process_image(data, POLICY).thumbnail)
    assert thumbnail.format == "WEBP"
    assert max(thumbnail.size) == 200
    assert abs(thumbnail.height - 200 * 360 / 640) <= 1
    assert all(close(pixel, color) for pixel, color in zip(corners(thumbnail), [RED, GREEN, BLUE, WHITE], strict=True))


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (40, 30), (199, 200)])
def test_a_small_image_is_not_enlarged(image_format: str, size: tuple[int, int]) -> None:
    """A thumbnail never has more pixels than the image."""
    assert decode(process_image(encode(quadrants(*size), image_format), POLICY).thumbnail).size == size


@pytest.mark.parametrize(("size", "expected"), [((5000, 1), (200, 1)), ((1, 5000), (1, 200))])
def test_a_line_has_a_thumbnail(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """The short side never becomes zero."""
    assert decode(process_image(encode(Image.new("L", size), "PNG"), POLICY).thumbnail).size == expected


def test_thumbnail_quality_is_the_policys() -> None:
    """A lower quality takes fewer bytes, and a thumbnail differs by nothing else."""
    data = encode(Image.effect_noise((400, 400), 60), "PNG")
    sizes = [len(process_image(data, ImagePolicy(thumbnail_quality=quality)).thumbnail) for quality in (10, 80, 100)]
    assert sizes == sorted(set(sizes))


def test_the_repr_does_not_show_the_thumbnail() -> None:
    """A log line of the result stays a line."""
    assert len(repr(process_image(encode(quadrants(640, 360), "PNG"), POLICY))) < 200


def gradient_16_bit() -> Image.Image:
    """From black on the left to white on the right."""
    image = Image.new("I;16", (400, 4))
    image.putdata([x * 0xFFFF // 399 for _ in range(4) for x in range(400)])
    return image


def palette(transparent: bool) -> tuple[Image.Image, dict[str, Any]]:
    """White on the left, red on the right; with the options that make the white transparent."""
    image = Image.new("P", (400, 300), 1)
    image.putpalette([*WHITE, *RED])
    image.paste(0, (0, 0, 200, 300))
    return image, {"transparency": 0} if transparent else {}


def test_no_large_memory_is_cleared_while_other_threads_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow clears what ``core.new`` returns without letting the event loop run; a large PNG does without it."""
    sizes: list[tuple[int, int]] = []
    core: Any = vars(Image)["core"]
    new = core.new

    def spy(mode: str, size: tuple[int, int]) -> Any:
        sizes.append(size)
        return new(mode, size)

    data = encode(quadrants(2000, 1000), "PNG")
    monkeypatch.setattr(core, "new", spy)
    thumbnail = decode(process_image(data, POLICY).thumbnail)
    assert (2000, 1000) not in sizes
    assert all(close(pixel, color) for pixel, color in zip(corners(thumbnail), [RED, GREEN, BLUE, WHITE], strict=True))


OPAQUE_RED = [
    pytest.param("PNG", Image.new("RGB", (400, 300), RED), {}, id="RGB"),
    pytest.param("PNG", Image.new("RGBA", (400, 300), (*RED, 255)), {}, id="RGBA"),
    pytest.param("PNG", Image.new("RGB", (400, 300), RED).quantize(8), {}, id="palette"),
    pytest.param("PNG", Image.new("RGB", (400, 300), RED), {"transparency": GREEN}, id="colour key not used"),
    pytest.param("JPEG", Image.new("RGB", (400, 300), RED), {"progressive": True}, id="progressive JPEG"),
    pytest.param("JPEG", Image.new("CMYK", (400, 300), (0, 255, 255, 55)), {}, id="CMYK JPEG"),
    pytest.param("GIF", Image.new("RGB", (400, 300), RED), {"interlace": 1}, id="interlaced GIF"),
    pytest.param("WEBP", Image.new("RGB", (400, 300), RED), {"lossless": True}, id="lossless WebP"),
]


@pytest.mark.parametrize(("image_format", "image", "options"), OPAQUE_RED)
def test_colours_survive_in_every_mode(image_format: str, image: Image.Image, options: dict[str, Any]) -> None:
    """Red is red, whichever way the file stores it."""
    thumbnail = decode(process_image(encode(image, image_format, **options), POLICY).thumbnail)
    assert thumbnail.size == (200, 150)
    assert close(thumbnail.convert("RGBA").getpixel((100, 75)), (*RED, 255))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_stays_grey(image_format: str, mode: str) -> None:
    """One and eight bits for a pixel, with a white half that is smooth at its edge."""
    image = Image.new(mode, (401, 300), 0)
    image.paste(255, (0, 0, 201, 300))
    thumbnail = decode(process_image(encode(image, image_format), POLICY).thumbnail)
    assert close(thumbnail.getpixel((40, 75)), WHITE)
    assert close(thumbnail.getpixel((160, 75)), (0, 0, 0))


def test_a_bilevel_image_is_scaled_smoothly() -> None:
    """Fine black and white stripes become grey instead of losing every other stripe."""
    image = Image.new("1", (800, 400))
    for x in range(0, 800, 2):
        image.paste(1, (x, 0, x + 1, 400))
    thumbnail = decode(process_image(encode(image, "PNG"), POLICY).thumbnail)
    assert close(thumbnail.getpixel((100, 50)), (127, 127, 127), tolerance=12)


@pytest.mark.parametrize("options", [{}, {"transparency": 0x8000}])
def test_16_bit_grey_is_scaled_to_8_bit_not_clipped(options: dict[str, Any]) -> None:
    """A gradient from black to white stays one, also if a level that it does not have is transparent."""
    thumbnail = decode(process_image(encode(gradient_16_bit(), "PNG", **options), POLICY).thumbnail)
    assert thumbnail.mode == "RGB"
    greys = [thumbnail.convert("L").getpixel((x, 0)) for x in (2, 50, 100, 150, 197)]
    assert close(greys, (2, 64, 128, 191, 252), tolerance=8)


HALF_TRANSPARENT = [
    pytest.param("PNG", *palette(transparent=True), id="palette PNG"),
    pytest.param("GIF", *palette(transparent=True), id="GIF"),
    pytest.param("PNG", palette(transparent=False)[0].convert("RGB"), {"transparency": WHITE}, id="colour key"),
    pytest.param("PNG", None, {}, id="RGBA"),
    pytest.param("WEBP", None, {}, id="WebP"),
    pytest.param("WEBP", None, {"lossless": True}, id="lossless WebP"),
]


@pytest.mark.parametrize(("image_format", "image", "options"), HALF_TRANSPARENT)
def test_what_is_transparent_stays_so(image_format: str, image: Image.Image | None, options: dict[str, Any]) -> None:
    """The left half of the thumbnail is transparent, its right half an opaque red."""
    if image is None:
        image = Image.new("RGBA", (400, 300), (*RED, 255))
        image.paste((255, 255, 255, 0), (0, 0, 200, 300))
    thumbnail = decode(process_image(encode(image, image_format, **options), POLICY).thumbnail).convert("RGBA")
    left, right = thumbnail.getpixel((30, 75)), thumbnail.getpixel((170, 75))
    assert isinstance(left, tuple)
    assert left[3] < 8
    assert close(right, (*RED, 255))


def test_grey_with_alpha_keeps_both() -> None:
    """The LA mode of PNG."""
    image = Image.new("LA", (400, 300), (200, 128))
    thumbnail = decode(process_image(encode(image, "PNG"), POLICY).thumbnail)
    assert close(thumbnail.convert("RGBA").getpixel((100, 75)), (200, 200, 200, 128))


def test_invisible_colours_do_not_bleed_into_edges() -> None:
    """Scaling is done on premultiplied colours: green that cannot be seen leaves red edges red."""
    image = Image.new("RGBA", (401, 300), (*RED, 255))
    image.paste((0, 255, 0, 0), (0, 0, 201, 300))
    thumbnail = decode(make_thumbnail(encode(image, "PNG"), 200, ImagePolicy(thumbnail_quality=100))).convert("RGBA")
    row = [thumbnail.getpixel((x, 75)) for x in range(thumbnail.width)]
    assert all(pixel[1] < 40 for pixel in row if isinstance(pixel, tuple) and pixel[3] > 64)


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP"])
def test_of_an_animation_the_first_frame_counts(image_format: str) -> None:
    """The thumbnail is a still of it, and the media type stays the format's."""
    frames = [Image.new("RGB", (400, 300), color) for color in (RED, GREEN, BLUE)]
    data = encode(frames[0], image_format, save_all=True, append_images=frames[1:], duration=50, loop=0)
    processed = process_image(data, POLICY)
    thumbnail = decode(processed.thumbnail)
    assert processed.mime_type == f"image/{image_format.lower()}"
    assert getattr(thumbnail, "n_frames", 1) == 1
    assert close(thumbnail.convert("RGB").getpixel((100, 75)), RED)


def test_a_phones_multi_picture_file_is_a_jpeg() -> None:
    """An MPO file is a JPEG image with others behind it."""
    data = encode(quadrants(640, 360), "MPO", save_all=True, append_images=[Image.new("RGB", (64, 36))])
    processed = process_image(data, POLICY)
    assert (processed.mime_type, processed.width, processed.height) == ("image/jpeg", 640, 360)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_thumbnail_is_upright(image_format: str, orientation: int) -> None:
    """All eight EXIF orientations, in every format that can carry one; the size is that of the upright image."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(quadrants(640, 360), image_format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    processed = process_image(data, POLICY)
    thumbnail = decode(processed.thumbnail)
    assert (processed.width, processed.height) == upright.size
    assert (thumbnail.width > thumbnail.height) == (orientation < 5)
    assert all(close(pixel, color) for pixel, color in zip(corners(thumbnail), corners(upright), strict=True))
    assert corners(decode(make_thumbnail(data, 200, POLICY))) == corners(thumbnail)


@pytest.mark.parametrize("size", [(64, 36), (640, 360)])
def test_orientation_behind_the_pixels_counts(size: tuple[int, int]) -> None:
    """A PNG may carry its EXIF data after them, and they are found there in a large image and in a small one."""
    plain = encode(quadrants(*size), "PNG")
    content = b"eXIf" + tiff("<", (0x0112, 6)).removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    processed = process_image(plain[:-12] + chunk + plain[-12:], POLICY)
    thumbnail = decode(processed.thumbnail)
    assert (processed.width, processed.height) == (size[1], size[0])
    assert thumbnail.width < thumbnail.height


def test_a_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder scales while it decodes, which makes thumbnails of photos several times cheaper."""
    decoded = []
    load = JpegImagePlugin.JpegImageFile.load

    def spy(image: JpegImagePlugin.JpegImageFile) -> Any:
        decoded.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", spy)
    processed = process_image(encode(quadrants(4000, 3000), "JPEG"), POLICY)
    assert (processed.width, processed.height) == (4000, 3000)
    assert max(decoded) == (2000, 1500)


def tiff(byte_order: str, *entries: tuple[int, int]) -> bytes:
    """EXIF data whose first directory has these short values."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[byte_order] + struct.pack(f"{byte_order}IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(struct.pack(f"{byte_order}HHIHH", tag, 3, 1, v, 0) for tag, v in entries)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_orientation_is_read_in_both_byte_orders(byte_order: str) -> None:
    """Cameras write either, and other tags before it."""
    data = encode(quadrants(640, 360), "JPEG", exif=tiff(byte_order, (0x0100, 5), (0x0112, 6)))
    assert process_image(data, POLICY).width == 360


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*",
        b"Exif\0\0nonsense that is no TIFF file",
        tiff("<", (0x0112, 6)).replace(b"II*", b"IM*"),
        tiff("<")[:12],
        tiff("<", (0x010F, 1))[:-4],
        tiff("<", (0x010F, 1))[:14] + b"\xff\xff" + tiff("<", (0x010F, 1))[16:],
        tiff("<", (0x0112, 0)),
        tiff("<", (0x0112, 9)),
        tiff("<", (0x0112, 65_535)),
        b"Exif\0\0II*\0" + b"\xff" * 200,
    ],
)
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_data_leave_the_picture_as_it_lies(image_format: str, exif: bytes) -> None:
    """The picture is taken, and nothing is printed about its metadata."""
    data = encode(quadrants(640, 360), image_format, exif=exif)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        processed = process_image(data, POLICY)
    assert (processed.width, processed.height) == (640, 360)
    assert not caught


SECRET = b"51.5007N"


def with_metadata(image_format: str) -> bytes:
    """An image that says where it was taken, in every way its format has."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = SECRET.decode()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, Any] = {"exif": exif, "icc_profile": icc, "xmp": SECRET, "comment": SECRET}
    if image_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options["pnginfo"] = text
    return encode(quadrants(640, 360), image_format, **options)


def riff_chunks(data: bytes) -> set[bytes]:
    """Return the names of the chunks of a WebP file."""
    kinds = set()
    position = 12
    while position < len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        kinds.add(kind)
        position += 8 + length + length % 2
    return kinds


@pytest.mark.parametrize("image_format", FORMATS)
def test_thumbnails_carry_no_metadata(image_format: str) -> None:
    """No place, no comment, no XMP and no colour profile: a thumbnail is a picture and nothing else."""
    data = with_metadata(image_format)
    assert SECRET in data
    for thumbnail in (process_image(data, POLICY).thumbnail, make_thumbnail(data, 1000, POLICY)):
        assert SECRET not in thumbnail
        assert riff_chunks(thumbnail) <= {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}


@pytest.mark.parametrize("max_size", [1, 64, 320, 640, 641, 100_000])
def test_a_thumbnail_of_another_size_is_as_large_as_asked_or_as_the_image(max_size: int) -> None:
    """Whichever is smaller."""
    thumbnail = make_thumbnail(encode(quadrants(640, 360), "PNG"), max_size, POLICY)
    assert max(decode(thumbnail).size) == min(max_size, 640)


def test_the_stored_size_made_again_is_the_stored_thumbnail() -> None:
    """Both ways to a thumbnail are the same one."""
    data = encode(quadrants(640, 360), "JPEG")
    assert make_thumbnail(data, POLICY.thumbnail_px, POLICY) == process_image(data, POLICY).thumbnail


def test_a_line_longer_than_webp_allows_has_a_thumbnail() -> None:
    """WebP ends at 16,383 px, and so does a thumbnail."""
    thumbnail = make_thumbnail(encode(Image.new("L", (20_000, 2)), "PNG"), 100_000, POLICY)
    assert decode(thumbnail).size == (16_383, 2)
    assert thumbnail_fits(thumbnail, 100_000, 20_000, 2)


@pytest.mark.parametrize("max_size", [0, -200, True, 1.5, "200", None])
def test_a_size_that_makes_no_sense_is_refused(max_size: Any) -> None:
    """Before the image is looked at."""
    with pytest.raises(ConfigurationError, match="max_size"):
        make_thumbnail(b"", max_size, POLICY)
    with pytest.raises(ConfigurationError, match="max_size"):
        thumbnail_fits(b"", max_size, 640, 360)


@pytest.mark.parametrize(
    ("stored_px", "max_size", "original", "fits"),
    [
        (200, 200, (640, 360), True),
        (200, 201, (640, 360), False),
        (200, 199, (640, 360), False),
        (200, 320, (200, 112), True),
        (200, 200, (None, None), True),
        (200, 320, (None, None), False),
        (200, 320, (200, None), False),
        (200, 320, (None, 200), False),
        (640, 1000, (360, 640), True),
    ],
)
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"II*\0"}], ids=["VP8", "VP8L", "VP8X"])
def test_a_stored_thumbnail_fits_when_it_has_the_size_that_a_fresh_one_would_have(
    stored_px: int, max_size: int, original: tuple[int | None, int | None], fits: bool, options: dict[str, Any]
) -> None:
    """The size asked for, or the image's own where that is known and smaller."""
    stored = encode(quadrants(640, 360).resize((stored_px, stored_px * 360 // 640)), "WEBP", **options)
    assert thumbnail_fits(stored, max_size, *original) is fits


def test_the_scaling_hint_of_a_webp_is_not_part_of_its_size() -> None:
    """Two bits beside each side tell a viewer to enlarge the picture (RFC 6386, section 9.1)."""
    stored = bytearray(encode(quadrants(200, 112), "WEBP"))
    stored[27] |= 0xC0
    stored[29] |= 0xC0
    assert thumbnail_fits(bytes(stored), 200, 640, 360)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (200, 113), (150, 100), (1, 3000)])
@pytest.mark.parametrize("max_size", [1, 100, 200, 500, 5000])
def test_a_fresh_thumbnail_always_fits(size: tuple[int, int], max_size: int) -> None:
    """What was just made for a size need not be made again for it."""
    data = encode(Image.new("RGB", size), "PNG")
    assert thumbnail_fits(make_thumbnail(data, max_size, POLICY), max_size, *size)


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"the first bytes of something",
        encode(quadrants(200, 112), "PNG"),
        encode(quadrants(200, 112), "WEBP").replace(b"WEBP", b"WAVE"),
        encode(quadrants(200, 112), "WEBP")[:-1],
        encode(quadrants(200, 112), "WEBP")[:20],
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x08\0\0\0WEBPVP8L",
        b"RIFF\x08\0\0\0WEBPVP8 ",
        b"RIFF\x08\0\0\0WEBPVP8X",
    ],
)
def test_what_is_not_a_webp_image_does_not_fit(stored: bytes) -> None:
    """Nothing is raised for it: a fresh thumbnail is made instead."""
    assert not thumbnail_fits(stored, 200, 640, 360)


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    """A path object or a string, whatever the name says."""
    path = tmp_path / "chart.txt"
    data = encode(quadrants(640, 360), "PNG")
    path.write_bytes(data)
    assert read_image_file(path, POLICY) == data
    assert read_image_file(str(path), POLICY) == data


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    """The limit is the largest size taken."""
    path = tmp_path / "chart.png"
    path.write_bytes(b"x" * 1000)
    assert len(read_image_file(path, ImagePolicy(max_bytes=1000))) == 1000
    with pytest.raises(ImageTooLargeError):
        read_image_file(path, ImagePolicy(max_bytes=999))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A sparse terabyte is refused by its size alone."""
    path = tmp_path / "chart.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ImageTooLargeError) as caught:
        read_image_file(path, POLICY)
    assert (caught.value.quantity, caught.value.actual, caught.value.limit) == ("bytes", 1 << 40, POLICY.max_bytes)


def test_a_file_that_grows_after_it_was_measured_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit and one byte is read, whatever the file's size was."""
    path = tmp_path / "chart.png"
    path.write_bytes(b"")
    before = path.stat()
    path.write_bytes(b"x" * 5000)
    monkeypatch.setattr(Path, "stat", lambda _: before)
    with pytest.raises(ImageTooLargeError) as caught:
        read_image_file(path, ImagePolicy(max_bytes=1000))
    assert caught.value.actual == 1001


def test_a_missing_file_is_the_callers_to_handle(tmp_path: Path) -> None:
    """It is no image error: the same exception as from ``open``."""
    with pytest.raises(FileNotFoundError):
        read_image_file(tmp_path / "missing.png", POLICY)


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    """Nor is it an error of the operating system's, which differs between systems."""
    with pytest.raises(UnsupportedImageError):
        read_image_file(tmp_path, POLICY)


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening one without a writer would hold its thread for ever."""
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnsupportedImageError):
        read_image_file(tmp_path / "pipe.png", POLICY)


@pytest.mark.parametrize("path", sorted([*CHARTS.glob("*.png"), *CHARTS.glob("*.jpg")]), ids=lambda path: path.name)
def test_real_charts_have_thumbnails(path: Path) -> None:
    """Screenshots of charts shrink to a twentieth of their bytes or less."""
    data = read_image_file(path, POLICY)
    processed = process_image(data, POLICY)
    assert decode(data).size == (processed.width, processed.height)
    assert max(decode(processed.thumbnail).size) == 200
    assert len(processed.thumbnail) < len(data) / 20
