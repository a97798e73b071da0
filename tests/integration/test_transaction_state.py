"""What a unit of work says when something ends its transaction past it, or its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async import CommitOutcomeUnknownError, RepositoryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zorivest_async import SqlAlchemyUnitOfWork, Vault

pytestmark = pytest.mark.asyncio


async def driver_of(uow: SqlAlchemyUnitOfWork) -> Any:
    """Return the driver's connection, which SQLAlchemy's documentation tells how to get at."""
    return (await (await uow.connection()).get_raw_connection()).driver_connection


async def commit_on_the_driver(uow: SqlAlchemyUnitOfWork) -> None:
    """End the transaction where nothing can refuse it."""
    await (await driver_of(uow)).commit()


async def roll_back_on_the_driver(uow: SqlAlchemyUnitOfWork) -> None:
    """End it there the other way, which cannot be told from the first."""
    await (await driver_of(uow)).rollback()


async def send_a_commit_to_the_driver(uow: SqlAlchemyUnitOfWork) -> None:
    """End it by a statement."""
    await (await driver_of(uow)).execute("COMMIT")


ENDINGS = [commit_on_the_driver, roll_back_on_the_driver, send_a_commit_to_the_driver]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("commit", [True, False])
async def test_a_transaction_that_the_driver_ended_has_an_unknown_outcome(
    vault: Vault, end: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]], *, commit: bool
) -> None:
    """No other transaction begins in its place; committing it is refused, and the unit of work goes on after that."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("first", 1)
        await end(uow)
        with pytest.raises(RepositoryError, match="has ended the transaction"):
            await uow.settings.set("second", 1)
        if commit:
            with pytest.raises(CommitOutcomeUnknownError, match="has ended the transaction"):
                await uow.commit()
        else:
            await uow.rollback()
        assert uow.outcome == "unknown"
        await uow.settings.set("third", 1)
        await uow.commit()
        outcome: str = uow.outcome
        assert outcome == "committed"
    async with vault.unit_of_work(read_only=True) as uow:
        assert {setting.key for setting in await uow.settings.get_all()} - {"first"} == {"third"}


@pytest.mark.parametrize("commit", [True, False])
async def test_a_connection_that_was_closed_has_not_committed(vault: Vault, *, commit: bool) -> None:
    """Closing the driver's connection rolls back, but nobody was told so: the outcome is unknown."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("first", 1)
        await (await driver_of(uow)).close()
        if commit:
            with pytest.raises(CommitOutcomeUnknownError):
                await uow.commit()
        else:
            await uow.rollback()
        assert uow.outcome == "unknown"
    async with vault.unit_of_work() as uow:
        assert await uow.settings.get_all() == []
        await uow.settings.set("next", 1)
        await uow.commit()
