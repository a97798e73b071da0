"""Adoption of a plaintext SQLite journal: its conversion to an encrypted vault.

The functions block: call them in a thread.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.aggregates import ACCOUNT, AGGREGATES, IMAGE
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.sqlcipher.backend import BACKEND
from zorivest_async.database.sqlcipher.paths import is_there, require_plain_companions, resolved
from zorivest_async.database.sqlcipher.search_schema import SEARCH_FIELDS, SEARCH_TABLES
from zorivest_async.database.tables import is_set_aside
from zorivest_async.domain.entities import Account, ImageAttachment
from zorivest_async.domain.enums import AccountType, ImageOwnerType
from zorivest_async.errors import AdoptionError, NotAVaultError, ValidationError, VaultError
from zorivest_async.security import ApiKeyCipher, Credentials, KdfProfile
from zorivest_async.vault.adopt_images import Examined, apply_examination, examine
from zorivest_async.vault.adopt_report import AdoptReport, Findings
from zorivest_async.vault.adopt_rows import SourceRow, entity_of
from zorivest_async.vault.file_format import create_file, create_schema, new_vault_key
from zorivest_async.vault.files import typed_os_errors
from zorivest_async.vault.lock import VaultLock
from zorivest_async.vault.plaintext_source import PlaintextSource, PlaintextTable, opened
from zorivest_async.vault.sidecars import require_free

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from sqlalchemy import Column

    from zorivest_async.database.aggregates import Aggregate
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.images import ImagePolicy

__all__ = ["adopt"]

_NOT_DATA: Final = frozenset({"alembic_version"})

_OWNER_EXISTS: Final = {
    ImageOwnerType.TRADE: "SELECT 1 FROM trades WHERE exec_id = ?1",
    ImageOwnerType.REPORT: "SELECT 1 FROM trade_reports WHERE id = ?1 AND CAST(id AS TEXT) = ?1",
    ImageOwnerType.PLAN: "SELECT 1 FROM trade_plans WHERE id = ?1 AND CAST(id AS TEXT) = ?1",
}


def adopt(
    source: Path,
    path: Path,
    operation: Operation,
    *,
    credentials: Credentials,
    profile: KdfProfile,
    policy: ImagePolicy,
    skip_invalid: bool,
) -> AdoptReport:
    """Copy a plaintext journal into a new vault, which appears complete or not at all.

    Args:
        source: The plaintext file, which is only read, in one consistent state.
        path: The vault; the path must not exist.
        operation: Receives the number of finished rows.
        credentials: The passphrase or key of the vault.
        profile: What a guess at the passphrase costs.
        policy: How thumbnails are made, and in how many threads.
        skip_invalid: Leave out invalid rows, instead of refusing the file.

    Raises:
        AdoptionError: The file has invalid rows; nothing was created.
        VaultNotFoundError: The file, or the parent directory of the vault, does not exist.
        NotAVaultError: The file is not a regular file, or not a plaintext SQLite database; it has no tables of a
            journal; or one is a view, a virtual table, or has a generated column.
        VaultBusyError: Another program kept the file locked.
        VaultDamagedError: The file is damaged.
        VaultFullError: The disk is full; nothing was created.
        VaultInUseError: Another process or task creates a vault at ``path``.
        VaultError: The path already exists.
        ConfigurationError: The passphrase or the key is invalid.
    """
    path = resolved(path)
    if is_there(path):
        raise VaultError(path, "the path already exists; choose another name")
    require_plain_companions(path)
    reports: list[AdoptReport] = []

    def fill(raw: sqlcipher.Connection) -> None:
        create_schema(raw)
        report = _Adoption(plaintext, tables, raw, ApiKeyCipher(new.key), operation).run(policy)
        if report.refused and not skip_invalid:
            error = AdoptionError(source)
            error.report = report
            raise error
        reports.append(report)
        until_published.enter_context(operation.publishing())

    with opened(source, operation) as plaintext, _alone(path), ExitStack() as until_published:
        tables = _tables_of(plaintext, source)
        new = new_vault_key(credentials, profile, operation.check)
        with typed_os_errors(path):
            require_free(path)
        if not create_file(path, new, fill):
            raise VaultError(path, "the path already exists; choose another name")
    return reports[0]


@contextmanager
def _alone(path: Path) -> Generator[None]:
    lock = VaultLock(path)
    try:
        lock.take()
        yield
    finally:
        lock.let_go()


def _tables_of(source: PlaintextSource, path: Path) -> list[PlaintextTable]:
    """Return the tables of a file, without a search index, after checking that its journal is in ordinary tables.

    Raises:
        NotAVaultError: The file has no tables of a journal; or one is a view, a virtual table, or has a generated
            column.
    """
    index = SEARCH_TABLES | _earlier_index(source)
    tables = [table for table in source.tables() if table.name not in index]
    aggregates = AGGREGATES.by_name
    journal = [table for table in tables if table.name in aggregates]
    if not journal:
        raise NotAVaultError(path, "this database has no tables of a journal")
    for table in journal:
        if not table.is_ordinary:
            problem = f"{table.name} is a view or a virtual table, which is never run; make it an ordinary table"
            raise NotAVaultError(path, problem)
        known = {column.name for column in aggregates[table.name].mapper.table.columns}
        for column, is_generated in source.columns(table.name).items():
            if is_generated and column in known:
                problem = f"{table.name}.{column} is a generated column, which is never run; make it an ordinary column"
                raise NotAVaultError(path, problem)
    return tables


def _earlier_index(source: PlaintextSource) -> frozenset[str]:
    """Return the tables of a search index with its names before version 3 of the schema; none without an index."""
    is_index = all(words in source.definition("search") for words in ("fts5", *SEARCH_FIELDS))
    return frozenset(name.removeprefix("zorivest_") for name in SEARCH_TABLES) if is_index else frozenset()


class _Adoption:
    """One adoption, from a plaintext connection to a connection of a new vault.

    Args:
        source: The plaintext database, in a transaction.
        tables: Its tables and views, except a search index.
        target: The vault, which has its tables.
        cipher: The cipher for the vault's API keys.
        operation: As for :func:`adopt`.
    """

    def __init__(
        self,
        source: PlaintextSource,
        tables: list[PlaintextTable],
        target: sqlcipher.Connection,
        cipher: ApiKeyCipher,
        operation: Operation,
    ) -> None:
        self._source = source
        self._tables = tables
        self._target = target
        self._cipher = cipher
        self._operation = operation
        self._aggregates = AGGREGATES.by_name
        self._findings = Findings(self._aggregates)
        self._accounts: set[str] = set()
        self._references: dict[str, list[tuple[str, Aggregate[Any], str]]] = {}
        self._done = 0

    def run(self, policy: ImagePolicy) -> AdoptReport:
        """Read, convert and store everything, in transactions that keep the WAL short."""
        sizes = {table.name: self._source.count(table.name) for table in self._tables if table.is_ordinary}
        self._total = sum(size for name, size in sizes.items() if name in self._aggregates)
        for table in self._tables:
            self._note_others(table, sizes.get(table.name, 0))
        for name, aggregate in self._aggregates.items():
            if name in sizes:
                if aggregate is IMAGE:
                    self._store_images(policy)
                else:
                    for rows in self._slices(aggregate, SLICE_ROWS):
                        self._store(aggregate, rows)
        self._operation.report("rows", self._total, self._total)
        return self._findings.report()

    def _store_images(self, policy: ImagePolicy) -> None:
        with ThreadPoolExecutor(policy.threads, "zorivest-adopt") as threads:
            for rows in self._slices(IMAGE, 2 * policy.threads):
                for row, examined in zip(rows, threads.map(partial(self._examine, policy), rows), strict=True):
                    apply_examination(row, examined)
                self._store(IMAGE, rows)

    def _note_others(self, table: PlaintextTable, size: int) -> None:
        """Note a table that is not a vault's, with its number of rows if counting them runs no code of the file."""
        if table.name in self._aggregates or table.name in _NOT_DATA or table.is_view:
            return
        reason = "is not a table of a vault" if table.is_ordinary else "is a virtual table, which is not read"
        self._findings.note_column(table.name, None, "dropped", reason, size)

    def _examine(self, policy: ImagePolicy, row: SourceRow) -> Examined:
        self._operation.check()
        return examine(row, policy=policy)

    def _slices(self, aggregate: Aggregate[Any], size: int) -> Iterator[list[SourceRow]]:
        name = aggregate.rows.table.name
        known = {column.name: _value_without(column) for column in aggregate.rows.table.columns}
        columns: list[str] = []
        for column, is_generated in self._source.columns(name).items():
            if column in known:
                columns.append(column)
            elif is_generated:
                self._findings.note_column(name, column, "dropped", "is generated, and not a column of a vault")
            elif filled := self._source.count(name, column):
                self._findings.note_column(name, column, "dropped", "is not a column of a vault", filled)
        for rows in self._source.slices(name, columns, size):
            self._operation.check()
            self._operation.report("rows", self._done, self._total)
            self._done += len(rows)
            yield [SourceRow(known | dict(zip(columns, row, strict=True))) for row in rows]

    def _store(self, aggregate: Aggregate[Any], rows: list[SourceRow]) -> None:
        self._target.execute("BEGIN IMMEDIATE")
        for row in rows:
            self._store_row(aggregate, row)
        self._target.execute("COMMIT")

    def _store_row(self, aggregate: Aggregate[Any], row: SourceRow) -> None:
        name, key = aggregate.rows.table.name, row.values[aggregate.rows.key_column.name]
        self._findings.count_read(name)
        try:
            entity = self._with_references(aggregate, entity_of(aggregate, row), row)
            self._insert(aggregate, entity)
        except ValidationError as error:
            self._findings.refuse(name, error.field, error.problem, key)
        except sqlcipher.IntegrityError as error:
            self._findings.refuse(name, None, f"the vault's tables do not allow it ({error})", key)
        else:
            self._findings.count_stored(name, changed=bool(row.notes))
            for column, what, reason in row.notes:
                self._findings.note(name, column, what, reason, key)
            for column in row.naive:
                self._findings.note_column(name, column, "converted", "has times without an offset, read as UTC")

    def _with_references(self, aggregate: Aggregate[Any], entity: Any, row: SourceRow) -> Any:
        """Return the entity in a form that can be stored, after creating a missing account that it refers to."""
        for field, parent, statement in self._references_of(aggregate):
            key = getattr(entity, field)
            if key is None:
                continue
            if parent is ACCOUNT:
                self._require_account(key)
            elif (column := aggregate.rows.columns[field]).nullable and not self._exists(statement, key):
                row.notes.append((column.name, "dropped", f"names a {parent.noun} that does not exist"))
                entity = replace(entity, **{field: None})
        if isinstance(entity, ImageAttachment) and not self._may_own(entity):
            raise ValidationError("ImageAttachment", "owner_id", f"names a {entity.owner_type} that does not exist")
        return entity

    def _references_of(self, aggregate: Aggregate[Any]) -> list[tuple[str, Aggregate[Any], str]]:
        """Return the fields that refer to other aggregates, with the aggregate, and a query for the row."""
        if aggregate.name not in self._references:
            self._references[aggregate.name] = [
                (field, self._aggregates[key.column.table.name], _query_for(key.column))
                for field, column in aggregate.rows.columns.items()
                for key in column.foreign_keys
                if key.column.table.name in self._aggregates
            ]
        return self._references[aggregate.name]

    def _may_own(self, image: ImageAttachment) -> bool:
        return is_set_aside(image.owner_id) or self._exists(_OWNER_EXISTS[image.owner_type], image.owner_id)

    def _require_account(self, account_id: str) -> None:
        if account_id not in self._accounts:
            if not self._exists(_query_for(ACCOUNT.mapper.key_column), account_id):
                notes = "Created when the journal was adopted: rows referred to this account, which was missing."
                self._insert(ACCOUNT, Account(account_id, account_id, AccountType.BROKER, notes=notes))
                self._findings.count_stored(ACCOUNT.name, changed=False)
                self._findings.note(ACCOUNT.name, None, "added", "was referred to, but missing", account_id)
            self._accounts.add(account_id)

    def _exists(self, statement: str, identifier: Any) -> bool:
        return self._target.execute(statement, (identifier,)).fetchone() is not None

    def _insert(self, aggregate: Aggregate[Any], entity: Any) -> None:
        mapper = aggregate.rows
        row = mapper.for_backend[BACKEND].to_row(entity, mapper.fields)
        if mapper.secrets:
            name = aggregate.key_of(entity)
            row = mapper.sealed(
                row, mapper.fields, lambda secret: self._cipher.encrypt(secret.reveal(), provider_name=name)
            )
        self._target.execute(mapper.insert[BACKEND].text, row)


def _value_without(column: Column[Any]) -> Any:
    """Return the value of a column that the file does not have: the default that the database itself would store."""
    default = column.default if column.server_default is not None else None
    return default.arg if isinstance(default, ScalarElementColumnDefault) else None


def _query_for(key: Column[Any]) -> str:
    return f"SELECT 1 FROM {key.table.name} WHERE {key.name} = ?"  # noqa: S608 - names of the library's tables
