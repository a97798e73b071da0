"""The source of an import: which importer reads a file or a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zorivest_async.cli.exits import MisuseError
from zorivest_async.errors import ImportSourceError

if TYPE_CHECKING:
    from zorivest_async.transfer.importers import CsvProfile, Screenshots, TradeSource

__all__ = ["JournalFolder", "Source", "choose_source"]

FLEX, SCREENSHOTS, JOURNAL = "flex", "screenshots", "journal"
"""Profiles of Flex statements and folders."""

_OPTIONS: Final = {"account_id": "--account", "currency": "--currency", "time_zone": "--zone"}
"""The options that state what some files do not."""

_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


class JournalFolder(str):
    """A folder with a whole journal, as ``zorivest export journal`` writes it."""

    __slots__ = ()


Source: TypeAlias = "TradeSource | Screenshots | JournalFolder"


def choose_source(
    path: str, profile: str | None, zone: str | None, *, account: str | None = None, currency: str | None = None
) -> Source:
    """Return what reads a file or a folder; without a profile, what is at the beginning of the file decides.

    Args:
        path: The file or folder.
        profile: The name of the profile, as :func:`named` gives it, or ``None``.
        zone: Time zone of its times, or ``None`` for the profile's.
        account: Account of all rows, where the file does not name it.
        currency: Currency of all rows, likewise.

    Raises:
        MisuseError: There is no such profile; no profile fits, or several do; or the file does not state something.
        FileNotFoundError: There is no such file.
        OSError: It cannot be read.
    """
    from zorivest_async.transfer.importers import CsvTrades, FlexTrades, Screenshots

    chosen = profile or _folder_or_none(Path(path))
    match chosen:
        case "flex":
            return FlexTrades(path) if zone is None else FlexTrades(path, time_zone=zone)
        case "screenshots":
            return Screenshots(path, time_zone=zone)
        case "journal":
            return JournalFolder(path)
        case _:
            found = _detected(path) if chosen is None else _profile(chosen)
    if found is None:
        return choose_source(path, FLEX, zone)
    constants: dict[str, Any] = {
        name: value
        for name, value in (("account_id", account), ("currency", currency))
        if value is not None and name not in found.columns
    }
    given = found.given(time_zone=zone, **constants)
    if given.asks:
        missing = ", ".join(sorted(_OPTIONS.get(name, name) for name in given.asks))
        raise MisuseError(f"{path}: {found.name}: the file does not state everything; pass {missing}, too")
    return CsvTrades(path, given)


def named(profile: CsvProfile) -> str:
    """Return the name of a profile for ``--profile``: small letters, digits and hyphens."""
    return _SEPARATORS.sub("-", profile.name.lower().replace("'", "")).strip("-")


def _profile(name: str) -> CsvProfile:
    from zorivest_async.transfer.importers.brokers import PROFILES

    names = {named(profile): profile for profile in PROFILES}
    try:
        return names[name]
    except KeyError:
        known = ", ".join(sorted([FLEX, SCREENSHOTS, JOURNAL, *names]))
        raise MisuseError(f"there is no profile {name!r}; the profiles are: {known}") from None


def _folder_or_none(path: Path) -> str | None:
    if path.is_dir():
        return JOURNAL if (path / "journal.json").exists() else SCREENSHOTS
    if not path.is_file() and path.exists():
        raise ImportSourceError("this is a pipe, a socket or a device; copy the data to a regular file")
    return None


def _detected(path: str) -> CsvProfile | None:
    """Return the profile that fits a CSV file; ``None`` for a Flex statement."""
    from zorivest_async.transfer.importers import detect_profile

    try:
        return detect_profile(path).profile
    except ImportSourceError as error:
        raise MisuseError(f"{path}: {error.problem}; name one with --profile") from None
