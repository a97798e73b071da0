"""Check of a rollback journal beside a vault, which SQLite plays back before it reads the first page.

A forged journal needs no key, and SQLite obeys its size of the database: a file of 100 kB could become one of
terabytes, and SQLite would then read each page (https://sqlite.org/fileformat2.html#the_rollback_journal).

The functions block: call them in a thread.
"""

from __future__ import annotations

import stat
from pathlib import Path
from struct import unpack_from
from typing import Final

from zorivest_async.errors import VaultError

__all__ = ["require_plausible_journal"]

_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
_HEADER_BYTES: Final = 28


def require_plausible_journal(path: str) -> None:
    """Check that a rollback journal beside a database, if there is one, may belong to it.

    A transaction that shrinks a database first writes the removed pages to the journal. Therefore the size before it is
    at most the size of both files together.

    Args:
        path: The database.

    Raises:
        VaultError: The journal announces a larger size.
    """
    database = Path(path).resolve()  # SQLite looks for the journal beside the resolved path
    journal = database.with_name(f"{database.name}-journal")
    try:
        status = journal.stat()
        if not stat.S_ISREG(status.st_mode):
            return
        with journal.open("rb") as file:  # SQLite has no locks on this file that closing it could drop
            header = file.read(_HEADER_BYTES)
    except OSError:  # it does not exist, or SQLite cannot read it either
        return
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        return
    pages, page_bytes = unpack_from(">I4xI", header, 16)
    if pages * page_bytes > database.stat().st_size + status.st_size:
        problem = f"{journal.name} is not this vault's rollback journal: move it away, and open the vault again"
        raise VaultError(path, problem)
