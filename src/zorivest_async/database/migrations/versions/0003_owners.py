"""Images that go with their owner, API keys bound to their provider, and a search index under reserved names."""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

import base64
import os
from typing import Final

from alembic import context, op
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

revision = "0003"
down_revision = "0002"

_INDEXED: Final = (
    ("trade_reports", "report", "id", ("lessons_learned",)),
    ("trade_plans", "plan", "id", ("strategy_name", "strategy_description", "entry_conditions", "exit_conditions")),
    ("images", "image", "id", ("caption",)),
    ("accounts", "account", "account_id", ("notes",)),
    ("watchlists", "watchlist", "id", ("description",)),
    ("watchlist_items", "watchlist_item", "id", ("notes",)),
)
"""Table, what its rows are found as, primary key, columns with texts."""

_OWNERS: Final = (
    ("trades", "trade", "exec_id", "{row}.exec_id", " OF exec_id"),
    ("trade_reports", "report", "id", "CAST({row}.id AS TEXT)", ""),
    ("trade_plans", "plan", "id", "CAST({row}.id AS TEXT)", ""),
)
"""Table, what images say that it is, primary key, that as images have it, and which columns' updates may change it."""

_OLDEST_WITH_SECURE_DELETE: Final = (3, 42)


def upgrade() -> None:
    """Make the index again, set orphaned images aside, encrypt API keys again, and make the triggers."""
    _drop_earlier_index()
    _create_index()
    for table, kind, key, fields in _INDEXED:
        _fill(table, kind, key, fields)
    _set_orphans_aside()
    _bind_api_keys()
    for table, kind, key, fields in _INDEXED:
        _create_search_triggers(table, kind, key, fields)
    for owner in _OWNERS:
        _create_image_triggers(*owner)


def _drop_earlier_index() -> None:
    """Drop the index of version 2 with its triggers, and nothing of the user's that has one of its names."""
    connection = op.get_bind()
    definitions = {
        (kind, name): str(sql)
        for kind, name, sql in connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master").all()
    }
    for table, *_ in _INDEXED:
        for name in (f"search_{table}_{event}" for event in ("insert", "update", "delete")):
            if "DELETE FROM search_rows WHERE kind = " in definitions.get(("trigger", name), ""):
                op.execute(f"DROP TRIGGER {name}")
    for name, words in (("search", "USING fts5(\n    lessons_learned,"), ("search_rows", "UNIQUE (kind, key)")):
        if words in definitions.get(("table", name), ""):
            op.execute(f"DROP TABLE {name}")


def _create_index() -> None:
    op.execute(
        """\
CREATE TABLE zorivest_search_rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key NOT NULL,
    UNIQUE (kind, key)
)"""
    )
    op.execute(
        """\
CREATE VIRTUAL TABLE zorivest_search USING fts5(
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
        op.execute("INSERT INTO zorivest_search (zorivest_search, rank) VALUES ('secure-delete', 1)")


def _fill(table: str, kind: str, key: str, fields: tuple[str, ...]) -> None:
    texts = ", ".join(fields)
    op.execute(
        f"INSERT INTO zorivest_search_rows (kind, key) SELECT '{kind}', {key} FROM {table} AS stored "
        f"WHERE {_has_text('stored', fields)} ORDER BY {key}"
    )
    op.execute(
        f"INSERT INTO zorivest_search (rowid, {texts}) SELECT noted.id, {texts} FROM zorivest_search_rows AS noted "
        f"JOIN {table} AS stored ON stored.{key} = noted.key WHERE kind = '{kind}'"
    )


def _has_text(row: str, fields: tuple[str, ...]) -> str:
    return "(" + " OR ".join(f"{row}.{field} IS NOT NULL" for field in fields) + ")"


def _create_search_triggers(table: str, kind: str, key: str, fields: tuple[str, ...]) -> None:
    texts, new_texts = ", ".join(fields), ", ".join(f"NEW.{field}" for field in fields)
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in (key, *fields))
    new, old = (f"kind = '{kind}' AND key = +{row}.{key}" for row in ("NEW", "OLD"))
    remove_new, remove_old = (
        f"""\
    DELETE FROM zorivest_search WHERE rowid = (SELECT id FROM zorivest_search_rows WHERE {which});
    DELETE FROM zorivest_search_rows WHERE {which};
"""
        for which in (new, old)
    )
    add = f"""\
    INSERT INTO zorivest_search_rows (kind, key) SELECT '{kind}', NEW.{key} WHERE {_has_text("NEW", fields)};
    INSERT INTO zorivest_search (rowid, {texts}) SELECT id, {new_texts} FROM zorivest_search_rows WHERE {new};
"""
    for name, event, condition, body in (
        (
            "insert",
            f"INSERT ON {table}",
            f"{_has_text('NEW', fields)} OR EXISTS (SELECT id FROM zorivest_search_rows WHERE {new})",
            remove_new + add,
        ),
        ("update", f"UPDATE ON {table}", changed, remove_old + add),
        ("delete", f"DELETE ON {table}", _has_text("OLD", fields), remove_old),
    ):
        op.execute(f"CREATE TRIGGER zorivest_search_{table}_{name} AFTER {event}\nWHEN {condition}\nBEGIN\n{body}END")


def _set_orphans_aside() -> None:
    """Give images whose owner is gone one that no row has: a new row under the old key would inherit them."""
    connection = op.get_bind()
    for table, kind, key, identifier, _ in _OWNERS:
        # The first condition finds a number by its row, the second tells '7' from '07'.
        owner = f"SELECT 1 FROM {table} WHERE {key} = {{id}} AND {identifier.format(row=table)} = {{id}}"
        orphaned = f"owner_type = '{kind}' AND NOT EXISTS ({owner.format(id='images.owner_id')})"
        aside = "orphan:"
        taken = f"SELECT 1 FROM images WHERE {orphaned} AND EXISTS ({owner.format(id='(? || images.owner_id)')})"
        while connection.exec_driver_sql(taken, (aside, aside)).first():
            aside += "orphan:"
        connection.exec_driver_sql(f"UPDATE images SET owner_id = '{aside}' || owner_id WHERE {orphaned}")


def _create_image_triggers(table: str, kind: str, key: str, identifier: str, columns: str) -> None:
    old, new = (identifier.format(row=row) for row in ("OLD", "NEW"))
    op.execute(
        f"CREATE TRIGGER zorivest_images_of_{table}_delete AFTER DELETE ON {table}\nBEGIN\n"
        f"    DELETE FROM images WHERE owner_type = '{kind}' AND owner_id = {old};\nEND"
    )
    op.execute(
        f"CREATE TRIGGER zorivest_images_of_{table}_update AFTER UPDATE{columns} ON {table}\n"
        f"WHEN OLD.{key} IS NOT NEW.{key}\nBEGIN\n"
        f"    UPDATE images SET owner_id = {new} WHERE owner_type = '{kind}' AND owner_id = {old};\nEND"
    )


def _bind_api_keys() -> None:
    """Encrypt each API key again, with its provider's name as associated data.

    A token that does not decrypt stays as it is, and is refused from now on as it was before: that is no reason to shut
    the owner out of the vault.
    """
    vault_key = context.config.attributes.get("vault_key")
    if vault_key is None:  # a developer's database, which has no API keys
        return
    unbound = Fernet(base64.urlsafe_b64encode(_derived(vault_key.key, b"zorivest-async provider API keys v1")))
    bound = AESGCM(_derived(vault_key.key, b"zorivest-async provider API keys v2"))
    connection = op.get_bind()
    # As bytes, so that invalid text in one row does not prevent reading the others.
    stored = connection.exec_driver_sql(
        "SELECT rowid, CAST(provider_name AS BLOB), CAST(encrypted_api_key AS BLOB) FROM market_provider_settings "
        "WHERE encrypted_api_key IS NOT NULL"
    ).all()
    for row_id, provider_name, token in stored:
        if (again := _encrypted_again(provider_name, token, unbound, bound)) is not None:
            connection.exec_driver_sql(
                "UPDATE market_provider_settings SET encrypted_api_key = ? WHERE rowid = ?", (again, row_id)
            )


def _derived(key: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=label).derive(key)


def _encrypted_again(provider_name: bytes, token: bytes, unbound: Fernet, bound: AESGCM) -> str | None:
    nonce = os.urandom(12)
    try:
        api_key = unbound.decrypt(token.removeprefix(b"ENC:"))
    except InvalidToken:
        return None
    return "ENC:2:" + base64.urlsafe_b64encode(nonce + bound.encrypt(nonce, api_key, provider_name)).decode()
