"""Savepoints of a unit of work: a block is undone alone, whatever the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from factories import make_account, make_trade, make_watchlist
from zorivest_async import DuplicateError, ForeignKeyError, SqlAlchemyUnitOfWork, UnitOfWorkError, Vault
from zorivest_async.database.models import AccountModel, Base
from zorivest_async.database.repositories import SqlAlchemyWatchlistRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["vault", "plain"])
async def new_unit(request: pytest.FixtureRequest, vault: Vault) -> AsyncIterator[Callable[[], SqlAlchemyUnitOfWork]]:
    """Makes units of work on an encrypted vault, and on a plain engine."""
    if request.param == "vault":
        yield vault.unit_of_work
        return
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield lambda: SqlAlchemyUnitOfWork(engine)
    await engine.dispose()


async def ids(uow: SqlAlchemyUnitOfWork) -> list[str]:
    """Return the stored accounts."""
    return sorted(account.account_id for account in await uow.accounts.list_all())


async def test_a_block_that_raises_is_undone_alone(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """What came before it and after it is committed."""
    async with new_unit() as uow:
        await uow.accounts.save(make_account("before"))
        with pytest.raises(DuplicateError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                await uow.accounts.save(make_account("inside"))
                await uow.accounts.save(make_account("before"))
        await uow.accounts.save(make_account("after"))
        await uow.commit()
    async with new_unit() as uow:
        assert await ids(uow) == ["after", "before"]


async def test_a_kept_block_is_rolled_back_with_the_rest(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """Releasing a savepoint, even the first statement of all, commits nothing."""
    async with new_unit() as uow:
        async with uow.savepoint():
            await uow.accounts.save(make_account("inside"))
        assert await ids(uow) == ["inside"]
        await uow.rollback()
        assert await ids(uow) == []


async def test_blocks_nest(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """An inner block that is kept goes with an outer one that is not."""
    async with new_unit() as uow:
        async with uow.savepoint():
            await uow.accounts.save(make_account("outer"))
            with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
                async with uow.savepoint():
                    await uow.accounts.save(make_account("undone"))
                    raise KeyError
        with pytest.raises(KeyError):  # noqa: PT012
            async with uow.savepoint():
                async with uow.savepoint():
                    await uow.accounts.save(make_account("released"))
                raise KeyError
        assert await ids(uow) == ["outer"]


async def test_the_savepoints_of_repositories_nest_too(vault: Vault) -> None:
    """They are the driver's, and all have one name."""
    async with vault.unit_of_work() as uow:
        with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
            async with uow._transaction.savepoint():
                await uow.accounts.save(make_account("outer"))
                with pytest.raises(IndexError):  # noqa: PT012
                    async with uow._transaction.savepoint():
                        await uow.accounts.save(make_account("inner"))
                        raise IndexError
                assert await ids(uow) == ["outer"]
                raise KeyError
        assert await ids(uow) == []


async def test_what_was_added_to_the_session_belongs_to_its_block(new_unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """It is flushed where it was added, and undone with it."""
    async with new_unit() as uow:
        created_at = make_account().created_at
        uow.session.add(AccountModel(account_id="before", name="a", account_type="bank", created_at=created_at))
        with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                uow.session.add(AccountModel(account_id="undone", name="a", account_type="bank", created_at=created_at))
                await uow.session.flush()
                raise KeyError
        async with uow.savepoint():
            uow.session.add(AccountModel(account_id="kept", name="a", account_type="bank", created_at=created_at))
        assert await ids(uow) == ["before", "kept"]


async def test_it_holds_a_bulk_save(vault: Vault) -> None:
    """save_many() has a savepoint of its own inside."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                await uow.trades.save_many([make_trade("1"), make_trade("2")])
                raise KeyError
        assert await uow.trades.list_all() == []


async def test_it_belongs_to_the_block_of_its_unit(vault: Vault) -> None:
    """Outside it there is no transaction to have a savepoint in."""
    with pytest.raises(UnitOfWorkError):
        async with vault.unit_of_work().savepoint():
            pass


@pytest.mark.parametrize("isolation", [None, "AUTOCOMMIT"])
@pytest.mark.parametrize("of_session", [True, False], ids=["session", "connection"])
async def test_a_method_is_atomic_on_a_connection_of_its_callers(
    vault: Vault, *, of_session: bool, isolation: Literal["AUTOCOMMIT"] | None
) -> None:
    """What was refused has left nothing, and what comes after it is stored, also where each statement commits."""
    async with vault.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE links (list REFERENCES watchlists)")
        await connection.exec_driver_sql("INSERT INTO watchlists (id, name, created_at) VALUES (1, 'a', '2024-01-01')")
        await connection.exec_driver_sql(
            "INSERT INTO watchlist_items (watchlist_id, ticker, added_at) VALUES (1, 'SPY', '2024-01-01')"
        )
        await connection.exec_driver_sql("INSERT INTO links VALUES (1)")
    engine = vault.engine if isolation is None else vault.engine.execution_options(isolation_level=isolation)
    async with AsyncSession(engine) if of_session else engine.connect() as source:
        watchlists = SqlAlchemyWatchlistRepository(source)
        with pytest.raises(ForeignKeyError, match="a row of links refers to it"):
            await watchlists.delete(1)
        await watchlists.save(make_watchlist("b", "QQQ"))
        await source.commit()
    async with vault.unit_of_work() as uow:
        stored = await uow.watchlists.list_all()
        assert sorted((each.name, *(item.ticker for item in each.items)) for each in stored) == [
            ("a", "SPY"),
            ("b", "QQQ"),
        ]
