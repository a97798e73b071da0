"""Copy of a database under its key, and comparison of the copy with its source.

The functions block: call them in a thread.

SQLite takes the snapshot for the copy (``VACUUM INTO``) itself, outside any transaction. So a read before or after it
does not say what the copy should contain while other connections write. Therefore a reader begins its transaction just
before the copy, and a third connection checks that there was no commit in between: the two snapshots are then the same.
After a commit in between, the copy starts again. After a few attempts, writers are locked out while the copy begins.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.authentication import require_authentic
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.sqlcipher.page_check import PAGE_BYTES
from zorivest_async.database.sqlcipher.process import registered
from zorivest_async.database.sqlcipher.reasons import note_reason
from zorivest_async.errors import VaultBusyError, VaultDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.security import VaultKey

__all__ = ["Contents", "contents_of", "copy_at_rest", "copy_snapshot", "pages_in", "require_same"]

ATTEMPTS_BESIDE_WRITERS: Final = 3
"""Number of attempts to begin the copy between two commits, before writers are locked out."""

ATTEMPTS: Final = 100
"""Maximum number of attempts; each takes a few milliseconds."""


class Contents(NamedTuple):
    """Summary of a database, for comparing a copy with its source.

    Attributes:
        objects: Type, name, table and SQL of each table, index, trigger and view.
        rows: The number of rows by table.
    """

    objects: frozenset[tuple[str | None, ...]]
    rows: dict[str, int]


def contents_of(raw: sqlcipher.Connection) -> Contents:
    """Return the summary of a database; call it in a transaction, or while no other connection writes."""
    objects = frozenset(raw.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_master").fetchall())
    # A virtual table has no pages: those of the search index are in tables that are counted.
    tables = raw.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0").fetchall()
    rows = dict[str, int]()
    for (name,) in tables:
        quoted = '"' + name.replace('"', '""') + '"'
        # Not by an index: the copy rebuilds a damaged index, which should not prevent a backup.
        (rows[name],) = raw.execute(f"SELECT count(*) FROM main.{quoted} NOT INDEXED").fetchone()  # noqa: S608
    require_authentic(raw)
    return Contents(objects, rows)


def require_same(temporary: Path, key: VaultKey, expected: Contents, path: Path) -> None:
    """Open a copy with its key and compare it with its source.

    Args:
        temporary: The copy.
        key: Its key.
        expected: What the source contains.
        path: The file that errors name.

    Raises:
        VaultDamagedError: Objects of the schema or numbers of rows differ.
    """
    with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings(read_only=True))) as raw:
        found = contents_of(raw)
    if differing := sorted({str(name) for _, name, *_ in found.objects ^ expected.objects}):
        problem = f"its schema is not the original's: {', '.join(differing[:3])}"
    elif differing := sorted(name for name, count in expected.rows.items() if found.rows.get(name) != count):
        problem = f"its numbers of rows are not the original's: {', '.join(differing[:3])}"
    else:
        return
    raise VaultDamagedError(path, f"the copy does not match the original and was deleted; {problem}")


def copy_at_rest(raw: sqlcipher.Connection, temporary: Path, operation: Operation) -> Contents:
    """Copy a database that no other connection changes into an empty file, under its key; return its summary."""
    _vacuum_into(raw, temporary, operation, lambda: True)
    return contents_of(raw)


def copy_snapshot(
    connection: Callable[[], AbstractContextManager[sqlcipher.Connection]], temporary: Path, operation: Operation
) -> Contents:
    """Copy a snapshot of a database into an empty file, under its key, while others write; return its summary.

    Args:
        connection: Opens a connection to the source.
        temporary: The empty file of the copy.
        operation: Receives the progress, and stops the work on request.

    Raises:
        VaultBusyError: Another connection committed during every attempt to begin the copy.
    """
    with ExitStack() as connections:
        raw, reader, watcher = (connections.enter_context(connection()) for _ in range(3))
        for attempt in range(ATTEMPTS):
            operation.check()
            beginning = _Beginning(watcher, keep_writers_out=attempt >= ATTEMPTS_BESIDE_WRITERS)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the snapshot is taken by the first read
            try:
                _vacuum_into(raw, temporary, operation, beginning.end)
            except sqlcipher.OperationalError as error:
                if beginning.end() or result_code(error) != sqlite3.SQLITE_INTERRUPT:
                    raise
            finally:
                undisturbed = beginning.end()
            if undisturbed:
                return contents_of(reader)
            reader.execute("ROLLBACK")
            temporary.write_bytes(b"")
    raise VaultBusyError(None, "other connections kept committing, so the copy could not begin; try again")


class _Beginning:
    """Interval between a reader's first read and the copy's, in which there must be no commit.

    Args:
        watcher: A connection that does nothing else.
        keep_writers_out: Hold the write lock meanwhile, if it is free. Another connection that has it may be in the
            middle of a long transaction, and has not committed.
    """

    def __init__(self, watcher: sqlcipher.Connection, *, keep_writers_out: bool) -> None:
        self._watcher = watcher
        self._undisturbed: bool | None = None
        if keep_writers_out:
            try:
                watcher.execute("BEGIN IMMEDIATE")
            except sqlcipher.OperationalError as error:
                if result_code(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY):
                    raise
        self._version = self._version_now()

    def _version_now(self) -> int:
        """Return a number that commits of other connections change.

        See https://sqlite.org/pragma.html#pragma_data_version.
        """
        (version,) = self._watcher.execute("PRAGMA main.data_version").fetchone()
        return int(version)

    def end(self) -> bool:
        """Note at the first call that the copy has begun to read; return whether there was no commit before that.

        The first progress report calls it: SQLite sends one after a hundred opcodes of a statement, and begins to read
        before the first statement of the copy with that many.
        """
        if self._undisturbed is None:
            self._undisturbed = self._version_now() == self._version
            if self._watcher.in_transaction:
                self._watcher.execute("ROLLBACK")
        return self._undisturbed


def _vacuum_into(
    raw: sqlcipher.Connection, temporary: Path, operation: Operation, is_wanted: Callable[[], bool]
) -> None:
    """Copy the snapshot of a connection into an empty file, under its key.

    The file is named by a URI, because SQLite would take a path that begins with ``file:`` for one.
    """

    def measure() -> int:
        if not is_wanted():
            raise InterruptedError  # in a progress report, which interrupts the statement
        return pages_in(temporary)

    (page_count,) = raw.execute("PRAGMA page_count").fetchone()
    (free_count,) = raw.execute("PRAGMA freelist_count").fetchone()
    with registered(temporary), operation.phase(raw, "copy", page_count - free_count, measure):
        try:
            raw.execute("VACUUM INTO ?", (vault_uri(temporary),))
        except sqlcipher.Error as error:
            note_reason(error, temporary, (page_count - free_count) * PAGE_BYTES)
            raise
        require_authentic(raw)


def pages_in(file: Path) -> int:
    """Return the number of pages of a file."""
    return file.stat().st_size // PAGE_BYTES
