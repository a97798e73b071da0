"""Preservation of users' objects: they are dropped before the revisions run, and created again afterwards.

A revision may rebuild a table. SQLite drops its triggers and indexes with the old table, and views and triggers that
name it prevent renaming the new one (https://sqlite.org/lang_altertable.html#otheralter). Revisions therefore run on a
vault with only the library's schema and the users' own tables. Afterwards every object is created again with its
original statement. If an object worked before and no longer works, such as a view of a dropped column, the upgrade
raises an error that names it, and changes nothing.

Users' triggers do not fire for the statements of revisions.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.migrations.rows_kept import AddedColumns, LostRowsError, RowNumbers, columns_of
from zorivest_async.database.sqlcipher.ddl import TableDefinition, fold, quoted, read_schema, shown, tokens_of
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.sqlcipher.schema_differences import added_parts, changes_of, is_of_index, library_tables
from zorivest_async.errors import VaultUpgradeError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from zorivest_async.database.sqlcipher.ddl import Key, Schema, SchemaObject
    from zorivest_async.database.sqlcipher.schema_differences import AddedParts

__all__ = ["refusal", "users_objects_aside"]

_ABOUT_THE_STATEMENT: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_MISMATCH}
)
"""Result codes that are about an object; others, such as an interrupt, end the upgrade."""

_SHOWN: Final = 5
"""Maximum number of reasons in the message of an error."""

_MADE_BY_ALEMBIC: Final = "_alembic_tmp_"
"""Prefix of the tables with which Alembic rebuilds others."""

_CHANGE: Final = "change or drop what is named"

_THEN: Final = "with the release that wrote the vault, then open it again"


def refusal(path: Path, reasons: Sequence[tuple[str, str]], what_to_do: str = _CHANGE) -> VaultUpgradeError:
    """Return the error for objects that prevent the upgrade.

    Args:
        path: The vault.
        reasons: The name of each object, and its problem.
        what_to_do: What to do with the named objects.
    """
    named = "; ".join(reason for _, reason in reasons[:_SHOWN])
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    error = VaultUpgradeError(path, f"{named}{more}. The vault is unchanged: {what_to_do} {_THEN}")
    error.objects = tuple(name for name, _ in reasons)
    return error


def require_upgradable(path: Path, found: Schema, before: Schema, after: Schema) -> None:
    """Refuse a vault whose tables differ from the revisions', or whose objects have the names of new ones.

    Args:
        path: The vault.
        found: Its schema.
        before: The library's schema of its version.
        after: The library's schema of this release.

    Raises:
        VaultUpgradeError: It names the changed objects, or those with the name of a new one.
    """
    if changed := [(made.name, change) for made in before.values() for change in _changes_of(made, found)]:
        raise refusal(path, changed, "put back what another program has changed,")
    taken = [
        (one.name, f"{one.shown} has a name that the library uses from this release on")
        for key, one in found.items()
        if key not in before and (key in after or fold(one.name).startswith(_MADE_BY_ALEMBIC))
    ]
    for made, parts in _added(found, before, after):
        new = TableDefinition.of(after[made.key].sql).columns
        names = [part.column for part in parts.columns if part.column in new]
        taken.extend((name, f"the column {shown(name)} of {made.name} has the name of a new column") for name in names)
    if taken:
        raise refusal(path, taken, "rename what is named")


def _changes_of(made: SchemaObject, found: Schema) -> Iterator[str]:
    """Yield changes of an object that revisions cannot handle; indexes, triggers and the search index are rebuilt."""
    one = found.get(made.key)
    if made.type == "table" and not is_of_index(made):
        yield from changes_of(made, found)
    elif one is not None and one.type != made.type:
        yield f"{one.shown} replaces {made.shown}"


def _added(found: Schema, before: Schema, after: Schema) -> Iterator[tuple[SchemaObject, AddedParts]]:
    """Yield the library's tables with parts that a user has added, and these parts."""
    for made in before.values():
        if made.type == "table" and not is_of_index(made) and made.key in after:
            parts = added_parts(made, found[made.key])
            if parts:
                yield made, parts


@contextmanager
def users_objects_aside(raw: sqlcipher.Connection, path: Path, before: Schema, after: Schema) -> Generator[None]:
    """Run the block, which upgrades the library's schema, without users' objects.

    Args:
        raw: A connection in a transaction.
        path: The vault, for errors.
        before: The library's schema of its version.
        after: The library's schema of the next version.

    Raises:
        VaultUpgradeError: It names the objects that cannot be created again.
    """
    found = read_schema(raw)
    require_upgradable(path, found, before, after)
    users = _UsersObjects(raw, path, [one for one in found.values() if _is_users(one, before, after)], before)
    users.set_aside()
    _repair(raw, found, before, after)
    added = [
        AddedColumns(raw, made, parts, f"zorivest_added_{place}")
        for place, (made, parts) in enumerate(_added(found, before, after))
    ]
    tables = [made.name for made in before.values() if made.type == "table" and not is_of_index(made)]
    numbers = [RowNumbers(raw, name, f"zorivest_numbers_{place}") for place, name in enumerate(tables)]
    yield
    for table in numbers:
        table.put_back()
    _put_back(path, added)
    users.make_again()


def _is_users(one: SchemaObject, before: Schema, after: Schema) -> bool:
    """Return whether an object is a user's; so is one with a name of the library that no release uses again."""
    made = before.get(one.key)
    return made is None or (one.key not in after and not one.is_same(made))


def _repair(raw: sqlcipher.Connection, found: Schema, before: Schema, after: Schema) -> None:
    """Drop the library's changed indexes and triggers, and create the indexes again.

    The triggers are created after all revisions.
    """
    for made in before.values():
        one = found.get(made.key)
        if made.type not in ("index", "trigger") or made.key not in after or (one is not None and one.is_same(made)):
            continue
        if one is not None:
            _drop(raw, [one])
        if made.type == "index":
            raw.execute(made.sql)


def _put_back(path: Path, added: Iterable[AddedColumns]) -> None:
    for parts in added:
        try:
            parts.put_back()
        except LostRowsError:
            reason = f"the upgrade changes the keys of the rows that have {parts.shown}"
        except sqlcipher.DatabaseError as error:
            reason = f"{parts.shown} cannot be kept: {_about_the_statement(error)}"
        else:
            continue
        raise refusal(path, [(name, reason) for name in parts.names])


class _UsersObjects:
    """Users' triggers, views, indexes of the library's tables, and full-text indexes that read other tables.

    Args:
        raw: A connection in a transaction.
        path: The vault, for errors.
        own: All of the user's objects.
        before: The library's schema.
    """

    def __init__(self, raw: sqlcipher.Connection, path: Path, own: Sequence[SchemaObject], before: Schema) -> None:
        tables = library_tables(before)
        self._raw, self._path = raw, path
        self._triggers = [one for one in own if one.type == "trigger"]
        self._views = [one for one in own if one.type == "view"]
        self._indexes = [one for one in own if one.type == "index" and fold(one.table) in tables]
        self._readers = [one for one in own if _reads_another_table(one) and self._agrees(one)]
        self._worked: dict[Key, list[str | None]] = {}

    def set_aside(self) -> None:
        """Drop the objects, and note which of them work."""
        _drop(self._raw, self._triggers)
        self._worked = {one.key: self._faults_of(one) for one in (*self._triggers, *self._views)}
        _drop(self._raw, [*self._views, *self._indexes])

    def make_again(self) -> None:
        """Create the objects again.

        Raises:
            VaultUpgradeError: It names the objects that cannot be created, or that no longer work.
        """
        failures = list[tuple[str, str]]()
        for one in (*self._views, *self._indexes):
            if (fault := self._fault(one.sql)) is not None:
                failures.append((one.name, f"{one.shown} cannot be made again: {fault}"))
        for one in (*self._views, *self._triggers):
            both = zip(self._worked[one.key], self._faults_of(one), strict=False)
            if fault := next((now for was, now in both if was is None and now is not None), None):
                failures.append((one.name, f"{one.shown} would not work any more: {fault}"))
        for one in () if failures else self._triggers:
            self._raw.execute(one.sql)
        for one in () if failures else self._readers:
            name = quoted(one.name)
            rebuild = f"INSERT INTO {name} ({name}) VALUES ('rebuild')"  # noqa: S608 - a name, in quotes
            if not self._agrees(one) and (fault := self._fault(rebuild)) is not None:
                failures.append((one.name, f"{one.shown} cannot be filled again: {fault}"))
        if failures:
            raise refusal(self._path, failures)

    def _faults_of(self, one: SchemaObject) -> list[str | None]:
        """Return the problems of reading a view, or of firing a trigger: ``None`` for each use that works."""
        if one.type == "view":
            return [self._fault(f"EXPLAIN SELECT * FROM {quoted(one.name)}")]  # noqa: S608 - a name, in quotes
        if (fault := self._fault(one.sql)) is not None:
            return [fault]
        columns = columns_of(self._raw, one.table).stored
        table, unchanged = quoted(one.table), ", ".join(f"{quoted(name)} = {quoted(name)}" for name in columns)
        statements = (
            f"INSERT INTO {table} DEFAULT VALUES",
            f"UPDATE {table} SET {unchanged}",  # noqa: S608 - names, in quotes
            f"DELETE FROM {table}",  # noqa: S608
        )
        faults = [self._fault(f"EXPLAIN {statement}") for statement in statements]
        _drop(self._raw, [one])
        there = {fold(name) for name in columns}
        return [
            None,
            *faults,
            *(None if name in there else f"no such column: {name}" for name in _columns_watched(one)),
        ]

    def _fault(self, statement: str) -> str | None:
        try:
            self._raw.execute(statement).fetchall()
        except sqlcipher.DatabaseError as error:
            return _about_the_statement(error)
        return None

    def _agrees(self, one: SchemaObject) -> bool:
        """Return whether a full-text index agrees with the table that it reads."""
        name = quoted(one.name)
        return self._fault(f"INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1)") is None  # noqa: S608


def _about_the_statement(error: sqlcipher.DatabaseError) -> str:
    """Return the message of an error about an object.

    Raises:
        sqlcipher3.dbapi2.DatabaseError: The error is about another problem: a full disk, a cancelled upgrade.
    """
    if result_code(error) not in _ABOUT_THE_STATEMENT:
        raise error
    return " ".join(str(error).split())


def _drop(raw: sqlcipher.Connection, objects: Iterable[SchemaObject]) -> None:
    for one in objects:
        raw.execute(f"DROP {one.type} {quoted(one.name)}")


def _columns_watched(trigger: SchemaObject) -> list[str]:
    """Return the folded names in ``UPDATE OF``, in which SQLite accepts names of missing columns."""
    tokens = tokens_of(trigger.sql)
    head = tokens[: tokens.index("ON")]
    following = head[head.index("UPDATE") + 1 :] if "UPDATE" in head else ()
    return [token.strip("'\"") for token in following if token not in ("OF", ",")]


def _reads_another_table(one: SchemaObject) -> bool:
    """Return whether it is an FTS5 index without its own texts.

    See https://sqlite.org/fts5.html#external_content_tables.
    """
    tokens = tokens_of(one.sql)
    options = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return (
        "VIRTUAL" in tokens[:3]
        and '"fts5' in tokens
        and any((option, mark) == ('"content', "=") and table not in ("''", '"') for option, mark, table in options)
    )
