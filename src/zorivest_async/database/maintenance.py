"""Looking after a vault file: verifying it, copying it, changing its key.

Plain functions that block; call them in a thread. Each opens a connection of its own.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.files import new_file, publish, sync_file, sync_folder, typed_os_errors
from zorivest_async.database.vault_file import stamp_schema
from zorivest_async.errors import VaultDamagedError, VaultInUseError
from zorivest_async.security import ApiKeyCipher, VaultKey

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VerifyReport", "backup", "rekey", "verify"]

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
        problems: A sentence each, most basic first; empty where the vault is sound.
        page_count: Pages that were authenticated.
    """

    problems: tuple[str, ...]
    page_count: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(raw: sqlcipher.Connection) -> VerifyReport:
    """Check every page, structure and reference of the vault behind a connection."""
    problems: list[str] = []
    try:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        problems += (row[0] for row in raw.execute("PRAGMA cipher_integrity_check"))
        problems += (row[0] for row in raw.execute("PRAGMA integrity_check") if row[0] != "ok")
        problems += (
            f"row {row_id} of {table} refers to a row of {parent} that does not exist"
            for table, row_id, parent, _ in raw.execute("PRAGMA foreign_key_check")
        )
        problems += (
            f"image {image_id} belongs to a {owner_type} that does not exist"
            for image_id, owner_type in raw.execute(_ORPHANED_IMAGES)
        )
    except sqlcipher.DatabaseError as error:
        return VerifyReport((*problems, f"the check could not go on: {error}"), 0)
    return VerifyReport(tuple(problems), page_count)


def backup(source: Path, key: VaultKey, destination: Path) -> None:
    """Copy a consistent state of a vault, with the same key, while others use it.

    Raises:
        VaultError: Something is at the destination already, or it cannot be written.
        VaultFullError: The disk is full.
        VaultDamagedError: The copy does not verify.
    """
    with typed_os_errors(destination), new_file(destination) as temporary:
        temporary.unlink()  # VACUUM INTO makes its file itself
        with closing(open_cipher(vault_uri(source), key, ConnectionSettings())) as raw:
            raw.execute("VACUUM INTO ?", (str(temporary),))
        temporary.chmod(0o600)
        _publish_verified(temporary, destination, key, publish)


def rekey(path: Path, old: VaultKey, new: VaultKey) -> None:
    """Replace a vault by a copy of itself under another key; at every moment exactly one of the two keys opens it.

    Nothing in this process may hold the vault open. The API keys in it are encrypted anew. ``PRAGMA rekey`` is not
    used: interrupted, it loses the vault.

    Raises:
        VaultInUseError: Another process holds the vault; nothing has changed.
        VaultFullError: The disk is full; nothing has changed.
        VaultDamagedError: The copy does not verify; nothing has changed.
    """
    with typed_os_errors(path), new_file(path) as temporary:
        with closing(open_cipher(vault_uri(path), old, ConnectionSettings())) as raw:
            _require_alone(raw, path)
            spec = new.raw_key_spec()
            raw.execute("ATTACH DATABASE ? AS target KEY ?", (str(temporary), spec.decode()))
            spec[:] = bytes(len(spec))
            raw.execute("SELECT sqlcipher_export('target')").fetchall()
            raw.execute("DETACH DATABASE target")
        with closing(open_cipher(vault_uri(temporary), new, ConnectionSettings())) as raw:
            stamp_schema(raw)
            _encrypt_api_keys_anew(raw, ApiKeyCipher(old.key), ApiKeyCipher(new.key))
        _publish_verified(temporary, path, new, Path.replace)


def _require_alone(raw: sqlcipher.Connection, path: Path) -> None:
    """Leave WAL mode, which SQLite allows to the only connection to a file."""
    try:
        (mode,) = raw.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlcipher.OperationalError as error:
        raise VaultInUseError(path) from error
    if mode != "delete":
        raise VaultInUseError(path)


def _encrypt_api_keys_anew(raw: sqlcipher.Connection, old: ApiKeyCipher, new: ApiKeyCipher) -> None:
    stored = raw.execute(
        "SELECT encrypted_api_key, provider_name FROM market_provider_settings WHERE encrypted_api_key IS NOT NULL"
    ).fetchall()
    raw.executemany(
        "UPDATE market_provider_settings SET encrypted_api_key = ? WHERE provider_name = ?",
        [(new.encrypt(old.decrypt(api_key)), provider) for api_key, provider in stored],
    )


def _publish_verified(temporary: Path, path: Path, key: VaultKey, give_name: Callable[[Path, Path], object]) -> None:
    with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
        report = verify(raw)
    if not report.ok:
        raise VaultDamagedError(path, f"the copy does not verify, so it was thrown away: {report.problems[0]}")
    sync_file(temporary)
    give_name(temporary, path)
    sync_folder(path.parent)
