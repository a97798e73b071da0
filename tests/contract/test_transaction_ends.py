"""Only the unit of work ends its transaction: what is committed is all that was begun, or the commit is refused."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncEngine

from factories import make_account, make_png
from zorivest_async import DuplicateError, ImageOwnerType, RepositoryError, UnitOfWorkError, Watchlist
from zorivest_async.database.models import SettingModel, WatchlistModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection

    from implementations import Journal
    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio


def make_setting(key: str) -> SettingModel:
    """Make a setting as an ORM user would."""
    return SettingModel(key=key, value="1", value_type="str")


async def stored(journal: Journal) -> list[str]:
    """Return what another unit of work sees of watchlists and settings."""
    async with journal.unit_of_work(read_only=True) as uow:
        names = [watchlist.name for watchlist in await uow.watchlists.list_all()]
        return sorted([*names, *(setting.key for setting in await uow.settings.get_all())])


def outcome_of(uow: SqlAlchemyUnitOfWork) -> str:
    """Return the outcome; a call, because a type checker takes an attribute that was compared for settled."""
    return uow.outcome


async def begin(uow: SqlAlchemyUnitOfWork) -> None:
    """Store a watchlist through a repository, and a setting through the session."""
    await uow.watchlists.save(Watchlist("before"))
    uow.session.add(make_setting("taken"))
    await uow.session.flush()


async def flush_a_duplicate(uow: SqlAlchemyUnitOfWork) -> None:
    """Flush what the database refuses, and go on."""
    uow.session.add(SettingModel(key="taken", value="2", value_type="str"))
    with pytest.raises(IntegrityError):
        await uow.session.flush()


async def flush_a_duplicate_in_a_savepoint(uow: SqlAlchemyUnitOfWork) -> None:
    """Flush it in a block that is undone."""
    with pytest.raises(DuplicateError):  # noqa: PT012 - the block is the subject
        async with uow.savepoint():
            await uow.watchlists.save(Watchlist("undone"))
            uow.session.add(SettingModel(key="taken", value="2", value_type="str"))
            await uow.session.flush()


async def have_a_repository_flush_a_duplicate(uow: SqlAlchemyUnitOfWork) -> None:
    """Leave the flush to the next call of a repository."""
    uow.session.add(SettingModel(key="taken", value="2", value_type="str"))
    with pytest.raises(DuplicateError):
        await uow.watchlists.save(Watchlist("not sent"))


async def have_a_commit_flush_a_duplicate(uow: SqlAlchemyUnitOfWork) -> None:
    """Leave the flush to a commit that fails, and is tried again."""
    uow.session.add(SettingModel(key="taken", value="2", value_type="str"))
    with pytest.raises(DuplicateError):
        await uow.commit()
    assert outcome_of(uow) == "open"


async def insert_duplicates_in_bulk(uow: SqlAlchemyUnitOfWork) -> None:
    """Have SQLAlchemy's legacy bulk method send rows of which one is refused."""
    rows = [{"key": key, "value": "2", "value_type": "str"} for key in ("undone", "taken")]
    with pytest.raises(IntegrityError):
        await uow.session.run_sync(lambda session: session.bulk_insert_mappings(SettingModel, rows))


async def leave_a_nested_block_undone(uow: SqlAlchemyUnitOfWork) -> None:
    """Roll a savepoint of the session back."""
    async with uow.session.begin_nested() as nested:
        uow.session.add(make_setting("undone"))
        await nested.rollback()


async def commit_the_session(uow: SqlAlchemyUnitOfWork) -> None:
    """Do what a repository of another library may do after each write: it only flushes."""
    await uow.session.commit()


async def close_the_connection(uow: SqlAlchemyUnitOfWork) -> None:
    """Close what is the unit of work's to close: nothing happens."""
    await (await uow.connection()).close()


async def commit_the_connection(uow: SqlAlchemyUnitOfWork) -> None:
    """Be told that committing is the unit of work's."""
    with pytest.raises(UnitOfWorkError, match=r"uow\.commit"):
        await (await uow.connection()).commit()


async def commit_the_inner_connection(uow: SqlAlchemyUnitOfWork) -> None:
    """Be told so where the synchronous connection is asked, too."""

    def commit(connection: Connection) -> None:
        connection.commit()

    with pytest.raises(UnitOfWorkError, match=r"uow\.commit"):
        await (await uow.connection()).run_sync(commit)
    await uow.rollback()  # SQLAlchemy's connection asks for it
    await begin(uow)


async def send_a_commit(uow: SqlAlchemyUnitOfWork) -> None:
    """Be told so where the statement is sent as a text, after comments."""
    for statement in ("COMMIT", " -- done\n/* now */ end transaction", "rollback", "ROLLBACK TRANSACTION"):
        with pytest.raises(UnitOfWorkError, match=r"uow\.commit"):
            await (await uow.connection()).exec_driver_sql(statement)


@pytest.mark.parametrize(
    "fault",
    [
        flush_a_duplicate,
        flush_a_duplicate_in_a_savepoint,
        have_a_repository_flush_a_duplicate,
        have_a_commit_flush_a_duplicate,
        insert_duplicates_in_bulk,
        leave_a_nested_block_undone,
        commit_the_session,
        close_the_connection,
        commit_the_connection,
        commit_the_inner_connection,
        send_a_commit,
    ],
    ids=lambda fault: fault.__name__,
)
async def test_what_is_refused_loses_nothing_else(
    empty_journal: Journal, fault: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]]
) -> None:
    """What came before and what comes after it is committed, and nothing before the commit."""
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        await fault(uow)
    assert outcome_of(uow) == "rolled_back"
    assert await stored(empty_journal) == []
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        await fault(uow)
        await uow.watchlists.save(Watchlist("after"))
        uow.session.add(make_setting("added"))
        await uow.commit()
        assert outcome_of(uow) == "committed"
    assert await stored(empty_journal) == ["added", "after", "before", "taken"]


async def roll_the_session_back(uow: SqlAlchemyUnitOfWork) -> None:
    """End the transaction as a user of SQLAlchemy would."""
    await uow.session.rollback()


async def roll_the_connection_back(uow: SqlAlchemyUnitOfWork) -> None:
    """End it on the connection."""
    await (await uow.connection()).rollback()


async def roll_the_inner_connection_back(uow: SqlAlchemyUnitOfWork) -> None:
    """End it on the synchronous connection."""

    def rollback(connection: Connection) -> None:
        connection.rollback()

    await (await uow.connection()).run_sync(rollback)


async def close_the_inner_connection(uow: SqlAlchemyUnitOfWork) -> None:
    """Take the connection away from it."""

    def close(connection: Connection) -> None:
        connection.close()

    await (await uow.connection()).run_sync(close)


async def invalidate_the_session(uow: SqlAlchemyUnitOfWork) -> None:
    """Throw the connection away, as SQLAlchemy's documentation says for one in doubt."""
    await uow.session.invalidate()


ROLLBACKS = [
    roll_the_session_back,
    roll_the_connection_back,
    roll_the_inner_connection_back,
    close_the_inner_connection,
    invalidate_the_session,
]


@pytest.mark.parametrize("end", ROLLBACKS, ids=lambda end: end.__name__)
async def test_a_transaction_that_was_rolled_back_elsewhere_is_not_committed(
    empty_journal: Journal, end: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]]
) -> None:
    """The unit of work refuses statements and the commit, says that it rolled back, and goes on after that."""
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        await end(uow)
        with pytest.raises(RepositoryError, match=r"roll(ed)? back"):
            await uow.watchlists.save(Watchlist("refused"))
        with pytest.raises(RepositoryError, match=r"roll(ed)? back"):
            await uow.connection()
        with pytest.raises(RepositoryError, match=r"roll(ed)? back"):
            await uow.commit()
        assert outcome_of(uow) == "rolled_back"
        await uow.watchlists.save(Watchlist("next"))
        await uow.commit()
        assert outcome_of(uow) == "committed"
    assert await stored(empty_journal) == ["next"]


@pytest.mark.parametrize("end", ROLLBACKS, ids=lambda end: end.__name__)
async def test_what_is_added_to_a_session_after_a_rollback_is_not_committed(
    empty_journal: Journal, end: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]]
) -> None:
    """It would be stored without what came before it."""
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        session = uow.session
        await end(uow)
        session.add(WatchlistModel(name="added", created_at=datetime.now(UTC)))
        with pytest.raises(RepositoryError, match=r"roll(ed)? back"):
            await uow.commit()
        await uow.rollback()
    assert outcome_of(uow) == "rolled_back"
    assert await stored(empty_journal) == []


@pytest.mark.parametrize("end", ROLLBACKS, ids=lambda end: end.__name__)
async def test_a_rollback_elsewhere_inside_a_savepoint_undoes_all(
    empty_journal: Journal, end: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]]
) -> None:
    """The block has nothing to return to, and the error of its body is the one that is raised."""
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                await end(uow)
                raise KeyError
        with pytest.raises(RepositoryError):
            await uow.commit()
    assert outcome_of(uow) == "rolled_back"
    assert await stored(empty_journal) == []


async def test_an_open_savepoint_of_the_session_is_committed_with_the_rest(empty_journal: Journal) -> None:
    """Nothing that was stored without an error is left out of a commit."""
    async with empty_journal.unit_of_work() as uow:
        await begin(uow)
        await uow.session.begin_nested()
        uow.session.add(make_setting("nested"))
        await uow.commit()
    assert await stored(empty_journal) == ["before", "nested", "taken"]


async def test_a_session_that_was_made_in_a_savepoint_forgets_what_was_undone(empty_journal: Journal) -> None:
    """Its objects are not there any more, so a change to one must not be flushed."""
    async with empty_journal.unit_of_work() as uow:
        await uow.watchlists.save(Watchlist("before"))
        setting = make_setting("undone")
        with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
            async with uow.savepoint():
                uow.session.add(setting)
                await uow.session.flush()
                raise KeyError
        setting.value = "changed"
        await uow.commit()
    assert await stored(empty_journal) == ["before"]


async def test_a_savepoint_of_the_session_is_one_on_every_driver(empty_journal: Journal) -> None:
    """As the first thing in a transaction it commits nothing when it is released."""
    async with empty_journal.unit_of_work() as uow:
        async with uow.session.begin_nested():
            uow.session.add(make_setting("nested"))
        await uow.rollback()
    assert await stored(empty_journal) == []


async def test_the_session_is_bound_to_the_engine(empty_journal: Journal) -> None:
    """Other libraries ask for it in constructors, where nothing can be awaited."""
    async with empty_journal.unit_of_work() as uow:
        bind: Any = uow.session.get_bind()
        assert bind.dialect.name == empty_journal.engine.dialect.name
        assert isinstance(uow.session.bind, AsyncEngine)
        await begin(uow)
        assert uow.session.get_bind() is bind


async def test_a_stream_ends_with_its_transaction(empty_journal: Journal) -> None:
    """The rest of an image or a result is not read from a state that is past."""
    async with empty_journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        plan = WatchlistModel(name="w", created_at=datetime.now(UTC))
        uow.session.add(plan)
        for number in range(300):
            uow.session.add(make_setting(f"{number:03}"))
        await uow.commit()
        result = await (await uow.connection()).stream(text("SELECT key FROM settings"))
        assert await result.fetchone() is not None
        await uow.rollback()
        with pytest.raises((InterfaceError, AttributeError)):  # as SQLAlchemy says that a cursor is closed
            await result.fetchall()


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("leaving", [False, True])
async def test_what_is_left_open_shows_the_past_to_no_other_unit_of_work(
    journal: Journal, *, leaving: bool, read_only: bool
) -> None:
    """A stream of an image and one of rows that are still open when the transaction ends, or its block is left."""
    async with journal.unit_of_work() as uow:
        image = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(300, 200))
        await uow.settings.bulk_upsert({f"{number:03}": "old" for number in range(300)})
        await uow.commit()
    async with journal.unit_of_work(read_only=read_only) as uow, aclosing(uow.images.stream(image, 100)) as chunks:
        assert len(await anext(chunks)) == 100
        result = await (await uow.connection()).stream(text("SELECT key FROM settings"))
        assert await result.fetchone() is not None
        await (uow.__aexit__(None, None, None) if leaving else uow.rollback())
        async with journal.unit_of_work() as writer:
            await writer.settings.set("000", "new")
            await writer.commit()
        async with journal.unit_of_work(read_only=read_only) as other:
            assert await other.settings.get("000") == "new"
        with pytest.raises(RepositoryError, match="has ended"):
            await anext(chunks)
