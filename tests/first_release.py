"""A vault as the first release wrote it: made by revision 0001, and filled past the library."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from alembic import command
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2 as sqlcipher

from factories import make_png
from zorivest_async import KdfProfile
from zorivest_async.database.migrations.revisions import alembic_config
from zorivest_async.security import VaultKey, new_salt
from zorivest_async.vault.file_format import APPLICATION_ID, create_file

if TYPE_CHECKING:
    from pathlib import Path

NOW = "2024-03-08 14:30:00.000000"
"""When everything was made."""

ACCOUNT = {"currency": "EUR", "is_tax_advantaged": 0}
ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {"account_id": "U1", "name": "Margin", "account_type": "broker", "notes": "alpha money"} | ACCOUNT,
        {"account_id": "U2", "name": "Cash", "account_type": "bank"} | ACCOUNT,
    ],
    "trade_reports": [{"id": 7, "trade_id": "0001", "lessons_learned": "bravo: naïve", "tags": "[]"}],
    "trade_plans": [
        {"id": 8, "ticker": "SPY", "direction": "BOT", "conviction": "high", "status": "draft"}
        | {"strategy_name": "delta", "exit_conditions": "golf"}
    ],
    "images": [
        {"owner_type": "trade", "owner_id": "0001", "mime_type": "image/png", "data": make_png(), "caption": caption}
        for caption in ("charlie", None, "")
    ],
    "watchlists": [{"id": 9, "name": "Chips", "description": "hotel"}],
    "watchlist_items": [{"id": 5, "watchlist_id": 9, "ticker": "NVDA", "notes": "india"}],
}
"""Rows with a text of each kind, and without."""

PROVIDER = "Alpha Vantage"
API_KEY = "not-a-real-key"

TRADE = "INSERT INTO trades VALUES (?, '2024-03-08 14:30:00.000000', 'SPY', 'BOT', 100, 513.07, 'U1', 0.0, 0.0)"


def unbound(key: bytes, api_key: str) -> str:
    """Encrypt an API key as versions 1 and 2 of the schema have it: not bound to its provider."""
    label = b"zorivest-async provider API keys v1"
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(key)
    return "ENC:" + Fernet(base64.urlsafe_b64encode(derived)).encrypt(api_key.encode()).decode()


def make_first_release_vault(path: Path, key: bytes, reports: int = 0) -> None:
    """Make a vault of version 1 with a text of each kind and an API key, and so many more trades that have a report."""

    def fill(raw: sqlcipher.Connection) -> None:
        engine = create_engine("sqlite://", creator=lambda: raw, module=sqlcipher, poolclass=StaticPool)
        with engine.connect() as connection:
            command.upgrade(alembic_config(connection), "0001")
            connection.commit()
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("BEGIN")
        raw.execute("PRAGMA defer_foreign_keys = ON")
        raw.executemany(TRADE, [("0001",), *((f"t{number}",) for number in range(reports))])
        for table, rows in ROWS.items():
            for row in rows:
                moment = "added_at" if table == "watchlist_items" else "created_at"
                values = {moment: NOW, **row}
                marks = ", ".join("?" * len(values))
                raw.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])  # noqa: S608
        report = "INSERT INTO trade_reports (trade_id, lessons_learned, tags, created_at) VALUES (?, ?, '[]', ?)"
        text = "again and again " * 20
        raw.executemany(report, [(f"t{number}", f"zulu{number} {text}", NOW) for number in range(reports)])
        provider = "INSERT INTO market_provider_settings VALUES (?, ?, 5, 30, 0, NULL, NULL, ?, NULL)"
        raw.execute(provider, (PROVIDER, unbound(key, API_KEY), NOW))
        raw.execute("COMMIT")

    assert create_file(path, VaultKey(key, new_salt(KdfProfile.CHEAPEST)), fill)
