"""Hostile contents of a vault, made by one who has the key: every page authenticates, and what is on it is odd."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import strategies as st
from sqlcipher3 import dbapi2 as sqlcipher

from fuzzing.target import Edit, Target, edit, edits, run
from fuzzing.vaults import KEY, folder, left_beside, seed, use
from zorivest_async import Vault, VaultError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["VAULT_PAGES"]

PAGE_BYTES: Final = 4096
_SALT_BYTES: Final = 16
_IV_BYTES: Final = 16
_MAC_BYTES: Final = 64
_CONTENT_BYTES: Final = PAGE_BYTES - _IV_BYTES - _MAC_BYTES
"""SQLCipher 4's page: AES-256-CBC, the IV, and HMAC-SHA512 over both and the page's number
(https://www.zetetic.net/sqlcipher/design/)."""

_TABLES: Final = (
    "accounts", "trades", "trade_reports", "trade_plans", "images", "watchlists", "watchlist_items",
    "balance_snapshots", "settings", "market_provider_settings", "sqlite_schema",
)  # fmt: skip
_COLUMNS: Final = (
    "exec_id", "time", "instrument", "action", "quantity", "price", "account_id", "id", "owner_type", "owner_id",
    "data", "thumbnail", "mime_type", "width", "height", "created_at", "name", "account_type", "currency", "tags",
    "trade_id", "setup_quality", "ticker", "direction", "status", "conviction", "datetime", "balance", "key", "value",
    "value_type", "provider_name", "encrypted_api_key", "rate_limit", "is_enabled", "sql", "rootpage", "type",
    "tbl_name",
)  # fmt: skip
_VALUES: Final = [
    "NULL", "0", "-1", "2", "1.5", "9e999", "9223372036854775807", "''", "'x'", "x''", "x'ff'", "CAST(x'ff' AS TEXT)",
    "char(0)", "'a' || char(0)", "zeroblob(5000)", "zeroblob(30000000)", "randomblob(100000)", "'json'", "'float'",
    "'nan'", "'[1'", "'ENC:gAAAAA'", "'2024-02-30'", "'9999-12-31 23:59:59.999999'", "'24:00'", "253402300799999999",
    "'table'", "'index'", "'trigger'", "'CREATE TABLE x(a)'", "'CREATE VIRTUAL TABLE x USING fts5(a)'", "rootpage + 1",
    "replace(sql, 'TEXT', 'BLOB')", "replace(sql, 'NOT NULL', '')", "replace(sql, 'CHECK', 'CONSTRAINT')",
]  # fmt: skip
_STATEMENTS: Final = [
    "DELETE FROM zorivest_search_data WHERE id > 10",
    "UPDATE zorivest_search_data SET block = zeroblob(100)",
    "UPDATE zorivest_search_data SET block = randomblob(200)",
    "UPDATE zorivest_search_data SET block = x'ffffffffffffffffffff'",
    "DELETE FROM zorivest_search_docsize",
    "UPDATE zorivest_search_docsize SET sz = x'ffffffffffffff7f'",
    "UPDATE zorivest_search_config SET v = 99",
    "DELETE FROM zorivest_search_idx",
    "DROP TABLE zorivest_search",
    "CREATE TRIGGER more AFTER INSERT ON settings BEGIN DELETE FROM trades; END",
    "CREATE TRIGGER more BEFORE DELETE ON trades BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER more AFTER UPDATE ON settings BEGIN UPDATE settings SET value = value || 'x'; END",
    "CREATE VIEW more AS SELECT * FROM nothing",
    "CREATE INDEX more ON trades (abs(quantity))",
    "CREATE TABLE more (a REFERENCES trades (exec_id) ON DELETE RESTRICT)",
    "INSERT INTO more VALUES ('00001')",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 2",
    "PRAGMA user_version = -5",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 1",
    "PRAGMA journal_mode = DELETE",
    "DELETE FROM accounts",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807",
]


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a vault.

    Attributes:
        values: Table, column, row number and the SQL of a value.
        statements: Other SQL.
        pages: Page number, and changes of what is on it.
        action: What is done with it.
    """

    values: list[tuple[str, str, int, str]]
    statements: list[str]
    pages: list[tuple[int, list[Edit]]]
    action: str


_INPUTS: Final = st.builds(
    Contents,
    st.lists(
        st.tuples(st.sampled_from(_TABLES), st.sampled_from(_COLUMNS), st.integers(0, 9), st.sampled_from(_VALUES)),
        max_size=4,
    ),
    st.lists(st.sampled_from(_STATEMENTS), max_size=2),
    st.lists(st.tuples(st.integers(0, 3) | st.integers(0, 99), edits(4)), max_size=3),
    st.sampled_from(["use", "use", "restore"]),
)


class _Pages:
    """SQLCipher's encryption of pages under the seed's key."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        mask = bytes(byte ^ 0x3A for byte in salt)
        self._mac_key = hashlib.pbkdf2_hmac("sha512", KEY, mask, 2, 32)

    def decrypt(self, page: bytes, number: int) -> bytes:
        start = _SALT_BYTES if number == 1 else 0
        iv = page[_CONTENT_BYTES : _CONTENT_BYTES + _IV_BYTES]
        decryptor = Cipher(algorithms.AES(KEY), modes.CBC(iv)).decryptor()
        return bytes(start) + decryptor.update(page[start:_CONTENT_BYTES]) + decryptor.finalize()

    def encrypt(self, content: bytes, number: int) -> bytes:
        start = _SALT_BYTES if number == 1 else 0
        iv = bytes(_IV_BYTES)
        encryptor = Cipher(algorithms.AES(KEY), modes.CBC(iv)).encryptor()
        body = encryptor.update(content[start:]) + encryptor.finalize() + iv
        mac = hmac.digest(self._mac_key, body + number.to_bytes(4, "little"), "sha512")
        return (self._salt if number == 1 else b"") + body + mac


def _with_pages(data: bytes, changes: list[tuple[int, list[Edit]]]) -> bytes:
    pages = [data[start : start + PAGE_BYTES] for start in range(0, len(data), PAGE_BYTES)]
    cipher = _Pages(data[:_SALT_BYTES])
    for which, edited in changes:
        place = which % len(pages)
        content = edit(cipher.decrypt(pages[place], place + 1), edited)[:_CONTENT_BYTES].ljust(_CONTENT_BYTES, b"\0")
        pages[place] = cipher.encrypt(content, place + 1)
    return b"".join(pages)


def _lay_out(contents: Contents, path: Path) -> None:
    path.write_bytes(seed().vault)
    with closing(sqlcipher.connect(str(path), isolation_level=None)) as raw:
        raw.set_key(bytearray(f"x'{(KEY + seed().vault[:_SALT_BYTES]).hex()}'".encode()))
        raw.execute("PRAGMA cipher_log = OFF")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("PRAGMA writable_schema = ON")
        for statement in contents.statements:
            with suppress(sqlcipher.Error):
                raw.execute(statement)
        for table, column, row, value in contents.values:
            with suppress(sqlcipher.Error):
                raw.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = {row} OR {row} = 0")  # noqa: S608
        with suppress(sqlcipher.Error):
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path.write_bytes(_with_pages(path.read_bytes(), contents.pages))


def _check(contents: Contents) -> str:
    seed()
    with folder() as place:
        path = place / "hostile.vault"
        _lay_out(contents, path)
        ending = run(_use(path) if contents.action == "use" else _restore(path))
        left = left_beside(path, place / "restored")
        assert not left, left
        return ending


async def _use(path: Path) -> str:
    return "taken" if await use(path) else "refused"


async def _restore(path: Path) -> str:
    before = path.read_bytes()
    try:
        await Vault.restore(path, path.with_name("restored"), key=KEY)
    except VaultError:
        return "refused"
    finally:
        assert path.read_bytes() == before
    return await _use(path.with_name("restored"))


# FTS5 makes room for as many levels as its index announces, at most 1.2 GB, before it finds that there are none.
VAULT_PAGES: Final = Target(_INPUTS, _check, memory_mib=2_000)
