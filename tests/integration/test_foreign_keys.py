"""What a ForeignKeyError says: which table refers to a row, or what a row refers to and is not there."""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from factories import make_account, make_plan, make_report, make_trade, make_trades, make_watchlist
from zorivest_async import DuplicateError, ForeignKeyError, RepositoryError, SqlAlchemyUnitOfWork, Vault
from zorivest_async.database.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = pytest.mark.asyncio

SECRET = "canary-17"
"""A value that no message shows."""


@pytest_asyncio.fixture(params=["vault", "plain"])
async def new_unit(request: pytest.FixtureRequest, vault: Vault) -> AsyncIterator[Callable[[], SqlAlchemyUnitOfWork]]:
    """Makes units of work on an encrypted vault, and on a plain engine that enforces foreign keys."""
    if request.param == "vault":
        yield vault.unit_of_work
        return
    engine = create_async_engine("sqlite+aiosqlite://")
    event.listen(engine.sync_engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield lambda: SqlAlchemyUnitOfWork(engine)
    await engine.dispose()


async def run(uow: SqlAlchemyUnitOfWork, *statements: str) -> None:
    """Run a user's own statements."""
    for statement in statements:
        await (await uow.connection()).exec_driver_sql(statement)


async def refused(call: Awaitable[Any]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(ForeignKeyError) as caught:
        await call
    assert SECRET not in str(caught.value)
    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - one's own
    assert str(copied) == str(caught.value)
    return str(caught.value)


async def refer_to_instruments(uow: SqlAlchemyUnitOfWork) -> None:
    """Rebuild the trades' table, which is empty, with a foreign key more: of the instrument."""
    found = await (await uow.connection()).exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'trades'")
    declared = str(found.scalar_one())
    rebuilt = declared.replace("instrument VARCHAR NOT NULL", "instrument VARCHAR NOT NULL REFERENCES instruments")
    assert rebuilt != declared
    await run(uow, "CREATE TABLE instruments (symbol TEXT PRIMARY KEY)", "DROP TABLE trades", rebuilt)


async def test_a_row_says_which_of_its_parents_is_missing(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """Of a user's own foreign keys, too: what is really missing, and not the account."""
    async with new_unit() as uow:
        await refer_to_instruments(uow)
        await uow.accounts.save(make_account())
        trade = make_trade(instrument=SECRET)
        instrument = "Trade: it refers to a row of instruments that is not stored; save that first"
        assert await refused(uow.trades.save(trade)) == instrument
        assert await refused(uow.trades.save_many([trade])) == instrument
        await run(uow, f"INSERT INTO instruments VALUES ('{SECRET}'), ('SPY')")
        account = "Trade: its account is not stored; save the account first"
        assert await refused(uow.trades.save(make_trade(instrument=SECRET, account_id="x"))) == account
        some = [*make_trades(3), make_trade("x", account_id="x")]
        assert await refused(uow.trades.save_many(some)) == account
        await uow.trades.save(trade)
        assert await refused(uow.trades.update(make_trade(instrument="QQQ"))) == instrument
        assert await refused(uow.trades.save_many([make_trade(instrument="QQQ")], "update")) == instrument
        assert await refused(uow.trade_reports.save(make_report("x"))) == (
            "TradeReport: its trade is not stored; save the trade first"
        )


async def test_a_deletion_says_what_refers_to_the_row(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """However the foreign key is written: in other cases, with names that need quotes, of several or added columns."""
    async with new_unit() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade(SECRET))
        await run(
            uow,
            'CREATE TABLE "my ""order""" ("select" TEXT REFERENCES TRADES (EXEC_ID))',
            f'INSERT INTO "my ""order""" VALUES (\'{SECRET}\')',
        )
        message = await refused(uow.trades.delete(SECRET))
        assert message == 'Trade: a row of my "order" refers to it; delete or change that first'
        await run(uow, 'DELETE FROM "my ""order"""')
        await run(
            uow,
            "CREATE UNIQUE INDEX unique_fills ON trades (exec_id, account_id)",
            "CREATE TABLE fills (account, trade, FOREIGN KEY (trade, account) REFERENCES trades (exec_id, account_id))",
            f"INSERT INTO fills VALUES (NULL, '{SECRET}')",
        )
        assert await uow.trades.delete(SECRET)
        await uow.trades.save(make_trade(SECRET))
        await run(uow, "UPDATE fills SET account = 'U1'")
        assert await refused(uow.trades.delete(SECRET)) == (
            "Trade: a row of fills refers to it; delete or change that first"
        )
        await run(
            uow,
            "DELETE FROM fills",
            "ALTER TABLE trades ADD COLUMN ticket INTEGER",
            "CREATE UNIQUE INDEX unique_tickets ON trades (ticket)",
            "CREATE TABLE orders (ticket REFERENCES trades (ticket))",
            "UPDATE trades SET ticket = 7",
            "INSERT INTO orders VALUES (7)",
        )
        assert await refused(uow.trades.delete(SECRET)) == (
            "Trade: a row of orders refers to it; delete or change that first"
        )


async def test_a_refused_update_says_what_refers_to_a_column(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """A user's table may refer to another column than the row's number."""
    async with new_unit() as uow:
        await uow.watchlists.save(make_watchlist(SECRET, "SPY"))
        await run(
            uow,
            "CREATE UNIQUE INDEX unique_names ON watchlists (name)",
            "CREATE TABLE alerts (list REFERENCES watchlists (name))",
            f"INSERT INTO alerts VALUES ('{SECRET}')",
        )
        assert await refused(uow.watchlists.update(make_watchlist("another", id=1))) == (
            "Watchlist: a row of alerts refers to it; delete or change that first"
        )
        await uow.watchlists.update(make_watchlist(SECRET, id=1, description="kept"))


async def test_a_deletion_that_cascades_says_what_is_in_the_way(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """A row that would go with it is referred to: the first step is named, and deleting that names the next."""
    async with new_unit() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("1"))
        await run(
            uow,
            "CREATE TABLE links (id INTEGER PRIMARY KEY, trade REFERENCES trades ON DELETE CASCADE)",
            "CREATE TABLE notes (link NOT NULL REFERENCES links)",
            "INSERT INTO links VALUES (1, '1')",
            "INSERT INTO notes VALUES (1)",
        )
        assert await refused(uow.trades.delete("1")) == (
            "Trade: a row of links refers to it; delete or change that first"
        )


async def test_what_cannot_be_told_is_said_in_general(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """A user's trigger breaks a foreign key of another table."""
    async with new_unit() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("1"))
        await run(
            uow,
            "CREATE TABLE closed (trade REFERENCES trades)",
            "CREATE TRIGGER opening AFTER INSERT ON trades BEGIN INSERT INTO closed VALUES ('absent'); END",
            "CREATE TRIGGER closing BEFORE DELETE ON trades BEGIN INSERT INTO closed VALUES ('absent'); END",
        )
        assert await refused(uow.trades.save(make_trade("2"))) == f"Trade: {ForeignKeyError.problem}"
        assert await refused(uow.trades.save_many([make_trade("2")])) == f"Trade: {ForeignKeyError.problem}"
        assert await refused(uow.trades.delete("1")) == (
            "Trade: another row refers to it, or to one that would be deleted with it; delete or change that first"
        )


async def test_an_error_tells_whose_row_it_was(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """Its key is the row's that was to be deleted, whichever statement was refused."""
    async with new_unit() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("1"))
        await uow.trade_reports.save(make_report("1"))
        number = await uow.trade_plans.save(make_plan(account_id="U1"))
        await run(
            uow,
            "CREATE TABLE links (report REFERENCES trade_reports, plan REFERENCES trade_plans)",
            f"INSERT INTO links VALUES (1, {number})",
        )
        for key, call in (("1", uow.trades.delete("1")), (number, uow.trade_plans.delete(number))):
            with pytest.raises(ForeignKeyError) as caught:
                await call
            assert caught.value.key == key


@pytest.mark.parametrize("position", [0, 1, 700])
async def test_a_duplicate_is_found_among_what_a_users_triggers_write(vault: Vault, position: int) -> None:
    """They may write many rows for each trade; the key of the error is still the duplicate's."""
    many = make_trades(1_000)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("0001"))
        await run(
            uow,
            "CREATE TABLE audit (exec_id)",
            "CREATE TRIGGER audit_trades AFTER INSERT ON trades BEGIN "
            "INSERT INTO audit VALUES (NEW.exec_id), (NEW.exec_id); END",
        )
        with pytest.raises(DuplicateError) as caught:
            await uow.trades.save_many([*many[:position], make_trade("0001"), *many[position:]])
        assert caught.value.key == "0001"
        with pytest.raises(DuplicateError) as caught:
            await uow.trades.save_many([*many[:position], make_trade("new"), *many[position:], make_trade("new")])
        assert caught.value.key == "new"
        await run(uow, "CREATE UNIQUE INDEX one_at_a_time ON trades (time)")
        with pytest.raises(DuplicateError) as caught:
            await uow.trades.save_many([make_trade("another")], "update")
        assert caught.value.key is None


async def test_a_trigger_that_stores_more_trades_hides_the_duplicate_alone(vault: Vault) -> None:
    """Which trade was refused cannot be told then; that one was, can."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await run(
            uow,
            "CREATE TRIGGER twin AFTER INSERT ON trades WHEN NEW.exec_id NOT LIKE '%-twin' BEGIN "
            "INSERT INTO trades (exec_id, time, instrument, action, quantity, price, account_id, commission, "
            "realized_pnl) SELECT exec_id || '-twin', time, instrument, action, quantity, price, account_id, "
            "commission, realized_pnl FROM trades WHERE exec_id = NEW.exec_id; END",
        )
        with pytest.raises(RepositoryError) as caught:
            await uow.trades.save_many([make_trade("1"), make_trade("1-twin")])
        assert isinstance(caught.value, DuplicateError)
        assert caught.value.key is None
