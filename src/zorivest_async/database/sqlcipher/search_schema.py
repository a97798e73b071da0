"""Schema of the search index: one FTS5 table of all texts, and the triggers that update it with the tables.

The index contains a copy of each text (https://sqlite.org/fts5.html#the_contentless_and_external_content_options). So
it stays consistent whatever happens to the tables, and a row can be deleted by its number alone. The numbers are from
``zorivest_search_rows``, because the row numbers of accounts are SQLite's own, which ``VACUUM`` may change. All names
begin with ``zorivest_``, so that users may use any other name, for example ``search``, for a table of theirs.
"""

# ruff: noqa: S608 - the statements only contain names of this module

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import inspect

from zorivest_async.database.repositories.search_hits import SEARCH_FIELDS
from zorivest_async.domain.enums import SearchKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection, Table

__all__ = [
    "SEARCH_FIELDS",
    "SEARCH_TABLES",
    "WRONG_ENTRIES",
    "after_create",
    "after_drop",
    "create_statements",
    "rebuild_statements",
    "trigger_statements",
]

_Version: TypeAlias = tuple[int | str, ...] | None
"""Version of SQLite, in the form of SQLAlchemy's dialects."""

_OLDEST_WITH_SECURE_DELETE: Final = (3, 42)
"""First version with this option. Only plaintext databases may have an older one: a vault's driver is newer."""

SEARCH_TABLES: Final = frozenset(
    f"zorivest_search{part}" for part in ("", "_config", "_content", "_data", "_docsize", "_idx", "_rows")
)
"""Tables of the index: FTS5 creates most of them itself."""

_ROWS: Final = """\
CREATE TABLE zorivest_search_rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key NOT NULL,
    UNIQUE (kind, key)
)"""

_COLUMNS: Final = ",\n    ".join(SEARCH_FIELDS)

_INDEX: Final = f"""\
CREATE VIRTUAL TABLE zorivest_search USING fts5(
    {_COLUMNS},
    tokenize = 'unicode61 remove_diacritics 2'
)"""

_SECURE_DELETE: Final = "INSERT INTO zorivest_search (zorivest_search, rank) VALUES ('secure-delete', 1)"
"""Deletes text from the index at once; otherwise it would stay in the pages until FTS5 writes them again."""

_DROP: Final = ("DROP TABLE IF EXISTS zorivest_search", "DROP TABLE IF EXISTS zorivest_search_rows")


@dataclass(frozen=True, slots=True)
class _IndexedTable:
    """A table whose texts are in the index.

    Attributes:
        name: The name of the table.
        kind: The kind of the hits in its rows.
        key: The primary key.
        fields: The columns with texts; the columns of the index have the same names.
        since: The first version of the schema in which the table is in the index.
    """

    name: str
    kind: SearchKind
    key: str
    fields: tuple[str, ...]
    since: int = 3

    def has_text(self, row: str) -> str:
        """Return the condition that a row has a text."""
        return "(" + " OR ".join(f"{row}.{field} IS NOT NULL" for field in self.fields) + ")"

    def number(self, row: str) -> str:
        """Return the subquery for the number of a row in the index."""
        return f"SELECT id FROM zorivest_search_rows WHERE {self._is(row)}"

    def _is(self, row: str) -> str:
        # The plus removes the column's affinity, with which SQLite would not use the index of zorivest_search_rows.
        return f"kind = '{self.kind}' AND key = +{row}.{self.key}"

    def triggers(self) -> Iterator[str]:
        """Yield the statements that create the table's triggers."""
        texts, new_texts = ", ".join(self.fields), ", ".join(f"NEW.{field}" for field in self.fields)
        changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in (self.key, *self.fields))
        note = f"SELECT '{self.kind}', NEW.{self.key} WHERE {self.has_text('NEW')}"
        entry = f"SELECT id, {new_texts} FROM zorivest_search_rows WHERE {self._is('NEW')}"
        add = f"""\
    INSERT INTO zorivest_search_rows (kind, key) {note};
    INSERT INTO zorivest_search (rowid, {texts}) {entry};
"""
        # INSERT OR REPLACE fires no trigger for the row that it deletes, unless recursive_triggers is on.
        yield self._trigger(
            "insert",
            f"INSERT ON {self.name}",
            f"{self.has_text('NEW')} OR EXISTS ({self.number('NEW')})",
            self._remove("NEW") + add,
        )
        # Without UPDATE OF, which does not recognize the other names of a row number, such as rowid.
        yield self._trigger("update", f"UPDATE ON {self.name}", changed, self._remove("OLD") + add)
        yield self._trigger("delete", f"DELETE ON {self.name}", self.has_text("OLD"), self._remove("OLD"))

    def _trigger(self, name: str, event: str, condition: str, body: str) -> str:
        head = f"CREATE TRIGGER IF NOT EXISTS zorivest_search_{self.name}_{name} AFTER {event}"
        return f"{head}\nWHEN {condition}\nBEGIN\n{body}END"

    def _remove(self, row: str) -> str:
        return f"""\
    DELETE FROM zorivest_search WHERE rowid = ({self.number(row)});
    DELETE FROM zorivest_search_rows WHERE {self._is(row)};
"""

    def fill(self) -> Iterator[str]:
        """Yield the statements that add all rows of the table to an index without them."""
        texts = ", ".join(self.fields)
        yield (
            f"INSERT INTO zorivest_search_rows (kind, key) SELECT '{self.kind}', {self.key} FROM {self.name} AS stored "
            f"WHERE {self.has_text('stored')} ORDER BY {self.key}"
        )
        yield (
            f"INSERT INTO zorivest_search (rowid, {texts}) SELECT noted.id, {texts} FROM zorivest_search_rows AS noted "
            f"JOIN {self.name} AS stored ON stored.{self.key} = noted.key WHERE kind = '{self.kind}'"
        )

    def differences(self) -> str:
        """Return a query for the rows of which the index and the table differ."""
        differs = " OR ".join(f"stored.{field} IS NOT zorivest_search.{field}" for field in self.fields)
        stored = f"SELECT 1 FROM {self.name} AS stored WHERE stored.{self.key} = zorivest_search_rows.key"
        return (
            f"SELECT stored.{self.key} FROM {self.name} AS stored LEFT JOIN zorivest_search ON zorivest_search.rowid = "
            f"({self.number('stored')}) WHERE {differs} UNION ALL "
            f"SELECT key FROM zorivest_search_rows WHERE kind = '{self.kind}' AND NOT EXISTS ({stored})"
        )


_INDEXED: Final = (
    _IndexedTable("trade_reports", SearchKind.REPORT, "id", SEARCH_FIELDS[:1]),
    _IndexedTable("trade_plans", SearchKind.PLAN, "id", SEARCH_FIELDS[1:5]),
    _IndexedTable("images", SearchKind.IMAGE, "id", ("caption",)),
    _IndexedTable("accounts", SearchKind.ACCOUNT, "account_id", ("notes",)),
    _IndexedTable("watchlists", SearchKind.WATCHLIST, "id", ("description",)),
    _IndexedTable("watchlist_items", SearchKind.WATCHLIST_ITEM, "id", ("notes",)),
    _IndexedTable("trades", SearchKind.TRADE, "exec_id", ("notes",), since=4),
)

WRONG_ENTRIES: Final = {
    **{table.name: table.differences() for table in _INDEXED},
    "the index itself": "SELECT rowid FROM zorivest_search WHERE rowid NOT IN (SELECT id FROM zorivest_search_rows)",
}
"""Queries for differences between the index and the tables, by table; a consistent index has none."""


def create_statements(sqlite_version: _Version) -> list[str]:
    """Return the statements that create an empty index without triggers."""
    secure = [_SECURE_DELETE] if (sqlite_version or ()) >= _OLDEST_WITH_SECURE_DELETE else []
    return [_ROWS, _INDEX, *secure]


def trigger_statements(version: int) -> list[str]:
    """Return the statements that create all missing triggers of a version of the schema."""
    return [statement for table in _INDEXED if table.since <= version for statement in table.triggers()]


def rebuild_statements(sqlite_version: _Version, tables: Collection[str] | None = None) -> list[str]:
    """Return the statements that rebuild the index and its triggers for some tables, or all, from any state."""
    there = [table for table in _INDEXED if tables is None or table.name in tables]
    return [
        *_DROP,
        *create_statements(sqlite_version),
        *(statement for table in there for statement in (*table.fill(), *table.triggers())),
    ]


def after_create(connection: Connection, tables: Collection[Table]) -> None:
    """Create the index after the tables."""
    there = set(inspect(connection).get_table_names())
    if tables or "zorivest_search" not in there:
        for statement in rebuild_statements(connection.dialect.server_version_info, there):
            connection.exec_driver_sql(statement)


def after_drop(connection: Connection, tables: Collection[Table]) -> None:
    """Drop the index after the tables."""
    if {table.name for table in _INDEXED} <= {table.name for table in tables}:
        for statement in _DROP:
            connection.exec_driver_sql(statement)
