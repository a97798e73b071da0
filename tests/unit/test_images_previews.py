"""The preview of an image, which is made with its thumbnail, and the colours of both."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from factories import make_noise_png, make_picture, size_of_picture
from zorivest_async.images import ImagePolicy, make_preview, make_thumbnail, preview_serves, process_image
from zorivest_async.images.policy import PREVIEW_PX

POLICY = ImagePolicy()
FORMATS = ["PNG", "JPEG", "WEBP", "GIF"]


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the image as a file."""
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def center_of(picture: bytes) -> tuple[int, ...]:
    """Return the colour in the middle of a picture."""
    with Image.open(BytesIO(picture)) as image:
        pixel: Any = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    return tuple(pixel)


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize(
    ("size", "expected"),
    [((1600, 900), (400, 225)), ((900, 1600), (225, 400)), ((400, 300), (400, 300)), ((8, 6), (8, 6))],
)
def test_a_preview_is_at_most_400_px_long(image_format: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    """It is a WebP, and a smaller image is not enlarged; the thumbnail is as before."""
    processed = process_image(make_picture(*size, image_format=image_format), POLICY)
    assert size_of_picture(processed.preview) == ("WEBP", *expected)
    assert max(size_of_picture(processed.thumbnail)[1:]) == min(200, max(size))


@pytest.mark.parametrize("thumbnail_px", [100, 400, 700])
def test_one_decoding_makes_what_each_size_makes_alone(thumbnail_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the policy's thumbnails; the decoder runs once for both."""
    data, policy = make_noise_png(900, 600), ImagePolicy(thumbnail_px=thumbnail_px)
    decoded = 0
    load = PngImagePlugin.PngImageFile.load_end

    def count(image: PngImagePlugin.PngImageFile) -> None:
        nonlocal decoded
        decoded += 1
        load(image)

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_end", count)
    processed = process_image(data, policy)
    assert decoded == 1
    assert processed.thumbnail == make_thumbnail(data, thumbnail_px, policy)
    assert size_of_picture(processed.preview)[1] == PREVIEW_PX
    if thumbnail_px <= PREVIEW_PX:
        assert processed.preview == make_thumbnail(data, PREVIEW_PX, policy)


def test_a_preview_is_upright_and_without_metadata() -> None:
    """A photo that lies on its side stands up, and does not say where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "51.5007N"
    data = encode(Image.new("RGB", (800, 600), "teal"), "JPEG", exif=exif)
    assert b"51.5007N" in data
    preview = process_image(data, POLICY).preview
    assert size_of_picture(preview) == ("WEBP", 300, 400)
    assert b"51.5007N" not in preview


def profile_with_swapped_colours() -> bytes:
    """Return a profile under which red is green: sRGB, whose table of tags has two names exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    profile[tags[b"rXYZ"] : tags[b"rXYZ"] + 4], profile[tags[b"gXYZ"] : tags[b"gXYZ"] + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_colours_are_converted_to_srgb(image_format: str, mode: str) -> None:
    """All pictures that are made of an image look as the image does under its profile, which is left out."""
    if image_format == "JPEG" and mode != "RGB":
        mode = "RGB"
    red = Image.new("RGB", (600, 400), (255, 0, 0)).convert(mode)
    data = encode(red, image_format, icc_profile=profile_with_swapped_colours(), lossless=True)
    processed = process_image(data, POLICY)
    made = [
        processed.thumbnail,
        processed.preview,
        make_thumbnail(data, 500, POLICY),
        make_preview(data, 300, POLICY).data,
    ]
    for picture in made:
        red_part, green_part, blue_part = center_of(picture)
        assert green_part > 200
        assert max(red_part, blue_part) < 60
        assert b"ICCP" not in picture
        assert b"iCCP" not in picture


def test_inks_become_colours() -> None:
    """A picture for a printer (CMYK) with a profile of another kind, or with none, is shown as Pillow shows it."""
    inks = Image.new("CMYK", (500, 300), (255, 0, 255, 0))
    plain, wrong = encode(inks, "JPEG"), encode(inks, "JPEG", icc_profile=profile_with_swapped_colours())
    assert process_image(wrong, POLICY).preview == process_image(plain, POLICY).preview
    assert center_of(process_image(plain, POLICY).preview)[1] > 150


@pytest.mark.parametrize("profile", [b"junk", b"\0" * 200, profile_with_swapped_colours()[:-300]])
def test_a_damaged_profile_changes_nothing(profile: bytes) -> None:
    """The picture can be read without it."""
    image = Image.new("RGB", (500, 300), (255, 0, 0))
    made = process_image(encode(image, "PNG", icc_profile=profile), POLICY)
    assert made.preview == process_image(encode(image, "PNG"), POLICY).preview


@pytest.mark.parametrize(
    ("side", "max_size", "original", "serves"),
    [
        (400, 400, (1600, 900), True),
        (400, 1, (1600, 900), True),
        (400, 401, (1600, 900), False),
        (300, 300, (300, 200), True),
        (300, 5000, (300, 200), True),
        (300, 250, (1600, 900), False),
        (401, 100, (1600, 900), False),
        (300, 350, (None, None), True),
        (300, 401, (None, None), False),
    ],
)
def test_a_preview_serves_for_sizes_up_to_its_own(
    side: int, max_size: int, original: tuple[int | None, int | None], *, serves: bool
) -> None:
    """One of another size than the original's would give is not the library's."""
    preview = make_picture(side, side // 2, image_format="WEBP")
    assert preview_serves(preview, max_size, *original) is serves
    assert not preview_serves(b"RIFF" + preview[4:12], max_size, *original)
    assert not preview_serves(make_picture(side, side // 2), max_size, *original)
