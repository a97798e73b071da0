"""The seed's connection tests, made async: names, steps and assertions are the seed's."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from zorivest_async import create_encrypted_connection, derive_key

if TYPE_CHECKING:
    from pathlib import Path


class TestSqlCipherConnection:
    """Encryption and key derivation."""

    @pytest.mark.asyncio
    async def test_create_encrypted_database(self, tmp_path: Path) -> None:
        """What was written cannot be read without the passphrase."""
        db_path = tmp_path / "test.db"
        conn = await create_encrypted_connection(str(db_path), passphrase="test123")
        # Write something
        await conn.execute("CREATE TABLE test (id INTEGER PRIMARY KEY)")
        await conn.commit()
        await conn.close()

        # Verify: opening without passphrase fails
        def read_without_passphrase() -> None:
            raw_conn = sqlite3.connect(str(db_path))
            try:
                raw_conn.execute("SELECT * FROM test")
            finally:
                raw_conn.close()

        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            await asyncio.to_thread(read_without_passphrase)

    @pytest.mark.asyncio
    async def test_the_passphrase_opens_what_was_written(self, tmp_path: Path) -> None:
        """With it the table is there: the failure without it was not an empty file's."""
        db_path = tmp_path / "test.db"
        for statement in ("CREATE TABLE test (id INTEGER PRIMARY KEY)", "SELECT * FROM test"):
            conn = await create_encrypted_connection(str(db_path), passphrase="test123")
            try:
                assert list(await conn.execute_fetchall(statement)) == []
                await conn.commit()
            finally:
                await conn.close()

    def test_argon2_key_derivation(self) -> None:
        """The same passphrase and salt give the same 256 bits."""
        key1 = derive_key("password", salt=b"0123456789abcdef")
        key2 = derive_key("password", salt=b"0123456789abcdef")
        assert key1 == key2  # deterministic
        assert len(key1) == 32  # 256-bit
