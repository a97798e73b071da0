"""Importer of screenshots, which attaches the images of a folder to trades."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.database.sqlcipher.long_operation import Operation, ProgressCallback
from zorivest_async.database.sqlcipher.os_errors import problem_of
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, ImageError, ImportSourceError, NotFoundError, ZorivestError
from zorivest_async.security.tracebacks import sealed_coroutine
from zorivest_async.transfer.importers.results import ImportReport, Reason
from zorivest_async.transfer.importers.screenshot_names import TIME_PATTERN, find_time, is_named, words_of
from zorivest_async.transfer.importers.source import AmbiguousTimes, FieldError, to_utc

if TYPE_CHECKING:
    from datetime import datetime
    from os import PathLike

    from zorivest_async.domain.entities import Trade
    from zorivest_async.images import ImageNote
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.vault import Vault

__all__ = ["Screenshots", "import_screenshots"]

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})
_OTHER_SUFFIXES: Final = frozenset(
    {
        ".heic",
        ".heif",
        ".avif",
        ".bmp",
        ".tif",
        ".tiff",
        ".jxl",
        ".jp2",
        ".ico",
        ".svg",
        ".psd",
        ".jfif",
        ".jpe",
        ".apng",
    }
)
"""Suffixes of images that a vault does not store."""
_OTHER_FORMAT: Final = "images of this format cannot be stored; convert it to PNG, JPEG, WebP or GIF"
_MAX_WORDS: Final = 20
_SEPARATOR: Final = re.compile(r"[\s_#(]")


@dataclass(frozen=True, slots=True)
class Screenshots:
    """Source of screenshots: a folder, and the rules that match the names of its images with trades.

    A name that is an ``exec_id``, or begins with one and a blank, ``_``, ``#`` or ``(``, matches that trade. Any other
    name matches the trade nearest to the time in it; if it contains the instrument of a trade within the tolerance,
    only trades of that instrument. A name with the instrument of other stored trades, but of none that it matches,
    fails. The time may be of a clock of twelve hours, with one digit for the hour, and in the words of several
    languages.

    Attributes:
        path: The folder; its subfolders are ignored.
        time_zone: Time zone of the times in the names, such as ``"Europe/Berlin"``; without one, only an ``exec_id``
            matches.
        tolerance: Maximum difference between the time in the name and the trade's.
        time_pattern: A regular expression that finds a time in a name: year, month, day, hour, minute and second are
            its groups 1 to 6; group 7, if it has one, is AM or PM.
        ambiguous_times: What to do with a time that is ambiguous because clocks were put back.
    """

    path: str | PathLike[str]
    time_zone: str | None = None
    tolerance: timedelta = timedelta(minutes=5)
    time_pattern: str = TIME_PATTERN
    ambiguous_times: AmbiguousTimes = "fail"

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.time_pattern).groups
        except (re.error, TypeError):
            raise ConfigurationError("time_pattern is not a regular expression") from None
        if groups < 6:  # noqa: PLR2004 - year to second
            raise ConfigurationError("time_pattern needs six groups: year, month, day, hour, minute and second")

    def files(self) -> list[tuple[Path, int]]:
        """Return the images and their sizes in bytes, ordered by name; call it in a thread.

        Raises:
            ImportSourceError: There is no such folder.
        """
        return self._sized(_SUFFIXES)

    def other_files(self) -> list[Path]:
        """Return the images of formats that a vault does not store, ordered by name; call it in a thread.

        Raises:
            ImportSourceError: There is no such folder.
        """
        return [path for path, _ in self._sized(_OTHER_SUFFIXES)]

    def _sized(self, suffixes: frozenset[str]) -> list[tuple[Path, int]]:
        folder = Path(self.path)
        if not folder.is_dir():
            raise ImportSourceError("there is no such folder")
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
        found: list[tuple[Path, int]] = []
        for path in images:
            with suppress(FileNotFoundError):  # it was deleted meanwhile
                found.append((path, path.stat().st_size))
        return found

    def timestamp(self, stem: str) -> datetime | None:
        """Return the time in a name, in UTC; call it in a thread.

        Raises:
            FieldError: The time does not exist, or is ambiguous.
        """
        local = None if self.time_zone is None else find_time(self.time_pattern, stem).local
        if self.time_zone is None or local is None:
            return None
        return to_utc(local, load_zone(self.time_zone), self.ambiguous_times)


@sealed_coroutine
async def import_screenshots(
    vault: Vault, source: Screenshots, *, dry_run: bool = False, progress: ProgressCallback | None = None
) -> ImportReport:
    """Attach the images of a folder to the trades that they show; it skips images that are already attached.

    Each image has its own transaction, and is decoded before it begins, so that other writers need not wait. If it is
    cancelled, the images attached so far are kept, and importing again continues with the others.

    Many tasks may call it at once. It holds a connection for one image at a time, and none while a file is read.

    Args:
        vault: The vault to write.
        source: The folder.
        dry_run: Report what would be done and write nothing; images are not decoded.
        progress: Called on the event loop with the phase ``"store"``, in images.

    Raises:
        ImportSourceError: There is no such folder.
        InvalidQueryError: There is no such time zone.
        VaultError: The vault could not be read or written.
    """
    report = ImportReport(dry_run=dry_run)
    reporting = Operation(progress)
    files = await to_thread.run_sync(source.files)
    for done, (path, size) in enumerate(files):
        reporting.report("store", done, len(files))
        try:
            await _import_image(vault, source, path, size, report)
        except FieldError as error:
            report.failed.add(path.name, None, Reason.UNREADABLE, f"the time {error}")
        except ZorivestError:  # some of them are an OSError
            raise
        except OSError as error:
            report.failed.add(path.name, None, Reason.UNREADABLE, problem_of(error))
    for path in await to_thread.run_sync(source.other_files):
        report.failed.add(path.name, None, Reason.NOT_AN_IMAGE, _OTHER_FORMAT)
    reporting.report("store", len(files), len(files))
    return report


async def _import_image(vault: Vault, source: Screenshots, path: Path, size: int, report: ImportReport) -> None:
    """Attach an image, or report why not.

    Raises:
        FieldError: The time in the name cannot be used.
        OSError: The file cannot be read.
    """
    timestamp = await to_thread.run_sync(source.timestamp, path.stem)
    async with vault.unit_of_work(read_only=True) as uow:
        trades, rest = await _find_trades(uow, source, path.stem, timestamp)
        contradicts = bool(trades) and await _has_other_instrument(uow, rest, trades)
        alike = await _list_alike(uow, trades[0].exec_id, size) if len(trades) == 1 else []
    if contradicts:
        report.failed.add(path.name, None, Reason.UNMATCHED, "the name has the instrument of other trades")
        return
    if len(trades) != 1:
        report.failed.add(path.name, None, Reason.AMBIGUOUS if trades else Reason.UNMATCHED)
        return
    exec_id = trades[0].exec_id
    if await _is_any_of(vault, alike, path):
        report.duplicate.add(path.name, exec_id, Reason.STORED)
        return
    notes: tuple[ImageNote, ...] = ()
    try:
        if not report.dry_run:
            async with vault.unit_of_work() as uow:
                number = await uow.images.attach(ImageOwnerType.TRADE, exec_id, path, caption=path.name)
                notes = await uow.images.get_notes(number)
                await uow.commit()
    except ImageError as error:
        report.failed.add(path.name, exec_id, Reason.NOT_AN_IMAGE, str(error))
    else:
        report.inserted.add(path.name, exec_id, Reason.NEW, ", ".join(notes))


async def _find_trades(
    uow: UnitOfWork, source: Screenshots, stem: str, timestamp: datetime | None
) -> tuple[list[Trade], str]:
    """Return the trades that a name matches equally well, and the part of the name that may contain an instrument."""
    prefixes = [stem, *(stem[: cut.start()] for cut in _SEPARATOR.finditer(stem))]
    named = await uow.trades.get_many(prefix for prefix in prefixes if prefix)
    if named:
        exec_id = max(named, key=len)
        return [named[exec_id]], find_time(source.time_pattern, stem.removeprefix(exec_id)).rest
    rest = find_time(source.time_pattern, stem).rest
    if timestamp is None:
        return [], rest
    near = TradeFilter(
        since=timestamp - source.tolerance, until=timestamp + source.tolerance + timedelta(microseconds=1)
    )
    trades = await uow.trades.list_filtered(near, limit=None)
    trades = [trade for trade in trades if is_named(trade.instrument, rest)] or trades
    nearest = min((abs(trade.time - timestamp) for trade in trades), default=None)
    return [trade for trade in trades if abs(trade.time - timestamp) == nearest], rest


async def _has_other_instrument(uow: UnitOfWork, rest: str, trades: list[Trade]) -> bool:
    """Return whether a name contains an instrument of stored trades, but of none of these."""
    if any(is_named(trade.instrument, rest) for trade in trades):
        return False
    for word in words_of(rest)[:_MAX_WORDS]:
        if await uow.trades.list_filtered(TradeFilter(instrument=word), limit=1):
            return True
    return False


async def _list_alike(uow: UnitOfWork, exec_id: str, size: int) -> list[int]:
    """Return the row numbers of the images of a trade that have this size in bytes."""
    images = await uow.images.list_for_owner(ImageOwnerType.TRADE, exec_id, limit=None)
    return [image.id for image in images if image.file_size == size and image.id is not None]


async def _is_any_of(vault: Vault, image_ids: list[int], path: Path) -> bool:
    """Return whether one of some images is this file; no connection is held while the file is read."""
    content = await to_thread.run_sync(path.read_bytes) if image_ids else b""
    for image_id in image_ids:
        with suppress(NotFoundError):  # it was deleted meanwhile
            async with vault.unit_of_work(read_only=True) as uow:
                data = await uow.images.get_full_data(image_id)
            if data == content:
                return True
    return False
