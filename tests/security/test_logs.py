"""With every logger at DEBUG, and whatever is done to a vault, no log, warning or output shows a secret or a row."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

import later_release
from canaries import API_KEY, KEY, NEW_PASSPHRASE, PASSPHRASE, ROW, found_in
from factories import make_account, make_png, make_trade
from stores import file_store
from zorivest_async import (
    ImageOwnerType,
    KdfProfile,
    MarketProviderSetting,
    Vault,
    Watchlist,
    WatchlistItem,
    ZorivestError,
    create_encrypted_connection,
    create_vault_engine,
)
from zorivest_async.database.models import TradeModel

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Every logger at DEBUG; what they say, and what their records carry."""
    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "sqlalchemy.orm", "alembic", "aiosqlite", "PIL"):
        caplog.set_level(logging.DEBUG, name)
    lines: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        lines.append(f"{record.getMessage()} {vars(record)}")
        return True

    caplog.handler.addFilter(keep)
    return lines


def assert_hidden(shown: str, *more: str | bytes) -> None:
    """None of the secrets is in a text, and no row."""
    assert not found_in(shown)
    assert not found_in(shown, ROW, *more)


async def use(vault: Vault) -> None:
    """Write and read every kind of row, also with SQL of one's own, and meet errors."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(ROW, notes=ROW))
        await uow.trades.save_many([make_trade(ROW, account_id=ROW)])
        await uow.market_provider_settings.save(MarketProviderSetting(ROW, API_KEY))
        assert await uow.market_provider_settings.reveal_api_key(ROW) == API_KEY
        await uow.settings.set(ROW, {ROW: [ROW]})
        await uow.watchlists.save(Watchlist(ROW, items=(WatchlistItem(ROW),)))
        image = await uow.images.attach(ImageOwnerType.TRADE, ROW, make_png(), caption=ROW)
        await uow.images.get_thumbnail(image, 20)
        assert [chunk async for chunk in uow.images.stream(image)]
        for refused in (
            uow.accounts.save(make_account(ROW)),
            uow.trades.save(make_trade(ROW + "2", account_id=ROW + "-missing")),
            uow.images.attach(ImageOwnerType.TRADE, ROW, ROW.encode()),
        ):
            with pytest.raises(ZorivestError):
                await refused
        await uow.commit()
        assert (await uow.session.execute(select(TradeModel))).scalars().all()
        found = await uow.session.execute(text("SELECT notes FROM accounts WHERE notes = :notes"), {"notes": ROW})
        assert found.scalar_one() == ROW
        async for row in await (await uow.connection()).stream(text("SELECT notes FROM accounts")):
            assert row.notes == ROW


def write_plaintext(path: Path) -> None:
    """Write a journal that can be adopted, but for one row."""
    with closing(sqlite3.connect(path)) as plaintext, plaintext:
        plaintext.execute("CREATE TABLE settings (key, value, value_type, updated_at)")
        plaintext.execute("CREATE TABLE market_provider_settings (provider_name, encrypted_api_key, created_at)")
        plaintext.execute("INSERT INTO settings VALUES (?, ?, 'str', '2026-01-01 00:00:00.000000')", (ROW, ROW))
        plaintext.executemany(
            "INSERT INTO market_provider_settings VALUES (?, ?, ?)",
            [(ROW, API_KEY, "2026-01-01 00:00:00.000000"), (ROW + "2", API_KEY, ROW)],
        )


async def test_the_life_of_a_vault_is_logged_without_secrets_or_rows(
    vault_path: Path, logged: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Statements are there, from each engine; keys, parameters and rows are not."""
    folder, keys = vault_path.parent, list[bytes]()
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
        vault.engine.echo = vault.read_engine.echo = "debug"
        await use(vault)
        keys.append(file_store(vault)._key.key)
        await vault.backup(folder / "backup")
        await vault.rekey(NEW_PASSPHRASE, profile=CHEAPEST)
        keys.append(file_store(vault)._key.key)
        assert (await vault.verify()).ok
    await Vault.restore(folder / "backup", vault_path, passphrase=PASSPHRASE)
    with pytest.raises(ZorivestError):
        await Vault.open(vault_path, passphrase=NEW_PASSPHRASE)
    with pytest.raises(ZorivestError):
        await Vault.open(vault_path, key=KEY)
    connection = await create_encrypted_connection(vault_path, PASSPHRASE)
    async with connection.execute("SELECT notes FROM accounts WHERE notes = ?", (ROW,)) as cursor:
        assert await cursor.fetchone() == (ROW,)
    await connection.close()
    await asyncio.to_thread(write_plaintext, folder / "plain.db")
    report = await Vault.adopt(folder / "plain.db", folder / "adopted", key=KEY, skip_invalid=True)
    assert report.refused
    engine: AsyncEngine = create_vault_engine(folder / "adopted", KEY)
    async with engine.connect() as own:
        await own.execute(text("SELECT * FROM settings WHERE key = :key"), {"key": ROW})
    await engine.dispose()
    shown = "\n".join(logged)
    for statement in ("INSERT INTO trades", "SELECT notes FROM accounts", "SELECT * FROM settings", "Col ("):
        assert statement in shown
    out, err = await asyncio.to_thread(capfd.readouterr)
    assert_hidden(shown + out + err, *keys)


async def test_an_upgrade_is_logged_without_rows(
    vault_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """Also where a revision reads some."""
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
        await use(vault)
    del logged[:]
    reading = """
    rows = op.get_bind().exec_driver_sql("SELECT notes FROM accounts").fetchall()
    for (notes,) in rows:
        op.get_bind().exec_driver_sql("UPDATE accounts SET notes = ?", (notes,))
    """
    location = await asyncio.to_thread(later_release.make_location, tmp_path, second=reading)
    later_release.become(location, monkeypatch)
    async with Vault.open(vault_path, passphrase=PASSPHRASE):
        pass
    shown = "\n".join(logged)
    assert "UPDATE accounts SET notes" in shown
    assert_hidden(shown)


@pytest.mark.filterwarnings("default")
async def test_what_is_left_open_warns_without_secrets(
    vault_path: Path, logged: list[str], recwarn: pytest.WarningsRecorder
) -> None:
    """Forgotten vaults, connections and tasks are reported with names and addresses."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    opening = Vault.open(vault_path, passphrase=PASSPHRASE, profile=CHEAPEST)
    vault = await opening
    uow = vault.unit_of_work()
    await uow.__aenter__()
    await uow.accounts.save(make_account(ROW))
    failing = asyncio.ensure_future(uow.accounts.save(make_account(ROW)))
    await asyncio.wait({failing})
    keys = [file_store(vault)._key.key]
    with suppress(ZorivestError):
        await vault.unit_of_work().trades.get("x")
    del failing
    assert reported
    engine, read_engine = vault.engine, vault.read_engine
    await uow.__aexit__(None, None, None)
    await asyncio.to_thread(vault._store.close)
    await engine.dispose()
    await read_engine.dispose()
    finalizer = vault._unclosed
    finalizer()
    assert any("was not closed" in str(warning.message) for warning in recwarn)
    texts = [f"{warning.message} {warning.source!r}" for warning in recwarn] + [f"{context}" for context in reported]
    assert_hidden("\n".join(texts + logged), *keys)
