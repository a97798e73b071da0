"""Repositories over what users bring: sessions, connections and engines of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from factories import make_account
from zorivest_async import RepositoryError, SqlAlchemyUnitOfWork, Vault, VaultError
from zorivest_async.database.models import AccountModel, SettingModel
from zorivest_async.database.queueing import WriteQueue
from zorivest_async.database.repositories import SqlAlchemyAccountRepository, SqlAlchemySettingRepository

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def test_a_session_is_flushed_before_a_repositorys_statement(vault: Vault) -> None:
    """What was added to it is found, as an ORM query would find it."""
    async with AsyncSession(vault.engine) as session:
        created_at = make_account().created_at
        session.add(AccountModel(account_id="U1", name="orm", account_type="bank", created_at=created_at))
        assert await SqlAlchemyAccountRepository(session).exists("U1")
        await session.rollback()
        assert not await SqlAlchemyAccountRepository(session).exists("U1")


async def test_a_connection_will_do(vault: Vault) -> None:
    """Its transaction is the caller's."""
    account = make_account()
    async with vault.engine.begin() as connection:
        await SqlAlchemyAccountRepository(connection).save(account)
    async with vault.read_engine.connect() as connection:
        assert await SqlAlchemyAccountRepository(connection).get("U1") == account


async def test_a_setting_without_a_value_reads_as_none(vault: Vault) -> None:
    """The column may be empty, though this library never leaves it so."""
    async with AsyncSession(vault.engine) as session:
        session.add(SettingModel(key="empty", value=None, value_type="str"))
        assert await SqlAlchemySettingRepository(session).get("empty", "default") is None


async def test_a_database_that_cannot_be_opened_is_a_library_error(tmp_path: Path) -> None:
    """The turn to write is given back."""
    engine = create_async_engine(f"sqlite+aiosqlite:///file:{tmp_path / 'nowhere' / 'journal.db'}?uri=true")
    queue = WriteQueue(0.1)
    for _ in range(2):
        async with SqlAlchemyUnitOfWork(engine, turns=queue) as uow:
            with pytest.raises(VaultError):
                await uow.accounts.count_all()
    async with SqlAlchemyUnitOfWork(engine) as uow:
        with pytest.raises(VaultError):
            await uow.accounts.count_all()
    await engine.dispose()
    await asyncio.to_thread(wait_for_threads_of_aiosqlite)


def wait_for_threads_of_aiosqlite() -> None:
    """Wait until aiosqlite's own threads have answered: after a failed opening it does not, and they need the loop."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(5)


async def test_a_database_without_the_schema_says_so() -> None:
    """The error carries SQLite's words and no statement."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with SqlAlchemyUnitOfWork(engine) as uow:
        with pytest.raises(RepositoryError, match="no such table: accounts"):
            await uow.accounts.count_all()
    await engine.dispose()
