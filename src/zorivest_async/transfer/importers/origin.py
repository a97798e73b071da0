"""Reading a source together with what identifies it: its name, a hash, and how it was read."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.files import open_regular
from zorivest_async.transfer.importers.packing import pack_trade

if TYPE_CHECKING:
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.transfer.importers.source import ReadRows, TradeSource

__all__ = ["Origin", "read_source"]

_PIECE_BYTES: Final = 256 * 1024
_ROWS_PER_CHECK: Final = 100
_CHANGED: Final = "the file was changed while it was read; import it again"
_NAMELESS: Final = "a file"


@dataclass(frozen=True, slots=True)
class Origin:
    """What identifies a source.

    Attributes:
        source: Name of the file, without its folder; for another source, the name of its class.
        sha256: SHA-256 of the file; for another source, of its executions.
        profile: How the source is read: the name of its profile or its class, and its time zone.
    """

    source: str
    sha256: str
    profile: str


def read_source(source: TradeSource, operation: Operation) -> tuple[ReadRows, Origin]:
    """Read a source, and identify it; call it in a thread.

    Raises:
        ImportSourceError: It cannot be read, or was changed meanwhile.
        OSError: The file does not exist, or cannot be read.
    """
    given: Any = source
    path: Any = getattr(given, "path", None)
    if not _is_file(path):
        rows = source.read(operation)
        return rows, Origin(type(source).__name__, _hash_of_rows(rows, operation), _profile_of(given))
    digest, before = _hash_of_file(path, operation)
    rows = source.read(operation)
    if _state(os.stat(path)) != before:  # noqa: PTH116 - the path may be any path-like
        raise ImportSourceError(_CHANGED)
    return rows, Origin(_name_of(path), digest, _profile_of(given))


def _is_file(path: Any) -> bool:
    """Return whether a source is one file; another one, or one that is missing, is the source's to read."""
    try:
        return not isinstance(path, int | None) and stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, TypeError, ValueError):
        return False


def _state(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _hash_of_file(path: Any, operation: Operation) -> tuple[str, tuple[int, ...]]:
    digest = sha256()
    with open_regular(path) as file:
        before = _state(os.fstat(file.fileno()))
        while piece := file.read(_PIECE_BYTES):
            operation.check()
            digest.update(piece)
    return digest.hexdigest(), before


def _hash_of_rows(rows: ReadRows, operation: Operation) -> str:
    digest = sha256()
    for number, execution in enumerate(rows.executions):
        if number % _ROWS_PER_CHECK == 0:
            operation.check()
        trade = None if execution.trade is None else pack_trade(execution.trade)
        about = (execution.earlier_ids, execution.booking, execution.order, trade)
        digest.update(json.dumps(about, default=str).encode())
    return digest.hexdigest()


def _name_of(path: Any) -> str:
    name = os.fsencode(os.path.basename(path)).decode(errors="replace").replace("\0", "")  # noqa: PTH119
    return name if name and not name.isspace() else _NAMELESS


def _profile_of(source: Any) -> str:
    """Return how a source is read; the same file read in another time zone is another import of it."""
    profile: Any = getattr(source, "profile", None)
    name = getattr(profile, "name", None) or type(source).__name__
    zone = getattr(profile, "time_zone", None) or getattr(source, "time_zone", None)
    return f"{name}, {zone}" if isinstance(zone, str) else str(name)
