"""Recording of what an import does, and what earlier imports have recorded about what it meets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zorivest_async.domain.entities import Import
from zorivest_async.errors import VaultBusyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zorivest_async.domain.entities import Account, Trade
    from zorivest_async.domain.settings import SettingValue
    from zorivest_async.ports import ImportRecorder, UnitOfWork
    from zorivest_async.transfer.importers.origin import Origin
    from zorivest_async.transfer.importers.results import ImportReport

__all__ = ["Recording"]

PATIENCE_S: Final = 1_800.0
"""How long an import waits for its turn to write while another process stores a large one."""

_PAUSE_S: Final = 0.02
_OTHER_PROFILE: Final = (
    "this file was imported before as {before!r}, and now as {now!r}: if that was wrong, undo it (report.repeats)"
)


class Recording:
    """Writer of an import's executions, which remembers what it does; in a dry run it writes and remembers nothing.

    Args:
        uow: The unit of work.
        dry_run: Whether to write nothing.
    """

    def __init__(self, uow: UnitOfWork, *, dry_run: bool) -> None:
        self._uow = uow
        self._dry_run = dry_run
        self._recorder: ImportRecorder | None = None
        self._record: Import | None = None
        self._known: dict[str, int] = {}
        self._origins: dict[str, list[int]] = {}
        self._relied_on = set[int]()
        self._orders: dict[str, int] = {}
        self._later: dict[str, int] = {}
        self._has_noted = False

    async def begin(self, origin: Origin, report: ImportReport) -> None:
        """Begin the import; it waits for its turn longer than other units of work, as another import may take long.

        Raises:
            VaultBusyError: Another process held the vault for half an hour.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            try:
                earlier = await self._uow.imports.list_of_file(origin.sha256)
                break
            except VaultBusyError:
                if self._dry_run or loop.time() >= deadline:
                    raise
                await asyncio.sleep(_PAUSE_S)
        report.repeats = next(iter(earlier), None)
        if earlier and all(each.profile != origin.profile for each in earlier):
            report.warnings.append(_OTHER_PROFILE.format(before=earlier[0].profile, now=origin.profile))
        if not self._dry_run:
            self._record = Import(origin.source, origin.sha256, origin.profile)
            self._recorder = await self._uow.imports.begin(self._record)

    async def look_up(self, keys: Iterable[str]) -> None:
        """Read what earlier imports have recorded about what is stored under some keys."""
        self._origins, self._known = {}, {}
        if not (keys := [*keys]):
            return
        besides = None if self._recorder is None else self._recorder.import_id
        for trace in await self._uow.imports.traces(keys, besides=besides):
            self._origins.setdefault(trace.key, []).append(trace.import_id)
            if trace.order is not None:
                self._known[trace.key] = max(trace.order, self._known.get(trace.key, trace.order))

    def rely_on(self, keys: Iterable[str]) -> None:
        """Note that the import relies on what is stored under some keys, which were looked up."""
        for key in keys:
            self._relied_on.update(self._origins.get(key, ()))

    def book(self, exec_id: str, order: int | None) -> None:
        """Note the position among the broker's transactions of an execution that will be stored."""
        if order is not None:
            self._orders[exec_id] = order

    def book_again(self, exec_id: str, order: int | None) -> None:
        """Note the position of a booking whose execution is stored already."""
        if order is not None and order > self._known.get(exec_id, -1):
            self._later[exec_id] = max(order, self._later.get(exec_id, order))

    async def latest_bookings(self, exec_ids: Iterable[str]) -> dict[str, int]:
        """Return the latest known position among the broker's transactions of stored executions."""
        latest: dict[str, int] = {}
        for exec_id, order in [
            *((trace.key, trace.order) for trace in await self._uow.imports.traces(exec_ids)),
            *((exec_id, self._orders.get(exec_id)) for exec_id in exec_ids),
            *((exec_id, self._later.get(exec_id)) for exec_id in exec_ids),
        ]:
            if order is not None:
                latest[exec_id] = max(order, latest.get(exec_id, order))
        return latest

    async def store(self, inserting: list[Trade], updating: list[Trade]) -> None:
        """Insert and change executions, and the notes about bookings."""
        later, self._later = self._later, {}
        if self._recorder is None:
            return
        orders, self._orders = self._orders, {}
        if inserting:
            await self._recorder.insert(inserting, orders)
        if updating:
            await self._recorder.change(updating, orders)
        if later:
            self._has_noted = True
            await self._recorder.note_bookings(later)

    async def delete(self, exec_id: str) -> None:
        """Delete an execution."""
        if self._recorder is not None:
            await self._recorder.delete(exec_id)

    async def supersede(self, old: str, new: str) -> None:
        """Replace an execution by another one."""
        if self._recorder is not None:
            await self._recorder.supersede(old, new)

    async def create_account(self, account: Account) -> None:
        """Create an account."""
        if self._recorder is not None:
            await self._recorder.create_account(account)

    async def save_cancellations(self, settings: Mapping[str, SettingValue]) -> None:
        """Store cancellations."""
        if self._recorder is not None and settings:
            self._has_noted = True
            await self._recorder.save_cancellations(settings)

    async def finish(self, report: ImportReport) -> None:
        """Store the counts, unless the same file was imported before and this import has changed nothing."""
        if self._recorder is None or self._record is None:
            return
        import_id = self._recorder.import_id
        has_changed = report.inserted or report.updated or report.accounts_created or self._has_noted
        if report.repeats is not None and not has_changed:
            await self._uow.imports.delete(import_id)
            return
        await self._recorder.rely_on(self._relied_on)
        record = replace(
            self._record,
            id=import_id,
            inserted=len(report.inserted),
            duplicate=len(report.duplicate),
            updated=len(report.updated),
            failed=len(report.failed),
        )
        await self._uow.imports.update(record)
        report.import_id = import_id
