"""Vault files that earlier builds wrote, in ``tests/vaults``: what is in them, and what opens them."""

from __future__ import annotations

import shutil
import unicodedata
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from factories import assert_same
from zorivest_async import (
    Account,
    AccountType,
    BalanceSnapshot,
    ConvictionLevel,
    ImageAttachment,
    ImageOwnerType,
    MarketProviderSetting,
    PlanStatus,
    SearchKind,
    Trade,
    TradeAction,
    TradePlan,
    TradeReport,
    Vault,
    Watchlist,
    WatchlistItem,
)

if TYPE_CHECKING:
    from zorivest_async.domain.settings import SettingValue

FOLDER = Path(__file__).parent / "vaults"
NAMES = sorted(file.name for file in FOLDER.glob("*.vault"))

COMPOSED = unicodedata.normalize("NFC", "Zürich café №5, ﬁve Ångström 株 ")
"""The passphrase of all of them, one character for each letter with an accent. Compatibility characters and a blank at
its end are in it, too, which no release may take away."""

DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
"""The same letters as another system types them: base letters and combining accents."""


def _moment(minute: int) -> datetime:
    return datetime(2024, 3, 8, 14, minute, 7, 250_001, tzinfo=UTC)


PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAABgAAAAQCAIAAACDRijCAAAALElEQVR4nGP8//8/AyHA2NhIUA0TQRVEglGDhqJBLMSkEWLA4PPaqEF0NAgA"
    "srIFJROxPjEAAAAASUVORK5CYII="
)
PNG_THUMBNAIL = b64decode(
    "UklGRlAAAABXRUJQVlA4IEQAAABQAwCdASoYABAAPm0qkkWkIqGYBABABsSgC38YyA4nHr8cwAD+/i//+uOn+kALxYdHTdfz+//wZT/U3/00"
    "j5iuQjQAAA=="
)
GIF = b64decode(
    "R0lGODdhGAAQAIEAAP///wAAgAAAAAAAACwAAAAAGAAQAEAIOAABCBxIUGCAgwgTKlzIsGHBhwAaSpwoEWJBigEsEsTIsaPHhRoHYgxpkCLJ"
    "iCZJflzJsqVLlgEBADs="
)

ACCOUNTS = [
    Account("U1", "Margin", AccountType.BROKER, "IBKR", "EUR", False, "Señor Müller's", _moment(0)),
    Account("U2", "Roth", AccountType.IRA, is_tax_advantaged=True, created_at=_moment(1)),
]
TRADES = [
    Trade("0000e1a7.65f1", _moment(30), "SPY", TradeAction.BOT, 100, 513.07, "U1", 1.0, 0.0),
    Trade("0000e1a7.65f2", _moment(31), "SPY", TradeAction.SLD, 100, 0.1 + 0.2, "U1", -0.25, -12.5),
]
REPORTS = [
    TradeReport(
        TRADES[1].exec_id, 4, 2, True, "calm", "Ließ den Verlust laufen 📉", ("breakout", "größe"), 3, _moment(40)
    )
]
PLANS = [
    TradePlan(
        "QQQ",
        TradeAction.BOT,
        ConvictionLevel.HIGH,
        "opening range",
        "first half hour",
        440.5,
        438.25,
        446.0,
        "above the range",
        "below the VWAP",
        "5m",
        PlanStatus.EXECUTED,
        TRADES[0].exec_id,
        "U1",
        5,
        _moment(10),
        _moment(11),
    ),
    TradePlan("ES", TradeAction.SLD, ConvictionLevel.LOW, id=6, created_at=_moment(12)),
]
IMAGES = [
    ImageAttachment(
        PNG,
        ImageOwnerType.TRADE,
        TRADES[0].exec_id,
        11,
        PNG_THUMBNAIL,
        caption="entrée",
        width=24,
        height=16,
        created_at=_moment(50),
    ),
    ImageAttachment(
        GIF, ImageOwnerType.REPORT, "3", 12, mime_type="image/gif", width=24, height=16, created_at=_moment(51)
    ),
    ImageAttachment(PNG, ImageOwnerType.PLAN, "5", 14, caption="", created_at=_moment(52)),
]
WATCHLISTS = [
    Watchlist(
        "Chips",
        "semiconductors",
        (
            WatchlistItem("NVDA", 7, notes="after earnings", id=21, added_at=_moment(20)),
            WatchlistItem("AMD", 7, id=22, added_at=_moment(21)),
        ),
        7,
        _moment(19),
        _moment(22),
    )
]
SNAPSHOTS = [
    BalanceSnapshot("U1", _moment(33), 10_000.1, 31),
    BalanceSnapshot("U2", _moment(34), -0.1, 32),
]
SETTINGS: dict[str, SettingValue] = {
    "chart.zoom": 1.25,
    "default_account": "U1",
    "layout": {"columns": ["time", "größe"], "wide": True},
    "nothing": None,
    "page_size": 50,
    "show_fees": False,
}
PROVIDERS = [
    MarketProviderSetting(
        "Alpha Vantage", "not-a-real-key-1", 5, 30, True, _moment(55), "success", _moment(53), _moment(56)
    ),
    MarketProviderSetting("Polygon.io", "kéin-Schlüssel-2", 100, 10, created_at=_moment(54)),
    MarketProviderSetting("Yahoo", created_at=_moment(57)),
]
WORDS = {
    "muller": SearchKind.ACCOUNT,
    "verlust": SearchKind.REPORT,
    "vwap": SearchKind.PLAN,
    "entree": SearchKind.IMAGE,
    "semiconductors": SearchKind.WATCHLIST,
    "earnings": SearchKind.WATCHLIST_ITEM,
}
"""One of the texts of each kind."""

API_KEYS = {"Alpha Vantage": "not-a-real-key-1", "Polygon.io": "kéin-Schlüssel-2"}
"""Of nothing that exists."""


def copy_of(name: str, folder: Path) -> Path:
    """Copy one of the files, so that opening it upgrades the copy."""
    return Path(shutil.copy(FOLDER / name, folder / name))


async def assert_as_written(vault: Vault) -> None:
    """Every row is as it was written, field by field, and there is no other; API keys are revealed, texts are found."""
    async with vault.unit_of_work(read_only=True) as uow:
        stored: list[tuple[Any, str, list[Any]]] = [
            (uow.accounts, "account_id", ACCOUNTS),
            (uow.trades, "exec_id", TRADES),
            (uow.trade_reports, "id", REPORTS),
            (uow.trade_plans, "id", PLANS),
            (uow.images, "id", IMAGES),
            (uow.watchlists, "id", WATCHLISTS),
            (uow.market_provider_settings, "provider_name", PROVIDERS),
        ]
        for snapshot in SNAPSHOTS:
            (found,) = await uow.balance_snapshots.list_for_account(snapshot.account_id)
            assert_same(found, snapshot)
        connection = await uow.connection()
        for repository, key, written in stored:
            count = text(f"SELECT count(*) FROM {repository.mapper.table.name}")  # noqa: S608 - a name of ours
            assert (await connection.execute(count)).scalar_one() == len(written)
            for entity in written:
                assert_same(await repository.get(getattr(entity, key)), entity)
        assert {setting.key: setting.value for setting in await uow.settings.get_all()} == SETTINGS
        for provider, api_key in API_KEYS.items():
            assert await uow.market_provider_settings.reveal_api_key(provider) == api_key
        for word, kind in WORDS.items():
            assert [hit.kind for hit in await uow.search.find(word)] == [kind]
    assert (await vault.verify()).problems == ()
