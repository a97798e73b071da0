"""Making an encrypted vault out of a plaintext SQLite file with the journal's tables.

Plain functions that block; call them in a thread.
"""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.adopt_images import IMAGES, apply_examination, examine
from zorivest_async.database.adopt_report import AdoptReport, Findings
from zorivest_async.database.adopt_rows import TABLES, SourceRow, TablePlan
from zorivest_async.database.failures import result_code, vault_error_of
from zorivest_async.database.files import remove_leftovers, require_free, typed_os_errors
from zorivest_async.database.lock import VaultLock
from zorivest_async.database.rows import SLICE_ROWS
from zorivest_async.database.search_schema import SEARCH_TABLES
from zorivest_async.database.vault_file import create_file, create_schema, new_vault_key
from zorivest_async.domain.entities import Account, BalanceSnapshot, ImageAttachment, Trade, TradePlan
from zorivest_async.domain.enums import AccountType, ImageOwnerType
from zorivest_async.domain.settings import MarketProviderSetting, Setting, encode_setting
from zorivest_async.errors import AdoptionError, NotAVaultError, ValidationError, VaultError, VaultNotFoundError
from zorivest_async.security import ApiKeyCipher, Credentials, KdfProfile

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from zorivest_async.database.long_operation import Operation
    from zorivest_async.domain.secret import MaskedSecret
    from zorivest_async.images import ImagePolicy

__all__ = ["adopt"]

ALL_TABLES: Final = TABLES | {IMAGES.mapper.table.name: IMAGES}

SOURCE_BUSY_TIMEOUT_S: Final = 5.0
"""How long to wait for a program that is writing to the plaintext file: the default of :mod:`sqlite3`."""

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
    """Read a plaintext journal into a new vault, which appears complete or not at all.

    Args:
        source: The plaintext file, which is only read, in one consistent state.
        path: The vault; nothing must be there.
        operation: Is told how many rows are done.
        credentials: What will open the vault.
        profile: What a guess at the passphrase costs.
        policy: How thumbnails are made, and in how many threads.
        skip_invalid: Leave out rows that cannot be right, instead of refusing the file.

    Raises:
        AdoptionError: Rows cannot be taken; nothing was created.
        VaultNotFoundError: There is no such file, or no folder for the vault.
        NotAVaultError: The file is no plaintext SQLite database, or has none of the tables.
        VaultDamagedError: The file is damaged.
        VaultFullError: The disk is full; nothing was created.
        VaultInUseError: Somebody else makes a vault there.
        VaultError: Something is at ``path`` already.
        ConfigurationError: The passphrase or the key cannot be one.
    """
    path = path.resolve()
    reports: list[AdoptReport] = []

    def fill(raw: sqlcipher.Connection) -> None:
        create_schema(raw)
        report = _Adoption(plaintext, raw, ApiKeyCipher(new.key), operation).run(policy)
        if report.refused and not skip_invalid:
            error = AdoptionError(source)
            error.report = report
            raise error
        reports.append(report)
        until_published.enter_context(operation.publishing())

    with _opened(source) as plaintext, _alone(path), ExitStack() as until_published:
        new = new_vault_key(credentials, profile)
        with typed_os_errors(path):
            require_free(path)
        if not create_file(path, new, fill):
            raise VaultError(path, "something is there already; choose another name")
    return reports[0]


@contextmanager
def _alone(path: Path) -> Generator[None]:
    lock = VaultLock(path)
    try:
        lock.take()
        remove_leftovers(path)
        yield
    finally:
        lock.let_go()


@contextmanager
def _opened(source: Path) -> Generator[sqlite3.Connection]:
    if not source.is_file():
        raise VaultNotFoundError(source, "there is no file to adopt")
    uri = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with closing(
            sqlite3.connect(uri, timeout=SOURCE_BUSY_TIMEOUT_S, uri=True, isolation_level=None, check_same_thread=False)
        ) as plaintext:
            plaintext.text_factory = _decode
            plaintext.row_factory = sqlite3.Row
            plaintext.execute("BEGIN")
            if ALL_TABLES.keys().isdisjoint(_tables_of(plaintext)):
                raise NotAVaultError(source, "this database has none of a journal's tables")
            yield plaintext
    except sqlite3.Error as error:
        if result_code(error) == sqlite3.SQLITE_NOTADB:
            raise NotAVaultError(source, "this is not a plaintext SQLite database") from error
        raise vault_error_of(error, source) from error


def _decode(text: bytes) -> str | bytes:
    """Leave text that is no UTF-8 as bytes: the row it is in is refused, and no other."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _tables_of(plaintext: sqlite3.Connection) -> list[str]:
    rows = plaintext.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    names = [name for (name,) in rows]
    return [name for name in names if name not in SEARCH_TABLES] if "search_rows" in names else names


class _Adoption:
    """One run: from a plaintext connection to one of a new vault.

    Args:
        source: The plaintext database, in a transaction.
        target: The vault, which has its tables.
        cipher: Of the vault's API keys.
        operation: As for :func:`adopt`.
    """

    def __init__(
        self,
        source: sqlite3.Connection,
        target: sqlcipher.Connection,
        cipher: ApiKeyCipher,
        operation: Operation,
    ) -> None:
        self._source = source
        self._target = target
        self._cipher = cipher
        self._operation = operation
        self._findings = Findings(ALL_TABLES)
        self._accounts: set[str] = set()
        self._done = 0

    def run(self, policy: ImagePolicy) -> AdoptReport:
        """Read, convert and store everything, in transactions that keep the WAL short."""
        sizes = {name: self._count(name) for name in _tables_of(self._source)}
        self._total = sum(size for name, size in sizes.items() if name in ALL_TABLES)
        for name, size in sizes.items():
            if name not in ALL_TABLES and name not in _NOT_DATA:
                self._findings.note_column(name, None, "dropped", "is no table of a vault", size)
        for name, plan in TABLES.items():
            if name in sizes:
                for rows in self._slices(plan, SLICE_ROWS):
                    self._store(plan, rows)
        if IMAGES.mapper.table.name in sizes:
            look = partial(examine, policy=policy)
            with ThreadPoolExecutor(policy.threads, "zorivest-adopt") as threads:
                for rows in self._slices(IMAGES, 2 * policy.threads):
                    for row, examined in zip(rows, threads.map(look, rows), strict=True):
                        apply_examination(row, examined)
                    self._store(IMAGES, rows)
        self._operation.report("rows", self._total, self._total)
        return self._findings.report()

    def _count(self, table: str, column: str = "*") -> int:
        (count,) = self._source.execute(f"SELECT count({column}) FROM {_quoted(table)}").fetchone()  # noqa: S608
        return int(count)

    def _slices(self, plan: TablePlan, size: int) -> Iterator[list[SourceRow]]:
        name = plan.mapper.table.name
        cursor = self._source.execute(f"SELECT * FROM {_quoted(name)}")  # noqa: S608
        columns = [column for (column, *_) in cursor.description]
        known = dict.fromkeys(column.name for column in plan.mapper.table.columns)
        for column in columns:
            if column not in known and (filled := self._count(name, _quoted(column))):
                self._findings.note_column(name, column, "dropped", "is no column of a vault", filled)
        while rows := cursor.fetchmany(size):
            self._operation.check()
            self._operation.report("rows", self._done, self._total)
            self._done += len(rows)
            yield [SourceRow(known | dict(zip(columns, row, strict=True))) for row in rows]

    def _store(self, plan: TablePlan, rows: list[SourceRow]) -> None:
        self._target.execute("BEGIN IMMEDIATE")
        for row in rows:
            self._store_row(plan, row)
        self._target.execute("COMMIT")

    def _store_row(self, plan: TablePlan, row: SourceRow) -> None:
        name, key = plan.mapper.table.name, row.values[plan.mapper.key_column.name]
        self._findings.count_read(name)
        try:
            entity = self._with_references(plan.entity(row), row)
            self._insert(plan, entity)
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

    def _with_references(self, entity: Any, row: SourceRow) -> Any:
        """Return the entity as it can be stored, with the account that it refers to made if there is none."""
        if isinstance(entity, Trade | BalanceSnapshot | TradePlan) and entity.account_id is not None:
            self._require_account(entity.account_id)
        if isinstance(entity, TradePlan) and entity.linked_trade_id is not None:
            if not self._exists(_OWNER_EXISTS[ImageOwnerType.TRADE], entity.linked_trade_id):
                row.notes.append(("linked_trade_id", "dropped", "names a trade that is not there"))
                return replace(entity, linked_trade_id=None)
        elif isinstance(entity, ImageAttachment) and not self._exists(
            _OWNER_EXISTS[entity.owner_type], entity.owner_id
        ):
            raise ValidationError("ImageAttachment", "owner_id", f"names a {entity.owner_type} that is not there")
        return entity

    def _require_account(self, account_id: str) -> None:
        if account_id not in self._accounts:
            if not self._exists("SELECT 1 FROM accounts WHERE account_id = ?", account_id):
                notes = "Made when the journal was adopted: it was referred to, and not there."
                self._insert(TABLES["accounts"], Account(account_id, account_id, AccountType.BROKER, notes=notes))
                self._findings.count_stored("accounts", changed=False)
                self._findings.note("accounts", None, "added", "was referred to, and not there", account_id)
            self._accounts.add(account_id)

    def _exists(self, statement: str, identifier: str) -> bool:
        return self._target.execute(statement, (identifier,)).fetchone() is not None

    def _insert(self, plan: TablePlan, entity: Any) -> None:
        fields = plan.mapper.fields
        (row,) = plan.mapper.to_rows([entity], fields)
        changed = self._encoded(entity)
        self._target.execute(
            plan.mapper.insert, [changed.get(name, value) for name, value in zip(fields, row, strict=True)]
        )

    def _encoded(self, entity: Any) -> dict[str, str]:
        """Return the fields that are not stored as their column's type would store them."""
        if isinstance(entity, Setting):
            return {"value": encode_setting(entity.value)[0]}
        if isinstance(entity, MarketProviderSetting) and entity.api_key is not None:
            secret: MaskedSecret | Any = entity.api_key
            return {"api_key": self._cipher.encrypt(secret.reveal())}
        return {}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
