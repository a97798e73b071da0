"""Safe reading of a plaintext SQLite file from another program or person, which is untrusted input.

A database file is also a program: reading it runs views, generated columns, defaults and virtual tables. This module
only reads stored values of ordinary tables, within limits of time and memory that depend on the size of the file
(https://sqlite.org/security.html).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.sqlcipher.failures import result_code, vault_error_of
from zorivest_async.database.sqlcipher.paths import is_there, require_plain_companions
from zorivest_async.database.sqlcipher.uris import file_uri
from zorivest_async.errors import NotAVaultError, VaultDamagedError, VaultError, VaultNotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = ["PlaintextSource", "opened"]

BUSY_TIMEOUT_S: Final = 5.0
"""Maximum wait for a program that is writing to the file: the default of :mod:`sqlite3`."""

BUSY_SLICE_S: Final = 0.1
"""Length of one wait in SQLite, which cannot be interrupted, so it is short."""

OPCODES_PER_PULSE: Final = 100
"""Opcodes between two checks for a stop, as in :mod:`zorivest_async.database.sqlcipher.long_operation`."""

MAX_ROW_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of a row, including its image."""

SLICE_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a slice of rows."""

DAMAGED: Final = "the file is damaged; restore it from a backup"

_LEAST_ROW_BYTES: Final = 4
"""Minimum size of a row in a page (https://sqlite.org/fileformat2.html#b_tree_pages)."""

_MOST_COPIES: Final = 8
_COPIES_FROM_BYTES: Final = 16 * 1024 * 1024

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_ROW_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 1_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 25_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""Limits that allow the views and triggers of other programs, which are parsed but not run."""

_PRAGMAS: Final = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON")

# Available from Python 3.12 on.
_CONFIGURATION: Final = {"DEFENSIVE": True, "TRUSTED_SCHEMA": False, "ENABLE_VIEW": False, "ENABLE_TRIGGER": False}

_GENERATED: Final = (2, 3)
"""Values of ``hidden`` in ``PRAGMA table_xinfo`` for virtual and stored generated columns."""


@dataclass(frozen=True, slots=True)
class PlaintextTable:
    """Table or view of the file.

    Attributes:
        name: Its name.
        is_view: Whether it is a view.
        is_ordinary: Whether it is an ordinary table with stored rows, neither a view nor a virtual table.
    """

    name: str
    is_view: bool
    is_ordinary: bool


@contextmanager
def opened(path: Path, operation: Operation) -> Generator[PlaintextSource]:
    """Open a snapshot of a file during the block, and map the driver's errors.

    Raises:
        VaultNotFoundError: The file does not exist.
        NotAVaultError: It is not a regular file or not a plaintext SQLite database, or computes values that it should
            store.
        VaultBusyError: Another program kept it locked for :data:`BUSY_TIMEOUT_S`.
        VaultDamagedError: It is damaged.
        VaultError: It cannot be read.
        StoppedError: The caller was cancelled.
    """
    is_missing = not is_there(path)
    require_plain_companions(path)
    if is_missing:
        raise VaultNotFoundError(path, "there is no file to adopt")
    try:
        with closing(_connect(path, operation)) as raw:
            _begin(raw, operation)
            raw.set_authorizer(_authorize)
            yield PlaintextSource(raw, path)
    except MemoryError as error:
        raise VaultError(path, "there is not enough memory to read a row of it") from error
    except sqlite3.Error as error:
        operation.check()  # which interrupted it
        raise _error_of(error, path) from error
    except UnicodeDecodeError as error:  # in a column's name, or in SQLite's message, which the driver cannot decode
        raise VaultDamagedError(path, f"{DAMAGED} (a name in it is not valid UTF-8)") from error


def _connect(path: Path, operation: Operation) -> sqlite3.Connection:
    uri = file_uri(path.absolute(), "mode=ro")
    raw = sqlite3.connect(uri, timeout=BUSY_SLICE_S, uri=True, isolation_level=None, check_same_thread=False)
    try:
        for limit, value in _LIMITS.items():
            raw.setlimit(limit, value)
        for name, value in _CONFIGURATION.items():
            if (option := getattr(sqlite3, f"SQLITE_DBCONFIG_{name}", None)) is not None:
                raw.setconfig(option, value)  # type: ignore[attr-defined, unused-ignore]
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")
    except BaseException:
        raw.close()
        raise
    raw.text_factory = _decode
    raw.set_progress_handler(lambda: operation.unwanted, OPCODES_PER_PULSE)
    return raw


def _begin(raw: sqlite3.Connection, operation: Operation) -> None:
    """Begin a transaction and read in it, as the first read takes the lock."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    raw.execute("BEGIN")
    while True:
        operation.check()
        try:
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        else:
            return


def _authorize(action: int, first: str | None, second: str | None, _schema: str | None, accessor: str | None) -> int:
    """Allow this module's own statements to read stored values, but not views or virtual tables."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and accessor is None)
        or (action == sqlite3.SQLITE_FUNCTION and second == "count")
        or (action == sqlite3.SQLITE_PRAGMA and first in ("page_count", "page_size", "table_xinfo"))
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _error_of(error: sqlite3.Error, path: Path) -> VaultError:
    code = result_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return NotAVaultError(path, "this is not a plaintext SQLite database")
    if code == sqlite3.SQLITE_AUTH:
        return NotAVaultError(path, "a view or a virtual table computes what it should store, and is not run")
    if code == sqlite3.SQLITE_TOOBIG:
        return VaultError(path, f"a row or a definition is too large; the maximum is {MAX_ROW_BYTES:,} bytes for a row")
    if code == sqlite3.SQLITE_CORRUPT:
        return VaultDamagedError(path, f"{DAMAGED} ({error})")
    return vault_error_of(error, path)


def _decode(text: bytes) -> str | bytes:
    """Leave text that is not UTF-8 as bytes, so that only its row is refused."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


class PlaintextSource:
    """Reader of an open file.

    Args:
        raw: The connection, in a transaction.
        path: The file.
    """

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self._raw = raw
        self._path = path
        self._size = int(self._one("PRAGMA page_count")[0]) * int(self._one("PRAGMA page_size")[0])
        self._read = 0

    def tables(self) -> list[PlaintextTable]:
        """Return its tables and views, without SQLite's own."""
        rows = self._raw.execute(
            "SELECT name, type, rootpage, sql FROM sqlite_master WHERE type = 'table' OR type = 'view'"
        )
        return [
            PlaintextTable(name, kind == "view", bool(root) and str(sql).startswith("CREATE TABLE "))
            for name, kind, root, sql in rows.fetchall()
            if isinstance(name, str) and not name.startswith("sqlite_")
        ]

    def definition(self, table: str) -> str:
        """Return the definition of a table; an empty text if there is no such table."""
        found = self._raw.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        return "" if found is None else str(found[0])

    def columns(self, table: str) -> dict[str, bool]:
        """Return the columns of a table in their order, and whether each is generated."""
        found = self._raw.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
        return {str(name): hidden in _GENERATED for _, name, _, _, _, _, hidden in found}

    def count(self, table: str, column: str | None = None) -> int:
        """Count the rows of a table, or the rows with a value in a column.

        Raises:
            VaultDamagedError: There are more rows than the file has space for, as in a cycle of pages.
        """
        most = self._size // _LEAST_ROW_BYTES
        counted, read = ("*", "1") if column is None else (_quoted(column),) * 2
        (count,) = self._one(
            f"SELECT count({counted}) FROM (SELECT {read} FROM {_quoted(table)} LIMIT {most + 1})"  # noqa: S608
        )
        if count > most:
            raise VaultDamagedError(self._path, DAMAGED)
        return int(count)

    def slices(self, table: str, columns: list[str], rows: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a table in slices.

        Args:
            table: The table.
            columns: Its columns to read.
            rows: Maximum number of rows in a slice; it has fewer if they are large.

        Raises:
            VaultDamagedError: There are more data than the file has space for, as when rows share pages.
        """
        names = ", ".join(map(_quoted, columns))
        found: list[tuple[Any, ...]] = []
        size = 0
        for row in self._raw.execute(f"SELECT {names} FROM {_quoted(table)}"):  # noqa: S608
            found.append(row)
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(found) == rows or size >= SLICE_BYTES:
                self._count_bytes(size)
                yield found
                found, size = [], 0
        self._count_bytes(size)
        if found:
            yield found

    def _count_bytes(self, size: int) -> None:
        """Count the bytes read; the file stores a default value once, but each row that is read contains a copy."""
        self._read += size
        if self._read > _MOST_COPIES * self._size + _COPIES_FROM_BYTES:
            raise VaultDamagedError(self._path, "it yields many times the data that it has space for")

    def _one(self, statement: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._raw.execute(statement).fetchone()
        return row


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
