"""A transaction goes on where it was when it is handed to SQLAlchemy: by the session, the connection or a savepoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, text

from zorivest_async import DuplicateError, Watchlist
from zorivest_async.database.models import WatchlistModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from implementations import Journal
    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio


async def by_session(uow: SqlAlchemyUnitOfWork) -> int:
    """Count the watchlists with an ORM query."""
    return (await uow.session.execute(select(func.count()).select_from(WatchlistModel))).scalar_one()


async def by_connection(uow: SqlAlchemyUnitOfWork) -> int:
    """Count the watchlists with SQL of the caller's own."""
    return int((await (await uow.connection()).execute(text("SELECT count(*) FROM watchlists"))).scalar_one())


async def by_savepoint(uow: SqlAlchemyUnitOfWork) -> int:
    """Count the watchlists within a savepoint."""
    async with uow.savepoint():
        return len(await uow.watchlists.list_all())


JOIN = [by_session, by_connection, by_savepoint]


async def nothing(_uow: SqlAlchemyUnitOfWork) -> int:
    """Send nothing before."""
    return 0


async def a_read(uow: SqlAlchemyUnitOfWork) -> int:
    """Only read before."""
    return len(await uow.watchlists.list_all())


async def a_write(uow: SqlAlchemyUnitOfWork) -> int:
    """Write before."""
    await uow.watchlists.save(Watchlist("first"))
    return 1


async def a_refused_write(uow: SqlAlchemyUnitOfWork) -> int:
    """Write before, and be refused once."""
    number = await uow.watchlists.save(Watchlist("first"))
    with pytest.raises(DuplicateError):
        await uow.watchlists.save(Watchlist("refused", id=number))
    return 1


@pytest.mark.parametrize("join", JOIN)
@pytest.mark.parametrize("before", [nothing, a_read, a_write, a_refused_write])
@pytest.mark.parametrize("commit", [True, False])
async def test_it_is_one_transaction_before_and_after(
    journal: Journal,
    before: Callable[[SqlAlchemyUnitOfWork], Awaitable[int]],
    join: Callable[[SqlAlchemyUnitOfWork], Awaitable[int]],
    *,
    commit: bool,
) -> None:
    """What was written before is seen, and all of it is committed or rolled back."""
    async with journal.unit_of_work() as uow:
        written = await before(uow)
        assert await join(uow) == written
        await uow.watchlists.save(Watchlist("after"))
        assert await by_connection(uow) == written + 1
        if commit:
            await uow.commit()
    assert uow.outcome == ("committed" if commit else "rolled_back")
    async with journal.unit_of_work(read_only=True) as uow:
        assert len(await uow.watchlists.list_all()) == (written + 1 if commit else 0)


@pytest.mark.parametrize("join", JOIN)
async def test_the_next_transaction_is_direct_again(
    journal: Journal, join: Callable[[SqlAlchemyUnitOfWork], Awaitable[int]]
) -> None:
    """A unit of work goes on after a commit and a rollback of what SQLAlchemy had."""
    async with journal.unit_of_work() as uow:
        for number in range(3):
            await uow.watchlists.save(Watchlist(f"kept {number}"))
            assert await join(uow) == number + 1
            await uow.commit()
            await uow.watchlists.save(Watchlist("undone"))
            assert await join(uow) == number + 2
            await uow.rollback()
    async with journal.unit_of_work(read_only=True) as uow:
        assert sorted(each.name for each in await uow.watchlists.list_all()) == ["kept 0", "kept 1", "kept 2"]


async def test_a_savepoint_of_a_direct_transaction_is_undone_alone(journal: Journal) -> None:
    """What came before it stays, what the session did in it goes, and the rest goes on."""
    async with journal.unit_of_work() as uow:
        await uow.watchlists.save(Watchlist("before"))
        with pytest.raises(LookupError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                await uow.watchlists.save(Watchlist("in it"))
                assert await by_session(uow) == 2
                raise LookupError
        await uow.watchlists.save(Watchlist("after"))
        assert await by_session(uow) == 2
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        assert sorted(each.name for each in await uow.watchlists.list_all()) == ["after", "before"]
