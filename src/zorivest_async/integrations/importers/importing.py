"""Bringing executions into a vault: each once, however often it is imported."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.database.long_operation import Operation, ProgressCallback, run_operation
from zorivest_async.domain.entities import Account, Trade
from zorivest_async.domain.enums import AccountType
from zorivest_async.errors import ConfigurationError
from zorivest_async.integrations.importers.cancellations import Cancellations
from zorivest_async.integrations.importers.packing import PackedTrade, pack_trade
from zorivest_async.integrations.importers.results import ImportEntries, ImportReport, Reason
from zorivest_async.integrations.importers.versions import find_families, is_in_use, move_attachments

if TYPE_CHECKING:
    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.integrations.importers.packing import Execution
    from zorivest_async.integrations.importers.source import ReadRows, TradeSource
    from zorivest_async.vault import Vault

__all__ = ["Accounts", "OnConflict", "import_trades"]

Accounts: TypeAlias = Literal["require", "create"]
"""What becomes of rows whose account is not stored."""

OnConflict: TypeAlias = Literal["fail", "keep", "update"]
"""What becomes of an ``exec_id`` that is taken by an execution with other values."""

SLICE_ROWS: Final = 100
"""Rows decided in one go. Few enough entities live at a time that the garbage collector counts none of them as old:
with 500, importing 100,000 rows led to collections of everything, each of which held the event loop for 50 ms."""

_NO_ORDER: Final = "its booking was cancelled, before or after: add Transaction ID to the Flex query"
_IMPORT_AGAIN: Final = "import the statement that contains it again"
_SAVE_ACCOUNT: Final = "save it first, or import with accounts='create'"
_ACCOUNT: Final = [f.name for f in fields(Trade)].index("account_id")


async def import_trades(
    vault: Vault,
    source: TradeSource,
    *,
    dry_run: bool = False,
    accounts: Accounts = "require",
    on_conflict: OnConflict = "fail",
    progress: ProgressCallback | None = None,
) -> ImportReport:
    """Import executions: those whose ``exec_id`` is stored already are left alone, so that importing again is harmless.

    The source is read in a thread before anything is written; then everything is stored in one transaction, or, where
    this raises or is cancelled, nothing. A row that cannot be right is reported, and the others are imported.

    A correction of the broker takes the place of the execution that it corrects: images, report and plans go with it.
    An execution that the broker cancelled is deleted, unless it has any of these.

    May be called by many tasks at once. It holds the writing connection while it stores; a dry run a reading one.

    Args:
        vault: Where to.
        source: Where from: a :class:`FlexTrades` or :class:`CsvTrades`.
        dry_run: Report what would be done and write nothing.
        accounts: What becomes of rows whose account is not stored: ``"require"``: they fail. ``"create"``: the account
            is made, a broker's in USD, named by its identifier.
        on_conflict: What to do with an ``exec_id`` that is taken by an execution with other values: ``"fail"`` the row
            (default), ``"keep"`` or ``"update"`` what is stored. A row of another account always fails: the profile
            should then form ``exec_id`` with the account.
        progress: Called on the event loop with the phases ``"read"`` (in bytes) and ``"store"`` (in rows).

    Raises:
        ImportSourceError: The source cannot be read at all.
        MissingDependencyError: The source needs an extra that is not installed.
        OSError: The file is not there (``FileNotFoundError``) or cannot be read.
        VaultError: The vault could not be written; nothing was stored.
        ConfigurationError: ``accounts`` or ``on_conflict`` has no such value.
        ValidationError: A setting that remembers a cancellation was changed by somebody else.
    """
    if accounts not in ("require", "create") or on_conflict not in ("fail", "keep", "update"):
        raise ConfigurationError('accounts is "require" or "create", on_conflict "fail", "keep" or "update"')
    rows = await run_operation(source.read, progress)
    async with vault.unit_of_work(read_only=dry_run) as uow:
        importing = _Import(uow, rows, dry_run=dry_run, create_accounts=accounts == "create", on_conflict=on_conflict)
        total = len(rows.executions)
        reporting = Operation(progress)
        for start in range(0, total, SLICE_ROWS):
            reporting.report("store", start, total)
            await importing.take(start, rows.executions.slice(start, start + SLICE_ROWS))
        await importing.finish()
        reporting.report("store", total, total)  # before the commit: what the callback raises undoes everything
        if not dry_run:
            await uow.commit()
    return importing.report


class _Import:
    """Decides about one row after another, and writes slice by slice. A dry run decides alike."""

    def __init__(
        self,
        uow: SqlAlchemyUnitOfWork,
        rows: ReadRows,
        *,
        dry_run: bool,
        create_accounts: bool,
        on_conflict: OnConflict,
    ) -> None:
        self._uow = uow
        self._rows = rows
        self._place = 0
        self._dry_run = dry_run
        self._create_accounts = create_accounts
        self._on_conflict: OnConflict = on_conflict
        self._accounts: dict[str, bool] = {}
        # What this import did to the vault, or in a dry run would have done.
        # By the place of the row that says what is stored now; of what was deleted, None.
        self._taken: dict[str, int | None] = {}
        # Joined by NUL, which no identifier contains: a text is nothing for the garbage collector.
        self._families: dict[str, str] = {}
        self._stored: dict[str, PackedTrade] = {}
        self._to_insert: list[Trade] = []
        self._to_update: list[Trade] = []
        self._cancellations = Cancellations()
        self.report = ImportReport(
            duplicate=rows.duplicate, failed=rows.failed, warnings=rows.warnings, dry_run=dry_run
        )

    async def take(self, start: int, rows: list[Execution]) -> None:
        """Import some rows, of which the first is at ``start``."""
        if any(row.booking is not None for row in rows):
            await self._know_cancellations()
        ids = {row.trade.exec_id for row in rows if row.trade is not None}
        families = {row.family for row in rows if row.family is not None and row.family not in self._families}
        if families:
            found = await find_families(self._uow, families)
            self._families |= {family: "\0".join(found.get(family, ())) for family in families}
            ids |= {exec_id for exec_ids in found.values() for exec_id in exec_ids}
        ids |= {exec_id for row in rows for exec_id in row.earlier_ids}
        stored = await self._uow.trades.get_many(exec_id for exec_id in ids if exec_id not in self._taken)
        self._stored = {exec_id: pack_trade(trade) for exec_id, trade in stored.items()}
        for self._place, row in enumerate(rows, start):
            if row.trade is None:
                await self._cancel(row)
            else:
                await self._execute_or_cancel(row, row.trade)
        await self._flush()

    async def finish(self) -> None:
        """Remember what was cancelled."""
        if not self._dry_run:
            await self._cancellations.save(self._uow)

    async def _know_cancellations(self) -> None:
        await self._cancellations.load(self._uow)
        for booking, order in self._rows.cancelled.items():
            self._cancellations.remember(booking, order)

    async def _flush(self) -> None:
        inserting, self._to_insert = self._to_insert, []
        updating, self._to_update = self._to_update, []
        if not self._dry_run:
            if inserting:
                await self._uow.trades.save_many(inserting)
            if updating:
                await self._uow.trades.save_many(updating, on_duplicate="update")

    def _get(self, exec_id: str) -> PackedTrade | None:
        if exec_id not in self._taken:
            return self._stored.get(exec_id)
        place = self._taken[exec_id]
        return None if place is None else self._rows.executions.packed_trade(place)

    async def _execute_or_cancel(self, row: Execution, trade: Trade) -> None:
        cancelled = self._cancellations.about(row)
        if cancelled is None:
            await self._execute(row, trade)
        elif row.order is None:
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, _NO_ORDER)
        elif row.order > cancelled.order:
            await self._execute(row, trade)
            if self._taken.get(trade.exec_id) == self._place:
                self._cancellations.book_again(row, trade.exec_id)
        elif trade.exec_id in cancelled.booked_since:
            self._note(self.report.duplicate, row, trade.exec_id, Reason.SUPERSEDED)
        else:
            await self._delete(row, [trade.exec_id], cancelled.order)

    async def _execute(self, row: Execution, trade: Trade) -> None:
        if not await self._has_account(trade.account_id):
            self._note(self.report.failed, row, trade.exec_id, Reason.UNKNOWN_ACCOUNT, _SAVE_ACCOUNT)
            return
        versions = [*filter(None, self._families.get(row.family or "", "").split("\0"))]
        if any(_revision(version) > row.revision for version in versions):
            self._note(self.report.duplicate, row, trade.exec_id, Reason.SUPERSEDED)
            return
        earlier = [old for old in {*versions, *row.earlier_ids} - {trade.exec_id} if self._get(old) is not None]
        if any(_account_of(old) != trade.account_id for old in map(self._get, earlier)):
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, "its account is another one")
            return
        present = self._get(trade.exec_id)
        if earlier and await self._count_in_use([*earlier, trade.exec_id]) > 1:
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, "several of its versions are in use")
            return
        if present is None:
            self._to_insert.append(trade)
        elif earlier:
            self._to_update.append(trade)
        else:
            self._compare(row, present, trade)
            return
        self._taken[trade.exec_id] = self._place
        if row.family is not None:
            self._families[row.family] = trade.exec_id
        if earlier:
            self._note(self.report.updated, row, trade.exec_id, Reason.CORRECTED)
            await self._replace(earlier, trade.exec_id)
        else:
            self._note(self.report.inserted, row, trade.exec_id, Reason.NEW)

    async def _count_in_use(self, exec_ids: list[str]) -> int:
        return sum([await is_in_use(self._uow, exec_id) for exec_id in exec_ids])

    async def _replace(self, earlier: list[str], new: str) -> None:
        await self._flush()
        for old in earlier:
            if not self._dry_run:
                await move_attachments(self._uow, old, new)
            self._taken[old] = None

    def _compare(self, row: Execution, present: PackedTrade, trade: Trade) -> None:
        packed = pack_trade(trade)
        again = trade.exec_id in self._taken
        if present == packed:
            self._taken[trade.exec_id] = self._place
            self._note(self.report.duplicate, row, trade.exec_id, Reason.REPEATED if again else Reason.STORED)
        elif _account_of(present) != trade.account_id:
            detail = "its account is another one; form exec_id with the account"
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, detail)
        elif row.corrected or self._on_conflict == "update":
            self._to_update.append(trade)
            self._taken[trade.exec_id] = self._place
            reason = Reason.CORRECTED if row.corrected else Reason.CHANGED
            self._note(self.report.updated, row, trade.exec_id, reason)
        elif self._on_conflict == "keep":
            self._note(self.report.duplicate, row, trade.exec_id, Reason.KEPT)
        else:
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT)

    async def _cancel(self, row: Execution) -> None:
        known = self._cancellations.about(row)
        again = known is not None and row.order is not None and row.order <= known.order
        if row.earlier_ids:
            kept = known.booked_since if known is not None and again else ()
            await self._delete(row, [exec_id for exec_id in row.earlier_ids if exec_id not in kept], row.order)
        elif known is not None and known.met and again:
            self._note(self.report.duplicate, row, None, Reason.CANCELLED)
        else:
            self._cancellations.remember(row.booking, row.order, met=False)
            self._note(self.report.failed, row, None, Reason.CANCELLED_UNKNOWN, _IMPORT_AGAIN)

    async def _delete(self, row: Execution, exec_ids: list[str], order: int | None) -> None:
        """Delete what a row of the broker's says was cancelled, and remember it unless it is in use."""
        stored = sorted(exec_id for exec_id in exec_ids if self._get(exec_id) is not None)
        if stored and await self._count_in_use(stored):
            self._note(self.report.failed, row, stored[0], Reason.CANCELLED_IN_USE)
            return
        self._cancellations.remember(row.booking, order)
        if not stored:
            about = row.earlier_ids[0] if row.trade is None else row.trade.exec_id
            self._note(self.report.duplicate, row, about, Reason.CANCELLED)
        else:
            await self._flush()
            for exec_id in stored:
                if not self._dry_run:
                    await self._uow.trades.delete(exec_id)
                self._taken[exec_id] = None
            self._note(self.report.updated, row, stored[0], Reason.CANCELLED)

    async def _has_account(self, account_id: str) -> bool:
        known = self._accounts.get(account_id)
        if known is None:
            known = await self._uow.accounts.exists(account_id)
            if not known and self._create_accounts:
                if not self._dry_run:
                    await self._uow.accounts.save(Account(account_id, account_id, AccountType.BROKER))
                self.report.accounts_created.append(account_id)
                known = True
            self._accounts[account_id] = known
        return known

    def _note(self, entries: ImportEntries, row: Execution, key: str | None, reason: Reason, detail: str = "") -> None:
        entries.add(row.row, key, reason, detail)


def _revision(exec_id: str) -> int:
    return int(exec_id.rpartition(".")[2])


def _account_of(packed: PackedTrade | None) -> str | None:
    return None if packed is None else str(packed[_ACCOUNT])
