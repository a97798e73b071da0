"""Verification of a vault. The functions block: call them in a thread."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.authentication import require_authentic
from zorivest_async.database.sqlcipher.failures import result_code, vault_error_of
from zorivest_async.database.sqlcipher.image_owners import ORPHANED_IMAGES
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.search_schema import WRONG_ENTRIES
from zorivest_async.database.tables import SET_ASIDE
from zorivest_async.vault.schema_check import check_schema_of
from zorivest_async.vault.verify_report import VerifyReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["verify"]

_EVERY_ROW: Final = 2**31 - 1
"""Argument of ``PRAGMA integrity_check``, which otherwise stops after 100 problems."""

_NO_DAMAGE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
"""Result codes of a check that are not about the vault (https://sqlite.org/rescode.html)."""


def verify(
    connect: Callable[[], sqlcipher.Connection], path: Path | None, operation: Operation | None = None
) -> VerifyReport:
    """Check every page, structure and reference of a vault; problems are reported, not raised.

    Each check has a separate connection, because a connection that has read a damaged page reads nothing more, and
    would report sound pages as damaged. A check that cannot continue is reported as a problem.

    Args:
        connect: Opens a connection.
        path: The vault; ``None`` in memory.
        operation: Receives the progress.

    Raises:
        VaultDamagedError: The vault is too damaged to be opened.
        WrongPassphraseError: The first page is damaged.
        VaultError: The checks failed for another reason than damage, such as a full disk.
    """
    operation = operation or Operation()
    problems, notes = list[str](), list[str]()
    with ExitStack() as connections:
        try:
            pages, structure, schema, references, search = (
                connections.enter_context(closing(connect())) for _ in range(5)
            )
            pages.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            (page_count,) = pages.execute("PRAGMA page_count").fetchone()
        except sqlcipher.DatabaseError as error:
            raise vault_error_of(error, path) from error
        for name, found in (
            ("pages", _bad_pages(pages, operation, page_count)),
            ("structure", _broken_structures(structure, operation, page_count)),
            ("the schema", _changed_schema(schema, notes)),
            ("references", _broken_references(references, operation, page_count)),
            ("the search index", _wrong_entries(search, operation, page_count)),
        ):
            try:
                problems.extend(found)
            except sqlcipher.DatabaseError as error:
                if result_code(error) in _NO_DAMAGE:
                    raise vault_error_of(error, path) from error
                problems.append(f"the check of {name} could not continue: {_in_one_line(error)}")
            except MemoryError:  # SQLCipher may raise it for a damaged page
                problems.append(f"the check of {name} could not continue: a page could not be read")
    return VerifyReport(tuple(problems), page_count, tuple(notes))


def _bad_pages(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    operation.report("pages", 0, page_count)
    with operation.detachable():
        rows = raw.execute("PRAGMA cipher_integrity_check").fetchall()
    operation.report("pages", page_count, page_count)
    yield from (row[0] for row in rows)


def _broken_structures(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "structure", page_count):
        for (answer,) in _authentic(raw, f"PRAGMA integrity_check({_EVERY_ROW})"):
            # A result may be a block of several lines, under a heading with asterisks.
            yield from (line for line in answer.splitlines() if line != "ok" and not line.startswith("***"))


def _changed_schema(raw: sqlcipher.Connection, notes: list[str]) -> Iterator[str]:
    """Compare the schema with the library's, and note additions."""
    report = check_schema_of(raw)
    require_authentic(raw)
    notes.extend(f"not the library's: {addition}" for addition in report.additions)
    yield from (f"another program has changed the schema: {change}" for change in report.changes)


def _broken_references(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "references", page_count):
        for table, row_id, parent, _ in _authentic(raw, "PRAGMA foreign_key_check"):
            yield f"row {row_id} of {table} refers to a row of {parent} that does not exist"
        set_aside = 0
        for image_id, owner_type, is_set_aside in _authentic(raw, ORPHANED_IMAGES):
            set_aside += is_set_aside
            if not is_set_aside:
                yield f"image {image_id} belongs to a {owner_type} that does not exist"
        if set_aside:
            yield (
                f"images without an existing owner: {set_aside}, whose owner_id begins with {SET_ASIDE!r}; delete "
                "them, or give them the owner_id of an existing row"
            )


def _wrong_entries(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    """Compare the search index with the tables; its own consistency is part of the structure check."""
    with operation.phase(raw, "search", page_count):
        for table, query in WRONG_ENTRIES.items():
            if wrong := sum(1 for _ in _authentic(raw, query)):
                yield f"the search index is wrong about {wrong} rows of {table}; rebuild it with uow.search.rebuild()"


def _authentic(raw: sqlcipher.Connection, statement: str) -> Iterator[Any]:
    """Yield the rows of a statement until a page fails authentication.

    Raises:
        sqlcipher3.dbapi2.DatabaseError: A page failed authentication.
    """
    for row in raw.execute(statement):
        require_authentic(raw)
        yield row
    require_authentic(raw)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
