"""Preservation of row numbers, and of the values of added columns, when a revision rebuilds a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zorivest_async.database.sqlcipher.ddl import SchemaObject, TableDefinition, fold, quoted, read_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.sqlcipher.schema_differences import AddedParts

__all__ = ["AddedColumns", "LostRowsError", "RowNumbers", "columns_of", "keep_given_numbers"]

_SET_ASIDE: Final = "zorivest_set_aside"
"""Temporary name of a table that is being replaced."""

_ROW_NUMBER_NAMES: Final = ("rowid", "_rowid_", "oid")
"""Names of the row number in SQLite (https://sqlite.org/rowidtable.html), unless a column has that name."""

_LARGEST_NUMBER: Final = 2**63 - 1


class LostRowsError(Exception):
    """A revision has changed the keys of rows, so the values of added columns no longer belong to a row."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table, by ``PRAGMA table_xinfo``.

    Attributes:
        stored: Stored columns, without generated ones.
        key: The primary key.
        is_numbered: Whether the key is the row number.
    """

    stored: list[str]
    key: list[str]
    is_numbered: bool

    def row_number(self, others: Iterable[str] = ()) -> str | None:
        """Return the name of the row number, if it is not a column.

        Args:
            others: Columns that the table will have.

        Returns:
            ``None`` if it is a column, or if columns have all of its names.
        """
        taken = {fold(name) for name in (*self.stored, *others)}
        return next((name for name in _ROW_NUMBER_NAMES if not self.is_numbered and name not in taken), None)


def columns_of(raw: sqlcipher.Connection, table: str) -> _Columns:
    """Return the columns of a table or a view; none if it does not exist."""
    rows = raw.execute("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid", (table,)).fetchall()
    keys = sorted((pk, name, kind) for name, kind, pk, _ in rows if pk)
    is_numbered = len(keys) == 1 and fold(keys[0][2]) == "integer"
    return _Columns([name for name, _, _, hidden in rows if not hidden], [name for _, name, _ in keys], is_numbered)


def keep_given_numbers(raw: sqlcipher.Connection, given: Sequence[tuple[int, str]]) -> None:
    """Restore the highest row numbers, so that numbers of deleted rows are not reused after a rebuild.

    Args:
        raw: A connection.
        given: The highest number so far, and the table, from ``sqlite_sequence``.
    """
    for number, table in given:
        if raw.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table)).rowcount == 0:
            raw.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT name, ? FROM sqlite_master WHERE type = 'table' AND "
                "name = ? AND sql LIKE '%AUTOINCREMENT%'",
                (number, table),
            )


def _names(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{quoted(column)}" for column in columns)


class RowNumbers:
    """Row numbers of a table whose key is another column: a user's own FTS5 indexes refer to them.

    ``INSERT INTO ... SELECT``, which rebuilds a table, numbers its rows from 1.

    Args:
        raw: A connection in a transaction.
        table: The table.
        kept: A name for a temporary table.
    """

    def __init__(self, raw: sqlcipher.Connection, table: str, kept: str) -> None:
        self._raw, self._table, self._kept = raw, table, f"temp.{kept}"
        columns = columns_of(raw, table)
        self._key, self._number = columns.key, columns.row_number()
        if self._number is not None:
            keys = ", ".join(f"{quoted(column)} AS k{place}" for place, column in enumerate(self._key))
            raw.execute(f"CREATE TEMP TABLE {kept} AS SELECT {self._number} AS number, {keys} FROM {quoted(table)}")  # noqa: S608
            raw.execute(f"CREATE INDEX {self._kept}_keys ON {kept} ({self._keys()})")

    def _keys(self) -> str:
        return ", ".join(f"k{place}" for place in range(len(self._key)))

    def put_back(self) -> None:
        """Restore the previous row numbers, if they have changed."""
        columns, table = columns_of(self._raw, self._table), quoted(self._table)
        number = columns.row_number()
        if self._number is None or number is None or columns.key != self._key:
            return
        same = " AND ".join(f"k{place} = {table}.{quoted(column)}" for place, column in enumerate(self._key))
        before = f"SELECT number FROM {self._kept} WHERE {same}"  # noqa: S608 - names, in quotes
        different = f"SELECT 1 FROM {table} WHERE {number} IS NOT coalesce(({before}), {number}) LIMIT 1"  # noqa: S608
        if self._raw.execute(different).fetchone() is None:
            return
        both = f"SELECT number FROM {self._kept} UNION ALL SELECT {number} FROM {table}"  # noqa: S608
        least, largest = self._raw.execute(f"SELECT min(number), max(number) FROM ({both})").fetchone()  # noqa: S608
        # First move them past all numbers, as another row may still have a number.
        distance = largest - least + 1
        if largest + distance <= _LARGEST_NUMBER:
            self._raw.execute(f"UPDATE {table} SET {number} = {number} + ?", (distance,))  # noqa: S608
            self._raw.execute(f"UPDATE {table} SET {number} = coalesce(({before}), {number})")  # noqa: S608


class AddedColumns:
    """Columns and constraints that a user has added to a table of the library.

    Revisions run on the library's table without them, because Alembic rebuilds a table from SQLAlchemy's reflection,
    which loses the collation, unnamed checks and some declared types of a column. Afterwards the table gets these parts
    again, with their original text.

    Args:
        raw: A connection in a transaction.
        made: The library's table.
        added: The added parts.
        kept: A name for a temporary table.
    """

    def __init__(self, raw: sqlcipher.Connection, made: SchemaObject, added: AddedParts, kept: str) -> None:
        self._raw, self._table, self._added, self._kept = raw, made.name, added, f"temp.{kept}"
        columns, names = columns_of(raw, made.name), {part.column for part in added.columns}
        self._key = columns.key
        self._stored = [name for name in columns.stored if fold(name) in names]
        values = [*columns.key, *self._stored]
        selected = ", ".join(f"{quoted(name)} AS v{place}" for place, name in enumerate(values))
        raw.execute(f"CREATE TEMP TABLE {kept} AS SELECT {selected} FROM {quoted(made.name)}")  # noqa: S608 - names
        keys = ", ".join(f"v{place}" for place in range(len(self._key)))
        raw.execute(f"CREATE INDEX {self._kept}_keys ON {kept} ({keys})")
        self._rebuild(made.sql, list(TableDefinition.of(made.sql).columns))

    @property
    def shown(self) -> str:
        """Description for errors."""
        return f"{self._added.shown} of the table {self._table!r}"

    @property
    def names(self) -> list[str]:
        """Names of the columns, or of the table if only constraints were added."""
        return [part.column for part in self._added.columns] or [self._table]

    def put_back(self) -> None:
        """Add the parts to the table again, and restore the values of its rows.

        Raises:
            LostRowsError: The keys of rows have changed.
            sqlcipher3.dbapi2.DatabaseError: A part no longer fits the table, or a value no longer fits a part.
        """
        (sql,) = self._raw.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (self._table,)
        ).fetchone()
        columns = columns_of(self._raw, self._table)
        if len(columns.key) != len(self._key):
            raise LostRowsError
        same = " AND ".join(f"v{place} = old.{quoted(column)}" for place, column in enumerate(columns.key))
        kept, now = self._kept, f"{quoted(self._table)} AS old"
        lost = f"SELECT 1 FROM {kept} WHERE NOT EXISTS (SELECT 1 FROM {now} WHERE {same})"  # noqa: S608 - names
        new = f"SELECT 1 FROM {now} WHERE NOT EXISTS (SELECT 1 FROM {kept} WHERE {same})"  # noqa: S608
        if self._raw.execute(lost).fetchone() and self._raw.execute(new).fetchone():
            raise LostRowsError
        statement = TableDefinition.of(sql).statement(self._table, self._added.columns, self._added.constraints)
        self._rebuild(statement, columns.stored, same)

    def _rebuild(self, statement: str, columns: Sequence[str], same: str | None = None) -> None:
        """Replace the table with a new one of the same name, and keep rows, row numbers, indexes and triggers.

        Args:
            statement: Creates the new table.
            columns: Columns to copy.
            same: Condition that joins a row with its kept values; ``None`` to restore no values.
        """
        raw, table = self._raw, quoted(self._table)
        number = columns_of(raw, self._table).row_number(part.column for part in self._added.columns)
        belonging = [
            found.sql
            for found in read_schema(raw).values()
            if found.type in ("index", "trigger") and fold(found.table) == fold(self._table)
        ]
        raw.execute(f"ALTER TABLE {table} RENAME TO {_SET_ASIDE}")
        raw.execute(statement)
        numbers, old_numbers = ("", "") if number is None else (f"{number}, ", f"old.{number}, ")
        into = f"INSERT INTO {table} ({numbers}{_names(columns)}"
        select = f"SELECT {old_numbers}{_names(columns, 'old.')}"
        if same is None:
            raw.execute(f"{into}) {select} FROM {_SET_ASIDE} AS old")
        else:
            values = [f"v{place}" for place in range(len(self._key), len(self._key) + len(self._stored))]
            kept = ", ".join(["", *values])
            stored = ", ".join(["", *map(quoted, self._stored)])
            raw.execute(f"{into}{stored}) {select}{kept} FROM {_SET_ASIDE} AS old JOIN {self._kept} ON {same}")
            unknown = f"NOT EXISTS (SELECT 1 FROM {self._kept} WHERE {same})"  # noqa: S608 - names, in quotes
            raw.execute(f"{into}) {select} FROM {_SET_ASIDE} AS old WHERE {unknown}")
        raw.execute(f"DROP TABLE {_SET_ASIDE}")
        for sql in belonging:
            raw.execute(sql)
