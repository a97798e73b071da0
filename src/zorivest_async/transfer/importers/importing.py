"""Idempotent import of executions into a vault: each execution is stored once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.database.sqlcipher.long_operation import Operation, ProgressCallback, run_operation
from zorivest_async.domain.entities import Account
from zorivest_async.domain.enums import AccountType
from zorivest_async.errors import ConfigurationError
from zorivest_async.security.tracebacks import sealed_coroutine
from zorivest_async.transfer.importers.blocks import Blocks
from zorivest_async.transfer.importers.cancellations import Cancellations, key_of
from zorivest_async.transfer.importers.merging import corrected, merge
from zorivest_async.transfer.importers.origin import read_source
from zorivest_async.transfer.importers.packing import FIELDS, PackedTrade, pack_trade, sequenced, unpack_trade
from zorivest_async.transfer.importers.recording import Recording
from zorivest_async.transfer.importers.results import ImportEntries, ImportReport, Reason
from zorivest_async.transfer.importers.versions import find_families

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.entities import Trade
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.transfer.importers.merging import Merge
    from zorivest_async.transfer.importers.origin import Origin
    from zorivest_async.transfer.importers.packing import Execution
    from zorivest_async.transfer.importers.source import ReadRows, TradeSource
    from zorivest_async.vault import Vault

__all__ = ["Accounts", "OnConflict", "import_trades"]

Accounts: TypeAlias = Literal["require", "create"]
"""What to do with rows whose account is not stored."""

OnConflict: TypeAlias = Literal["fail", "keep", "update"]
"""What to do with an ``exec_id`` that is stored with other values."""

SLICE_ROWS: Final = 100
"""Number of rows in a slice: few enough that the garbage collector promotes no entity to its oldest generation.
With 500, importing 100,000 rows caused full collections, each of which blocked the event loop for 50 ms."""

_NO_ORDER: Final = "its booking was cancelled, before or after: add Transaction ID to the Flex query"
_IMPORT_AGAIN: Final = "import the statement that contains it again"
_SAVE_ACCOUNT: Final = "save it first, or import with accounts='create'"
_ACCOUNT, _ASSET_CLASS = (FIELDS.index(name) for name in ("account_id", "asset_class"))
_DEFAULT_CURRENCY: Final = "USD"
_SAVE_ACCOUNTS_FIRST: Final = "save accounts in another currency before you import"


@sealed_coroutine
async def import_trades(
    vault: Vault,
    source: TradeSource,
    *,
    dry_run: bool = False,
    accounts: Accounts = "require",
    on_conflict: OnConflict = "fail",
    progress: ProgressCallback | None = None,
) -> ImportReport:
    """Import executions; it skips an ``exec_id`` that is already stored, so importing again is harmless.

    The source is read in a thread before anything is written. Then all rows are stored in one transaction; if the
    import raises or is cancelled, nothing is stored. An invalid row is reported, and the others are imported.

    A correction replaces the execution that it corrects, and takes over its images, report and plans. A cancelled
    execution is deleted, unless it has any of these.

    A stored execution gets the values that it lacks and the source states, such as its currency or a result that a
    trade confirmation does not have (``Reason.FILLED``). Fields that the source does not state, such as your notes, are
    neither compared nor changed.

    Many tasks may call it at once. It holds the writing connection while it stores; a dry run holds a reading one.

    Args:
        vault: The vault to write.
        source: The source: a :class:`FlexTrades` or :class:`CsvTrades`.
        dry_run: Report what would be done and write nothing.
        accounts: What to do with rows whose account is not stored: ``"require"`` fails them; ``"create"`` creates the
            account as a broker account, named by its identifier, in the base currency that the source states; else in
            the currency of its executions; else in USD, with a warning.
        on_conflict: What to do with an ``exec_id`` that is stored with other values: ``"fail"`` the row (default),
            ``"keep"`` or ``"update"`` the stored values; values that are not stored are added with both. A row of
            another account always fails: the profile should then form ``exec_id`` with the account.
        progress: Called on the event loop with the phases ``"read"`` (in bytes) and ``"store"`` (in rows).

    Raises:
        ImportSourceError: The source cannot be read.
        MissingDependencyError: The source needs an extra that is not installed.
        OSError: The file does not exist (``FileNotFoundError``) or cannot be read.
        VaultError: The vault could not be written; nothing was stored.
        RepositoryError: Your own trigger or constraint refuses a row; nothing was stored.
        ConfigurationError: ``accounts`` or ``on_conflict`` has no such value.
        ValidationError: Another program has changed a setting of a stored cancellation.
    """
    if accounts not in ("require", "create") or on_conflict not in ("fail", "keep", "update"):
        raise ConfigurationError('accounts must be "require" or "create", and on_conflict "fail", "keep" or "update"')
    rows, origin = await run_operation(partial(read_source, source), progress)
    async with vault.unit_of_work(read_only=dry_run) as uow:
        importing = _Import(uow, rows, dry_run=dry_run, create_accounts=accounts == "create", on_conflict=on_conflict)
        await importing.begin(origin)
        total = len(rows.executions)
        reporting = Operation(progress)
        for start in range(0, total, SLICE_ROWS):
            reporting.report("store", start, total)
            await importing.take(start, rows.executions.slice(start, start + SLICE_ROWS))
        await importing.finish()
        reporting.report("store", total, total)  # before the commit, so that an error of the callback rolls back
        if not dry_run:
            await uow.commit()
    return importing.report


class _Import:
    """The state of an import, which decides row by row and writes slice by slice. A dry run decides in the same way."""

    def __init__(
        self,
        uow: UnitOfWork,
        rows: ReadRows,
        *,
        dry_run: bool,
        create_accounts: bool,
        on_conflict: OnConflict,
    ) -> None:
        self._uow = uow
        self._rows = rows
        self._place = 0
        self._recording = Recording(uow, dry_run=dry_run)
        self._create_accounts = create_accounts
        self._on_conflict: OnConflict = on_conflict
        self._accounts: dict[str, bool] = {}
        # The index of the row that is (or would be) stored under each identifier; None for a deleted execution. Where
        # something of the row and of the vault is stored, the complement of an index of _merged.
        self._taken: dict[str, int | None] = {}
        self._merged = Blocks()
        self._total = len(rows.executions)
        self._assumed: Counter[str] = Counter()
        # Joined by NUL, which no identifier contains: the garbage collector does not track texts.
        self._families: dict[str, str] = {}
        self._stored: dict[str, PackedTrade] = {}
        self._to_insert: list[Trade] = []
        self._to_update: list[Trade] = []
        self._cancellations = Cancellations()
        self.report = ImportReport(
            duplicate=rows.duplicate, failed=rows.failed, warnings=rows.warnings, dry_run=dry_run
        )

    async def begin(self, origin: Origin) -> None:
        """Begin to write, once it is this import's turn."""
        await self._recording.begin(origin, self.report)

    async def take(self, start: int, rows: list[Execution]) -> None:
        """Import a slice of rows, which begins at index ``start``."""
        if any(row.booking is not None or row.family is not None for row in rows):
            await self._know_cancellations()
        ids = {row.trade.exec_id for row in rows if row.trade is not None}
        families = {row.family for row in rows if row.family is not None and row.family not in self._families}
        if families:
            found = await find_families(self._uow, families)
            self._families |= {family: "\0".join(found.get(family, ())) for family in families}
        known = (self._families.get(row.family, "") for row in rows if row.family is not None)
        ids |= {exec_id for exec_ids in known if exec_ids for exec_id in exec_ids.split("\0")}
        ids |= {exec_id for row in rows for exec_id in row.earlier_ids}
        stored = await self._uow.trades.get_many(exec_id for exec_id in ids if exec_id not in self._taken)
        self._stored = {exec_id: pack_trade(trade) for exec_id, trade in stored.items()}
        met = [*stored, *(key for row in rows for key in self._cancellations.keys_about(row))]
        await self._recording.look_up(met)
        for self._place, row in enumerate(rows, start):
            if row.trade is None:
                await self._cancel(row)
            else:
                await self._execute_or_cancel(row, row.trade)
        await self._flush()

    async def finish(self) -> None:
        """Store the cancellations, and warn of assumed currencies."""
        self.report.warnings += [
            f"{count} accounts were created in {currency}; the source does not state their currency: "
            f"{_SAVE_ACCOUNTS_FIRST}"
            for currency, count in self._assumed.items()
        ]
        await self._recording.save_cancellations(self._cancellations.changed())
        await self._recording.finish(self.report)

    async def _know_cancellations(self) -> None:
        if not await self._cancellations.load(self._uow):
            return
        keys = [key_of(booking) for booking in self._rows.cancelled]
        await self._recording.look_up(keys)
        self._recording.rely_on(keys)
        for booking, order in self._rows.cancelled.items():
            self._cancellations.remember_name(booking, order)

    async def _flush(self) -> None:
        inserting, self._to_insert = self._to_insert, []
        updating, self._to_update = self._to_update, []
        await self._recording.store(inserting, updating)

    def _get(self, exec_id: str) -> PackedTrade | None:
        if exec_id not in self._taken:
            return self._stored.get(exec_id)
        place = self._taken[exec_id]
        if place is None:
            return None
        return self._rows.executions.packed_trade(place) if place >= 0 else self._merged.slice(~place, ~place + 1)[0]

    def _take(self, exec_id: str, row: PackedTrade, stored: PackedTrade) -> None:
        """Note what is (or would be) stored under an identifier, after a row."""
        if row == stored:
            self._taken[exec_id] = self._place
        else:
            self._taken[exec_id] = ~len(self._merged)
            self._merged.append(stored)

    def _sequenced(self, trade: Trade) -> Trade:
        return sequenced(trade, self._total - self._place if self._rows.newest_first else self._place + 1)

    async def _execute_or_cancel(self, row: Execution, trade: Trade) -> None:
        cancelled = self._cancellations.about(row)
        self._recording.rely_on(self._cancellations.keys_about(row))
        if cancelled is None:
            await self._execute(row, trade)
        elif row.order is None:
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, _NO_ORDER)
        elif row.order > cancelled.order:
            if await self._execute(row, trade):
                self._cancellations.book_again(row, trade.exec_id)
        elif trade.exec_id in cancelled.booked_since and self._get(trade.exec_id) is not None:
            await self._pass_over(row, trade, trade.exec_id)
        else:
            await self._delete(row, [trade.exec_id, *row.earlier_ids], cancelled.order)

    async def _execute(self, row: Execution, trade: Trade) -> bool:
        """Store an execution, and return whether it is stored as the row states it."""
        if not await self._has_account(trade):
            self._note(self.report.failed, row, trade.exec_id, Reason.UNKNOWN_ACCOUNT, _SAVE_ACCOUNT)
            return False
        versions = self._versions_of(row)
        if later := [version for version in versions if _revision(version) > row.revision]:
            self._recording.rely_on(later)
            await self._pass_over(row, trade, max(later, key=_revision))
            return False
        present = self._get(trade.exec_id)
        earlier = self._stored_among({*versions, *row.earlier_ids} - {trade.exec_id})
        if present is not None and not earlier:
            return await self._compare(row, present, trade)
        if present is not None and await self._place_among_bookings(row, trade.exec_id) < 0:
            self._recording.rely_on([trade.exec_id])
            await self._pass_over(row, trade, trade.exec_id)
            return False
        if problem := await self._problem_of(trade, earlier, trade.exec_id):
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, problem)
            return False
        packed = pack_trade(trade)
        self._recording.book(trade.exec_id, row.order)
        known = [each for each in (present, *earlier.values()) if each is not None]
        values = corrected(packed, row.stated, known) if known else packed
        self._take(trade.exec_id, packed, values)
        adding = self._to_insert if present is None else self._to_update
        adding.append(self._sequenced(trade if values is packed else unpack_trade(values)))
        if row.family is not None:
            self._families[row.family] = trade.exec_id
        if earlier:
            self._note(self.report.updated, row, trade.exec_id, Reason.CORRECTED)
            await self._replace([*earlier], trade.exec_id)
        else:
            self._note(self.report.inserted, row, trade.exec_id, Reason.NEW)
        return True

    async def _pass_over(self, row: Execution, trade: Trade, heir: str) -> None:
        """Leave out a row, as a later booking is stored, which also replaces what the row does."""
        earlier = self._stored_among({*row.earlier_ids} - {heir})
        if problem := await self._problem_of(trade, earlier, heir):
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, problem)
            return
        entries = self.report.updated if earlier else self.report.duplicate
        self._note(entries, row, trade.exec_id, Reason.CORRECTED if earlier else Reason.SUPERSEDED)
        await self._replace([*earlier], heir)

    def _versions_of(self, row: Execution) -> list[str]:
        """Return the stored versions of a row's execution."""
        versions = filter(None, self._families.get(row.family or "", "").split("\0"))
        return [version for version in versions if self._get(version) is not None]

    def _stored_among(self, exec_ids: Iterable[str]) -> dict[str, PackedTrade]:
        """Return the values of the stored ones of some executions."""
        ordered = sorted(exec_ids, reverse=True)
        return {old: packed for old in ordered if (packed := self._get(old)) is not None}

    async def _problem_of(self, trade: Trade, earlier: dict[str, PackedTrade], heir: str) -> str | None:
        """Return why an execution cannot replace its earlier versions."""
        if any(_account_of(old) != trade.account_id for old in earlier.values()):
            return "it belongs to another account"
        if earlier and await self._uow.trades.count_in_use([*earlier, heir]) > 1:
            return "several of its versions are in use"
        return await self._uow.trades.find_reference(earlier) if earlier else None

    async def _replace(self, earlier: list[str], new: str) -> None:
        if earlier:
            await self._flush()
        for old in earlier:
            await self._recording.supersede(old, new)
            self._taken[old] = None

    async def _compare(self, row: Execution, present: PackedTrade, trade: Trade) -> bool:
        """Compare a row with the stored execution, and return whether it is stored as the row states it."""
        packed = pack_trade(trade)
        if _account_of(present) != trade.account_id:
            detail = "it belongs to another account; form exec_id with the account"
            self._note(self.report.failed, row, trade.exec_id, Reason.CONFLICT, detail)
            return False
        merged = merge(present, packed, row.stated)
        if merged.conflicts:
            return await self._resolve(row, packed, present, merged)
        if merged.adds:
            return self._change(row, packed, present, merged.filled, Reason.FILLED, fields=merged.adds)
        return self._skip(row, packed, present, Reason.STORED)

    async def _resolve(self, row: Execution, packed: PackedTrade, present: PackedTrade, merged: Merge) -> bool:
        """Decide between a row and the stored execution, which contradict each other."""
        place = await self._place_among_bookings(row, str(packed[0]))
        if place < 0:
            return self._skip(row, packed, present, Reason.SUPERSEDED)
        if row.corrected or place > 0:
            return self._change(row, packed, present, corrected(packed, row.stated, [present]), Reason.CORRECTED)
        if self._on_conflict == "update":
            return self._change(row, packed, present, merged.replaced, Reason.CHANGED)
        if self._on_conflict == "fail":
            self._note(self.report.failed, row, str(packed[0]), Reason.CONFLICT, ", ".join(merged.conflicts))
            return False
        if merged.adds:
            return self._change(row, packed, present, merged.filled, Reason.FILLED, fields=merged.adds)
        return self._skip(row, packed, present, Reason.KEPT)

    def _skip(self, row: Execution, packed: PackedTrade, present: PackedTrade, reason: Reason) -> bool:
        exec_id = str(packed[0])
        self._recording.rely_on([exec_id])
        if reason is Reason.STORED:
            self._recording.book_again(exec_id, row.order)
            again = exec_id in self._taken
            self._take(exec_id, packed, present)
            reason = Reason.REPEATED if again else reason
        self._note(self.report.duplicate, row, exec_id, reason)
        return reason not in (Reason.KEPT, Reason.SUPERSEDED)

    def _change(
        self,
        row: Execution,
        packed: PackedTrade,
        present: PackedTrade,
        values: PackedTrade,
        reason: Reason,
        *,
        fields: tuple[str, ...] = (),
    ) -> bool:
        trade = unpack_trade(values)
        self._recording.book(trade.exec_id, row.order)
        # An execution without units is of a release that stored no positions; the others keep the one they have.
        self._to_update.append(self._sequenced(trade) if present[_ASSET_CLASS] is None else trade)
        self._take(trade.exec_id, packed, values)
        self._note(self.report.updated, row, trade.exec_id, reason, ", ".join(fields))
        return True

    async def _cancel(self, row: Execution) -> None:
        known = self._cancellations.about(row)
        self._recording.rely_on(self._cancellations.keys_about(row))
        again = known is not None and row.order is not None and row.order <= known.order
        if row.earlier_ids:
            earlier = dict.fromkeys((*row.earlier_ids, *self._versions_before(row)))
            kept = known.booked_since if known is not None and again else ()
            await self._delete(row, [exec_id for exec_id in earlier if exec_id not in kept], row.order)
        elif known is not None and known.met and again:
            self._note(self.report.duplicate, row, None, Reason.CANCELLED)
        else:
            self._cancellations.remember(row, row.order, met=False)
            self._note(self.report.failed, row, None, Reason.CANCELLED_UNKNOWN, _IMPORT_AGAIN)

    async def _delete(self, row: Execution, exec_ids: list[str], order: int | None) -> None:
        """Delete the execution that a row cancels, and store the cancellation, unless the execution is in use.

        One that was booked again since stays.
        """
        stored = sorted(exec_id for exec_id in exec_ids if self._get(exec_id) is not None)
        booked_since = await self._booked_since(stored, order)
        stored = [exec_id for exec_id in stored if exec_id not in booked_since]
        reference = await self._uow.trades.find_reference(stored) if stored else None
        if reference or await self._uow.trades.count_in_use(stored):
            self._note(self.report.failed, row, stored[0], Reason.CANCELLED_IN_USE, reference or "")
            return
        self._cancellations.remember(row, order)
        for exec_id in booked_since:
            self._cancellations.book_again(row, exec_id)
        if not stored:
            about = row.earlier_ids[0] if row.trade is None else row.trade.exec_id
            self._note(self.report.duplicate, row, about, Reason.CANCELLED)
        else:
            await self._flush()
            for exec_id in stored:
                await self._recording.delete(exec_id)
                self._taken[exec_id] = None
            self._note(self.report.updated, row, stored[0], Reason.CANCELLED)

    def _versions_before(self, row: Execution) -> list[str]:
        """Return the stored versions of a cancelled execution up to the cancelled one, which it had replaced."""
        return [
            version
            for version in self._versions_of(row)
            if _revision(version) <= row.revision and _account_of(self._get(version)) == row.account_id
        ]

    async def _place_among_bookings(self, row: Execution, exec_id: str) -> int:
        """Return 1 for a row of a later booking than the stored execution's, -1 for an earlier one, 0 if unknown."""
        if row.order is None:
            return 0
        await self._flush()
        latest = (await self._recording.latest_bookings([exec_id])).get(exec_id, row.order)
        return (row.order > latest) - (row.order < latest)

    async def _booked_since(self, exec_ids: list[str], order: int | None) -> list[str]:
        """Return the stored executions among some that were booked after a position of the broker's transactions."""
        if order is None or not exec_ids:
            return []
        await self._flush()
        latest = await self._recording.latest_bookings(exec_ids)
        return [exec_id for exec_id in exec_ids if latest.get(exec_id, order) > order]

    async def _has_account(self, trade: Trade) -> bool:
        account_id = trade.account_id
        known = self._accounts.get(account_id)
        if known is None:
            known = await self._uow.accounts.exists(account_id)
            if not known and self._create_accounts:
                stated = self._rows.currencies.get(account_id) or trade.currency
                currency = stated or _DEFAULT_CURRENCY
                if stated is None or account_id in self._rows.assumed_currencies:
                    self._assumed[currency] += 1
                account = Account(account_id, account_id, AccountType.BROKER, currency=currency)
                await self._recording.create_account(account)
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
