"""A statement that the server refuses is undone alone: the unit of work goes on, and commits the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from factories import make_account, make_plan, make_report, make_trade, make_watchlist
from journal_server import cluster, database_name, new_journal, runtime_url, superuser_url
from zorivest_async import (
    ConfigurationError,
    DuplicateError,
    ForeignKeyError,
    NotOnThisBackendError,
    RepositoryError,
    ValidationError,
    Vault,
    ZorivestError,
)
from zorivest_async.database.models import SettingModel
from zorivest_async.database.postgresql.failures import translation_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio


@pytest.fixture
def url() -> str:
    """The URL of a database with the schema."""
    return runtime_url()


@pytest_asyncio.fixture
async def vault(url: str) -> AsyncGenerator[Vault]:
    """A new journal with an account and a trade."""
    async with Vault.connect(url, journal=new_journal(), encryption="server") as opened:
        async with opened.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await uow.trades.save(make_trade("0001"))
            await uow.commit()
        yield opened


async def flush_a_duplicate(uow: SqlAlchemyUnitOfWork) -> None:
    """Insert a setting through the session that is there already."""
    uow.session.add(SettingModel(key="before", value="1", value_type="str"))
    await uow.session.flush()


async def send_nonsense(uow: SqlAlchemyUnitOfWork) -> None:
    """Send SQL of one's own that is wrong."""
    await (await uow.connection()).execute(text("SELECT no_such_column"))


REFUSED: dict[str, tuple[Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]], type[Exception]]] = {
    "duplicate": (lambda uow: uow.trades.save(make_trade("0001")), DuplicateError),
    "duplicate number": (lambda uow: uow.watchlists.save(make_watchlist(id=1)), DuplicateError),
    "no account": (lambda uow: uow.trades.save(make_trade("0002", account_id="U9")), ForeignKeyError),
    "no trade": (lambda uow: uow.trade_reports.save(make_report("0009")), ForeignKeyError),
    "still referred to": (lambda uow: uow.accounts.delete("U1"), ForeignKeyError),
    "bulk": (lambda uow: uow.trades.save_many([make_trade("0003"), make_trade("0001")]), DuplicateError),
    "bulk without account": (lambda uow: uow.trades.save_many([make_trade("5", account_id="U9")]), ForeignKeyError),
    "session": (flush_a_duplicate, DBAPIError),
    "own SQL": (send_nonsense, DBAPIError),
}


@pytest.mark.parametrize(("call", "error"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_is_undone_alone(
    vault: Vault, call: Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]], error: type[Exception]
) -> None:
    """As the first statement, after a write, twice, and inside a savepoint."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("before", 1)
        await uow.watchlists.save(make_watchlist(id=1))
        for _ in range(2):
            with pytest.raises(error):
                await call(uow)
        async with uow.savepoint():
            await uow.settings.set("inside", 1)
            with pytest.raises(error):
                await call(uow)
        await uow.settings.set("after", 1)
        await uow.commit()
        assert uow.outcome == "committed"
    async with vault.unit_of_work(read_only=True) as uow:
        assert [setting.key for setting in await uow.settings.get_all()] == ["after", "before", "inside"]
        assert [trade.exec_id for trade in await uow.trades.list_all()] == ["0001"]


@pytest.mark.parametrize("identifier", ["x" * 513, "株" * 342], ids=["characters", "bytes"])
@pytest.mark.parametrize(
    "call",
    [
        lambda uow, name: uow.trades.save(make_trade(name)),
        lambda uow, name: uow.trades.save_many([make_trade("a"), make_trade(name)]),
        lambda uow, name: uow.accounts.save(make_account(name)),
        lambda uow, name: uow.trade_plans.save(make_plan(ticker=name)),
        lambda uow, name: uow.settings.set(name, 1),
    ],
    ids=["trade", "trades", "account", "plan", "setting"],
)
async def test_too_long_an_identifier_is_refused_before_it_is_sent(
    vault: Vault, call: Callable[[SqlAlchemyUnitOfWork, str], Awaitable[Any]], identifier: str
) -> None:
    """The server's own refusal would abort the transaction; the longest that fit are stored."""
    async with vault.unit_of_work() as uow:
        with pytest.raises(ValidationError, match="at most 512 characters, and 1,024 bytes"):
            await call(uow, identifier)
        await call(uow, identifier[:-1])
        await uow.commit()


async def test_no_text_is_too_long_for_the_search_index(vault: Vault) -> None:
    """Its first words are found; the server would refuse more of them than fit into its index."""
    notes = " ".join(f"w{number}" for number in range(110_000))
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", notes=notes))
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.accounts.get_one("U2")).notes == notes
        assert [hit.id for hit in await uow.search.find("w7999 ")] == ["U2"]
        assert await uow.search.find("w8000 ") == []


async def test_no_error_has_a_value(vault: Vault) -> None:
    """The server's words have the values of a row; the error and what it was raised from do not show them."""
    async with vault.unit_of_work() as uow:
        with pytest.raises(RepositoryError) as caught:
            await uow.trade_reports.save(make_report("canary-0009"))
        error: BaseException | None = caught.value
        while error is not None:
            assert "canary" not in f"{error} {error!r} {vars(error).get('detail')}"
            error = error.__cause__ or error.__context__


@pytest.mark.usefixtures("vault")
async def test_journals_do_not_see_each_other(url: str) -> None:
    """Each has its own rows and its own row numbers, and is found again by its name."""
    name = new_journal()
    async with Vault.connect(url, journal=name, encryption="server") as other, other.unit_of_work() as uow:
        assert await uow.trades.list_all() == []
        assert await uow.watchlists.save(make_watchlist("W")) == 1
        await uow.commit()
    async with (
        Vault.connect(url, journal=name, encryption="server", create=False) as other,
        other.unit_of_work(read_only=True) as uow,
    ):
        assert [watchlist.id for watchlist in await uow.watchlists.list_all()] == [1]


async def test_what_belongs_to_a_file_is_not_on_a_server(vault: Vault) -> None:
    """Each operation says what to use instead."""
    for call in (lambda: vault.backup("copy.vault"), vault.verify):
        with pytest.raises(NotOnThisBackendError):
            await call()
    with pytest.raises(ConfigurationError, match="opened without a passphrase"):
        await vault.rekey("another")
    assert vault.path is None
    assert "runtime" not in repr(vault)


async def test_the_server_notices_that_a_machine_has_gone(vault: Vault) -> None:
    """It asks after 15 seconds of silence, not after two hours, in which the journal would stay locked."""
    async with vault.unit_of_work() as uow:
        found = await (await uow.connection()).execute(text("SHOW tcp_keepalives_idle"))
        assert found.scalar_one() == "15"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda url: url.replace(":runtime@", ":wrong@"), "refused access"),
        (lambda url: url.replace("/journals", "/nowhere"), "no such database"),
        (lambda _url: cluster().url(), "schema"),
        (lambda _url: "postgresql://runtime:secret@127.0.0.1:1/x", "cannot be reached"),
    ],
    ids=["password", "database", "no schema", "no server"],
)
async def test_a_failed_connection_says_why_without_the_password(
    url: str, change: Callable[[str], str], problem: str
) -> None:
    """Neither the error nor anything that it was raised from has the password or the URL."""
    with pytest.raises(ZorivestError, match=problem) as caught:
        await Vault.connect(change(url), journal=new_journal(), encryption="server")
    error: BaseException | None = caught.value
    while error is not None:
        assert not any(
            secret in f"{error} {error!r}" for secret in (":runtime@", ":wrong@", "secret", cluster().password)
        )
        error = error.__cause__ or error.__context__
    assert database_name() not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO journals (name) VALUES ('canary'), ('canary')",
        "INSERT INTO journals (name, id) OVERRIDING SYSTEM VALUE VALUES (repeat('canary', 500), 0)",
        "SELECT CAST('canary' AS int)",
        "SELECT 1 AS canary FROM canary",
        "DO $$ BEGIN RAISE 'canary' USING DETAIL = 'canary', HINT = 'canary'; END $$",
    ],
    ids=["duplicate", "check", "text", "query", "raised"],
)
@pytest.mark.usefixtures("url")
async def test_what_the_server_says_of_values_is_not_in_an_error(sql: str) -> None:
    """Row security hides the values from applications, except where it does not; a superuser is told them."""
    connection = await asyncpg.connect(superuser_url(), ssl=False)
    try:
        with pytest.raises(asyncpg.PostgresError) as told:
            await connection.execute(sql)
        with pytest.raises(asyncpg.DataError) as refused:
            await connection.fetchval("SELECT $1::int", "canary")
    finally:
        await connection.close()
    for error in (told.value, refused.value):
        assert "canary" in f"{error} {vars(error)}"
        translated = translation_of(error, "Trade", None)
        assert translated is not None
        assert "canary" not in f"{translated} {translated!r} {error} {error!r} {vars(error)}"
