"""The search index of a vault after statements of SQLite's own, and after deletions: as the tables are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from factories import TEXT_DELETIONS, store_a_text_everywhere
from zorivest_async.database.models import TradeReportModel, WatchlistModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async import SqlAlchemyUnitOfWork, Vault

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def noted(vault: Vault) -> Vault:
    """A vault with a text of its own in every field that has any; everything has the number 1."""
    await store_a_text_everywhere(vault)
    return vault


async def found(vault: Vault, query: str) -> list[str]:
    """Return the identifiers of what another unit of work finds."""
    async with vault.unit_of_work(read_only=True) as uow:
        return [str(hit.id) for hit in await uow.search.find(query)]


@pytest.mark.parametrize(("query", "delete"), TEXT_DELETIONS.values(), ids=TEXT_DELETIONS)
async def test_nothing_of_a_deleted_text_is_left_in_the_pages_of_the_index(
    noted: Vault, query: str, delete: Callable[[SqlAlchemyUnitOfWork], Any]
) -> None:
    """FTS5's secure-delete takes it out at once."""
    pages = "SELECT count(*) FROM zorivest_search_data WHERE instr(block, :word)"
    async with noted.unit_of_work() as uow:
        connection = await uow.connection()
        words = {"word": query[1:].encode()}  # terms with the beginning of the one before leave it out
        assert (await connection.execute(text(pages), words)).scalar_one()
        await delete(uow)
        await uow.commit()
        connection = await uow.connection()
        assert (await connection.execute(text(pages), words)).scalar_one() == 0
    assert (await noted.verify()).ok


ACCOUNT = "accounts (account_id, name, account_type, notes, created_at) VALUES ('U2', 'x', 'broker', {}, '2024')"
REPORT = "trade_reports (trade_id, lessons_learned, created_at) VALUES ('0001', 'zulu', '2024')"
ZULU = "'zulu'"
STATEMENTS = {
    "insert": ("INSERT INTO watchlists (name, description, created_at) VALUES ('x', 'zulu', '2024')", ["2"]),
    "update": ("UPDATE images SET caption = 'zulu'", ["1"]),
    "another identifier": ("UPDATE accounts SET account_id = 'U9', notes = 'zulu' WHERE account_id = 'U2'", ["U9"]),
    "an identifier alone": ("UPDATE trade_plans SET id = 9", []),
    "its row number by another name": ("UPDATE images SET rowid = 9, caption = 'zulu'", ["9"]),
    "its row number alone": ("UPDATE trade_reports SET _rowid_ = 9", []),
    "replace": (f"INSERT OR REPLACE INTO {ACCOUNT.format(ZULU)}", ["U2"]),
    "replace by nothing": (f"INSERT OR REPLACE INTO {ACCOUNT.format('NULL')}", []),
    "replace for another value": (f"INSERT OR REPLACE INTO {REPORT}", ["2"]),
    "replace in an update": ("UPDATE OR REPLACE accounts SET account_id = 'U2', notes = 'zulu'", ["U2"]),
    "upsert": (f"INSERT INTO {ACCOUNT.format(ZULU)} ON CONFLICT DO UPDATE SET notes = excluded.notes", ["U2"]),
    "ignore": (f"INSERT OR IGNORE INTO {REPORT}", []),
    "truncate": ("DELETE FROM watchlist_items", []),
}


@pytest.mark.parametrize(("statement", "expected"), STATEMENTS.values(), ids=STATEMENTS)
async def test_sql_of_ones_own_is_followed(noted: Vault, statement: str, expected: list[str]) -> None:
    """Whatever it does, the index is as the tables are."""
    async with noted.unit_of_work() as uow:
        if statement.startswith("UPDATE OR REPLACE"):
            for trade in await uow.trades.list_all():
                await uow.trades.delete(trade.exec_id)
        await (await uow.connection()).execute(text(statement))
        await uow.commit()
    assert await found(noted, "zulu") == expected
    assert (await noted.verify()).problems == ()


async def test_the_index_verifies_after_the_session_wrote(noted: Vault) -> None:
    """A changed text and a deleted list, whose relationship deletes its items."""
    async with noted.unit_of_work() as uow:
        (await uow.session.get_one(TradeReportModel, 1)).lessons_learned = "zulu"
        watchlist = await uow.session.get_one(WatchlistModel, 1)
        await uow.session.refresh(watchlist, ["items"])
        await uow.session.delete(watchlist)
        await uow.commit()
    assert await found(noted, "zulu") == ["1"]
    assert (await noted.verify()).ok
