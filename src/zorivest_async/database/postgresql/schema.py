"""PostgreSQL's schema, derived from the models: the same tables, for many journals in one database.

Every key begins with the journal's number, which no model has: a column default takes it from the transaction's setting
``zorivest.journal``. Row security compares it with the same setting, so a statement of the library is the same here and
in a vault's file. Texts are ``TEXT COLLATE "C"``, which orders them and folds letters as SQLite does, whatever the
database's own collation; numbers have SQLite's 64 bits; what is confidential is ``BYTEA``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from zorivest_async.database.postgresql.confidentiality import CONFIDENTIALITY, Confidentiality
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.types import TypeEngine

__all__ = ["CLEAR", "COUNTER", "HASH", "JOURNAL_ID", "derived_metadata", "numbered_tables"]

JOURNAL_ID: Final = "journal_id"
"""The first column of every table, and of every key."""

CLEAR: Final = b"\0"
"""First byte, the version, of a confidential value that is stored in clear."""

HASH: Final = "_hash"
"""End of the name of the column beside a sealed one that has the keyed hashes of its values."""

COUNTER: Final = "last_"
"""Beginning of the name of the column of ``journals`` that has the last row number of a table."""

SETTING: Final = "nullif(current_setting('zorivest.journal', true), '')::bigint"
"""Number of the transaction's journal. The setting is missing in a fresh session, and empty after a transaction of the
session has had it; both are ``NULL``, which is no journal's number."""

_API_KEY: Final = r"get_byte(encrypted_api_key, 0) > 0 OR substr(encrypted_api_key, 2, 4) = '\x454e433a'::bytea"
"""An API key is sealed, or has been encrypted before it was sent: ``ENC:``."""

_SEALED: Final = frozenset({Confidentiality.SEALED, Confidentiality.HASHED, Confidentiality.HASHED_EACH})


def derived_metadata(models: MetaData) -> MetaData:
    """Return PostgreSQL's tables for the tables of models.

    Args:
        models: The metadata of the models; :data:`~zorivest_async.database.models.Base.metadata`.

    Raises:
        ConfigurationError: A column is not in :data:`CONFIDENTIALITY`.
    """
    derived = MetaData(naming_convention=models.naming_convention)
    _add_journals(derived, numbered_tables(models))
    for table in models.sorted_tables:
        _add_derived(derived, table)
    _add_image_chunks(derived)
    _add_search_words(derived)
    return derived


def numbered_tables(models: MetaData) -> list[str]:
    """Return the names of the tables whose rows get numbers, in alphabetical order."""
    return sorted(table.name for table in models.sorted_tables if table.autoincrement_column is not None)


def _add_derived(derived: MetaData, table: Table) -> None:
    columns = [_journal_id()]
    for column in table.columns:
        columns.extend(_columns_of(column))
    keys = [column.name for column in table.primary_key.columns]
    Table(
        table.name,
        derived,
        *columns,
        PrimaryKeyConstraint(JOURNAL_ID, *keys, name=_pk(table.name)),
        *_of_journal(table),
        *_constraints(table),
        *_indexes(table),
    )


def _journal_id() -> Column[Any]:
    return Column(JOURNAL_ID, BigInteger, nullable=False, server_default=text(SETTING))


def _pk(table: str) -> str:
    return f"pk_{table}"


def _of_journal(table: Table) -> list[ForeignKeyConstraint]:
    """Return the foreign key to the journals, unless each row refers to one that has it: a bulk insertion is faster."""
    if any(not column.nullable for key in table.foreign_key_constraints for column in key.columns):
        return []
    return [_key_of_journal(table.name)]


def _key_of_journal(table: str) -> ForeignKeyConstraint:
    # Without ON DELETE CASCADE, so that no slip of a statement deletes a journal with all that is in it.
    return ForeignKeyConstraint([JOURNAL_ID], ["journals.id"], name=f"fk_{table}_journal_id_journals")


def _columns_of(column: Column[Any]) -> Iterator[Column[Any]]:
    """Yield a model's column as it is here, and its hash."""
    kind = _confidentiality(column)
    if kind is Confidentiality.CHUNKS:
        return
    type_ = LargeBinary() if kind in _SEALED else _type_of(column)
    yield Column(column.name, type_, nullable=column.nullable, server_default=_default_of(column))
    if kind is Confidentiality.HASHED:
        yield Column(f"{column.name}{HASH}", LargeBinary)
    elif kind is Confidentiality.HASHED_EACH:
        yield Column(f"{column.name}{HASH}", ARRAY(LargeBinary))


def _confidentiality(column: Column[Any]) -> Confidentiality:
    try:
        return CONFIDENTIALITY[column.table.name][column.name]
    except KeyError:
        name = f"{column.table.name}.{column.name}"
        raise ConfigurationError(
            f"{name} has no entry in CONFIDENTIALITY, which says whether a server may read it"
        ) from None


def _default_of(column: Column[Any]) -> Any:
    if column is column.table.autoincrement_column:
        return text(f"zorivest_next_id('{column.table.name}')")
    return None if column.server_default is None else column.server_default.arg  # type: ignore[attr-defined]


def _type_of(column: Column[Any]) -> TypeEngine[Any]:
    stored = getattr(column.type, "impl_instance", column.type)
    match stored:
        case Boolean():
            return Boolean()
        case String():  # its length has no effect in SQLite
            return Text(collation="C")
        case Integer():
            return BigInteger()
        case Numeric():
            return Double()
        case DateTime():
            return DateTime(timezone=True)
        case LargeBinary():
            return LargeBinary()
        case _:
            raise ConfigurationError(f"{column} has a type without a form in PostgreSQL: {column.type!r}")


def _constraints(table: Table) -> Iterator[CheckConstraint | ForeignKeyConstraint | UniqueConstraint]:
    for constraint in sorted(table.constraints, key=lambda found: str(found.name)):
        match constraint:
            case CheckConstraint() if "encrypted_api_key" in str(constraint.sqltext):
                yield CheckConstraint(_API_KEY, name="encrypted_api_key")
            case CheckConstraint():
                # Its name without what the naming convention adds to it again.
                name = str(constraint.name).removeprefix(f"ck_{table.name}_")
                yield CheckConstraint(str(constraint.sqltext), name=name)
            case UniqueConstraint():
                columns = [column.name for column in constraint.columns]
                yield UniqueConstraint(JOURNAL_ID, *columns, name=f"uq_{table.name}_{'_'.join(columns)}")
            case ForeignKeyConstraint():
                parent = constraint.referred_table.name
                columns = [element.parent.name for element in constraint.elements]
                yield ForeignKeyConstraint(
                    [JOURNAL_ID, *columns],
                    [f"{parent}.{JOURNAL_ID}", *(element.target_fullname for element in constraint.elements)],
                    name=f"fk_{table.name}_{'_'.join(columns)}_{parent}",
                    ondelete=constraint.ondelete,
                    onupdate=constraint.onupdate,
                )
            case _:
                continue


def _indexes(table: Table) -> Iterator[Index]:
    for index in sorted(table.indexes, key=lambda found: str(found.name)):
        columns = [
            column.name if _confidentiality(column) is Confidentiality.CLEAR else f"{column.name}{HASH}"
            for column in index.columns
        ]
        yield Index(str(index.name), JOURNAL_ID, *columns, unique=index.unique)
    of_hashes = [
        column for column in table.columns if _confidentiality(column) is Confidentiality.HASHED and not column.index
    ]
    for column in of_hashes:
        yield Index(f"ix_{table.name}_{column.name}{HASH}", JOURNAL_ID, f"{column.name}{HASH}")
    for column in table.columns:
        if _confidentiality(column) is Confidentiality.HASHED_EACH:
            yield Index(f"ix_{table.name}_{column.name}{HASH}", f"{column.name}{HASH}", postgresql_using="gin")


def _add_journals(derived: MetaData, numbered: list[str]) -> None:
    """Add the table of journals, and that of their keys, which passphrases wrap.

    A writer updates its journal's row before anything else, so that a journal has one writer at a time. The row has the
    tokens of the last commits, by which a client learns whether a commit without an answer is stored.
    """
    Table(
        "journals",
        derived,
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("name", Text(collation="C"), nullable=False),
        # NULL only in the transaction that creates the journal.
        Column("encryption", Text(collation="C")),
        Column("salt", LargeBinary),
        Column("profile", Text(collation="C")),
        Column("hash_key", LargeBinary),
        Column("search", Text(collation="C"), nullable=False, server_default=text("'words'")),
        Column("turn", BigInteger, nullable=False, server_default=text("0")),
        Column("recent", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        *(Column(f"{COUNTER}{name}", BigInteger, nullable=False, server_default=text("0")) for name in numbered),
        PrimaryKeyConstraint("id", name=_pk("journals")),
        UniqueConstraint("name", name="uq_journals_name"),
        CheckConstraint("octet_length(name) BETWEEN 1 AND 1024", name="name"),
        CheckConstraint("encryption IN ('sealed', 'server')", name="encryption"),
        CheckConstraint("search IN ('words', 'prefixes', 'off')", name="search"),
    )
    Table(
        "journal_keys",
        derived,
        _journal_id(),
        Column("number", BigInteger, nullable=False),
        Column("name", Text(collation="C"), nullable=False),
        Column("wrapped", LargeBinary, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        PrimaryKeyConstraint(JOURNAL_ID, "number", "name", name=_pk("journal_keys")),
        _key_of_journal("journal_keys"),
    )


def _add_image_chunks(derived: MetaData) -> None:
    """Add the table of the originals of images: a stream reads one chunk at a time, and needs no more memory."""
    Table(
        "image_chunks",
        derived,
        _journal_id(),
        Column("image_id", BigInteger, nullable=False),
        Column("n", BigInteger, nullable=False),
        Column("data", LargeBinary, nullable=False),
        PrimaryKeyConstraint(JOURNAL_ID, "image_id", "n", name=_pk("image_chunks")),
        ForeignKeyConstraint(
            [JOURNAL_ID, "image_id"],
            [f"images.{JOURNAL_ID}", "images.id"],
            name="fk_image_chunks_image_id_images",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )


def _add_search_words(derived: MetaData) -> None:
    """Add the search index, whose words the client makes."""
    Table(
        "search_words",
        derived,
        _journal_id(),
        Column("kind", Text(collation="C"), nullable=False),
        Column("key", Text(collation="C"), nullable=False),
        Column("words", TSVECTOR, nullable=False),
        PrimaryKeyConstraint(JOURNAL_ID, "kind", "key", name=_pk("search_words")),
        _key_of_journal("search_words"),
        Index("ix_search_words_words", "words", postgresql_using="gin"),
    )
