"""Importer of screenshots, which attaches the images of a folder to trades."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.database.sqlcipher.long_operation import Operation, ProgressCallback
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, ImageError, ImportSourceError, NotFoundError
from zorivest_async.security.tracebacks import sealed_coroutine
from zorivest_async.transfer.importers.results import ImportReport, Reason
from zorivest_async.transfer.importers.source import AmbiguousTimes, FieldError, to_utc

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.domain.entities import Trade
    from zorivest_async.images import ImageNote
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.vault import Vault

__all__ = ["Screenshots", "import_screenshots"]

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})
_SEPARATOR: Final = re.compile(r"[ _#(]")
_WORDS: Final = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Screenshots:
    """Source of screenshots: a folder, and the rules that match the names of its images with trades.

    A name that is an ``exec_id``, or begins with one and a blank, ``_``, ``#`` or ``(``, matches that trade. Any other
    name matches the trade nearest to the time in it; if it contains the instrument of a trade within the tolerance,
    only trades of that instrument.

    Attributes:
        path: The folder; its subfolders are ignored.
        time_zone: Time zone of the times in the names, such as ``"Europe/Berlin"``; without one, only an ``exec_id``
            matches.
        tolerance: Maximum difference between the time in the name and the trade's.
        time_pattern: A regular expression that finds a time in a name: year, month, day, hour, minute and second are
            its groups 1 to 6.
        ambiguous_times: What to do with a time that is ambiguous because clocks were put back.
    """

    path: str | PathLike[str]
    time_zone: str | None = None
    tolerance: timedelta = timedelta(minutes=5)
    time_pattern: str = r"(\d{4})-?(\d\d)-?(\d\d)(?:[ _T-]|_at_| at )?(\d\d)[-.:]?(\d\d)[-.:]?(\d\d)"
    ambiguous_times: AmbiguousTimes = "fail"

    def __post_init__(self) -> None:
        if re.compile(self.time_pattern).groups < 6:  # noqa: PLR2004 - year to second
            raise ConfigurationError("time_pattern needs six groups: year, month, day, hour, minute and second")

    def files(self) -> list[tuple[Path, int]]:
        """Return the images and their sizes in bytes, ordered by name; call it in a thread.

        Raises:
            ImportSourceError: There is no such folder.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            raise ImportSourceError("there is no such folder")
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
        return [(path, path.stat().st_size) for path in images]

    def timestamp(self, stem: str) -> datetime | None:
        """Return the time in a name, in UTC; call it in a thread.

        Raises:
            FieldError: The time does not exist, or is ambiguous.
        """
        found = re.search(self.time_pattern, stem)
        if self.time_zone is None or found is None:
            return None
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        try:
            local = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone is added
        except ValueError:
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
            timestamp = await to_thread.run_sync(source.timestamp, path.stem)
        except FieldError as error:
            report.failed.add(path.name, None, Reason.UNREADABLE, f"the time {error}")
            continue
        async with vault.unit_of_work(read_only=True) as uow:
            trades = await _find_trades(uow, source, path.stem, timestamp)
            alike = await _list_alike(uow, trades[0].exec_id, size) if len(trades) == 1 else []
        if len(trades) != 1:
            report.failed.add(path.name, None, Reason.AMBIGUOUS if trades else Reason.UNMATCHED)
            continue
        exec_id = trades[0].exec_id
        if await _is_any_of(vault, alike, path):
            report.duplicate.add(path.name, exec_id, Reason.STORED)
            continue
        notes: tuple[ImageNote, ...] = ()
        try:
            if not dry_run:
                async with vault.unit_of_work() as uow:
                    number = await uow.images.attach(ImageOwnerType.TRADE, exec_id, path, caption=path.name)
                    notes = await uow.images.get_notes(number)
                    await uow.commit()
        except ImageError as error:
            report.failed.add(path.name, exec_id, Reason.NOT_AN_IMAGE, str(error))
        else:
            report.inserted.add(path.name, exec_id, Reason.NEW, ", ".join(notes))
    reporting.report("store", len(files), len(files))
    return report


async def _find_trades(uow: UnitOfWork, source: Screenshots, stem: str, timestamp: datetime | None) -> list[Trade]:
    """Return the trade that a name matches, or several trades that it matches equally well."""
    prefixes = [stem, *(stem[: cut.start()] for cut in _SEPARATOR.finditer(stem))]
    named = await uow.trades.get_many(prefix for prefix in prefixes if prefix)
    if named:
        return [named[max(named, key=len)]]
    if timestamp is None:
        return []
    near = TradeFilter(
        since=timestamp - source.tolerance, until=timestamp + source.tolerance + timedelta(microseconds=1)
    )
    trades = await uow.trades.list_filtered(near, limit=None)
    words = set(_WORDS.findall(stem))
    trades = [trade for trade in trades if trade.instrument in words] or trades
    nearest = min((abs(trade.time - timestamp) for trade in trades), default=None)
    return [trade for trade in trades if abs(trade.time - timestamp) == nearest]


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
