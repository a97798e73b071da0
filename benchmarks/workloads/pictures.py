"""Screenshots coming in, and galleries going out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from statistics import mean
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageOps

from benchmarks.connecting import open_raw
from benchmarks.contenders import statements
from benchmarks.contenders.limit import HandOff
from benchmarks.trades import exec_id_of, make_trades
from benchmarks.vaults import IMAGE_BYTES, KEY, remove_new
from benchmarks.workloads.base import ContenderWorkload, Workload
from zorivest_async import ImageOwnerType, ImagePolicy, Vault

if TYPE_CHECKING:
    from pathlib import Path

    from sqlcipher3 import dbapi2 as sqlcipher

    from benchmarks.sizes import Sizes
    from benchmarks.vaults import Vaults

__all__ = ["MISSING_PICTURES", "Gallery", "ReadBesideThumbnails", "Screenshots"]

MISSING_PICTURES: Final[dict[str, str]] = {}
"""Contenders of this file that cannot run here, with the reason."""

try:
    import pyvips
except (ImportError, OSError) as _error:  # of the package, or of the system's libvips
    MISSING_PICTURES["pyvips"] = f"needs pyvips[binary] ({_error})"

_POLICY: Final = ImagePolicy()

_PYVIPS: Final = () if MISSING_PICTURES else ("pyvips",)

_ROUNDS_OF_SCREENSHOTS: Final = 5
"""A round takes up to five seconds."""

_THUMBNAILS: Final = 24
_THUMBNAIL_PX: Final = 800
"""Larger than what is stored, so that the originals are decoded."""

_READS: Final = 20
_BETWEEN_READS_S: Final = 0.005

_INSERT: Final = (
    "INSERT INTO images (owner_type, owner_id, thumbnail, mime_type, caption, width, height, file_size, created_at,"
    " data) VALUES ('trade', ?, ?, ?, 'new', ?, ?, ?, '2024-03-08 14:30:00.000000', ?)"
)


def thumbnail_with_pillow(data: bytes, side_px: int = _POLICY.thumbnail_px) -> tuple[bytes, int, int]:
    """Return a thumbnail like the library's, and the size of the image."""
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        upright = ImageOps.exif_transpose(image)
        buffer = BytesIO()
        upright.save(buffer, "WEBP", quality=_POLICY.thumbnail_quality)
    return buffer.getvalue(), width, height


def thumbnail_with_pyvips(data: bytes) -> tuple[bytes, int, int]:
    """Return a thumbnail like the library's, and the size of the image."""
    image = pyvips.Image.new_from_buffer(data, "")
    side = _POLICY.thumbnail_px
    small = pyvips.Image.thumbnail_buffer(data, side, height=side, size="down")
    return small.webpsave_buffer(Q=_POLICY.thumbnail_quality, strip=True), image.width, image.height


def _store(connection: sqlcipher.Connection, mime_type: str, data: bytes, made: tuple[bytes, int, int]) -> None:
    thumbnail, width, height = made
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_INSERT, (exec_id_of(0), thumbnail, mime_type, width, height, len(data), data))
    connection.execute("COMMIT")


class Screenshots(Workload):
    """Screenshots attached to a trade at once, each committed for itself.

    Beside Pillow on the event loop and pyvips in two threads, both stored through one bare hand-off, this library
    checks the images as well.
    """

    per = "image"
    names = ("pillow", *_PYVIPS, "library")
    memory = (*_PYVIPS, "library")

    def __init__(self, vaults: Vaults, sizes: Sizes, kind: str) -> None:
        super().__init__(vaults, sizes)
        self.name = f"screenshots-{kind}"
        self.title = f"attach {sizes.screenshots} 4K {kind.upper()} screenshots"
        self.operations = sizes.screenshots
        self.most_rounds = _ROUNDS_OF_SCREENSHOTS
        self._kind = kind
        self._screenshots: list[bytes] = []
        self._attaching = {"pillow": self._attach_inline, "pyvips": self._attach_with_pyvips, "library": self._attach}

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        self._screenshots = await self.vaults.screenshots(self.operations, self._kind)
        self._path = await self.vaults.gallery(0)
        self._vault = await Vault.open(self._path, key=KEY, create=False)
        self._hand_off = HandOff()
        self._threads = ThreadPoolExecutor(_POLICY.threads)
        self._connection = await self._hand_off.call(open_raw, self._path, KEY)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        await asyncio.gather(*map(self._attaching[name], self._screenshots))

    async def warm_up(self, name: str) -> None:  # noqa: D102
        await self._attaching[name](self._screenshots[0])

    async def after(self, name: str) -> None:  # noqa: ARG002, D102
        await asyncio.to_thread(remove_new, self._path)

    async def aclose(self) -> None:  # noqa: D102
        await self._hand_off.call(self._connection.close)
        await self._hand_off.aclose()
        await self._vault.aclose()
        self._threads.shutdown()

    async def _attach_inline(self, data: bytes) -> None:
        made = thumbnail_with_pillow(data)
        await self._hand_off.call(_store, self._connection, f"image/{self._kind}", data, made)

    async def _attach_with_pyvips(self, data: bytes) -> None:
        making = partial(thumbnail_with_pyvips, data)
        made = await asyncio.get_running_loop().run_in_executor(self._threads, making)
        await self._hand_off.call(_store, self._connection, f"image/{self._kind}", data, made)

    async def _attach(self, data: bytes) -> None:
        async with self._vault.unit_of_work() as uow:
            await uow.images.attach(ImageOwnerType.TRADE, exec_id_of(0), data, caption="new")
            await uow.commit()


class ReadBesideThumbnails(Workload):
    """Keyed reads while 24 thumbnails are made of 4K screenshots, beside the same reads and Pillow in as many threads.

    The time is the mean of 20 reads, so that one which waits for the thumbnails shows; the slowest one is counted, too.
    """

    name = "read-beside-thumbnails"
    title = f"keyed read beside {_THUMBNAILS} thumbnails"
    per = "read"
    names = ("limit", "library")
    most_rounds = 3

    async def open(self, names: tuple[str, ...]) -> None:  # noqa: ARG002, D102
        (self._screenshot,) = await self.vaults.screenshots(1, "png")
        self._path = await self.vaults.gallery(0)
        self._vault = await Vault.open(self._path, key=KEY, create=False)
        async with self._vault.unit_of_work() as uow:
            self._image_id = await uow.images.attach(
                ImageOwnerType.TRADE, exec_id_of(0), self._screenshot, caption="new"
            )
            await uow.commit()
        self._hand_off = HandOff()
        self._threads = ThreadPoolExecutor(_POLICY.threads)
        self._connection = await self._hand_off.call(open_raw, self._path, KEY)
        self._slowest_s = 0.0

    async def run(self, name: str, prepared: Any) -> float:  # noqa: ARG002, D102
        make, read = (self._thumbnail, self._read) if name == "library" else (self._decode, self._read_raw)
        making = [asyncio.create_task(make()) for _ in range(_THUMBNAILS)]
        times = []
        for _ in range(_READS):
            await asyncio.sleep(_BETWEEN_READS_S)
            began = perf_counter()
            await read()
            times.append(perf_counter() - began)
        await asyncio.gather(*making)
        if name == "library":
            self._slowest_s = max(self._slowest_s, *times)
        return mean(times)

    async def count(self) -> dict[str, float]:
        """Tell the slowest read of all rounds, in milliseconds."""
        return {"slowest-read": self._slowest_s * 1000}

    async def aclose(self) -> None:  # noqa: D102
        await self._hand_off.call(self._connection.close)
        await self._hand_off.aclose()
        await self._vault.aclose()
        self._threads.shutdown()
        await asyncio.to_thread(remove_new, self._path)

    async def _thumbnail(self) -> None:
        await self._vault.thumbnail(self._image_id, _THUMBNAIL_PX)

    async def _read(self) -> None:
        async with self._vault.unit_of_work(read_only=True) as uow:
            await uow.trades.get_one(exec_id_of(0))

    async def _decode(self) -> None:
        making = partial(thumbnail_with_pillow, self._screenshot, _THUMBNAIL_PX)
        await asyncio.get_running_loop().run_in_executor(self._threads, making)

    async def _read_raw(self) -> None:
        await self._hand_off.call(statements.read, self._connection, exec_id_of(0))


class Gallery(ContenderWorkload):
    """The images of one trade, with thumbnails and without originals."""

    per = "gallery"
    memory = ("bare", "stock", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes, count: int) -> None:
        super().__init__(vaults, sizes)
        self.name = f"gallery-{count}"
        self.title = f"gallery of {count:,} x 1 MB images"
        self.operations = max(1, 3_000 // count)
        self.original_bytes = count * IMAGE_BYTES
        self._count = count
        self._owner = next(make_trades(1)).exec_id

    async def find_vault(self) -> Path:  # noqa: D102
        return await self.vaults.gallery(self._count)

    async def run(self, name: str, prepared: Any) -> None:  # noqa: ARG002, D102
        for _ in range(self.operations):
            await self.full(name).list_images(self._owner)
