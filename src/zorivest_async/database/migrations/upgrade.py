"""Upgrading a vault that an older release wrote. Plain functions that block; call them in a thread."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

from zorivest_async.database import maintenance
from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.failures import result_code
from zorivest_async.database.files import is_spent, new_file, sidecars_of, sync_folder, typed_os_errors
from zorivest_async.database.long_operation import Operation
from zorivest_async.database.search_schema import trigger_statements
from zorivest_async.errors import VaultError, VaultFullError, VaultInUseError, VaultUpgradeError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.security import VaultKey

__all__ = ["upgrade_file"]


def upgrade_file(path: Path, key: VaultKey, newest: int, operation: Operation | None = None) -> None:
    """Replace a vault by a copy of itself with the schema of this release, and keep the old one beside it.

    The copy is upgraded in one transaction and verified before it takes the vault's place in one step: whatever fails,
    and whenever the process ends, the vault is the old one, byte for byte, or the new one, complete. The old one stays
    as ``<name>.v<version>.backup``. The caller holds the vault's lock alone; a vault that somebody else has upgraded by
    now is left alone.

    Args:
        path: The vault.
        key: Its key.
        newest: The version that the revisions lead to.
        operation: Takes reports, and tells when to stop.

    Raises:
        VaultUpgradeError: A revision failed, or what came of it does not verify.
        VaultInUseError: Somebody who does not know the lock holds the vault.
        VaultFullError: The disk is full.
        VaultError: The folder cannot be written to.
    """
    operation = operation or Operation()
    with typed_os_errors(path), new_file(path) as temporary:
        with closing(open_cipher(vault_uri(path), key, ConnectionSettings(read_only=True))) as raw:
            version = _version(raw)
        if version >= newest:
            return
        _require_alone(path)
        with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
            changes = _changes(raw)
            maintenance.copy_database(raw, temporary, operation)
            _upgrade_copy(path, temporary, key, operation)
            if _changes(raw) != changes:
                raise VaultInUseError(path)
        _require_alone(path)
        maintenance.backup(path, key, _free_name(path, version), operation)
        with operation.publishing():
            _require_alone(path)
            temporary.replace(path)
            sync_folder(path.parent)


def _version(raw: sqlcipher.Connection) -> int:
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    return int(version)


def _changes(raw: sqlcipher.Connection) -> int:
    """Return a number that another connection's commit changes (https://sqlite.org/pragma.html#pragma_data_version)."""
    (changes,) = raw.execute("PRAGMA data_version").fetchone()
    return int(changes)


def _require_alone(path: Path) -> None:
    """Refuse a vault that has sidecars after a connection was closed: the last one to close removes them.

    Asking SQLite to leave WAL mode would tell as much, but change the file.
    """
    if any(not is_spent(file) for file in sidecars_of(path)):
        raise VaultInUseError(path)


def _upgrade_copy(path: Path, copy: Path, key: VaultKey, operation: Operation) -> None:
    with closing(open_cipher(vault_uri(copy), key, ConnectionSettings())) as raw:
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        try:
            with operation.phase(raw, "upgrade", page_count):
                _run_revisions(raw, path)
        except VaultError:
            raise
        except Exception as error:  # a revision may raise anything; whoever had it interrupted hears nothing of it
            if result_code(getattr(error, "orig", error)) == sqlite3.SQLITE_FULL:
                raise VaultFullError(path) from error
            raise VaultUpgradeError(path) from error
    maintenance.require_sound(copy, key, path, operation)


def _run_revisions(raw: sqlcipher.Connection, path: Path) -> None:
    from zorivest_async.database.migrations.revisions import at_head  # noqa: PLC0415 - importing Alembic is slow

    row_numbers = raw.execute("SELECT seq, name FROM sqlite_sequence").fetchall()
    broken = _broken_references(raw)
    with at_head(raw):
        # A table that was rebuilt knows the row numbers it has, but not those of deleted rows.
        raw.executemany("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", row_numbers)
        for statement in trigger_statements():  # which it has lost
            raw.execute(statement)
        if _broken_references(raw) - broken:  # what was broken before is no reason to shut the owner out
            raise VaultUpgradeError(path, "an upgraded row refers to one that is not there; the vault is as it was")


def _broken_references(raw: sqlcipher.Connection) -> Counter[tuple[str, str]]:
    """Count the rows of each table that refer to a row of another that does not exist."""
    return Counter((table, parent) for table, _, parent, _ in raw.execute("PRAGMA foreign_key_check"))


def _free_name(path: Path, version: int) -> Path:
    names = (f"{path.name}.v{version}{f'-{number}' if number else ''}.backup" for number in count())
    return next(file for file in map(path.with_name, names) if not file.exists())
