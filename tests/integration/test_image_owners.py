"""Images and their owners: deleted together, however that is done, and together where a key changes."""

# ruff: noqa: S608 - the statements are made of names that stand here

from __future__ import annotations

from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import selectinload
from sqlcipher3 import dbapi2 as sqlcipher

from factories import make_account, make_image_entity, make_plan, make_report, make_trade
from zorivest_async import ImageOwnerType, SqlAlchemyUnitOfWork, Vault
from zorivest_async.database.models import Base, ImageModel, TradeModel, TradePlanModel, TradeReportModel
from zorivest_async.database.sqlcipher.image_owners import ORPHANED_IMAGES
from zorivest_async.domain.validation import utc_now
from zorivest_async.vault.file_format import create_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

REPORT, PLAN = 3, 5


async def run(uow: SqlAlchemyUnitOfWork, *statements: str) -> None:
    """Run statements past the repositories."""
    for statement in statements:
        await (await uow.connection()).execute(text(statement))


async def delete_by_orm(uow: SqlAlchemyUnitOfWork, model: type[Base], key: object) -> None:
    """Delete a row through the session."""
    await uow.session.delete(await uow.session.get_one(model, key))
    await uow.session.flush()


async def fill(uow: SqlAlchemyUnitOfWork) -> None:
    """Store two trades, a report and a plan, each with two images, and commit."""
    await uow.accounts.save(make_account())
    for exec_id in ("1", "2"):
        await uow.trades.save(make_trade(exec_id))
    await uow.trade_reports.save(make_report("1", id=REPORT))
    await uow.trade_plans.save(make_plan(id=PLAN))
    for kind, owner in OWNERS:
        for _ in range(2):
            await uow.images.save(owner, make_image_entity(caption=f"{kind} {owner}"), owner_type=kind)
    await uow.commit()


OWNERS = [
    (ImageOwnerType.TRADE, "1"),
    (ImageOwnerType.TRADE, "2"),
    (ImageOwnerType.REPORT, str(REPORT)),
    (ImageOwnerType.PLAN, str(PLAN)),
]
ALL = [f"{kind} {owner}" for kind, owner in OWNERS]


async def captions(uow: SqlAlchemyUnitOfWork) -> list[str]:
    """Return whose images are left."""
    found = await (await uow.connection()).execute(text("SELECT DISTINCT caption FROM images ORDER BY id"))
    return [*found.scalars()]


async def orphans(uow: SqlAlchemyUnitOfWork) -> list[Any]:
    """Return the images without an owner."""
    return [*(await (await uow.connection()).execute(text(ORPHANED_IMAGES))).all()]


@asynccontextmanager
async def plain_database() -> AsyncIterator[AsyncEngine]:
    """Make a database that is no vault, with the schema."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(params=["vault", "plain"])
async def unit(request: pytest.FixtureRequest, vault: Vault) -> AsyncIterator[Callable[[], SqlAlchemyUnitOfWork]]:
    """Makes units of work on a vault, or on any engine with the schema; all rows are there."""
    async with plain_database() as engine:
        make = vault.unit_of_work if request.param == "vault" else partial(SqlAlchemyUnitOfWork, engine)
        async with make() as uow:
            await fill(uow)
        yield make


TRADE_GONE = ["trade 2", f"plan {PLAN}"]
"""What is left when trade 1 is deleted with its report."""

DELETIONS: dict[str, tuple[Callable[[SqlAlchemyUnitOfWork], Awaitable[object]], list[str]]] = {
    "trade, repository": (lambda uow: uow.trades.delete("1"), TRADE_GONE),
    "trade, ORM": (lambda uow: delete_by_orm(uow, TradeModel, "1"), TRADE_GONE),
    "trade, SQL": (
        lambda uow: run(uow, "DELETE FROM trade_reports", "DELETE FROM trades WHERE exec_id = '1'"),
        TRADE_GONE,
    ),
    "all trades, SQL": (lambda uow: run(uow, "DELETE FROM trade_reports", "DELETE FROM trades"), [f"plan {PLAN}"]),
    "report, repository": (
        lambda uow: uow.trade_reports.delete(REPORT),
        ["trade 1", "trade 2", f"plan {PLAN}"],
    ),
    "report, ORM": (
        lambda uow: delete_by_orm(uow, TradeReportModel, REPORT),
        ["trade 1", "trade 2", f"plan {PLAN}"],
    ),
    "report, SQL": (lambda uow: run(uow, "DELETE FROM trade_reports"), ["trade 1", "trade 2", f"plan {PLAN}"]),
    "plan, repository": (lambda uow: uow.trade_plans.delete(PLAN), ["trade 1", "trade 2", f"report {REPORT}"]),
    "plan, ORM": (
        lambda uow: delete_by_orm(uow, TradePlanModel, PLAN),
        ["trade 1", "trade 2", f"report {REPORT}"],
    ),
    "plan, SQL": (lambda uow: run(uow, "DELETE FROM trade_plans"), ["trade 1", "trade 2", f"report {REPORT}"]),
    "trade, trigger of the user's": (
        lambda uow: run(
            uow,
            "CREATE TABLE my_bin (exec_id TEXT)",
            "CREATE TRIGGER my_t AFTER INSERT ON my_bin BEGIN DELETE FROM trades WHERE exec_id = NEW.exec_id; END",
            "INSERT INTO my_bin VALUES ('2')",
        ),
        ["trade 1", f"report {REPORT}", f"plan {PLAN}"],
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("delete", "left"), DELETIONS.values(), ids=DELETIONS)
async def test_images_are_deleted_with_their_owner(
    unit: Callable[[], SqlAlchemyUnitOfWork],
    delete: Callable[[SqlAlchemyUnitOfWork], Awaitable[object]],
    left: list[str],
) -> None:
    """Those of a trade, a trade's report, a report or a plan, and no others; a row under the old key has none."""
    async with unit() as uow:
        assert await captions(uow) == ALL
        await delete(uow)
        assert await captions(uow) == left
        assert await orphans(uow) == []
        for exec_id in ("1", "2"):
            if not await uow.trades.exists(exec_id):
                await uow.trades.save(make_trade(exec_id, instrument="QQQ"))
                assert await uow.images.get_for_trade(exec_id) == []


@pytest.mark.asyncio
async def test_images_are_deleted_with_a_row_that_a_foreign_key_deletes(
    unit: Callable[[], SqlAlchemyUnitOfWork],
) -> None:
    """A cascade fires triggers, too."""
    async with unit() as uow:
        await run(
            uow,
            "CREATE TABLE my_trades (exec_id TEXT PRIMARY KEY REFERENCES my_days (day) ON DELETE CASCADE)",
            "CREATE TABLE my_days (day TEXT PRIMARY KEY)",
            "INSERT INTO my_days VALUES ('2')",
            "INSERT INTO my_trades VALUES ('2')",
            "CREATE TRIGGER my_t AFTER DELETE ON my_trades BEGIN DELETE FROM trades WHERE exec_id = OLD.exec_id; END",
            "PRAGMA foreign_keys = ON",
        )
        foreign_keys = (await (await uow.connection()).execute(text("PRAGMA foreign_keys"))).scalar_one()
        await run(uow, "DELETE FROM my_days")
        assert ("trade 2" in await captions(uow)) is not bool(foreign_keys)
        assert await orphans(uow) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("statement", "gone"),
    [
        ("INSERT OR REPLACE INTO trades SELECT * FROM trades WHERE exec_id = '2'", "trade 2"),
        ("UPDATE OR REPLACE trades SET exec_id = '2' WHERE exec_id = '1'", "trade 2"),
        (
            "INSERT OR REPLACE INTO trade_reports (trade_id, created_at) VALUES ('1', '2024-03-08')",
            f"report {REPORT}",
        ),
        (
            (
                "INSERT OR REPLACE INTO trade_plans (id, ticker, direction, conviction, created_at) "
                f"VALUES ({PLAN}, 'ES', 'BOT', 'max', '2024-03-08')"
            ),
            f"plan {PLAN}",
        ),
    ],
    ids=["trade", "trade under another key", "report by its trade", "plan"],
)
async def test_images_are_deleted_with_a_row_that_is_replaced(vault: Vault, statement: str, gone: str) -> None:
    """On a vault's connections, where recursive_triggers are on: the row that replaces it is another."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
    async with vault.unit_of_work() as uow:
        await run(uow, "PRAGMA defer_foreign_keys = ON", statement)
        assert await captions(uow) == [caption for caption in ALL if caption != gone]
        assert await orphans(uow) == []


@pytest.mark.asyncio
async def test_images_follow_the_key_of_their_owner(unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """Whatever name the column is called by, and where rows exchange their keys."""
    async with unit() as uow:
        await run(
            uow,
            "PRAGMA defer_foreign_keys = ON",
            "UPDATE trades SET exec_id = 'x' WHERE exec_id = '2'",
            "UPDATE trades SET exec_id = '2' WHERE exec_id = '1'",
            "UPDATE trades SET exec_id = '1' WHERE exec_id = 'x'",
            f"UPDATE trade_reports SET rowid = 70, trade_id = '2' WHERE id = {REPORT}",
            f"UPDATE trade_plans SET id = 80 WHERE id = {PLAN}",
        )
        for kind, owner, caption in (
            (ImageOwnerType.TRADE, "1", "trade 2"),
            (ImageOwnerType.TRADE, "2", "trade 1"),
            (ImageOwnerType.REPORT, 70, f"report {REPORT}"),
            (ImageOwnerType.PLAN, 80, f"plan {PLAN}"),
        ):
            assert [image.caption for image in await uow.images.get_for_owner(kind, owner)] == [caption] * 2
        assert await orphans(uow) == []


@pytest.mark.asyncio
async def test_the_orm_may_flush_images_before_their_owner(unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """It does, as no foreign key tells it otherwise: they are the new trade's."""
    async with unit() as uow:
        trade = TradeModel(
            exec_id="3", time=utc_now(), instrument="SPY", action="BOT", quantity=1, price=1.0, account_id="U1"
        )
        image = ImageModel(owner_type=ImageOwnerType.TRADE, owner_id="3", created_at=utc_now(), data=b"x")
        uow.session.add_all([trade, image])
        await uow.session.flush()
        assert [found.data for found in await uow.images.get_for_trade("3")] == [b"x"]


@pytest.mark.asyncio
async def test_the_orm_keeps_and_deletes_a_report_with_its_trade(unit: Callable[[], SqlAlchemyUnitOfWork]) -> None:
    """One that is added by its trade's key stays; one that is taken from its trade is deleted with its images."""
    async with unit() as uow:
        uow.session.add(TradeReportModel(trade_id="2", created_at=utc_now()))
        await uow.session.flush()
        assert await uow.trade_reports.get_for_trade("2") is not None
        trade = await uow.session.get_one(TradeModel, "1", options=[selectinload(TradeModel.report)])
        trade.report = None
        await uow.session.flush()
        assert await uow.trade_reports.get_for_trade("1") is None
        assert await captions(uow) == ["trade 1", "trade 2", f"plan {PLAN}"]
        for exec_id in ("1", "2"):
            await delete_by_orm(uow, TradeModel, exec_id)
        assert await captions(uow) == [f"plan {PLAN}"]


@pytest.mark.asyncio
async def test_a_deletion_that_is_refused_keeps_the_images(vault: Vault) -> None:
    """A statement that a foreign key undoes undoes what its triggers did."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
    async with vault.unit_of_work() as uow:
        with pytest.raises(Exception, match="FOREIGN KEY"):
            await run(uow, "DELETE FROM trades")
        assert await captions(uow) == ALL


@pytest.mark.asyncio
async def test_the_triggers_are_made_and_dropped_with_the_tables() -> None:
    """In whatever parts the schema is made: without images, deleting a trade goes on working."""
    query = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'zorivest_images_of_%'")
    tables = Base.metadata.tables
    async with plain_database() as engine, engine.begin() as connection:
        for drop, make, count in (
            ([], None, 6),
            (["images"], None, 6),
            (["images"], [], 0),
            ([], ["images"], 6),
            (["trade_plans"], [], 4),
            ([], None, 6),
        ):
            await connection.run_sync(Base.metadata.drop_all, tables=[tables[name] for name in drop])
            wanted = None if make is None else [tables[name] for name in make]
            await connection.run_sync(Base.metadata.create_all, tables=wanted)
            assert len((await connection.execute(query)).all()) == count
            await connection.execute(text("DELETE FROM trades"))
        await connection.run_sync(Base.metadata.drop_all)
        assert (await connection.execute(query)).all() == []


TABLES = {
    "trade": ("trades", "exec_id", "instrument"),
    "report": ("trade_reports", "id", "emotional_state"),
    "plan": ("trade_plans", "id", "ticker"),
}


def _insertion(kind: str, number: int, mark: int) -> str:
    columns, values = {
        "trade": (
            "exec_id, time, instrument, action, quantity, price, account_id",
            f"'{number}', '2024', '{mark}', 'BOT', 1, 1, 'U1'",
        ),
        "report": ("id, trade_id, emotional_state, created_at", f"{number}, '{mark % 3 + 1}', '{mark}', '2024'"),
        "plan": ("id, ticker, direction, conviction, created_at", f"{number}, '{mark}', 'BOT', 'max', '2024'"),
    }[kind]
    return f"INTO {TABLES[kind][0]} ({columns}) VALUES ({values})"


@st.composite
def writes(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """Some write, which may be refused; a row bears a mark, and so do its images."""
    kind, number, other = draw(st.sampled_from(sorted(TABLES))), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    mark, policy = draw(st.integers(1, 10**9)), draw(st.sampled_from(["", "OR REPLACE", "OR IGNORE", "OR FAIL"]))
    table, key, marked = TABLES[kind]
    image = (
        "INSERT INTO images (owner_type, owner_id, caption, created_at, data) "
        f"SELECT '{kind}', CAST({key} AS TEXT), {marked}, '2024', x'00' FROM {table} WHERE {key} = '{number}'"
    )
    choices = [
        f"INSERT {policy} {_insertion(kind, number, mark)}",
        f"UPDATE {policy} {table} SET {key} = '{other}' WHERE {key} = '{number}'",
        f"UPDATE {policy} {table} SET rowid = {other} WHERE rowid = {number}",
        f"DELETE FROM {table} WHERE {key} = '{number}'",
        image,
        image,
        "SAVEPOINT here",
        "ROLLBACK TO here",
    ]
    return str(draw(st.sampled_from(choices)))


@settings(max_examples=200, deadline=None)
@given(statements=st.lists(writes(), max_size=30))
def test_any_writes_leave_each_image_with_its_own_row(statements: list[str]) -> None:
    """Whatever is inserted, replaced, deleted or given another key: never with another row, and never with none."""
    with closing(sqlcipher.connect(":memory:", isolation_level=None)) as raw:
        create_schema(raw)
        raw.execute("PRAGMA recursive_triggers = ON")
        raw.execute("BEGIN IMMEDIATE")
        for statement in statements:
            try:
                raw.execute(statement)
            except (sqlcipher.IntegrityError, sqlcipher.OperationalError) as error:
                assert "constraint failed" in str(error) or "no such savepoint" in str(error)  # noqa: PT017 - the rest is
        assert raw.execute(ORPHANED_IMAGES).fetchall() == []
        for kind, (table, key, marked) in TABLES.items():
            query = (
                f"SELECT caption, {marked} FROM images JOIN {table} ON CAST({table}.{key} AS TEXT) = owner_id "
                f"WHERE owner_type = '{kind}'"
            )
            assert [row for row in raw.execute(query) if row[0] != row[1]] == []
