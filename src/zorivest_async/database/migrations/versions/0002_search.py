"""The search index, and the texts that are there already in it."""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"

_INDEXED: Final = (
    ("trade_reports", "report", "id", ("lessons_learned",)),
    ("trade_plans", "plan", "id", ("strategy_name", "strategy_description", "entry_conditions", "exit_conditions")),
    ("images", "image", "id", ("caption",)),
    ("accounts", "account", "account_id", ("notes",)),
    ("watchlists", "watchlist", "id", ("description",)),
    ("watchlist_items", "watchlist_item", "id", ("notes",)),
)
"""Table, what its rows are found as, primary key, columns with texts."""

_OLDEST_WITH_SECURE_DELETE: Final = (3, 42)


def upgrade() -> None:
    """Make the index with its triggers, and fill it."""
    op.execute(
        """\
CREATE TABLE search_rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key NOT NULL,
    UNIQUE (kind, key)
)"""
    )
    op.execute(
        """\
CREATE VIRTUAL TABLE search USING fts5(
    lessons_learned,
    strategy_name,
    strategy_description,
    entry_conditions,
    exit_conditions,
    caption,
    notes,
    description,
    tokenize = 'unicode61 remove_diacritics 2'
)"""
    )
    if (op.get_bind().dialect.server_version_info or ()) >= _OLDEST_WITH_SECURE_DELETE:
        op.execute("INSERT INTO search (search, rank) VALUES ('secure-delete', 1)")
    for table, kind, key, fields in _INDEXED:
        _fill(table, kind, key, fields)
        _create_triggers(table, kind, key, fields)


def _fill(table: str, kind: str, key: str, fields: tuple[str, ...]) -> None:
    texts = ", ".join(fields)
    op.execute(
        f"INSERT INTO search_rows (kind, key) SELECT '{kind}', {key} FROM {table} AS stored "
        f"WHERE {_has_text('stored', fields)} ORDER BY {key}"
    )
    op.execute(
        f"INSERT INTO search (rowid, {texts}) SELECT search_rows.id, {texts} FROM search_rows "
        f"JOIN {table} AS stored ON stored.{key} = search_rows.key WHERE kind = '{kind}'"
    )


def _create_triggers(table: str, kind: str, key: str, fields: tuple[str, ...]) -> None:
    texts, new_texts = ", ".join(fields), ", ".join(f"NEW.{field}" for field in fields)
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in (key, *fields))
    new, old = (f"kind = '{kind}' AND key = +{row}.{key}" for row in ("NEW", "OLD"))
    remove_new, remove_old = (
        f"""\
    DELETE FROM search WHERE rowid = (SELECT id FROM search_rows WHERE {which});
    DELETE FROM search_rows WHERE {which};
"""
        for which in (new, old)
    )
    add = f"""\
    INSERT INTO search_rows (kind, key) SELECT '{kind}', NEW.{key} WHERE {_has_text("NEW", fields)};
    INSERT INTO search (rowid, {texts}) SELECT id, {new_texts} FROM search_rows WHERE {new};
"""
    for name, moment, condition, body in (
        (
            "insert",
            f"INSERT ON {table}",
            f"{_has_text('NEW', fields)} OR EXISTS (SELECT id FROM search_rows WHERE {new})",
            remove_new + add,
        ),
        ("update", f"UPDATE ON {table}", changed, remove_old + add),
        ("delete", f"DELETE ON {table}", _has_text("OLD", fields), remove_old),
    ):
        op.execute(f"CREATE TRIGGER search_{table}_{name} AFTER {moment}\nWHEN {condition}\nBEGIN\n{body}END")


def _has_text(row: str, fields: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"{row}.{field} IS NOT NULL" for field in fields) + ")"
