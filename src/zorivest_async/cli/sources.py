"""The source of an import: which importer reads a file or a folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from zorivest_async.cli.exits import MisuseError
from zorivest_async.errors import ImportSourceError

if TYPE_CHECKING:
    from zorivest_async.transfer.importers import Screenshots, TradeSource

__all__ = ["JournalFolder", "Profile", "Source", "choose_source"]


class Profile(StrEnum):
    """How a file is read."""

    FLEX = "flex"
    IBKR_ACTIVITY = "ibkr-activity"
    THINKORSWIM = "thinkorswim"
    ZORIVEST = "zorivest"
    SCREENSHOTS = "screenshots"
    JOURNAL = "journal"


class JournalFolder(str):
    """A folder with a whole journal, as ``zorivest export journal`` writes it."""

    __slots__ = ()


Source: TypeAlias = "TradeSource | Screenshots | JournalFolder"

_BEGINNING_BYTES: Final = 64 * 1024
"""Size of the part of a file that is looked at to find its profile."""


def choose_source(path: str, profile: Profile | None, zone: str | None) -> Source:
    """Return what reads a file or a folder; without a profile, what is at the beginning of the file decides.

    Args:
        path: The file or folder.
        profile: How to read it, or ``None``.
        zone: Time zone of its times, or ``None`` for the profile's.

    Raises:
        MisuseError: The profile is not known, or is that of a folder.
        FileNotFoundError: There is no such file.
        OSError: It cannot be read.
    """
    from dataclasses import replace

    from zorivest_async.transfer.importers import (
        IBKR_ACTIVITY,
        THINKORSWIM,
        ZORIVEST,
        CsvTrades,
        FlexTrades,
        Screenshots,
    )

    chosen = profile or _detected(Path(path))
    match chosen:
        case Profile.FLEX:
            return FlexTrades(path) if zone is None else FlexTrades(path, time_zone=zone)
        case Profile.SCREENSHOTS:
            return Screenshots(path, time_zone=zone)
        case Profile.JOURNAL:
            return JournalFolder(path)
        case _:
            csv = {
                Profile.IBKR_ACTIVITY: IBKR_ACTIVITY,
                Profile.THINKORSWIM: THINKORSWIM,
                Profile.ZORIVEST: ZORIVEST,
            }[chosen]
            return CsvTrades(path, csv if zone is None else replace(csv, time_zone=zone))


def _detected(path: Path) -> Profile:
    if path.is_dir():
        return Profile.JOURNAL if (path / "journal.json").exists() else Profile.SCREENSHOTS
    if not path.is_file() and path.exists():
        raise ImportSourceError("this is a pipe, a socket or a device; copy the data to a regular file")
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES).decode("utf-8", "replace").lstrip("\ufeff")
    first = beginning.partition("\n")[0]
    if beginning.lstrip().startswith("<"):
        return Profile.FLEX
    if first.startswith("Statement,"):
        return Profile.IBKR_ACTIVITY
    if first.startswith("Account Statement for ") or "\nAccount Trade History" in beginning:
        return Profile.THINKORSWIM
    if '"exec_id"' in first or first.startswith("exec_id,"):
        return Profile.ZORIVEST
    raise MisuseError(f"{path}: this kind of file is not recognised; pass --profile with one of: {', '.join(Profile)}")
