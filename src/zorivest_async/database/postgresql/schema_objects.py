"""Functions, triggers and row security of PostgreSQL's schema, which SQLAlchemy's tables do not contain.

They run as the role that calls them, under row security, except ``zorivest_open_journal``. The path in which each finds
tables is the one that it was created with, so that no caller's ``search_path`` puts other tables in their place.
"""

# ruff: noqa: S608 - the statements only contain names of this module and of the models

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.schema import CreateIndex, CreateTable

from zorivest_async.database.postgresql.schema import (
    COUNTER,
    JOURNAL_ID,
    SETTING,
    derived_metadata,
    numbered_tables,
)
from zorivest_async.domain.enums import ImageOwnerType, SearchKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Dialect, MetaData

__all__ = ["POLICY", "schema_statements"]

_DIALECT: Final[Dialect] = PGDialect_asyncpg()  # type: ignore[no-untyped-call]

POLICY: Final = "zorivest_journal"
"""Name of the row security policy of every table."""


_NEXT_ID: Final = f"""\
CREATE FUNCTION zorivest_next_id(numbered text, amount bigint DEFAULT 1) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    journal bigint := {SETTING};
    noted text[] := string_to_array(current_setting('zorivest.' || numbered, true), ':');
    last bigint;
BEGIN
    IF noted[1] = journal::text THEN
        last := noted[2]::bigint;
    ELSE
        EXECUTE format('SELECT %I FROM journals WHERE id = $1 FOR NO KEY UPDATE', '{COUNTER}' || numbered)
            INTO last USING journal;
        IF last IS NULL THEN
            RAISE insufficient_privilege USING MESSAGE = 'the transaction has no journal: set zorivest.journal first';
        END IF;
    END IF;
    PERFORM set_config('zorivest.' || numbered, concat(journal, ':', last + amount), true);
    RETURN last + 1;
END
$$"""
"""The number of a new row of a table, or the first of several, for insertions that do not give one.

The transaction notes the last number in a setting of its own, which a rollback to a savepoint undoes, too. The counter
in the journal's row follows once a statement: each update of a row leaves a version of it, and all later updates in the
same transaction pass through all versions.
"""

_RAISE_COUNTER: Final = f"""\
CREATE FUNCTION zorivest_raise_counter() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    given record;
    noted text[];
BEGIN
    FOR given IN SELECT {JOURNAL_ID} AS journal, max(id) AS number FROM inserted GROUP BY {JOURNAL_ID} LOOP
        EXECUTE format('UPDATE journals SET %1$I = $1 WHERE id = $2 AND %1$I < $1', '{COUNTER}' || TG_TABLE_NAME)
            USING given.number, given.journal;
        noted := string_to_array(current_setting('zorivest.' || TG_TABLE_NAME, true), ':');
        IF noted[1] = given.journal::text AND noted[2]::bigint < given.number THEN
            PERFORM set_config('zorivest.' || TG_TABLE_NAME, concat(given.journal, ':', given.number), true);
        END IF;
    END LOOP;
    RETURN NULL;
END
$$"""
"""The function of the triggers that raise a counter to the largest number that was inserted."""


@dataclass(frozen=True, slots=True)
class _Followed:
    """A table whose rows other rows follow, without a foreign key: their images and their words in the search index.

    Attributes:
        table: The name of the table.
        key: The key column.
        owns: The value of ``owner_type`` of its images.
        found_as: The value of ``kind`` of its words.
    """

    table: str
    key: str
    owns: ImageOwnerType | None = None
    found_as: SearchKind | None = None

    @property
    def _followers(self) -> Iterator[tuple[str, str, str]]:
        """Yield the tables that follow, with the condition for the kind, and the column with the key."""
        if self.owns is not None:
            yield "images", f"owner_type = '{self.owns}'", "owner_id"
        if self.found_as is not None:
            yield "search_words", f"kind = '{self.found_as}'", "key"

    def statements(self) -> Iterator[str]:
        """Yield the statements that create the functions and the triggers."""
        deleted, renamed = f"zorivest_deleted_from_{self.table}", f"zorivest_renamed_in_{self.table}"
        deletions = "\n".join(
            f"    DELETE FROM {table} USING deleted WHERE {table}.{JOURNAL_ID} = deleted.{JOURNAL_ID}\n"
            f"    AND {kind} AND {table}.{column} = deleted.{self.key}::text;"
            for table, kind, column in self._followers
        )
        yield _trigger_function(deleted, deletions)
        yield (
            f"CREATE TRIGGER {deleted} AFTER DELETE ON {self.table} REFERENCING OLD TABLE AS deleted\n"
            f"FOR EACH STATEMENT EXECUTE FUNCTION {deleted}()"
        )
        updates = "\n".join(
            f"    UPDATE {table} SET {column} = NEW.{self.key}::text\n"
            f"    WHERE {JOURNAL_ID} = OLD.{JOURNAL_ID} AND {kind} AND {column} = OLD.{self.key}::text;"
            for table, kind, column in self._followers
        )
        yield _trigger_function(renamed, updates)
        yield (
            f"CREATE TRIGGER {renamed} AFTER UPDATE OF {self.key} ON {self.table}\n"
            f"FOR EACH ROW WHEN (OLD.{self.key} IS DISTINCT FROM NEW.{self.key}) EXECUTE FUNCTION {renamed}()"
        )


_FOLLOWED: Final = (
    _Followed("accounts", "account_id", found_as=SearchKind.ACCOUNT),
    _Followed("images", "id", found_as=SearchKind.IMAGE),
    _Followed("trade_plans", "id", ImageOwnerType.PLAN, SearchKind.PLAN),
    _Followed("trade_reports", "id", ImageOwnerType.REPORT, SearchKind.REPORT),
    _Followed("trades", "exec_id", ImageOwnerType.TRADE, SearchKind.TRADE),
    _Followed("watchlist_items", "id", found_as=SearchKind.WATCHLIST_ITEM),
    _Followed("watchlists", "id", found_as=SearchKind.WATCHLIST),
)

_OPEN_JOURNAL: Final = """\
CREATE FUNCTION zorivest_open_journal(journal_name text, create_it boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found bigint;
BEGIN
    SELECT id INTO found FROM journals WHERE name = journal_name;
    IF found IS NULL AND create_it THEN
        INSERT INTO journals (name) VALUES (journal_name) ON CONFLICT DO NOTHING RETURNING id INTO found;
        IF found IS NULL THEN
            SELECT id INTO found FROM journals WHERE name = journal_name;
        END IF;
    END IF;
    RETURN found;
END
$$"""
"""The number of the journal with a name, or ``NULL``; all other access to journals is under row security."""


def schema_statements(models: MetaData) -> Iterator[str]:
    """Yield the statements that create PostgreSQL's whole schema.

    Args:
        models: The metadata of the models.
    """
    tables = derived_metadata(models).sorted_tables
    yield _NEXT_ID  # which the defaults of the tables call
    for table in tables:
        yield str(CreateTable(table).compile(dialect=_DIALECT)).strip().replace(", \n", ",\n").replace("\t", "    ")
        for index in sorted(table.indexes, key=lambda found: str(found.name)):
            yield str(CreateIndex(index).compile(dialect=_DIALECT))
    # Images and what is sealed are incompressible; uncompressed, a part of a value is read without the rest.
    yield "ALTER TABLE image_chunks ALTER COLUMN data SET STORAGE EXTERNAL"
    yield from _open_journal()
    yield _RAISE_COUNTER
    for name in numbered_tables(models):
        yield (
            f"CREATE TRIGGER zorivest_counter_{name} AFTER INSERT ON {name} REFERENCING NEW TABLE AS inserted\n"
            "FOR EACH STATEMENT EXECUTE FUNCTION zorivest_raise_counter()"
        )
    for followed in _FOLLOWED:
        yield from followed.statements()
    for table in tables:
        yield from _row_security(table.name)


def _row_security(table: str) -> Iterator[str]:
    # Not forced for the journals: zorivest_open_journal runs as the owner, and finds all of them.
    is_journals = table == "journals"
    forced = "" if is_journals else ", FORCE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY{forced}"
    yield f"CREATE POLICY {POLICY} ON {table} USING ({'id' if is_journals else JOURNAL_ID} = {SETTING})"


def _open_journal() -> Iterator[str]:
    yield _OPEN_JOURNAL
    yield "REVOKE EXECUTE ON FUNCTION zorivest_open_journal(text, boolean) FROM PUBLIC"


def _trigger_function(name: str, body: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$\n"
        f"BEGIN\n{body}\n    RETURN NULL;\nEND\n$$"
    )
