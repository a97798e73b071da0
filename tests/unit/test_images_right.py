"""Right pictures: nothing but the picture decides, and colours, transparency and orientation are those of the file."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from zorivest_async.errors import CorruptImageError
from zorivest_async.images import ImageNote, ImagePolicy, make_thumbnail, notes_of, process_image

POLICY = ImagePolicy(thumbnail_quality=100)
RED, WHITE = (200, 0, 0), (255, 255, 255)


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the image as a file."""
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def picture(width: int = 48, height: int = 32) -> Image.Image:
    """Something with detail, always the same."""
    return Image.effect_mandelbrot((width, height), (-2, -1, 1, 1), 50).convert("RGB")


def thumbnail(data: bytes) -> Image.Image:
    """Return the stored thumbnail, with an alpha."""
    return Image.open(BytesIO(process_image(data, POLICY).thumbnail)).convert("RGBA")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, depth: int, color_type: int, row: bytes, *chunks: bytes, interlaced: bool = False) -> bytes:
    """Return a PNG of ten equal rows; an interlaced one has one row."""
    rows = 1 if interlaced else 10
    head = struct.pack(">IIBBBBB", width, rows, depth, color_type, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + row) * rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def riff(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


PNG, JPEG, GIF = encode(picture(), "PNG"), encode(picture(), "JPEG"), encode(picture(), "GIF")
WEBP = encode(picture().convert("RGBA"), "WEBP", lossless=True, exif=b"II*\0")
LARGE = zlib.compress(bytes(1_500_000))
TEXTS = [
    *(chunk(b"tEXt", key + b"\0hello") for key in (b"transparency", b"interlace", b"bbox", b"exif", b"icc_profile")),
    chunk(b"iTXt", b"exif\0\0\0\0\0hello"),
    chunk(b"iTXt", b"xmp\0\1\0\0\0" + LARGE),
    chunk(b"zTXt", b"mxfile\0\0" + LARGE),
    chunk(b"zTXt", b"mxfile\0\1" + LARGE),
    chunk(b"iCCP", b"x\0\0" + LARGE),
    chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(5_000_000))),
    chunk(b"iCCP", b"x\0\1" + LARGE),
    chunk(b"iCCP", b""),
    *(chunk(kind, b"") for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tRNS", b"eXIf", b"fcTL", b"fdAT", b"tEXt")),
    chunk(b"fcTL", struct.pack(">IIIIIHHBB", 7, 90, 90, 90, 90, 1, 0, 9, 9)),
    chunk(b"fdAT", bytes(30)),
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text[4:8].decode()}-{text[8:20]!r}")
@pytest.mark.parametrize("place", ["before the pixels", "after them"])
def test_an_ancillary_chunk_of_a_png_decides_nothing(text: bytes, place: str) -> None:
    """Whatever its keyword is, however large it is, and however malformed."""
    at = 33 if place == "before the pixels" else len(PNG) - 12
    assert process_image(PNG[:at] + text + PNG[at:], POLICY) == process_image(PNG, POLICY)


ANCILLARY = st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"prVt"])


@settings(deadline=None, max_examples=150)
@given(kind=ANCILLARY, content=st.binary(max_size=80), after=st.booleans())
def test_any_ancillary_chunk_decides_nothing(kind: bytes, content: bytes, after: bool) -> None:
    """Of any content, without a warning."""
    at = len(PNG) - 12 if after else 33
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert process_image(PNG[:at] + chunk(kind, content) + PNG[at:], POLICY) == process_image(PNG, POLICY)


PREFIXES = [b"", b"JFIF\0", b"Adobe", b"ICC_PROFILE\0", b"Photoshop 3.0\x008BIM", b"MPF\0", b"FPXR\0", b"Exif\0\0"]


@settings(deadline=None, max_examples=150)
@given(
    marker=st.sampled_from([*range(0xE0, 0xF0), 0xFE]),
    prefix=st.sampled_from(PREFIXES),
    content=st.binary(max_size=6),
)
def test_a_malformed_application_segment_of_a_jpeg_decides_nothing(marker: int, prefix: bytes, content: bytes) -> None:
    """Nor does a comment; one that says how colours are stored is longer than these."""
    data = JPEG[:2] + segment(marker, prefix + content) + JPEG[2:]
    assert process_image(data, POLICY) == process_image(JPEG, POLICY)


@settings(deadline=None, max_examples=100)
@given(kind=st.sampled_from([b"ICCP", b"XMP ", b"EXIF", b"abcd"]), content=st.binary(max_size=80), after=st.booleans())
def test_metadata_of_a_webp_decide_nothing(kind: bytes, content: bytes, after: bool) -> None:
    """Wherever they stand; bytes that are no orientation are none."""
    body = WEBP[12:]
    head = body[: 8 + 10]
    changed = head + (body[18:] + riff(kind, content) if after else riff(kind, content) + body[18:])
    data = b"RIFF" + struct.pack("<I", 4 + len(changed)) + b"WEBP" + changed
    assert process_image(data, POLICY) == process_image(WEBP, POLICY)


@settings(deadline=None, max_examples=100)
@given(kind=st.sampled_from([0xF9, 0xFE, 0xFF, 0x01, 0x42]), content=st.binary(max_size=20), count=st.integers(1, 5))
def test_an_extension_of_a_gif_decides_nothing(kind: int, content: bytes, count: int) -> None:
    """A graphic control extension of another length than four is none."""
    start = 13 + 3 * 2 ** ((GIF[10] & 7) + 1)
    if kind == 0xF9 and len(content) == 4:
        content += b"\0"
    extension = bytes([0x21, kind, len(content)]) + content + (b"\0" if content else b"")
    assert process_image(GIF[:start] + extension * count + GIF[start:], POLICY) == process_image(GIF, POLICY)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("stray_bits", [0, 0xFFFF])
def test_a_transparent_level_of_grey_is_exact(depth: int, stray_bits: int) -> None:
    """The left half has the level and the right half the next one; of ``tRNS`` only the low-order bits count."""
    level = min(1, (1 << depth) - 2) if depth < 16 else 0x8001
    width, other = 160, level + 1 if depth < 16 else 0x8002
    bits = "".join(f"{value:0{depth}b}" for value in [level] * (width // 2) + [other] * (width // 2))
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    stray = stray_bits & ~((1 << depth) - 1) & 0xFFFF
    image = thumbnail(png(width, depth, 0, row, chunk(b"tRNS", struct.pack(">H", level | stray))))
    assert image.getpixel((20, 5))[3] == 0  # type: ignore[index]
    grey = other * 255 // ((1 << depth) - 1)
    assert image.getpixel((140, 5)) == pytest.approx((grey, grey, grey, 255), abs=3)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_exact(depth: int) -> None:
    """A colour of 16 bits that differs in the lowest one alone is another colour."""
    key = (200, 10, 20) if depth == 8 else (0xC805, 0x0A06, 0x1407)
    letter = "B" if depth == 8 else "H"
    pixel, other = (struct.pack(f">3{letter}", *key[:2], key[2] + change) for change in (0, 1))
    trns = chunk(b"tRNS", struct.pack(">3H", *key))
    image = thumbnail(png(160, depth, 2, pixel * 80 + other * 80, trns))
    assert image.getpixel((20, 5))[3] == 0  # type: ignore[index]
    assert image.getpixel((140, 5)) == pytest.approx((200, 10, 20, 255), abs=4)


def exif(order: str, kind: int, layout: str, *values: float, elsewhere: bool = False) -> bytes:
    """Return EXIF data with an orientation of this type, in the tag or elsewhere."""
    packed = struct.pack(f"{order}{layout}", *values)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    value = struct.pack(f"{order}I", 26) if elsewhere else packed.ljust(4, b"\0")
    count = 3 if elsewhere and len(packed) <= 4 else 1
    return b"Exif\0\0" + head + struct.pack(f"{order}HHHI", 1, 0x112, kind, count) + value + bytes(4) + packed * count


TYPES = [
    (1, "B", False),
    (3, "H", False),
    (4, "I", False),
    (6, "b", False),
    (8, "h", False),
    (9, "i", False),
    (11, "f", False),
    (12, "d", True),
    (3, "H", True),
    (4, "I", True),
]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "layout", "elsewhere"), TYPES)
def test_orientation_may_have_any_numeric_type(
    image_format: str, order: str, kind: int, layout: str, elsewhere: bool
) -> None:
    """In both byte orders; a value that does not fit in the tag stands elsewhere."""
    data = encode(picture(), image_format, exif=exif(order, kind, layout, 6, elsewhere=elsewhere))
    assert process_image(data, POLICY).width == 32


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_may_be_a_fraction(order: str) -> None:
    """A whole one; others, and a division by zero, are no orientation."""
    for values, width in (((12, 2), 32), ((13, 2), 48), ((6, 0), 48)):
        data = encode(picture(), "PNG", exif=exif(order, 5, "II", *values, elsewhere=True))
        assert process_image(data, POLICY).width == width


def grey_profile(gamma: float) -> bytes:
    """Return an ICC profile of grey with a tone curve."""
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256)),
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"g\0" + bytes(78),
        b"cprt": b"text\0\0\0\0-\0\0\0",
    }
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4sI4s4s4s12s4s", 128 + len(table) + len(body), b"", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"", b"acsp"
    )
    return head + bytes(28) + struct.pack(">iii", 63190, 65536, 54061) + bytes(48) + table + body


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_profile_of_grey_is_applied(mode: str) -> None:
    """With alpha, too, which stays: linear grey is darker in numbers than that of sRGB."""
    color: Any = 55 if mode == "L" else (55, 128)
    data = encode(Image.new(mode, (64, 64), color), "PNG", icc_profile=grey_profile(1.0))
    grey, _, _, alpha = thumbnail(data).getpixel((30, 30))  # type: ignore[misc]
    assert grey == pytest.approx(128, abs=4)
    assert alpha == pytest.approx(255 if mode == "L" else 128, abs=2)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P", "LA"])
def test_a_profile_that_does_not_fit_changes_nothing(image_format: str, mode: str) -> None:
    """One of other colours, one that is damaged, and bytes that are none."""
    if (image_format, mode) in {("PNG", "CMYK"), ("WEBP", "CMYK"), ("JPEG", "RGBA"), ("JPEG", "P"), ("JPEG", "LA")}:
        pytest.skip("there is no such file")
    image = picture().convert("CMYK").convert(mode) if mode == "CMYK" else picture().convert(mode)
    plain = process_image(encode(image, image_format), POLICY)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, srgb[:200], b"x" * 500, srgb[:100] + b"\xff" * 400):
        assert process_image(encode(image, image_format, icc_profile=profile), POLICY) == plain


def small_frame(left: int, top: int) -> bytes:
    """Return a GIF of 100 x 100 whose one frame is a red pixel."""
    head = b"GIF89a" + struct.pack("<HHBBB", 100, 100, 0x80, 0, 0) + bytes([0, 0, 255, *RED])
    return head + b"," + struct.pack("<HHHHB", left, top, 1, 1, 0) + b"\x02\x02\x4c\x01\x00;"


@pytest.mark.parametrize(("left", "top"), [(0, 0), (99, 99), (40, 60)])
def test_what_a_first_frame_does_not_cover_is_transparent(left: int, top: int) -> None:
    """Pillow alone paints it in the first colour of the palette."""
    image = Image.open(BytesIO(process_image(small_frame(left, top), POLICY).thumbnail)).convert("RGBA")
    alphas = image.getchannel("A")
    assert alphas.getbbox() == (left, top, left + 1, top + 1)


def without_end(image_format: str, image: Image.Image, **options: Any) -> bytes:
    """Return a JPEG or GIF without its last marker."""
    data = encode(image, image_format, **options)
    return data[: -2 if image_format == "JPEG" else -1]


COMPLETE = [
    ("GIF", {}),
    ("GIF", {"save_all": True, "append_images": [picture().rotate(90)]}),
    ("GIF", {"comment": b"x"}),
    ("JPEG", {}),
    ("JPEG", {"quality": 100, "subsampling": 0}),
    ("JPEG", {"quality": 5}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"optimize": True}),
    ("JPEG", {"restart_marker_blocks": 1}),
]


@pytest.mark.parametrize(("image_format", "options"), COMPLETE)
@pytest.mark.parametrize(
    "image", [picture(), picture(301, 203), Image.new("RGB", (640, 360), RED)], ids=["small", "large", "flat"]
)
def test_a_missing_end_marker_is_noted(image_format: str, options: dict[str, Any], image: Image.Image) -> None:
    """The picture is the one of the complete file."""
    data = without_end(image_format, image, **options)
    whole = process_image(encode(image, image_format, **options), POLICY)
    processed = process_image(data, POLICY)
    assert processed.notes == notes_of(data) == (ImageNote.NO_END,)
    assert (processed.thumbnail, processed.preview) == (whole.thumbnail, whole.preview)
    assert whole.notes == ()
    assert make_thumbnail(data, 50, POLICY) == make_thumbnail(encode(image, image_format, **options), 50, POLICY)


@pytest.mark.parametrize(("image_format", "options"), COMPLETE)
@pytest.mark.parametrize(
    "image", [picture(), picture(301, 203), Image.new("RGB", (640, 360), RED)], ids=["small", "large", "flat"]
)
def test_a_file_that_was_cut_short_is_no_file_without_an_end(
    image_format: str, options: dict[str, Any], image: Image.Image
) -> None:
    """A decoder would fill what is missing with grey, or show the coarse scans of a progressive JPEG.

    The last byte of a scan may say nothing, and its loss changes nothing.
    """
    data = without_end(image_format, image, **options)
    whole = process_image(encode(image, image_format, **options), POLICY)
    first_frame = len(encode(image, "GIF")) - 1 if "save_all" in options else 0
    for cut in (*range(1, 24), 40, len(data) // 10, len(data) // 4, len(data) // 2):
        try:
            processed = process_image(data[:-cut], POLICY)
        except CorruptImageError:
            continue
        assert len(data) - cut == first_frame or cut == 1
        assert processed.preview == whole.preview


def test_a_frame_that_a_gif_announces_is_there() -> None:
    """A graphic control extension is followed by its frame; otherwise the file was cut short."""
    data = without_end("GIF", picture()) + b"!\xf9\x04\0\0\0\0\0"
    with pytest.raises(CorruptImageError):
        process_image(data, POLICY)
