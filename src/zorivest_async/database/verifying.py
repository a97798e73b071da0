"""Checking all of a vault, and telling what is wrong with it. Plain functions that block; call them in a thread."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.driver import require_authentic
from zorivest_async.database.failures import result_code, vault_error_of
from zorivest_async.database.long_operation import Operation
from zorivest_async.database.search_schema import WRONG_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["VerifyReport", "verify"]

_EVERY_ROW: Final = 2**31 - 1
"""``PRAGMA integrity_check`` stops after 100 problems unless told otherwise."""

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
"""Results of a check that say nothing about the vault (https://sqlite.org/rescode.html)."""

_ORPHANED_IMAGES = """
    SELECT id, owner_type FROM images WHERE NOT CASE owner_type
        WHEN 'trade' THEN EXISTS (SELECT 1 FROM trades WHERE exec_id = owner_id)
        WHEN 'report' THEN EXISTS (SELECT 1 FROM trade_reports WHERE CAST(id AS TEXT) = owner_id)
        WHEN 'plan' THEN EXISTS (SELECT 1 FROM trade_plans WHERE CAST(id AS TEXT) = owner_id)
    END
"""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :meth:`zorivest_async.Vault.verify` found.

    Attributes:
        problems: A sentence in one line each, most basic first; empty where the vault is sound.
        page_count: Pages that were authenticated.
    """

    problems: tuple[str, ...]
    page_count: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(
    connect: Callable[[], sqlcipher.Connection], path: Path | None, operation: Operation | None = None
) -> VerifyReport:
    """Check every page, structure and reference of a vault; what is wrong with it raises nothing once it is open.

    Each check has a connection of its own: one that has read a page that does not authenticate reads nothing more, and
    would take sound pages for broken ones. Where that keeps a check from going on, that is a problem of its own.

    Args:
        connect: Opens a connection.
        path: The vault; ``None`` in memory.
        operation: Is told how far the checks are.

    Raises:
        VaultDamagedError: The vault is too damaged to be opened.
        WrongPassphraseError: As is one whose first page is damaged.
        VaultError: The checks cannot be made, for a reason that is no damage, such as a full disk.
    """
    operation = operation or Operation()
    problems = list[str]()
    with ExitStack() as connections:
        try:
            pages, structure, references, search = (connections.enter_context(closing(connect())) for _ in range(4))
            pages.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            (page_count,) = pages.execute("PRAGMA page_count").fetchone()
        except sqlcipher.DatabaseError as error:
            raise vault_error_of(error, path) from error
        for name, found in (
            ("pages", _bad_pages(pages, operation, page_count)),
            ("structure", _broken_structures(structure, operation, page_count)),
            ("references", _broken_references(references, operation, page_count)),
            ("the search index", _wrong_entries(search, operation, page_count)),
        ):
            try:
                problems.extend(found)
            except sqlcipher.DatabaseError as error:
                if result_code(error) in _NO_DAMAGE:
                    raise vault_error_of(error, path) from error
                problems.append(f"the check of {name} could not go on: {_in_one_line(error)}")
            except MemoryError:  # which is what SQLCipher may call a bad page
                problems.append(f"the check of {name} could not go on: a page could not be read")
    return VerifyReport(tuple(problems), page_count)


def _bad_pages(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    operation.report("pages", 0, page_count)
    with operation.detachable():
        rows = raw.execute("PRAGMA cipher_integrity_check").fetchall()
    operation.report("pages", page_count, page_count)
    yield from (row[0] for row in rows)


def _broken_structures(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "structure", page_count):
        for (answer,) in _authentic(raw, f"PRAGMA integrity_check({_EVERY_ROW})"):
            # An answer may be a block of several, under a heading with asterisks.
            yield from (line for line in answer.splitlines() if line != "ok" and not line.startswith("***"))


def _broken_references(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "references", page_count):
        for table, row_id, parent, _ in _authentic(raw, "PRAGMA foreign_key_check"):
            yield f"row {row_id} of {table} refers to a row of {parent} that does not exist"
        for image_id, owner_type in _authentic(raw, _ORPHANED_IMAGES):
            yield f"image {image_id} belongs to a {owner_type} that does not exist"


def _wrong_entries(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    """Compare the search index with the tables; whether it is right in itself is a matter of structure."""
    with operation.phase(raw, "search", page_count):
        for table, query in WRONG_ENTRIES.items():
            if wrong := sum(1 for _ in _authentic(raw, query)):
                yield f"the search index is wrong about {wrong} rows of {table}; uow.search.rebuild() makes it anew"


def _authentic(raw: sqlcipher.Connection, statement: str) -> Iterator[Any]:
    """Yield the rows that a statement gives before it meets a page that does not authenticate.

    Raises:
        sqlcipher3.dbapi2.DatabaseError: It met one.
    """
    for row in raw.execute(statement):
        require_authentic(raw)
        yield row
    require_authentic(raw)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
