"""How a unit of work reaches its database: straight to the driver, unless somebody wants to hear of it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from factories import make_account, make_trade, make_trades, statements_of
from zorivest_async import DuplicateError, RepositoryError, Vault, VaultDamagedError
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.database.sqlcipher.driver_transaction import LONGEST_ABANDONED_S, DriverTransaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def use(vault: Vault) -> list[str]:
    """Write, fail, write and read, and return what is there in the end."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save_many(make_trades(3))
        with pytest.raises(DuplicateError):
            await uow.trades.save_many([make_trade("new"), *make_trades(2)])
        with suppress(DuplicateError):
            async with uow.savepoint():
                await uow.accounts.save(make_account("U2"))
                await uow.accounts.save(make_account("U1"))
        await uow.accounts.save(make_account("U3"))
        await uow.commit()
        await uow.accounts.save(make_account("U4"))
    async with vault.unit_of_work(read_only=True) as uow:
        accounts, trades = await uow.accounts.list_all(), await uow.trades.list_all()
    return sorted([*(account.account_id for account in accounts), *(trade.exec_id for trade in trades)])


def listen_to_events(vault: Vault) -> list[str]:
    """Have the statements of both engines noted."""
    heard: list[str] = []
    for engine in (vault.engine, vault.read_engine):

        def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            heard.append(statement)

        event.listen(engine.sync_engine, "before_cursor_execute", note)
    return heard


def listen_to_echo(vault: Vault) -> list[str]:
    """Have the statements of both engines logged."""
    heard: list[str] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    for engine in (vault.engine, vault.read_engine):
        engine.sync_engine.echo = True
        for handler in (handlers := logging.getLogger("sqlalchemy").handlers).copy():
            handlers.remove(handler)  # echo puts one there that writes to stdout
    logging.getLogger("sqlalchemy.engine").addHandler(Note())
    return heard


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Leave no handler behind."""
    logger = logging.getLogger("sqlalchemy.engine")
    before = logger.handlers.copy()
    yield
    logger.handlers[:] = before


@pytest.mark.parametrize("listen", [listen_to_events, listen_to_echo])
async def test_who_listens_hears_every_statement(vault: Vault, listen: Callable[[Vault], list[str]]) -> None:
    """And everything comes out as it does when nobody does."""
    heard = listen(vault)
    assert await use(vault) == ["00000", "00001", "00002", "U1", "U3"]
    for words in ("INSERT INTO accounts", "INSERT INTO trades", "FROM accounts", "FROM trades", "SAVEPOINT"):
        assert any(words in statement for statement in heard)


async def test_nobody_pays_for_listeners_who_are_not_there(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories send straight to the driver until somebody asks for the connection."""
    sent: list[str] = []
    original = DriverTransaction.send

    async def note_and_send(self: DriverTransaction, sql: str, values: Any) -> Any:
        sent.append(sql)
        return await original(self, sql, values)

    monkeypatch.setattr(DriverTransaction, "send", note_and_send)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        assert len(sent) == 1
        await (await uow.connection()).execute(text("UPDATE accounts SET name = 'through SQLAlchemy'"))
        assert (await uow.accounts.get_one("U1")).name == "through SQLAlchemy"
        assert len(sent) == 1
        await uow.commit()
        await uow.accounts.count_all()
        assert len(sent) == 2


async def test_a_listener_who_comes_late_hears_the_rest(vault: Vault) -> None:
    """In the same transaction."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        with statements_of(vault.engine) as heard:
            assert await uow.accounts.count_all() == 1
        assert len(heard) == 1


async def test_a_reader_sees_the_latest_commit_and_holds_nothing_up(vault: Vault) -> None:
    """Nobody waits for the end of its transaction, and yet the next one does not go on in it."""
    for number in range(50):
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(f"U{number}"))
            await uow.commit()
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.count_all() == number + 1
    async with vault.read_engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM accounts"))).scalar_one() == 50
        driver: Any = (await connection.get_raw_connection()).driver_connection
    assert not driver.in_transaction


async def test_a_reader_that_nobody_follows_lets_go_of_its_snapshot(vault: Vault) -> None:
    """In a few milliseconds, so that the WAL can be written back."""
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.accounts.count_all()
        driver: Any = (await (await uow.connection()).get_raw_connection()).driver_connection
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.accounts.count_all()
    async with asyncio.timeout(5):
        while await driver.call(lambda: driver.raw.in_transaction):  # noqa: ASYNC110 - a timer ends it
            await asyncio.sleep(LONGEST_ABANDONED_S)


async def test_who_wants_no_transaction_is_in_none_right_after_a_reader(vault: Vault) -> None:
    """The reader's is not over yet, and no first statement of another one ends it."""
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.accounts.count_all()
    connection = await vault.read_engine.connect().start()
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    await connection.execute(text("SELECT 1"))
    driver: Any = (await connection.get_raw_connection()).driver_connection
    assert not driver.in_transaction
    await connection.close()


async def test_a_transaction_that_could_not_be_abandoned_ends_with_the_next_one(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which sees the latest commit."""
    monkeypatch.setattr(CipherConnection, "post", lambda _self, _function: None)
    for number in range(3):
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.count_all() == number
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(f"U{number}"))
            await uow.commit()


async def test_a_connection_that_was_disposed_of_is_not_used_again(vault: Vault) -> None:
    """The unit of work that has it goes on with it to its end."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await vault.engine.dispose()
        await uow.accounts.save(make_account("U2"))
        await uow.commit()
    async with vault.unit_of_work() as uow:
        assert await uow.accounts.count_all() == 2


async def test_a_damaged_connection_is_thrown_away(vault_path: Path) -> None:
    """Every statement of its transaction says so; the next unit of work has a new one, which tells the truth again."""
    async with Vault.open(vault_path, passphrase="p") as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1", institution="x" * 100_000))
            await uow.commit()
        await vault.verify()  # which writes the WAL back
        await vault.read_engine.dispose()
        await vault.engine.dispose()
        size, whole = await asyncio.to_thread(flip, vault_path)
        async with vault.unit_of_work() as uow:
            with pytest.raises(VaultDamagedError):
                await uow.accounts.get("U1")
            with pytest.raises(RepositoryError, match="met damage"):
                await uow.accounts.get("U1")
            with pytest.raises(RepositoryError, match="met damage"):
                await uow.commit()
        await asyncio.to_thread(put_back, vault_path, size, whole)
        async with vault.unit_of_work() as uow:
            assert await uow.accounts.exists("U1")


def flip(path: Path) -> tuple[int, bytes]:
    """Change a byte of the last page, and return where and what it was."""
    with closing(path.open("r+b")) as file:
        position = file.seek(-1_000, 2)
        whole = file.read(1)
        file.seek(position)
        file.write(bytes([whole[0] ^ 1]))
    return position, whole


def put_back(path: Path, position: int, whole: bytes) -> None:
    """Undo :func:`flip`."""
    with closing(path.open("r+b")) as file:
        file.seek(position)
        file.write(whole)


async def test_a_connection_that_was_lost_is_opened_again(vault: Vault) -> None:
    """Though the pool calls it idle."""
    async with vault.engine.connect() as connection:
        await connection.invalidate()
    assert await use(vault) == ["00000", "00001", "00002", "U1", "U3"]
