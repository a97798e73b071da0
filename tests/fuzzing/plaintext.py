"""Hostile plaintext journals, which ``Vault.adopt`` reads: odd values in every column, and broken files."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from factories import make_png
from fuzzing.target import Edit, Target, edit, edits, run
from fuzzing.vaults import KEY, folder, left_beside
from plaintext_journal import SOUND, make_plaintext
from zorivest_async import ImagePolicy, Vault, VaultError, ZorivestError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLAINTEXT_FILES"]

_COLUMNS: Final = (
    "exec_id", "time", "instrument", "action", "quantity", "price", "account_id", "commission", "realized_pnl", "id",
    "owner_type", "owner_id", "data", "thumbnail", "mime_type", "caption", "width", "height", "created_at", "name",
    "account_type", "currency", "is_tax_advantaged", "notes", "trade_id", "setup_quality", "followed_plan", "tags",
    "ticker", "direction", "conviction", "status", "linked_trade_id", "entry_price", "updated_at", "watchlist_id",
    "added_at", "datetime", "balance", "key", "value", "value_type", "provider_name", "encrypted_api_key", "rate_limit",
    "timeout", "is_enabled", "last_tested_at",
)  # fmt: skip
_VALUES: Final = [
    "NULL", "0", "-1", "1", "1.5", "9e999", "-9e999", "9223372036854775807", "-9223372036854775808", "''", "' '", "'x'",
    "x''", "x'00'", "x'ff'", "CAST(x'ff' AS TEXT)", "CAST(x'6100' AS TEXT)", "char(0)", "char(55296)", "zeroblob(3000)",
    "zeroblob(3000000)", "printf('%.*c', 200000, 'x')", "'2024-03-08 12:00:00.000000'", "'9999-12-31T23:59:59-23:59'",
    "'0001-01-01T00:00:00+23:59'", "'2024-02-30'", "'24:00'", "'nan'", "'inf'", "'1e400'", "'BOT'", "'json'", "'float'",
    "'[1'", "'[1e400]'", "'[\"\\ud800\"]'", "printf('%.*c', 100000, '[')", "'{\"a\": NaN}'", "'orphan:trade/x'",
    "'trade'", "'T1'", "'image/png'", "'ENC:gAAAAABl'", "'ENC:'",
]  # fmt: skip
_STATEMENTS: Final = [
    "CREATE TABLE search (a)",
    "CREATE VIEW more AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    "ALTER TABLE trades ADD COLUMN more TEXT DEFAULT 'x'",
    "ALTER TABLE trades RENAME COLUMN quantity TO amount",
    "ALTER TABLE accounts ADD COLUMN total GENERATED ALWAYS AS (length(hex(zeroblob(1000)))) VIRTUAL",
    "DROP TABLE accounts",
    'CREATE TABLE "a""b" ("c""d")',
    "CREATE TABLE sqlitex (a)",
    "INSERT INTO trades SELECT exec_id || 'x', time, instrument, action, quantity, price, 'U9', 0, 0 FROM trades",
    "PRAGMA page_size = 65536",
    "PRAGMA user_version = -1",
    "PRAGMA journal_mode = WAL",
    "PRAGMA encoding = 'UTF-16le'",
]


@dataclass(frozen=True, slots=True)
class Plaintext:
    """A plaintext file.

    Attributes:
        values: Column, row number and the SQL of a value, in every table that has the column.
        statements: Other SQL.
        changes: Changes of bytes.
        wal: What lies beside it as its WAL.
        skip_invalid: As for :meth:`Vault.adopt`.
    """

    values: list[tuple[str, int, str]]
    statements: list[str]
    changes: list[Edit]
    wal: bytes
    skip_invalid: bool


_INPUTS: Final = st.builds(
    Plaintext,
    st.lists(st.tuples(st.sampled_from(_COLUMNS), st.integers(1, 9), st.sampled_from(_VALUES)), max_size=4),
    st.lists(st.sampled_from(_STATEMENTS), max_size=1),
    st.just(list[Edit]()) | edits(4),
    st.just(b"") | st.binary(max_size=40),
    st.booleans(),
)


@cache
def _seed() -> bytes:
    with folder() as place:
        image: dict[str, Any] = {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": make_png(40, 30)}
        return make_plaintext(place / "seed", {"images": [image]}).read_bytes()


def _lay_out(plaintext: Plaintext, path: Path) -> None:
    path.write_bytes(_seed())
    with closing(sqlite3.connect(path)) as raw:
        for statement in plaintext.statements:
            with suppress(sqlite3.Error):
                raw.execute(statement)
        for column, row, value in plaintext.values:
            for table in SOUND:
                with suppress(sqlite3.Error):
                    raw.execute(f'UPDATE {table} SET "{column}" = {value} WHERE rowid = {row}')  # noqa: S608
        raw.commit()
    path.write_bytes(edit(path.read_bytes(), plaintext.changes))
    if plaintext.wal:
        path.with_name(path.name + "-wal").write_bytes(plaintext.wal)


def _check(plaintext: Plaintext) -> str:
    return run(_adopt(plaintext))


async def _adopt(plaintext: Plaintext) -> str:
    """Adopt a file: a sound vault, or an error and nothing."""
    with folder() as place:
        source, target = place / "plain", place / "new" / "adopted.vault"
        target.parent.mkdir()
        _lay_out(plaintext, source)
        before = source.read_bytes()
        policy = ImagePolicy(max_pixels=1_000_000)
        try:
            report = await Vault.adopt(source, target, key=KEY, images=policy, skip_invalid=plaintext.skip_invalid)
        except VaultError:
            assert not target.exists()
            return "refused"
        finally:
            assert source.read_bytes() == before
            left = left_beside(target)
            assert not left, left
        assert report is not None
        async with Vault.open(target, key=KEY, create=False) as vault:
            verified = await vault.verify()
            assert all("set aside" in problem for problem in verified.problems), verified.problems
            async with vault.unit_of_work(read_only=True) as uow:
                await uow.accounts.list_all(limit=None)
                await uow.trades.list_all(limit=None)
                await uow.settings.get_all()
                await uow.market_provider_settings.list_all(limit=None)
                await uow.trade_plans.list_all(limit=None)
                with suppress(ZorivestError):
                    await uow.images.get_thumbnail(1, 50)
    return "taken"


PLAINTEXT_FILES: Final = Target(_INPUTS, _check)
