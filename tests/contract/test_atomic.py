"""Every repository method is atomic: what it refuses, it has not half done.

The faults are a user's own triggers, which refuse the first row that a method writes, then the second, and so on. They
are found between the statements of a method, and between the rows of a statement that is sent for many.
"""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

from contextlib import aclosing
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import pytest
import pytest_asyncio

from factories import (
    make_account,
    make_image_entity,
    make_import,
    make_item,
    make_plan,
    make_png,
    make_provider,
    make_report,
    make_snapshot,
    make_trade,
    make_trades,
    make_watchlist,
    minutes_later,
)
from sources import Given, booked
from zorivest_async import (
    ForeignKeyError,
    ImageOwnerType,
    NotFoundError,
    RepositoryError,
    SearchKind,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeFilter,
)
from zorivest_async.database import repositories
from zorivest_async.database.models import Base
from zorivest_async.transfer.importers import import_trades

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from implementations import Journal
    from zorivest_async import Vault

pytestmark = pytest.mark.asyncio

Call: TypeAlias = "Callable[[SqlAlchemyUnitOfWork], Awaitable[object]]"
Dump: TypeAlias = dict[str, list[tuple[Any, ...]]]

READS: Final = ("get", "list", "count", "exists", "find", "page", "stream", "reveal", "traces")
"""What the names of methods that write nothing begin with."""

MANY: Final = [make_trade("0001", price=2.0), *make_trades(3, first=10), make_trade("0002", price=3.0)]
"""Trades of which the first and the last are stored."""


async def all_of(entities: AsyncGenerator[Any]) -> list[Any]:
    """Return what a stream yields."""
    async with aclosing(entities):
        return [entity async for entity in entities]


async def reveal_nothing(uow: SqlAlchemyUnitOfWork) -> None:
    """Ask for an API key that is not stored."""
    with pytest.raises(NotFoundError):
        await uow.market_provider_settings.reveal_api_key("Alpha Vantage")


CALLS: dict[str, Call] = {
    "trades.save": lambda uow: uow.trades.save(make_trade("new")),
    "trades.save_many": lambda uow: uow.trades.save_many(make_trades(5, first=10)),
    "trades.save_many skip": lambda uow: uow.trades.save_many(MANY, "skip"),
    "trades.save_many update": lambda uow: uow.trades.save_many(MANY, "update"),
    "trades.save_many in slices": lambda uow: uow.trades.save_many(make_trades(3, first=10), "update"),
    "trades.update": lambda uow: uow.trades.update(make_trade("0001", price=2.0)),
    "trades.delete": lambda uow: uow.trades.delete("0001"),
    "trades.get": lambda uow: uow.trades.get("0001"),
    "trades.get_one": lambda uow: uow.trades.get_one("0001"),
    "trades.get_many": lambda uow: uow.trades.get_many(["0001", "absent"]),
    "trades.exists": lambda uow: uow.trades.exists("0001"),
    "trades.list_all": lambda uow: uow.trades.list_all(),
    "trades.list_for_account": lambda uow: uow.trades.list_for_account("U1"),
    "trades.list_filtered": lambda uow: uow.trades.list_filtered(TradeFilter(instrument="SPY")),
    "trades.count_filtered": lambda uow: uow.trades.count_filtered(TradeFilter()),
    "trades.page": lambda uow: uow.trades.page(TradeFilter(), size=1),
    "trades.stream": lambda uow: all_of(uow.trades.stream()),
    "trades.stream_executions": lambda uow: all_of(uow.trades.stream_executions()),
    "trades.list_mixed_units": lambda uow: uow.trades.list_mixed_units(),
    "trade_reports.stream_reviews": lambda uow: all_of(uow.trade_reports.stream_reviews()),
    "trade_plans.stream_links": lambda uow: all_of(uow.trade_plans.stream_links()),
    "trades.list_versions": lambda uow: uow.trades.list_versions(["0001"]),
    "trades.count_in_use": lambda uow: uow.trades.count_in_use(["0001", "0002"]),
    "trades.find_reference": lambda uow: uow.trades.find_reference(["0001"]),
    "trades.supersede": lambda uow: uow.trades.supersede("0001", "0002"),
    "images.save": lambda uow: uow.images.save("0001", make_image_entity(caption="new")),
    "images.attach": lambda uow: uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(), caption="new"),
    "images.delete": lambda uow: uow.images.delete(1),
    "images.delete_for_owner": lambda uow: uow.images.delete_for_owner(ImageOwnerType.TRADE, "0001"),
    "images.get": lambda uow: uow.images.get(1),
    "images.get_info": lambda uow: uow.images.get_info(1),
    "images.get_for_trade": lambda uow: uow.images.get_for_trade("0001"),
    "images.get_for_owner": lambda uow: uow.images.get_for_owner(ImageOwnerType.REPORT, 1),
    "images.get_thumbnail": lambda uow: uow.images.get_thumbnail(1),
    "images.get_full_data": lambda uow: uow.images.get_full_data(1),
    "images.get_notes": lambda uow: uow.images.get_notes(1),
    "images.list_for_owner": lambda uow: uow.images.list_for_owner(ImageOwnerType.PLAN, 1),
    "images.stream": lambda uow: all_of(uow.images.stream(1)),
    "accounts.save": lambda uow: uow.accounts.save(make_account("new", notes="new")),
    "accounts.update": lambda uow: uow.accounts.update(make_account("U1", notes="changed")),
    "accounts.delete": lambda uow: uow.accounts.delete("U2"),
    "accounts.reassign_trades_to": lambda uow: uow.accounts.reassign_trades_to("U1", "U2"),
    "accounts.get": lambda uow: uow.accounts.get("U1"),
    "accounts.get_one": lambda uow: uow.accounts.get_one("U1"),
    "accounts.exists": lambda uow: uow.accounts.exists("U1"),
    "accounts.list_all": lambda uow: uow.accounts.list_all(),
    "accounts.count_all": lambda uow: uow.accounts.count_all(),
    "balance_snapshots.save": lambda uow: uow.balance_snapshots.save(make_snapshot()),
    "balance_snapshots.get_latest": lambda uow: uow.balance_snapshots.get_latest("U2"),
    "balance_snapshots.list_for_account": lambda uow: uow.balance_snapshots.list_for_account("U2"),
    "balance_snapshots.count_for_account": lambda uow: uow.balance_snapshots.count_for_account("U2"),
    "trade_reports.save": lambda uow: uow.trade_reports.save(make_report("0002", lessons_learned="new")),
    "trade_reports.update": lambda uow: uow.trade_reports.update(make_report(id=1, lessons_learned="changed")),
    "trade_reports.delete": lambda uow: uow.trade_reports.delete(1),
    "trade_reports.get": lambda uow: uow.trade_reports.get(1),
    "trade_reports.get_one": lambda uow: uow.trade_reports.get_one(1),
    "trade_reports.exists": lambda uow: uow.trade_reports.exists(1),
    "trade_reports.get_for_trade": lambda uow: uow.trade_reports.get_for_trade("0001"),
    "trade_plans.save": lambda uow: uow.trade_plans.save(make_plan(strategy_name="new")),
    "trade_plans.update": lambda uow: uow.trade_plans.update(make_plan(id=1, strategy_name="changed")),
    "trade_plans.delete": lambda uow: uow.trade_plans.delete(1),
    "trade_plans.get": lambda uow: uow.trade_plans.get(1),
    "trade_plans.get_one": lambda uow: uow.trade_plans.get_one(1),
    "trade_plans.exists": lambda uow: uow.trade_plans.exists(1),
    "trade_plans.list_all": lambda uow: uow.trade_plans.list_all(),
    "trade_plans.count_for_account": lambda uow: uow.trade_plans.count_for_account("U2"),
    "watchlists.save": lambda uow: uow.watchlists.save(make_watchlist("new", "SPY", "QQQ", "IWM", description="new")),
    "watchlists.update": lambda uow: uow.watchlists.update(make_watchlist(id=1, description="changed")),
    "watchlists.delete": lambda uow: uow.watchlists.delete(1),
    "watchlists.add_item": lambda uow: uow.watchlists.add_item(1, make_item(notes="new")),
    "watchlists.update_item": lambda uow: uow.watchlists.update_item(make_item(id=1, notes="changed")),
    "watchlists.remove_item": lambda uow: uow.watchlists.remove_item(1),
    "watchlists.get": lambda uow: uow.watchlists.get(1),
    "watchlists.get_one": lambda uow: uow.watchlists.get_one(1),
    "watchlists.exists": lambda uow: uow.watchlists.exists(1),
    "watchlists.exists_by_name": lambda uow: uow.watchlists.exists_by_name("Semiconductors"),
    "watchlists.list_all": lambda uow: uow.watchlists.list_all(),
    "watchlists.get_items": lambda uow: uow.watchlists.get_items(1),
    "settings.set": lambda uow: uow.settings.set("theme", "light"),
    "settings.bulk_upsert": lambda uow: uow.settings.bulk_upsert({"new": 1, "theme": "light", "newer": 2}),
    "settings.delete": lambda uow: uow.settings.delete("theme"),
    "settings.get": lambda uow: uow.settings.get("theme"),
    "settings.get_all": lambda uow: uow.settings.get_all(),
    "settings.list_prefixed": lambda uow: uow.settings.list_prefixed("the"),
    "market_provider_settings.save": lambda uow: uow.market_provider_settings.save(make_provider("new")),
    "market_provider_settings.update": lambda uow: uow.market_provider_settings.update(make_provider(timeout=1)),
    "market_provider_settings.delete": lambda uow: uow.market_provider_settings.delete("Alpha Vantage"),
    "market_provider_settings.get": lambda uow: uow.market_provider_settings.get("Alpha Vantage"),
    "market_provider_settings.get_one": lambda uow: uow.market_provider_settings.get_one("Alpha Vantage"),
    "market_provider_settings.exists": lambda uow: uow.market_provider_settings.exists("Alpha Vantage"),
    "market_provider_settings.list_all": lambda uow: uow.market_provider_settings.list_all(),
    "market_provider_settings.reveal_api_key": reveal_nothing,
    "imports.save": lambda uow: uow.imports.save(make_import()),
    "imports.begin": lambda uow: uow.imports.begin(make_import()),
    "imports.update": lambda uow: uow.imports.update(make_import(id=1, failed=1)),
    "imports.delete": lambda uow: uow.imports.delete(2),
    "imports.undo": lambda uow: uow.imports.undo(1),
    "imports.get": lambda uow: uow.imports.get(1),
    "imports.get_one": lambda uow: uow.imports.get_one(1),
    "imports.exists": lambda uow: uow.imports.exists(1),
    "imports.list_all": lambda uow: uow.imports.list_all(),
    "imports.count_all": lambda uow: uow.imports.count_all(),
    "imports.list_of_file": lambda uow: uow.imports.list_of_file("0" * 64),
    "imports.list_for_trade": lambda uow: uow.imports.list_for_trade("imported"),
    "imports.traces": lambda uow: uow.imports.traces(["imported"]),
    "rows.count": lambda uow: uow.rows.count(Trade),
    "rows.page": lambda uow: uow.rows.page(Trade),
    "rows.insert": lambda uow: uow.rows.insert(make_trades(3, first=10)),
    "rows.insert images": lambda uow: uow.rows.insert([make_image_entity(owner_id="0001")] * 2),
    "search.find": lambda uow: uow.search.find("gap"),
    "search.rebuild": lambda uow: uow.search.rebuild(),
}
"""A call of each method, which would change what is stored if it writes; a word may follow a method's name."""


def methods(uow: SqlAlchemyUnitOfWork) -> set[str]:
    """Return the methods of all repositories that a unit of work brings."""
    found: set[str] = set()
    for attribute, value in vars(SqlAlchemyUnitOfWork).items():
        returned = value.fget.__annotations__["return"] if isinstance(value, property) else ""
        if returned in repositories.__all__:
            repository = getattr(uow, attribute)
            for name in dir(repository):
                method = getattr(type(repository), name, None)
                if not name.startswith("_") and (iscoroutinefunction(method) or isasyncgenfunction(method)):
                    found.add(f"{attribute}.{name}")
    return found


async def test_every_method_is_tried(empty_journal: Journal) -> None:
    """A new method of a repository has an entry among the calls, and one that deletes among the deletions."""
    async with empty_journal.unit_of_work() as uow:
        assert {name.split()[0] for name in CALLS} == methods(uow)
    deleting = {name for name in CALLS if name.partition(".")[2].startswith(("delete", "remove"))}
    assert deleting == {name for name, *_ in DELETIONS}


@pytest_asyncio.fixture
async def stocked(journal: Journal) -> Journal:
    """A vault with rows in all tables, and triggers that refuse the row with which a countdown ends."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", notes="gap"))
        await uow.trades.save(make_trade("0002", time=minutes_later(1)))
        await uow.trade_reports.save(make_report(lessons_learned="gap"))
        await uow.trade_plans.save(make_plan(strategy_name="gap", linked_trade_id="0001", account_id="U2"))
        for owner_type, owner_id in ((ImageOwnerType.TRADE, "0001"), ("report", 1), ("plan", 1)):
            for caption in ("gap", None):
                await uow.images.save(
                    owner_id,
                    make_image_entity(make_png(), caption=caption),
                    owner_type=ImageOwnerType(owner_type),
                )
        for minutes in range(2):
            await uow.balance_snapshots.save(make_snapshot("U2", datetime=minutes_later(minutes)))
        await uow.watchlists.save(make_watchlist("Semiconductors", "NVDA", "AMD", description="gap"))
        await uow.settings.bulk_upsert({"theme": "dark", "size": 12})
        await uow.market_provider_settings.save(make_provider())
        await uow.commit()
    await import_trades(cast("Vault", journal), Given((booked(1, "imported"),)))
    async with journal.unit_of_work() as uow:
        await uow.imports.save(make_import())  # which has no rows
        connection = await uow.connection()
        await connection.exec_driver_sql("CREATE TABLE fault (countdown INTEGER NOT NULL)")
        await connection.exec_driver_sql("INSERT INTO fault VALUES (0)")
        for table in Base.metadata.tables:
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                condition = f"WHEN {row}.key NOT LIKE 'stored %'" if table == "settings" else ""
                await connection.exec_driver_sql(
                    f"""\
CREATE TRIGGER fault_{table}_{event} AFTER {event} ON {table} {condition}
BEGIN
    UPDATE fault SET countdown = countdown - 1;
    SELECT RAISE(ABORT, 'refused on purpose') FROM fault WHERE countdown = 0;
END"""
                )
        await uow.commit()
    return journal


async def dump(journal: Journal) -> Dump:
    """Return the rows of all tables, the search index's among them, but for the countdown and the tests' settings."""
    async with journal.unit_of_work(read_only=True) as uow:
        connection = await uow.connection()
        names = await connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        )
        tables = [name for (name,) in names if not name.endswith(("_data", "_idx", "_docsize", "_config"))]
        rows: Dump = {
            table: [tuple(row) for row in await connection.exec_driver_sql(f'SELECT rowid, * FROM "{table}"')]
            for table in tables
            if table != "fault"
        }
    rows["settings"] = [row for row in rows["settings"] if not row[1].startswith("stored ")]
    return rows


async def count_writes(journal: Journal, call: Call) -> int:
    """Return how many rows a call writes; it is rolled back."""
    async with journal.unit_of_work() as uow:
        await call(uow)
        countdown = await (await uow.connection()).exec_driver_sql("SELECT countdown FROM fault")
        return -int(countdown.scalar_one())


async def refuse_row(journal: Journal, number: int) -> None:
    """Have the next call refused at the row with this number."""
    async with journal.unit_of_work() as uow:
        await (await uow.connection()).exec_driver_sql("UPDATE fault SET countdown = ?", (number,))
        await uow.commit()


async def assert_nothing_of(
    journal: Journal, call: Call, before: Dump, error: type[RepositoryError] = RepositoryError
) -> RepositoryError:
    """Check that a call is refused, and that the unit of work goes on and commits as if there had been no call."""
    async with journal.unit_of_work() as uow:
        await uow.settings.set("stored before", 1)
        with pytest.raises(error) as caught:
            await call(uow)
        await uow.settings.set("stored after", 2)
        await uow.commit()
    assert uow.outcome == "committed"
    async with journal.unit_of_work() as uow:
        assert [await uow.settings.get(f"stored {when}") for when in ("before", "after")] == [1, 2]
        await uow.settings.delete("stored before")
        await uow.settings.delete("stored after")
        await uow.commit()
    assert await dump(journal) == before
    return caught.value


def is_read(name: str) -> bool:
    """Return whether a method's name says that it writes nothing."""
    return name.partition(".")[2].startswith(READS)


@pytest.mark.parametrize("name", [name for name in CALLS if is_read(name)])
async def test_a_read_writes_nothing(stocked: Journal, name: str) -> None:
    """What a method's name promises."""
    assert await count_writes(stocked, CALLS[name]) == 0


@pytest.mark.parametrize("name", [name for name in CALLS if not is_read(name) and name != "search.rebuild"])
async def test_a_refused_write_leaves_nothing_of_itself(
    stocked: Journal, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its rows is refused, everything is stored as it was before, and the unit of work goes on."""
    if name.endswith("in slices"):
        monkeypatch.setattr("zorivest_async.database.repositories.trades.SLICE_ROWS", 1)
    call = CALLS[name]
    before = await dump(stocked)
    writes = await count_writes(stocked, call)
    assert writes > 0
    for number in range(1, writes + 1):
        await refuse_row(stocked, number)
        await assert_nothing_of(stocked, call, before)
    await refuse_row(stocked, writes + 1)
    async with stocked.unit_of_work() as uow:
        await call(uow)
        await uow.commit()
    assert await dump(stocked) != before


@pytest.mark.parametrize("name", [name for name in CALLS if not is_read(name) and name != "search.rebuild"])
async def test_a_refused_write_leaves_the_rest_of_a_savepoint(stocked: Journal, name: str) -> None:
    """The block of a savepoint goes on after it, too, and keeps what it did before."""
    before = await dump(stocked)
    for number in range(1, await count_writes(stocked, CALLS[name]) + 1):
        await refuse_row(stocked, number)

        async def call(uow: SqlAlchemyUnitOfWork) -> None:
            async with uow.savepoint():
                await uow.settings.set("stored inside", 1)
                with pytest.raises(RepositoryError):
                    await CALLS[name](uow)
                assert await uow.settings.get("stored inside") == 1
                await uow.settings.delete("stored inside")
            raise NotFoundError

        await assert_nothing_of(stocked, call, before)


async def test_a_refused_rebuild_leaves_the_index(stocked: Journal) -> None:
    """Its last table cannot be read; the index has been dropped by then, and is there again."""
    async with stocked.unit_of_work() as uow:
        connection = await uow.connection()
        await connection.exec_driver_sql("ALTER TABLE watchlist_items RENAME COLUMN notes TO remarks")
        await uow.commit()
    before = await dump(stocked)
    await assert_nothing_of(stocked, CALLS["search.rebuild"], before)
    async with stocked.unit_of_work(read_only=True) as uow:
        assert await uow.search.find("gap", kinds=[SearchKind.PLAN])


IT: Final = "it"

DELETIONS: Final = (
    ("trades.delete", "trades (exec_id)", "'0001'", IT),
    ("trades.delete", "trade_reports (id)", "1", "a row of trade_reports that goes with it"),
    ("trades.delete", "images (id)", "1", None),
    ("trade_reports.delete", "trade_reports (id)", "1", IT),
    ("trade_reports.delete", "images (id)", "3", None),
    ("trade_plans.delete", "trade_plans (id)", "1", IT),
    ("trade_plans.delete", "images (id)", "5", None),
    ("images.delete", "images (id)", "1", IT),
    ("images.delete_for_owner", "images (id)", "1", IT),
    ("accounts.delete", "accounts (account_id)", "'U2'", IT),
    ("accounts.delete", "balance_snapshots (id)", "2", "a row of balance_snapshots that goes with it"),
    ("watchlists.delete", "watchlists (id)", "1", IT),
    ("watchlists.delete", "watchlist_items (id)", "2", "a row of watchlist_items that goes with it"),
    ("watchlists.remove_item", "watchlist_items (id)", "1", IT),
    ("imports.delete", "zorivest_imports (id)", "2", IT),
    ("settings.delete", "settings (key)", "'theme'", IT),
    ("market_provider_settings.delete", "market_provider_settings (provider_name)", "'Alpha Vantage'", IT),
)
"""Calls, the row that a user's own table refers to, and what the message calls it, unless a trigger deletes it."""


@pytest.mark.parametrize(("name", "parent", "value", "what"), DELETIONS, ids=[f"{d[0]} of {d[1]}" for d in DELETIONS])
async def test_a_refused_deletion_names_the_table_that_refers(
    stocked: Journal, name: str, parent: str, value: str, what: str | None
) -> None:
    """Nothing of it is done, and the message tells what is in the way, without the values of a row."""
    async with stocked.unit_of_work() as uow:
        connection = await uow.connection()
        await connection.exec_driver_sql(f'CREATE TABLE "my links" (row REFERENCES {parent})')
        await connection.exec_driver_sql(f'INSERT INTO "my links" VALUES ({value})')
        await uow.commit()
    before = await dump(stocked)
    caught = await assert_nothing_of(stocked, CALLS[name], before, ForeignKeyError)
    refers = "another row refers to it, or to one that would be deleted with it" if what is None else None
    assert caught.problem == f"{refers or f'a row of my links refers to {what}'}; delete or change that first"
