"""Nothing of what is stored can be read from the file, its WAL or the errors around them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_plan, make_png, make_report, make_trade
from zorivest_async import (
    BalanceSnapshot,
    ImageOwnerType,
    MarketProviderSetting,
    Vault,
    Watchlist,
    WatchlistItem,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PLANTED = [f"PLANTED-{number:02}-{word}" for number, word in enumerate(["trade", "note", "plan", "key"] * 5)]


async def plant(vault: Vault) -> None:
    """Store twenty texts, one in every kind of field that holds text."""
    texts = iter(PLANTED)
    async with vault.unit_of_work() as uow:
        account = make_account(next(texts), name=next(texts), institution=next(texts), notes=next(texts))
        await uow.accounts.save(account)
        trade = make_trade(next(texts), instrument=next(texts), account_id=account.account_id)
        await uow.trades.save(trade)
        await uow.images.attach(ImageOwnerType.TRADE, trade.exec_id, make_png(), caption=next(texts))
        await uow.trade_reports.save(
            make_report(trade.exec_id, emotional_state=next(texts), lessons_learned=next(texts), tags=(next(texts),))
        )
        await uow.trade_plans.save(make_plan(next(texts), strategy_name=next(texts), entry_conditions=next(texts)))
        await uow.watchlists.save(
            Watchlist(next(texts), next(texts), items=(WatchlistItem(next(texts), notes=next(texts)),))
        )
        await uow.settings.set(next(texts), next(texts))
        await uow.market_provider_settings.save(MarketProviderSetting("provider", next(texts)))
        await uow.balance_snapshots.save(BalanceSnapshot(account.account_id, trade.time, 1.0))
        await uow.commit()
    assert next(texts, None) is None


def bytes_beside(path: Path) -> dict[str, bytes]:
    """Return the contents of a vault and of what SQLite keeps beside it."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


async def test_no_planted_text_is_in_the_file_or_its_wal(vault: Vault, vault_path: Path) -> None:
    """While it is open, with a WAL that has not been checkpointed, and after it was closed."""
    await plant(vault)
    live = await asyncio.to_thread(bytes_beside, vault_path)
    assert len(live[f"{vault_path.name}-wal"]) > 4096
    await vault.aclose()
    closed = await asyncio.to_thread(bytes_beside, vault_path)
    for contents in (*live.values(), *closed.values()):
        assert not [text for text in PLANTED if text.encode() in contents or text.encode("utf-16-le") in contents]


async def test_planted_texts_would_be_found_in_plaintext(tmp_path: Path) -> None:
    """The search above finds what a plaintext database holds."""

    def write_plaintext() -> bytes:
        path = tmp_path / "plain.db"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE t (x)")
            connection.executemany("INSERT INTO t VALUES (?)", [(text,) for text in PLANTED])
        return path.read_bytes()

    contents = await asyncio.to_thread(write_plaintext)
    assert all(text.encode() in contents for text in PLANTED)


async def test_the_api_key_is_encrypted_again_inside_the_vault(vault: Vault) -> None:
    """A query of the table meets a token that is bound to the provider."""
    await plant(vault)
    async with vault.read_engine.connect() as connection:
        stored = (await connection.exec_driver_sql("SELECT encrypted_api_key FROM market_provider_settings")).scalar()
    assert isinstance(stored, str)
    assert stored.startswith("ENC:2:")
    assert PLANTED[-1] not in stored


async def test_sqlite_without_the_key_reads_nothing(vault: Vault, vault_path: Path) -> None:
    """The standard library's sqlite3 says that it is not a database."""
    await plant(vault)
    await vault.aclose()

    def read() -> None:
        with closing(sqlite3.connect(vault_path)) as connection:
            connection.execute("SELECT * FROM trades")

    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await asyncio.to_thread(read)
