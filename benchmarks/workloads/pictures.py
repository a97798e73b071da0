"""Screenshots coming in, and galleries going out."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import pyvips
from PIL import Image, ImageOps

from benchmarks.connecting import open_raw
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

__all__ = ["Gallery", "Screenshots"]

_POLICY: Final = ImagePolicy()

_INSERT: Final = (
    "INSERT INTO images (owner_type, owner_id, thumbnail, mime_type, caption, width, height, file_size, created_at,"
    " data) VALUES ('trade', ?, ?, ?, 'new', ?, ?, ?, '2024-03-08 14:30:00.000000', ?)"
)


def thumbnail_with_pillow(data: bytes) -> tuple[bytes, int, int]:
    """Return a thumbnail like the library's, and the size of the image."""
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
        image.thumbnail((_POLICY.thumbnail_px, _POLICY.thumbnail_px), Image.Resampling.LANCZOS)
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
    names = ("pillow", "pyvips", "library")
    memory = ("pyvips", "library")

    def __init__(self, vaults: Vaults, sizes: Sizes, kind: str) -> None:
        super().__init__(vaults, sizes)
        self.name = f"screenshots-{kind}"
        self.title = f"attach {sizes.screenshots} 4K {kind.upper()} screenshots"
        self.operations = sizes.screenshots
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
            await self.contenders[name].list_images(self._owner)
