"""A folder of screenshots, each to the trade that it shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.database.long_operation import Operation, ProgressCallback
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, ImageError, ImportSourceError
from zorivest_async.integrations.importers.results import ImportReport, Reason
from zorivest_async.integrations.importers.source import AmbiguousTimes, FieldError, to_utc

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.domain.entities import Trade
    from zorivest_async.vault import Vault

__all__ = ["Screenshots", "import_screenshots"]

_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})
_SEPARATOR: Final = re.compile(r"[ _#(]")
_WORDS: Final = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Screenshots:
    """The images in a folder, and how their names lead to trades.

    A name that is an ``exec_id``, or begins with one and a blank, ``_``, ``#`` or ``(``, leads to that trade. Another
    one leads to the trade nearest in time to the moment in it; where it names the instrument of a trade near by, it
    leads to a trade of that instrument.

    Attributes:
        path: The folder; folders in it are left alone.
        time_zone: In which the moments in the names are, such as ``"Europe/Berlin"``; without one, only an ``exec_id``
            leads to a trade.
        tolerance: How far from its moment a trade may be.
        time_pattern: A regular expression that finds a moment in a name: year, month, day, hour, minute and second are
            its groups 1 to 6.
        ambiguous_times: What is meant by a time that comes twice as clocks are put back.
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
        """Return the images and their sizes in bytes, by name; in a thread.

        Raises:
            ImportSourceError: The folder is none.
        """
        folder = Path(self.path)
        if not folder.is_dir():
            raise ImportSourceError("there is no such folder")
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
        return [(path, path.stat().st_size) for path in images]

    def moment(self, stem: str) -> datetime | None:
        """Return the moment that a name tells, in UTC; in a thread.

        Raises:
            FieldError: It does not exist, or is not the only one that is meant.
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


async def import_screenshots(
    vault: Vault, source: Screenshots, *, dry_run: bool = False, progress: ProgressCallback | None = None
) -> ImportReport:
    """Attach the images of a folder to the trades that they show; what is attached already is left alone.

    Each image is a transaction of its own, decoded before it begins, so that other writers need not wait. Cancelled, it
    leaves the images that it has attached, and importing again goes on with the others.

    May be called by many tasks at once. It holds a connection for one image at a time.

    Args:
        vault: Where to.
        source: The folder.
        dry_run: Report what would be done and write nothing; images are not decoded.
        progress: Called on the event loop with the phase ``"store"``, in images.

    Raises:
        ImportSourceError: There is no such folder.
        ConfigurationError: There is no such time zone.
        VaultError: The vault could not be read or written.
    """
    report = ImportReport(dry_run=dry_run)
    reporting = Operation(progress)
    files = await to_thread.run_sync(source.files)
    for done, (path, size) in enumerate(files):
        reporting.report("store", done, len(files))
        try:
            moment = await to_thread.run_sync(source.moment, path.stem)
        except FieldError as error:
            report.failed.add(path.name, None, Reason.UNREADABLE, f"the time {error}")
            continue
        async with vault.unit_of_work(read_only=True) as uow:
            trades = await _find_trades(uow, source, path.stem, moment)
            stored = len(trades) == 1 and await _has_image(uow, trades[0].exec_id, path, size)
        if len(trades) != 1:
            report.failed.add(path.name, None, Reason.AMBIGUOUS if trades else Reason.UNMATCHED)
            continue
        exec_id = trades[0].exec_id
        if stored:
            report.duplicate.add(path.name, exec_id, Reason.STORED)
            continue
        try:
            if not dry_run:
                async with vault.unit_of_work() as uow:
                    await uow.images.attach(ImageOwnerType.TRADE, exec_id, path, caption=path.name)
                    await uow.commit()
        except ImageError as error:
            report.failed.add(path.name, exec_id, Reason.NOT_AN_IMAGE, str(error))
        else:
            report.inserted.add(path.name, exec_id, Reason.NEW)
    reporting.report("store", len(files), len(files))
    return report


async def _find_trades(
    uow: SqlAlchemyUnitOfWork, source: Screenshots, stem: str, moment: datetime | None
) -> list[Trade]:
    """Return the trade that a name leads to; several where it leads to none of them more than to the others."""
    prefixes = [stem, *(stem[: cut.start()] for cut in _SEPARATOR.finditer(stem))]
    named = await uow.trades.get_many(prefix for prefix in prefixes if prefix)
    if named:
        return [named[max(named, key=len)]]
    if moment is None:
        return []
    near = TradeFilter(since=moment - source.tolerance, until=moment + source.tolerance + timedelta(microseconds=1))
    trades = await uow.trades.list_filtered(near, limit=None)
    words = set(_WORDS.findall(stem))
    trades = [trade for trade in trades if trade.instrument in words] or trades
    nearest = min((abs(trade.time - moment) for trade in trades), default=None)
    return [trade for trade in trades if abs(trade.time - moment) == nearest]


async def _has_image(uow: SqlAlchemyUnitOfWork, exec_id: str, path: Path, size: int) -> bool:
    for image in await uow.images.list_for_owner(ImageOwnerType.TRADE, exec_id, limit=None):
        if image.file_size == size and image.id is not None:
            data = await uow.images.get_full_data(image.id)
            if data == await to_thread.run_sync(path.read_bytes):
                return True
    return False
