"""A unit of work that is never left gives its turn and its connection back once nothing refers to it."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from zorivest_async.database.models import SettingModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from implementations import Journal
    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = [
    pytest.mark.asyncio,
    # SQLAlchemy says of a connection that the garbage collector finds first that it is thrown away.
    pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up:sqlalchemy.exc.SAWarning"),
]


async def use_a_repository(uow: SqlAlchemyUnitOfWork) -> None:
    """Send a statement past SQLAlchemy, where the engine can."""
    await uow.settings.get("n")


async def use_the_connection(uow: SqlAlchemyUnitOfWork) -> None:
    """Send one through SQLAlchemy."""
    await (await uow.connection()).execute(text("SELECT 1"))


async def use_the_session(uow: SqlAlchemyUnitOfWork) -> None:
    """Send one through an ORM session."""
    await uow.session.get(SettingModel, "n")


async def leave_a_stream_open(uow: SqlAlchemyUnitOfWork) -> None:
    """Fetch a part of a result."""
    result = await (await uow.connection()).stream(text("SELECT 1 UNION SELECT 2"))
    await result.fetchone()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "use",
    [use_a_repository, use_the_connection, use_the_session, leave_a_stream_open],
    ids=lambda use: use.__name__,
)
async def test_a_unit_of_work_that_is_forgotten_blocks_nothing(
    empty_journal: Journal, use: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]], *, read_only: bool
) -> None:
    """Its task has ended without leaving it, as in a notebook; what it wrote is undone, and a warning says so."""

    async def forget() -> None:
        uow = empty_journal.unit_of_work(read_only=read_only)
        await uow.__aenter__()
        if not read_only:
            await uow.settings.set("undone", 1)
        await use(uow)

    async def forget_again_and_again() -> None:
        for _ in range(6):  # more than there are places
            async with asyncio.timeout(5):
                await asyncio.create_task(forget())
            await asyncio.to_thread(gc.collect)
            await asyncio.sleep(0)

    with pytest.warns(ResourceWarning, match="never left") as warned:
        await forget_again_and_again()
    if use is not use_the_session:  # which SQLAlchemy cleans up itself, as a part of the same garbage
        assert {warning.category for warning in warned} == {ResourceWarning}
    async with asyncio.timeout(5), empty_journal.unit_of_work() as uow:
        assert await uow.settings.get_all() == []
        await uow.settings.set("n", 1)
        await uow.commit()
    assert empty_journal.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the queue pool
