"""Schemas that were written past SQLite's parser: whoever opens such a file gets an error of the library."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from plaintext_journal import make_plaintext
from workers.ledger import KEY
from workers.truth import fill
from zorivest_async import Vault, VaultDamagedError, VaultError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey
from zorivest_async.vault.file_format import read_salt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

CHANGES = {
    "table": "SET name = CAST(x'ff' AS TEXT), sql = 'nonsense' WHERE name = 'trades'",
    "index": "SET name = CAST(x'6180' AS TEXT) WHERE type = 'index' AND sql IS NULL AND tbl_name = 'trades'",
    "definition": "SET sql = CAST('CREATE TABLE ' || x'22ff22' || '(' AS TEXT) WHERE name = 'trades'",
    "number": "SET name = 7, sql = 8 WHERE name = 'trades'",
    "root page": "SET rootpage = 2147483647 WHERE name = 'trades'",
}
"""Changes of the schema; the names of the first three are no UTF-8."""


async def _open(path: Path) -> None:
    async with Vault.open(path, key=KEY, create=False) as vault, vault.unit_of_work(read_only=True) as uow:
        await uow.trades.list_all()


USES: dict[str, Callable[[Path], Awaitable[object]]] = {
    "open": _open,
    "restore": lambda path: Vault.restore(path, path.with_name("restored.vault"), key=KEY),
}


async def _make(path: Path) -> None:
    async with Vault.open(path, key=KEY) as vault:
        await fill(vault, 5, 9_000)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_vault_with_a_malformed_schema_is_damaged(change: str, use: str, vault_path: Path) -> None:
    """SQLite says so in the words of the schema, which the driver cannot always read."""
    asyncio.run(_make(vault_path))
    with closing(open_cipher(vault_uri(vault_path), VaultKey(KEY, read_salt(vault_path)), ConnectionSettings())) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        assert raw.execute(f"UPDATE sqlite_schema {CHANGES[change]}").rowcount
    with pytest.raises(VaultDamagedError):
        asyncio.run(_use(use, vault_path))
    assert not vault_path.with_name("restored.vault").exists()


async def _use(use: str, path: Path) -> None:
    await USES[use](path)


@pytest.mark.parametrize("change", ["table", "index", "definition", "root page"])
def test_a_plaintext_journal_with_a_malformed_schema_is_damaged(change: str, tmp_path: Path) -> None:
    """It makes no vault."""
    source = make_plaintext(tmp_path / "journal.db")
    with closing(sqlite3.connect(source)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        assert raw.execute(f"UPDATE sqlite_schema {CHANGES[change]}").rowcount
    with pytest.raises(VaultDamagedError):
        asyncio.run(_adopt(source))
    assert not source.with_name("journal.vault").exists()


def test_a_column_whose_name_is_no_utf_8_is_no_bare_error(tmp_path: Path) -> None:
    """Nothing of the table can be read."""
    source = make_plaintext(tmp_path / "journal.db")
    data = source.read_bytes()
    source.write_bytes(data.replace(b"instrument VARCHAR", b"instr\xffment VARCHAR", 1))
    assert source.read_bytes() != data
    with pytest.raises(VaultError):
        asyncio.run(_adopt(source))


async def _adopt(source: Path) -> None:
    await Vault.adopt(source, source.with_name("journal.vault"), key=KEY)
