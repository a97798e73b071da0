"""Connections that hold the lock of their vault file, and watch the file, until they are closed.

The functions block: call them in a thread.
"""

from __future__ import annotations

import atexit
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher_as, vault_uri
from zorivest_async.database.sqlcipher.failures import result_code, vault_error_of
from zorivest_async.database.sqlcipher.process import FileConnection, current
from zorivest_async.errors import VaultInUseError, VaultReplacedError
from zorivest_async.vault.identity import FileWatch, held_elsewhere, require_one_name, required_file
from zorivest_async.vault.sidecars import sidecars_of

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.security import VaultKey
    from zorivest_async.vault.lock import VaultLock

__all__ = ["OPEN_BY_ANOTHER_NAME", "HeldConnection", "open_held", "share_file"]

OPEN_BY_ANOTHER_NAME: Final = "another process has this file open by another name; close it there"

EXIT_PATIENCE_S: Final = 0.5
"""How long an ending process waits for a connection's statement if the file was moved."""


class HeldConnection(FileConnection):
    """Connection to a vault file; when it is closed, all commits are in the file, and its share of the lock is freed.

    Attributes:
        lock: The file's lock.
    """

    lock: VaultLock | None = None

    def execute(self, *arguments: Any) -> sqlcipher.Cursor:
        """Execute a statement; its thread already has a gate."""
        return sqlcipher.Connection.execute(self, *arguments)

    def close(self) -> None:
        """Close the connection; if the file was moved, the WAL is written into it first."""
        if self.lock is not None and current() is self._process and self.watch is not None:
            with suppress(VaultReplacedError):
                self.watch.check(self)
        super().close()
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.let_go()

    def write_back_at_exit(self) -> None:
        """Write the WAL of a moved file back at exit, as the connection will not be closed."""
        watch, gate = self.watch, self.gate
        if self.lock is None or watch is None or gate is None or not watch.is_moved():
            return
        if not gate.acquire(timeout=EXIT_PATIENCE_S):
            self.interrupt()
            if not gate.acquire(timeout=EXIT_PATIENCE_S):
                return
        try:
            watch.write_back(self)
        finally:
            gate.release()


def open_held(
    path: Path, key: VaultKey, settings: ConnectionSettings, lock: VaultLock, watch: FileWatch
) -> HeldConnection:
    """Open a connection to the watched file, and check that it is the same file.

    Raises:
        VaultReplacedError: The name leads to another file, or to none.
        WrongPassphraseError: The key does not open it.
        VaultError: It cannot be opened.
    """
    watch.require_there()
    try:
        raw = open_cipher_as(HeldConnection, vault_uri(path), key, settings)
    except sqlcipher.DatabaseError as error:
        if result_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise  # the driver tries again
        raise vault_error_of(error, path) from error
    if raw.file != watch.file:
        raw.close()
        watch.ended = True
        raise VaultReplacedError(path)
    lock.retain()
    raw.lock, raw.watch = lock, watch
    return raw


def share_file(path: Path, lock: VaultLock) -> None:
    """Share a vault's lock with others that have the same file open by the same name.

    Raises:
        VaultInUseError: Another process has an earlier file of this name open, or this file by another name.
        VaultNotFoundError: The file does not exist.
        VaultError: The file has more than one name.
    """

    def number() -> int:
        return required_file(path)[1]

    def require_no_other_name() -> None:
        # A process that had the file open by this name would have a WAL here.
        if held_elsewhere(number()) and not sidecars_of(path):
            raise VaultInUseError(path, OPEN_BY_ANOTHER_NAME)

    lock.share_file(number, require_no_other_name)
    require_one_name(path)


@atexit.register
def _write_back_at_exit() -> None:
    for connection in current().connections.copy().values():
        raw = connection()
        if isinstance(raw, HeldConnection):
            raw.write_back_at_exit()
