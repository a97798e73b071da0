"""Adopting a plaintext journal: what is sound arrives unchanged, and every other value with a note."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from factories import FAKE_BYTES, assert_same, make_png, size_of_picture
from files import contents_of
from plaintext_journal import NOON, SOUND, Rows, make_plaintext
from zorivest_async import (
    Account,
    AccountType,
    AdoptNote,
    AdoptReport,
    BalanceSnapshot,
    ConvictionLevel,
    ImageInfo,
    ImageOwnerType,
    KdfProfile,
    MarketProviderSetting,
    PlanStatus,
    Trade,
    TradeAction,
    TradePlan,
    TradeReport,
    Vault,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.entities import SequencedTrade

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

MOMENT = datetime(2024, 3, 8, 12, tzinfo=UTC)
PASSPHRASE = "correct horse"


async def adopt(folder: Path, *rows: Rows) -> tuple[AdoptReport, Path]:
    """Make a plaintext journal, adopt it, and return the report and the vault."""
    source = await asyncio.to_thread(make_plaintext, folder / "journal.db", *rows)
    before = await contents_of(source)
    path = folder / "journal.vault"
    report = await Vault.adopt(source, path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    assert await contents_of(source) == before
    return report, path


def own_notes(report: AdoptReport) -> list[AdoptNote]:
    """Return the notes about single rows."""
    return [note for note in report.notes if note.keys]


async def test_what_is_sound_arrives_unchanged(tmp_path: Path) -> None:
    """Every row, under its number, with times read as UTC; the vault is sound."""
    report, path = await adopt(tmp_path)
    async with Vault.open(path, passphrase=PASSPHRASE, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            account = Account("U1", "Margin", AccountType.BROKER, None, "EUR", True, created_at=MOMENT)
            assert_same(await uow.accounts.get("U1"), account)
            bought = Trade("T1", MOMENT, "SPY", TradeAction.BOT, 100, 513.07, "U1", 1.25)
            assert_same(await uow.trades.get("T1"), bought)
            assert_same(await uow.trades.get("T2"), Trade("T2", MOMENT, "SPY", TradeAction.SLD, 0.5, -1.5, "U1", 1.25))
            review = TradeReport("T1", 4, followed_plan=False, tags=("gap", "ü"), id=7, created_at=MOMENT)
            assert_same(await uow.trade_reports.get(7), review)
            plan = TradePlan("QQQ", TradeAction.BOT, ConvictionLevel.MAX, status=PlanStatus.ACTIVE, created_at=MOMENT)
            assert_same(await uow.trade_plans.get(8), plan, id=8, linked_trade_id="T2")
            nvidia = WatchlistItem("NVDA", 9, id=5, added_at=MOMENT)
            items = (nvidia, WatchlistItem("AMD", 9, id=6, added_at=MOMENT))
            assert_same(await uow.watchlists.get(9), Watchlist("Chips", items=items, id=9, created_at=MOMENT))
            assert_same(await uow.balance_snapshots.get_latest("U1"), BalanceSnapshot("U1", MOMENT, -0.1, id=3))
            settings = {setting.key: (setting.value, setting.updated_at) for setting in await uow.settings.get_all()}
            values: dict[str, object] = {"panes": {"a": [1, None]}, "risk": 0.1, "theme": "dark"}
            assert settings == {key: (value, MOMENT) for key, value in values.items()}
            provider = MarketProviderSetting("Alpha", None, 3, 9, is_enabled=True, created_at=MOMENT)
            assert_same(await uow.market_provider_settings.get("Alpha"), provider)
        assert (await vault.verify()).problems == ()
    assert report.problems == ()
    assert own_notes(report) == []
    counts = {
        table: (count.read, count.stored, count.converted, count.refused) for table, count in report.tables.items()
    }
    assert counts == {table: (len(rows), len(rows), 0, 0) for table, rows in SOUND.items()}


async def test_times_without_an_offset_are_reported_once_a_column(tmp_path: Path) -> None:
    """The reading concerns every row, so that none is named."""
    report, _ = await adopt(tmp_path)
    times = {(note.table, note.column): note for note in report.notes}
    note = times["trades", "time"]
    assert (note.what, note.reason, note.rows, note.keys) == (
        "converted", "has times without an offset, read as UTC", 2, ()
    )  # fmt: skip
    assert ("trade_plans", "updated_at") not in times


@pytest.mark.parametrize(
    ("table", "row", "column", "stored"),
    [
        ("trades", {"exec_id": "T1", "commission": None}, "commission", 0.0),
        ("trades", {"exec_id": "T1", "time": "2024-03-08T14:00:00+02:00"}, "time", MOMENT),
        ("trades", {"exec_id": "T1", "time": "2024-03-08 12:00:00"}, "time", MOMENT),
        ("trades", {"exec_id": "T1", "time": "2024-03-08"}, "time", MOMENT.replace(hour=0)),
        ("accounts", {"account_id": "U1", "currency": None}, "currency", "USD"),
        ("accounts", {"account_id": "U1", "is_tax_advantaged": None}, "is_tax_advantaged", False),
        ("trade_reports", {"id": 7, "tags": "gap, news ,"}, "tags", ("gap", "news")),
        ("trade_reports", {"id": 7, "tags": ""}, "tags", ()),
        ("trade_reports", {"id": 7, "tags": '["gap", 5, " "]'}, "tags", ("gap", "5")),
        ("trade_reports", {"id": 7, "tags": '{"gap": 1}'}, "tags", ('{"gap": 1}',)),
        ("trade_reports", {"id": 7, "tags": "[" * 100_000}, "tags", ("[" * 100_000,)),
        ("trade_plans", {"id": 8, "status": None}, "status", "draft"),
        ("trade_plans", {"id": 8, "linked_trade_id": "gone"}, "linked_trade_id", None),
        ("settings", {"key": "theme", "value_type": None}, "value_type", "str"),
        ("settings", {"key": "theme", "value_type": "colour"}, "value_type", "str"),
        ("settings", {"key": "theme", "value_type": "int"}, "value_type", "str"),
        ("settings", {"key": "theme", "value": None}, "value_type", "json"),
        ("settings", {"key": "theme", "value": "True", "value_type": "bool"}, "value", True),
        ("market_provider_settings", {"provider_name": "Alpha", "rate_limit": None}, "rate_limit", 5),
        ("market_provider_settings", {"provider_name": "Alpha", "timeout": None}, "timeout", 30),
        ("market_provider_settings", {"provider_name": "Alpha", "is_enabled": None}, "is_enabled", False),
        ("market_provider_settings", {"provider_name": "Alpha", "encrypted_api_key": ""}, "api_key", None),
        ("market_provider_settings", {"provider_name": "Alpha", "encrypted_api_key": "ENC:gAAA"}, "api_key", None),
    ],
)
async def test_a_value_that_is_not_taken_as_it_is_has_a_note(
    tmp_path: Path, table: str, row: dict[str, Any], column: str, stored: object
) -> None:
    """One note, with the row's key; the value in the vault is what it says."""
    report, path = await adopt(tmp_path, {table: [row]})
    key = next(iter(row.values()))
    (note,) = own_notes(report)
    assert (note.table, note.column, note.rows, note.keys) == (table, column.replace("api", "encrypted_api"), 1, (key,))
    assert note.what == ("dropped" if row.get(column) == "gone" or "ENC:gAAA" in row.values() else "converted")
    assert (report.tables[table].converted, report.tables[table].refused) == (1, 0)
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        if table == "settings":
            entity: Any = next(setting for setting in await uow.settings.get_all() if setting.key == key)
        else:
            entity = await getattr(uow, table).get(key)
        assert getattr(entity, column) == stored


async def test_a_result_that_is_not_recorded_stays_so(tmp_path: Path) -> None:
    """NULL is no result of 0, so that there is nothing to note; columns that the file lacks have their defaults."""
    report, path = await adopt(tmp_path, {"trades": [{"exec_id": "T1", "realized_pnl": None}]})
    assert own_notes(report) == []
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        trade = await uow.trades.get_one("T1")
        assert (trade.realized_pnl, trade.multiplier, trade.fees, trade.currency) == (None, 1.0, 0.0, None)


async def test_the_position_in_the_source_is_adopted(tmp_path: Path) -> None:
    """A file with the tables of this release has the columns of its trades, also the one that the entity lacks."""
    source = await asyncio.to_thread(make_plaintext, tmp_path / "journal.db")

    def widen() -> None:
        with closing(sqlite3.connect(source)) as raw, raw:
            raw.execute("ALTER TABLE trades ADD COLUMN sequence INTEGER")
            raw.execute("ALTER TABLE trades ADD COLUMN currency TEXT")
            raw.execute("UPDATE trades SET sequence = 7, currency = 'EUR' WHERE exec_id = 'T1'")

    await asyncio.to_thread(widen)
    report = await Vault.adopt(source, tmp_path / "journal.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    assert report.problems == ()
    async with Vault.open(tmp_path / "journal.vault", passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        found = {row.exec_id: (row.sequence, row.currency) for row in await uow.rows.page(SequencedTrade)}
        assert (found.pop("T1"), {*found.values()}) == ((7, "EUR"), {(None, None)})


async def test_no_tags_are_no_tags(tmp_path: Path) -> None:
    """NULL and an empty array mean the same, so that there is nothing to note."""
    report, path = await adopt(tmp_path, {"trade_reports": [{"id": 7, "tags": None}]})
    assert own_notes(report) == []
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        review = await uow.trade_reports.get(7)
        assert review is not None
        assert review.tags == ()


async def test_a_setting_without_a_time_gets_one(tmp_path: Path) -> None:
    """The time of adoption."""
    before = datetime.now(UTC)
    report, path = await adopt(tmp_path, {"settings": [{"key": "theme", "updated_at": None}]})
    assert [note.column for note in own_notes(report)] == ["updated_at"]
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        (theme,) = [setting for setting in await uow.settings.get_all() if setting.key == "theme"]
        assert before <= theme.updated_at <= datetime.now(UTC)


async def test_an_api_key_in_the_clear_is_encrypted(tmp_path: Path) -> None:
    """It can be revealed from the vault, and is neither in the report nor in the vault's table."""
    rows: Rows = {"market_provider_settings": [{"provider_name": "Alpha", "encrypted_api_key": "s3cret"}]}
    report, path = await adopt(tmp_path, rows)
    assert "s3cret" not in repr(report) + str(report.notes)
    assert [(note.column, note.what) for note in own_notes(report)] == [("encrypted_api_key", "converted")]
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key("Alpha") == "s3cret"


async def test_accounts_that_are_missing_are_made(tmp_path: Path) -> None:
    """SQLite does not check references unless asked to: no trade, balance or plan is lost for it."""
    rows: Rows = {
        "trades": [{"exec_id": "T1", "account_id": "lost"}, {"exec_id": "T2", "account_id": "lost"}],
        "balance_snapshots": [{"id": 3, "account_id": "lost too"}],
        "trade_plans": [{"id": 8, "account_id": "lost as well"}],
    }
    report, path = await adopt(tmp_path, rows)
    (note,) = own_notes(report)
    assert (note.table, note.column, note.what) == ("accounts", None, "added")
    assert note.keys == ("lost", "lost as well", "lost too")
    assert (report.tables["accounts"].read, report.tables["accounts"].stored) == (1, 4)
    async with Vault.open(path, passphrase=PASSPHRASE) as vault:
        async with vault.unit_of_work() as uow:
            made = await uow.accounts.get_one("lost")
            assert "adopted" in (made.notes or "")
            assert len(await uow.trades.list_for_account("lost")) == 2
        assert (await vault.verify()).problems == ()


async def test_a_thumbnail_that_is_none_is_made_from_the_original(tmp_path: Path) -> None:
    """The first 200 bytes of a picture are no thumbnail; its size and type are put right as well."""
    png, small = make_png(), make_png(20, 10)
    rows: Rows = {
        "images": [
            {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": png, "thumbnail": png[:200], "width": 0},
            {"id": 2, "owner_type": "report", "owner_id": "7", "data": png, "mime_type": "image/jpeg", "file_size": 3},
            {"id": 3, "owner_type": "plan", "owner_id": "8", "data": small, "mime_type": None, "caption": "exit"},
        ]
    }
    report, path = await adopt(tmp_path, rows)
    assert report.problems == ()
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        first, second, third = [await uow.images.get(number) for number in (1, 2, 3)]
        assert first is not None
        assert second is not None
        assert third is not None
        assert (first.data, first.width, first.height, first.mime_type) == (png, 320, 180, "image/png")
        assert size_of_picture(first.thumbnail or b"") == ("WEBP", 200, 113)
        assert (second.owner_type, second.mime_type, second.file_size) == ("report", "image/png", len(png))
        assert (third.caption, third.width, third.height, third.created_at) == ("exit", 20, 10, MOMENT)
        assert size_of_picture(third.thumbnail or b"") == ("WEBP", 20, 10)
    notes = {(note.column, note.what): note.keys for note in own_notes(report)}
    assert notes["thumbnail", "converted"] == (1,)
    assert notes["thumbnail", "added"] == (2, 3)
    assert notes["mime_type", "converted"] == (2,)
    assert notes["mime_type", "added"] == (1, 3)
    assert notes["file_size", "converted"] == (2,)


async def test_a_thumbnail_of_the_vaults_own_kind_is_kept(tmp_path: Path) -> None:
    """The original is then not decoded."""
    async with Vault.in_memory() as vault, vault.unit_of_work() as uow:
        thumbnail = (await uow.images._offload.process(make_png())).thumbnail
    image = {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": FAKE_BYTES, "thumbnail": thumbnail}
    known = {"width": 320, "height": 180, "mime_type": "image/png", "file_size": len(FAKE_BYTES)}
    report, path = await adopt(tmp_path, {"images": [image | known]})
    assert own_notes(report) == []
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        (info,) = await uow.images.list_for_owner(ImageOwnerType.TRADE, "T1")
        assert isinstance(info, ImageInfo)
        assert info.thumbnail == thumbnail


async def test_an_original_that_cannot_be_decoded_is_kept(tmp_path: Path) -> None:
    """Byte for byte, without a thumbnail, and said so."""
    image = {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": FAKE_BYTES, "thumbnail": FAKE_BYTES[:5]}
    known = {"mime_type": "image/png", "file_size": len(FAKE_BYTES), "width": 0, "height": 180}
    report, path = await adopt(tmp_path, {"images": [image | known]})
    assert [(note.column, note.what) for note in own_notes(report)] == [
        ("thumbnail", "dropped"),
        ("data", "kept"),
        ("width", "converted"),
    ]
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        found = await uow.images.get(1)
        assert found is not None
        assert (found.data, found.thumbnail) == (FAKE_BYTES, None)


async def test_many_rows_and_images_arrive(tmp_path: Path) -> None:
    """More than a slice of each."""
    trade = {"instrument": "SPY", "action": "BOT", "quantity": 1, "price": 1, "account_id": "U1", "time": NOON}
    image = {"owner_type": "trade", "owner_id": "T1", "data": make_png()}
    rows: Rows = {
        "trades": [{"exec_id": f"N{number:04}"} | trade for number in range(1_200)],
        "images": [{"id": number} | image for number in range(1, 12)],
    }
    report, _ = await adopt(tmp_path, rows)
    assert (report.tables["trades"].read, report.tables["trades"].stored) == (1_202, 1_202)
    assert (report.tables["images"].read, report.tables["images"].stored) == (11, 11)
