"""Upgrade of a vault that an older release wrote. The functions block: call them in a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

from zorivest_async.database.migrations.references import broken_references
from zorivest_async.database.migrations.rows_kept import keep_given_numbers
from zorivest_async.database.migrations.user_objects import refusal, users_objects_aside
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.ddl import shown
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.errors import VaultError, VaultFullError, VaultInUseError, VaultUpgradeError
from zorivest_async.vault import maintenance
from zorivest_async.vault.copying import copy_at_rest, require_same
from zorivest_async.vault.files import replace_database, typed_os_errors
from zorivest_async.vault.sidecars import is_spent, sidecars_of
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from pathlib import Path

    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.sqlcipher.ddl import Schema
    from zorivest_async.security import VaultKey

__all__ = ["upgrade_file"]


def upgrade_file(path: Path, key: VaultKey, newest: int, operation: Operation | None = None) -> None:
    """Replace a vault with a copy of itself that has the schema of this release, and keep the old vault beside it.

    The copy is upgraded in one transaction and verified, and then replaces the vault in one step. If a step fails or
    the process ends, the vault is either the old one, byte for byte, or the new one, complete. The old vault is kept as
    ``<name>.v<version>.backup``. The caller holds the vault's exclusive lock. A vault that another process has already
    upgraded is not touched.

    Args:
        path: The vault.
        key: Its key.
        newest: The version that the revisions lead to.
        operation: Receives the progress, and stops the work on request.

    Raises:
        VaultUpgradeError: A revision failed, the upgraded copy does not verify, or a user's object cannot be kept.
        VaultInUseError: A process that does not use the lock has the vault open.
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
            contents = copy_at_rest(raw, temporary, operation)
            require_same(temporary, key, contents, path)
            _upgrade_copy(path, temporary, key, newest, operation)
            if _changes(raw) != changes:
                raise VaultInUseError(path)
        _require_alone(path)
        maintenance.backup(path, key, _free_name(path, version), operation)
        with operation.publishing():
            _require_alone(path)
            replace_database(temporary, path)


def _version(raw: sqlcipher.Connection) -> int:
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    return int(version)


def _changes(raw: sqlcipher.Connection) -> int:
    """Return a number that commits of other connections change.

    See https://sqlite.org/pragma.html#pragma_data_version.
    """
    (changes,) = raw.execute("PRAGMA data_version").fetchone()
    return int(changes)


def _require_alone(path: Path) -> None:
    """Refuse a vault that has sidecars after a connection was closed: the last connection to close removes them.

    Leaving WAL mode would be an equal check, but it changes the file.
    """
    if any(not is_spent(file) for file in sidecars_of(path)):
        raise VaultInUseError(path)


def _upgrade_copy(path: Path, copy: Path, key: VaultKey, newest: int, operation: Operation) -> None:
    with closing(open_cipher(vault_uri(copy), key, ConnectionSettings())) as raw:
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        try:
            operation.report("upgrade", 0, page_count)
            made = _made_by_the_library(raw, path, newest, operation)
            with operation.phase(raw, "upgrade", page_count):
                _run_revisions(raw, path, key, *made)
        except VaultError:
            raise
        except Exception as error:  # a revision may raise anything; after an interrupt the caller does not see it
            if result_code(getattr(error, "orig", error)) == sqlite3.SQLITE_FULL:
                raise VaultFullError(path) from error
            raise VaultUpgradeError(path) from error
    maintenance.require_sound(copy, key, path, operation)


def _made_by_the_library(
    raw: sqlcipher.Connection, path: Path, newest: int, operation: Operation
) -> tuple[Schema, Schema]:
    """Return the library's schema of this vault's version, and of the newest version."""
    from zorivest_async.database.migrations.history import schema_at  # noqa: PLC0415 - importing Alembic is slow

    version = _version(raw)
    if version < 1:
        raise VaultUpgradeError(path, f"its schema has version {version}, which no release has written")
    return schema_at(version, operation), schema_at(newest, operation)


def _run_revisions(raw: sqlcipher.Connection, path: Path, key: VaultKey, before: Schema, after: Schema) -> None:
    from zorivest_async.database.migrations.history import make_triggers_again  # noqa: PLC0415 - see above
    from zorivest_async.database.migrations.revisions import revising  # noqa: PLC0415

    row_numbers = raw.execute("SELECT seq, name FROM sqlite_sequence").fetchall()
    broken = broken_references(raw)
    with revising(raw, key) as run:
        with users_objects_aside(raw, path, before, after):
            run()
            make_triggers_again(raw)
        keep_given_numbers(raw, row_numbers)
        # References that were already broken should not prevent the upgrade.
        if tables := sorted({table for table, _ in broken_references(raw) - broken}):
            raise refusal(path, [(name, f"upgraded rows of {shown(name)} refer to missing rows") for name in tables])


def _free_name(path: Path, version: int) -> Path:
    names = (f"{path.name}.v{version}{f'-{number}' if number else ''}.backup" for number in count())
    return next(file for file in map(path.with_name, names) if not file.exists())
