"""The search index: one FTS5 table of all texts, and the triggers that keep it as the tables are.

The index has a copy of each text (https://sqlite.org/fts5.html#the_contentless_and_external_content_options): it is
right by itself, whatever becomes of the tables, and a row leaves it by its number alone. ``search_rows`` gives the
numbers, because those of accounts are SQLite's own, which ``VACUUM`` may change. The triggers name no table but these
two, so that a migration may rebuild any other.
"""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import event, inspect

from zorivest_async.domain.enums import SearchKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, MetaData, Table

__all__ = [
    "SEARCH_FIELDS",
    "SEARCH_TABLES",
    "WRONG_ENTRIES",
    "create_statements",
    "keep_search_index",
    "rebuild_statements",
    "trigger_statements",
]

_Version: TypeAlias = tuple[int | str, ...] | None
"""As SQLAlchemy's dialects have it."""

_OLDEST_WITH_SECURE_DELETE: Final = (3, 42)
"""Older ones serve plaintext databases alone: a vault's driver is newer."""

SEARCH_FIELDS: Final = (
    "lessons_learned",
    "strategy_name",
    "strategy_description",
    "entry_conditions",
    "exit_conditions",
    "caption",
    "notes",
    "description",
)
"""The columns of the index, in order."""

SEARCH_TABLES: Final = frozenset(
    {"search", "search_config", "search_content", "search_data", "search_docsize", "search_idx", "search_rows"}
)
"""What the index consists of: FTS5 keeps most of it under names of its own."""

_ROWS: Final = """\
CREATE TABLE search_rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key NOT NULL,
    UNIQUE (kind, key)
)"""

_COLUMNS: Final = ",\n    ".join(SEARCH_FIELDS)

_INDEX: Final = f"""\
CREATE VIRTUAL TABLE search USING fts5(
    {_COLUMNS},
    tokenize = 'unicode61 remove_diacritics 2'
)"""

_SECURE_DELETE: Final = "INSERT INTO search (search, rank) VALUES ('secure-delete', 1)"
"""What is deleted leaves the index at once, and not when its pages happen to be written anew."""

_DROP: Final = ("DROP TABLE IF EXISTS search", "DROP TABLE IF EXISTS search_rows")


@dataclass(frozen=True, slots=True)
class _IndexedTable:
    """A table whose texts are in the index.

    Attributes:
        name: Of the table.
        kind: What its rows are found as.
        key: Its primary key.
        fields: The columns with texts; those of the index have the same names.
    """

    name: str
    kind: SearchKind
    key: str
    fields: tuple[str, ...]

    def has_text(self, row: str) -> str:
        """Return the condition that there is something to find in a row."""
        return "(" + " OR ".join(f"{row}.{field} IS NOT NULL" for field in self.fields) + ")"

    def number(self, row: str) -> str:
        """Return the number of a row in the index, a subquery."""
        return f"SELECT id FROM search_rows WHERE {self._is(row)}"

    def _is(self, row: str) -> str:
        # The plus takes the column's affinity away, which would keep SQLite from using the index of search_rows.
        return f"kind = '{self.kind}' AND key = +{row}.{self.key}"

    def triggers(self) -> Iterator[str]:
        """Yield the statements that make the table's triggers."""
        texts, new_texts = ", ".join(self.fields), ", ".join(f"NEW.{field}" for field in self.fields)
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in (self.key, *self.fields))
        add = f"""\
    INSERT INTO search_rows (kind, key) SELECT '{self.kind}', NEW.{self.key} WHERE {self.has_text("NEW")};
    INSERT INTO search (rowid, {texts}) SELECT id, {new_texts} FROM search_rows WHERE {self._is("NEW")};
"""
        # An INSERT OR REPLACE tells nobody of the row that it deletes, unless recursive_triggers are on.
        yield self._trigger(
            "insert",
            f"INSERT ON {self.name}",
            f"{self.has_text('NEW')} OR EXISTS ({self.number('NEW')})",
            self._remove("NEW") + add,
        )
        # Of any column: a row number has names, such as rowid, that no UPDATE OF knows for the same.
        yield self._trigger("update", f"UPDATE ON {self.name}", changed, self._remove("OLD") + add)
        yield self._trigger("delete", f"DELETE ON {self.name}", self.has_text("OLD"), self._remove("OLD"))

    def _trigger(self, name: str, moment: str, condition: str, body: str) -> str:
        return (
            f"CREATE TRIGGER IF NOT EXISTS search_{self.name}_{name} AFTER {moment}\nWHEN {condition}\nBEGIN\n{body}END"
        )

    def _remove(self, row: str) -> str:
        return f"""\
    DELETE FROM search WHERE rowid = ({self.number(row)});
    DELETE FROM search_rows WHERE {self._is(row)};
"""

    def fill(self) -> Iterator[str]:
        """Yield the statements that put all rows into an index that has none of them."""
        texts = ", ".join(self.fields)
        yield (
            f"INSERT INTO search_rows (kind, key) SELECT '{self.kind}', {self.key} FROM {self.name} AS stored "
            f"WHERE {self.has_text('stored')} ORDER BY {self.key}"
        )
        yield (
            f"INSERT INTO search (rowid, {texts}) SELECT search_rows.id, {texts} FROM search_rows "
            f"JOIN {self.name} AS stored ON stored.{self.key} = search_rows.key WHERE kind = '{self.kind}'"
        )

    def differences(self) -> str:
        """Return a query with a row for each that is not in the index as it is stored, or in it and not stored."""
        differs = " OR ".join(f"stored.{field} IS NOT search.{field}" for field in self.fields)
        stored = f"SELECT 1 FROM {self.name} AS stored WHERE stored.{self.key} = search_rows.key"
        return (
            f"SELECT stored.{self.key} FROM {self.name} AS stored LEFT JOIN search ON search.rowid = "
            f"({self.number('stored')}) WHERE {differs} UNION ALL "
            f"SELECT key FROM search_rows WHERE kind = '{self.kind}' AND NOT EXISTS ({stored})"
        )


_INDEXED: Final = (
    _IndexedTable("trade_reports", SearchKind.REPORT, "id", SEARCH_FIELDS[:1]),
    _IndexedTable("trade_plans", SearchKind.PLAN, "id", SEARCH_FIELDS[1:5]),
    _IndexedTable("images", SearchKind.IMAGE, "id", ("caption",)),
    _IndexedTable("accounts", SearchKind.ACCOUNT, "account_id", ("notes",)),
    _IndexedTable("watchlists", SearchKind.WATCHLIST, "id", ("description",)),
    _IndexedTable("watchlist_items", SearchKind.WATCHLIST_ITEM, "id", ("notes",)),
)

WRONG_ENTRIES: Final = {
    **{table.name: table.differences() for table in _INDEXED},
    "the index itself": "SELECT rowid FROM search WHERE rowid NOT IN (SELECT id FROM search_rows)",
}
"""Queries for what is not in the index as it is in the tables, by table; none gives a row where all is well."""


def create_statements(sqlite_version: _Version) -> list[str]:
    """Return the statements that make an empty index, and no triggers."""
    secure = [_SECURE_DELETE] if (sqlite_version or ()) >= _OLDEST_WITH_SECURE_DELETE else []
    return [_ROWS, _INDEX, *secure]


def trigger_statements() -> list[str]:
    """Return the statements that make all triggers; those that are there stay as they are."""
    return [statement for table in _INDEXED for statement in table.triggers()]


def rebuild_statements(sqlite_version: _Version, tables: Collection[str] | None = None) -> list[str]:
    """Return the statements that make index and triggers anew for some tables, or all, whatever state they are in."""
    there = [table for table in _INDEXED if tables is None or table.name in tables]
    return [
        *_DROP,
        *create_statements(sqlite_version),
        *(statement for table in there for statement in (*table.fill(), *table.triggers())),
    ]


def keep_search_index(metadata: MetaData) -> None:
    """Have ``create_all`` make the index with the tables, and ``drop_all`` drop it with them."""
    event.listen(metadata, "after_create", _after_create)
    event.listen(metadata, "after_drop", _after_drop)


def _after_create(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    there = set(inspect(connection).get_table_names())
    if tables or "search" not in there:
        for statement in rebuild_statements(connection.dialect.server_version_info, there):
            connection.exec_driver_sql(statement)


def _after_drop(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    if {table.name for table in _INDEXED} <= {table.name for table in tables}:
        for statement in _DROP:
            connection.exec_driver_sql(statement)
