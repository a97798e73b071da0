"""The search index after any writes, whoever made them: as one that is made anew."""

# ruff: noqa: S608 - the statements are made of names that stand here

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.search_schema import SEARCH_FIELDS, WRONG_ENTRIES, rebuild_statements
from zorivest_async.vault.file_format import create_schema

if TYPE_CHECKING:
    from collections.abc import Callable

NOTED = "zorivest_search JOIN zorivest_search_rows AS noted ON noted.id = zorivest_search.rowid"
ENTRIES = f"SELECT kind, key, {', '.join(SEARCH_FIELDS)} FROM {NOTED}"
HITS = f"SELECT kind, key FROM {NOTED} WHERE zorivest_search MATCH ?"


def _row(draw: Callable[[st.SearchStrategy[Any]], Any], table: str) -> str:
    number, words = draw(st.integers(1, 3)), draw(st.sampled_from(["NULL", "''", "'alpha'", "'bravo alpha'", "'ü'"]))
    columns, values = {
        "accounts": ("account_id, name, account_type, notes", f"'{number}', 'x', 'broker', {words}"),
        "images": ("id, owner_type, owner_id, data, caption", f"{number}, 'trade', 'x', x'00', {words}"),
        "trade_reports": ("id, trade_id, lessons_learned", f"{number}, {draw(st.integers(1, 3))}, {words}"),
        "trade_plans": ("id, ticker, direction, conviction, entry_conditions", f"{number}, 'x', 'BOT', 'max', {words}"),
        "watchlists": ("id, name, description", f"{number}, 'x', {words}"),
        "watchlist_items": ("id, watchlist_id, ticker, notes", f"{number}, 1, 'x', {words}"),
    }[table]
    moment = "added_at" if table == "watchlist_items" else "created_at"
    return f"{table} ({columns}, {moment}) VALUES ({values}, '2024-03-08')"


TEXTS = {
    "accounts": ("account_id", "notes"),
    "images": ("id", "caption"),
    "trade_reports": ("id", "lessons_learned"),
    "trade_plans": ("id", "exit_conditions"),
    "watchlists": ("id", "description"),
    "watchlist_items": ("id", "notes"),
}


@st.composite
def statements(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """Some write, which may be refused."""
    table = draw(st.sampled_from(sorted(TEXTS)))
    key, words = TEXTS[table]
    policy = draw(st.sampled_from(["", "OR REPLACE", "OR IGNORE", "OR FAIL"]))
    number, other = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    writes = [
        f"INSERT {policy} INTO {_row(draw, table)}",
        f"UPDATE {policy} {table} SET {words} = 'charlie' || {number} WHERE {key} >= '{number}'",
        f"UPDATE {policy} {table} SET {key} = '{other}' WHERE {key} = '{number}'",
        f"UPDATE {policy} {table} SET rowid = {other} WHERE rowid = {number}",
        f"DELETE FROM {table} WHERE {key} = '{number}'",
        "SAVEPOINT here",
        "ROLLBACK TO here",
    ]
    return str(draw(st.sampled_from(writes)))


def state_of(raw: sqlcipher.Connection) -> list[Any]:
    """Return the entries of the index, and what it finds for each word."""
    found = [sorted(raw.execute(HITS, (word,)), key=repr) for word in ("alpha", "bravo", "u", '"bravo alpha"', "cha*")]
    return [sorted(raw.execute(ENTRIES), key=repr), *found]


@settings(max_examples=150, deadline=None)
@given(writes=st.lists(statements(), max_size=30))
def test_any_writes_leave_the_index_as_a_rebuilt_one(writes: list[str]) -> None:
    """With whatever conflicts they have: entry by entry, hit by hit, and as FTS5 itself checks it."""
    with closing(sqlcipher.connect(":memory:", isolation_level=None)) as raw:
        create_schema(raw)
        raw.execute("PRAGMA recursive_triggers = ON")
        raw.execute("BEGIN IMMEDIATE")
        for write in writes:
            try:
                raw.execute(write)
            except (sqlcipher.IntegrityError, sqlcipher.OperationalError) as error:
                assert "constraint failed" in str(error) or "no such savepoint" in str(error)  # noqa: PT017 - the rest is
        raw.execute("COMMIT")
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert [raw.execute(wrong).fetchall() for wrong in WRONG_ENTRIES.values()] == [[]] * len(WRONG_ENTRIES)
        kept = state_of(raw)
        for statement in rebuild_statements(sqlcipher.sqlite_version_info):
            raw.execute(statement)
        assert state_of(raw) == kept
