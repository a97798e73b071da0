"""The command ``zorivest images``."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import MisuseError
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit, Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Rows
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.errors import NotFoundError

if TYPE_CHECKING:
    from zorivest_async import ImageInfo
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

_COLUMNS: Final = ("id", "owner_type", "owner_id", "mime_type", "width", "height", "file_size", "caption", "created_at")
_SUFFIXES: Final = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif"}

OwnerId = Annotated[str, typer.Argument(metavar="OWNER", help="EXEC_ID of a trade, or ID of a report or a plan.")]
Owner = Annotated[ImageOwnerType, typer.Option("--of", help="The kind of the owner.")]
ImageId = Annotated[int, typer.Argument(metavar="ID", help="The image.")]
Caption = Annotated[str | None, typer.Option(metavar="TEXT", help="Free text.")]

app = area("images", "List, add, export, open and delete images.")


@journal_command(app, "list", "images list 1001", "images list 3 --of plan")
def list_images(
    journal: Journal,
    owner_id: OwnerId,
    owner: Owner = ImageOwnerType.TRADE,
    limit: Limit = 100,
    all_rows: All = False,
) -> Rows:
    """List the images of a trade, a report or a plan."""
    key = _key_of(owner, owner_id)
    images = journal.read(lambda uow: uow.images.list_for_owner(owner, key, limit=None if all_rows else limit))
    return Rows([row_of(image) for image in images], _COLUMNS, zone=journal.time_zone)


@journal_command(app, "add", "images add 1001 chart.png --caption 'Retest of the breakout'")
def add(
    journal: Journal,
    owner_id: OwnerId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PNG, JPEG, WebP or GIF image.")],
    owner: Owner = ImageOwnerType.TRADE,
    caption: Caption = None,
) -> Done:
    """Add an image to a trade, a report or a plan."""
    key = _key_of(owner, owner_id)

    async def work(uow: UnitOfWork) -> ImageInfo:
        return await _info_of(uow, await uow.images.attach(owner, key, file, caption=caption))

    info = journal.write(work)
    return Done(f"image {info.id}: added to {owner} {owner_id}", row_of(info))


@journal_command(app, "export", "images export 7 chart.png")
def export(
    journal: Journal,
    image_id: ImageId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> Done:
    """Write the original of an image to a file, byte for byte. The file is not encrypted."""
    info = _write(journal, image_id, file, overwrite=overwrite)
    return Done(f"{file}: written; it is not encrypted", row_of(info) | {"path": file})


@journal_command(app, "open", "images open 7")
def open_image(journal: Journal, image_id: ImageId) -> Done:
    """Show an image in the system's viewer. Its copy is deleted when you press Enter."""
    if not sys.stdin.isatty():
        raise MisuseError("an image is opened at a terminal; elsewhere, use images export")
    with TemporaryDirectory(prefix="zorivest-") as folder:
        info = _write(journal, image_id, Path(folder) / "image", overwrite=False)
        shown = (Path(folder) / "image").rename(Path(folder) / f"image{_SUFFIXES.get(info.mime_type, '')}")
        if typer.launch(str(shown)):
            raise MisuseError("no viewer could be started; use images export")
        sys.stderr.write("Press Enter to delete the copy, which is not encrypted. ")
        sys.stderr.flush()
        sys.stdin.readline()
    return Done(f"image {image_id}: shown, and its copy deleted", row_of(info))


@journal_command(app, "delete", "images delete 7")
def delete(journal: Journal, image_id: ImageId, yes: Yes = False) -> Done:
    """Delete an image."""
    if not yes:
        info = journal.read(lambda uow: _info_of(uow, image_id))
        ask(f"Delete the image {image_id} of {info.owner_type} {info.owner_id}?")

    async def work(uow: UnitOfWork) -> None:
        await _info_of(uow, image_id)
        await uow.images.delete(image_id)

    journal.write(work)
    return Done(f"image {image_id}: deleted", {"id": image_id, "deleted": True})


def _write(journal: Journal, image_id: int, file: Path, *, overwrite: bool) -> ImageInfo:
    from anyio import to_thread

    from zorivest_async.transfer.exporting import published

    async def work(uow: UnitOfWork, part: Any) -> ImageInfo:
        info = await _info_of(uow, image_id)
        async with aclosing(uow.images.stream(image_id)) as chunks:
            async for chunk in chunks:
                await to_thread.run_sync(part.write, chunk)
        return info

    with published(file, overwrite=overwrite) as path, path.open("wb") as part:
        return journal.read(lambda uow: work(uow, part))


async def _info_of(uow: UnitOfWork, image_id: int) -> ImageInfo:
    info = await uow.images.get_info(image_id)
    if info is None:
        raise NotFoundError("Image", image_id)
    return info


def _key_of(owner: ImageOwnerType, owner_id: str) -> str | int:
    if owner is ImageOwnerType.TRADE:
        return owner_id
    if not owner_id.isdecimal():
        raise MisuseError(f"a {owner} is named by its ID, a number")
    return int(owner_id)
