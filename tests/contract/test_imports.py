"""Imports are remembered, and undone: all of an import or nothing, and never anything of the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_image_entity, make_plan, make_report, make_trade
from snapshots import snapshot
from sources import Given, booked, cancelled
from zorivest_async import (
    AssetClass,
    BalanceSnapshot,
    ImageOwnerType,
    ImportUndoError,
    NotFoundError,
    ReadOnlyError,
    UndoObstacle,
    ValidationError,
)
from zorivest_async.database.repositories.import_rows import ImportRowRepository
from zorivest_async.domain.imports import ImportKind
from zorivest_async.domain.queries import UndoResult
from zorivest_async.transfer.importers import Execution, ImportReport, Reason, import_trades

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio


async def store(journal: Any, *rows: Execution, time_zone: str | None = None, **options: Any) -> ImportReport:
    """Import rows."""
    return await import_trades(journal, Given(rows, time_zone), **{"accounts": "create", **options})


async def undo(journal: Journal, import_id: int | None) -> UndoResult:
    """Undo an import, and commit."""
    assert import_id is not None
    async with journal.unit_of_work() as uow:
        result = await uow.imports.undo(import_id)
        await uow.commit()
    return result


async def refused(journal: Journal, import_id: int | None) -> ImportUndoError:
    """Return the error of an import that cannot be undone; nothing changes, and the unit of work stays usable."""
    assert import_id is not None
    before = await snapshot(journal)
    async with journal.unit_of_work() as uow:
        with pytest.raises(ImportUndoError, match="it cannot be undone; ") as refusal:
            await uow.imports.undo(import_id)
        assert await uow.imports.exists(import_id)
        await uow.commit()
    assert await snapshot(journal) == before
    return refusal.value


async def test_what_the_unit_of_work_did_before_stays(journal: Journal) -> None:
    """A refused undoing undoes only itself; one that is not refused belongs to the transaction around it."""
    report = await store(journal, booked(1, "x1"))
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("mine"))
        await uow.images.save("x1", make_image_entity())
        with pytest.raises(ImportUndoError):
            await uow.imports.undo(report.import_id or 0)
        assert (await uow.trades.exists("mine"), await uow.trades.exists("x1")) == (True, True)
        (image,) = await uow.images.list_for_owner(ImageOwnerType.TRADE, "x1")
        await uow.images.delete(image.id or 0)
        async with uow.savepoint():
            await uow.imports.undo(report.import_id or 0)
        assert (await uow.trades.exists("mine"), await uow.trades.exists("x1")) == (True, False)
    async with journal.unit_of_work(read_only=True) as uow:
        assert (await uow.trades.exists("mine"), await uow.trades.exists("x1")) == (False, True)


async def attach(journal: Journal, exec_id: str) -> None:
    """Give a trade an image, a report and a plan."""
    async with journal.unit_of_work() as uow:
        await uow.images.save(exec_id, make_image_entity())
        await uow.trade_reports.save(make_report(exec_id))
        await uow.trade_plans.save(make_plan(linked_trade_id=exec_id))
        await uow.commit()


async def test_an_import_is_remembered(empty_journal: Journal) -> None:
    """With its name, hash, profile, time and counts; of each execution it is known which imports brought it."""
    report = await store(empty_journal, booked(1, "a"), booked(2, "b"), time_zone="Europe/Berlin")
    again = await store(empty_journal, booked(1, "b"), booked(2, "c"))
    assert (report.import_id, again.import_id) == (1, 2)
    async with empty_journal.unit_of_work(read_only=True) as uow:
        second, first = await uow.imports.list_all()
        assert (first.source, first.profile, len(first.sha256)) == ("Given", "Given, Europe/Berlin", 64)
        assert (first.inserted, first.duplicate, first.updated, first.failed) == (2, 0, 0, 0)
        assert (second.inserted, second.duplicate) == (1, 1)
        assert first.imported_at <= second.imported_at
        assert await uow.imports.get_one(1) == first
        assert await uow.imports.get(3) is None
        assert await uow.imports.count_all() == 2
        assert await uow.imports.list_all(limit=1, offset=1) == [first]
        assert await uow.imports.list_of_file(second.sha256) == [second]
        assert [each.id for each in await uow.imports.list_for_trade("b")] == [1]
        assert await uow.imports.list_for_trade("0001") == []


async def test_the_same_file_says_so(empty_journal: Journal) -> None:
    """Also in a dry run; an import of it that changes nothing is not remembered, and another zone is warned of."""
    first = await store(empty_journal, booked(1, "a"))
    assert first.repeats is None
    for dry_run in (True, False):
        again = await store(empty_journal, booked(1, "a"), dry_run=dry_run)
        assert again.repeats is not None
        assert (again.repeats.id, again.import_id, again.warnings) == (1, None, [])
        assert "repeats=1" in repr(again)
    elsewhere = await store(empty_journal, booked(1, "a"), time_zone="Europe/Berlin")
    (warning,) = elsewhere.warnings
    assert warning.startswith("this file was imported before as 'Given', and now as 'Given, Europe/Berlin': if that")
    async with empty_journal.unit_of_work(read_only=True) as uow:
        assert await uow.imports.count_all() == 1


async def test_a_dry_run_remembers_nothing(empty_journal: Journal) -> None:
    """It stores nothing at all."""
    assert (await store(empty_journal, booked(1, "a"), dry_run=True)).import_id is None
    async with empty_journal.unit_of_work(read_only=True) as uow:
        assert await uow.imports.count_all() == 0


async def test_undoing_gives_everything_back(journal: Journal) -> None:
    """What it changed, corrected, moved, cancelled, inserted and created, in whatever order within the import."""
    await store(
        journal,
        booked(1, "a.1", 1),
        booked(2, "b.1", 2),
        booked(3, make_trade("c", realized_pnl=None)),
        booked(4, "d.1", 3),
        cancelled(5, "z.1", 4),
    )
    await attach(journal, "a.1")
    before = await snapshot(journal)
    report = await store(
        journal,
        booked(1, make_trade("new", currency="EUR", account_id="U2")),
        booked(2, make_trade("a.2", price=7), 11),
        booked(3, make_trade("a.3", price=8), 12),
        cancelled(4, "b.1", 13),
        booked(5, make_trade("c", realized_pnl=5, currency="USD", asset_class=AssetClass.STOCK)),
        booked(6, make_trade("c", realized_pnl=6, currency="USD", asset_class=AssetClass.STOCK)),
        cancelled(7, "d.1", 14),
        booked(8, make_trade("d.1", price=9), 15),
        booked(9, "e.1", 16),
        cancelled(10, "e.1", 17),
        cancelled(11, "z.1", 18),
        on_conflict="update",
    )
    assert (len(report.failed), report.accounts_created) == (0, ["U2"])
    assert await snapshot(journal) != before
    result = await undo(journal, report.import_id)
    assert result == UndoResult(deleted=2, restored=2, brought_back=2, accounts_deleted=1)
    assert await snapshot(journal) == before
    async with journal.unit_of_work() as uow:
        assert await uow.imports.count_all() == 1
        with pytest.raises(NotFoundError):
            await uow.imports.undo(report.import_id or 0)
    again = await store(journal, booked(1, make_trade("a.2", price=7), 11))
    assert [entry.reason for entry in again.updated] == [Reason.CORRECTED]


async def test_an_edited_execution_is_named(empty_journal: Journal) -> None:
    """A note is enough; what the user has deleted stays deleted, and the rest is undone."""
    report = await store(empty_journal, *(booked(n, f"x{n}") for n in range(1, 4)))
    async with empty_journal.unit_of_work() as uow:
        trade = await uow.trades.get_one("x2")
        await uow.trades.update(replace(trade, notes="too early"))
        await uow.trades.delete("x3")
        await uow.commit()
    error = await refused(empty_journal, report.import_id)
    assert (error.obstacle, error.executions) == (UndoObstacle.EDITED, ("x2",))
    assert "too early" not in str(error)
    assert "x2" not in str(error)
    async with empty_journal.unit_of_work() as uow:
        await uow.trades.update(trade)
        await uow.commit()
    assert await undo(empty_journal, report.import_id) == UndoResult(deleted=2, accounts_deleted=1)
    assert not any((await snapshot(empty_journal)).values())


async def test_a_changed_execution_that_was_edited_is_named(journal: Journal) -> None:
    """One that the user has deleted meanwhile stays deleted."""
    report = await store(journal, booked(1, make_trade("0001", currency="USD")))
    assert len(report.updated) == 1
    async with journal.unit_of_work() as uow:
        trade = await uow.trades.get_one("0001")
        await uow.trades.update(replace(trade, price=1))
        await uow.commit()
    assert (await refused(journal, report.import_id)).executions == ("0001",)
    async with journal.unit_of_work() as uow:
        await uow.trades.delete("0001")
        await uow.commit()
    assert await undo(journal, report.import_id) == UndoResult()
    async with journal.unit_of_work(read_only=True) as uow:
        assert not await uow.trades.exists("0001")


@pytest.mark.parametrize("kind", ["image", "report", "plan"])
async def test_an_inserted_execution_in_use_is_named(empty_journal: Journal, kind: str) -> None:
    """Nothing of the user's is deleted with it."""
    report = await store(empty_journal, booked(1, "x1"), booked(2, "x2"))
    async with empty_journal.unit_of_work() as uow:
        if kind == "image":
            await uow.images.save("x2", make_image_entity())
        elif kind == "report":
            await uow.trade_reports.save(make_report("x2"))
        else:
            await uow.trade_plans.save(make_plan(linked_trade_id="x2"))
        await uow.commit()
    error = await refused(empty_journal, report.import_id)
    assert (error.obstacle, error.executions) == (UndoObstacle.IN_USE, ("x2",))


async def test_what_was_given_to_a_correction_since_is_the_users(journal: Journal) -> None:
    """The moved image goes back; a new one prevents the undoing."""
    await store(journal, booked(1, "a.1", 1))
    await attach(journal, "a.1")
    report = await store(journal, booked(1, make_trade("a.2", price=7), 2))
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("a.2", make_image_entity())
        await uow.commit()
    assert (await refused(journal, report.import_id)).executions == ("a.2",)
    async with journal.unit_of_work() as uow:
        await uow.images.delete(number)
        await uow.commit()
    await undo(journal, report.import_id)
    async with journal.unit_of_work(read_only=True) as uow:
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, "a.1")) == 1
        assert await uow.trade_reports.get_for_trade("a.1") is not None


@pytest.mark.parametrize("later", ["changes", "finds", "cancels", "supersedes", "cancelled"])
async def test_a_later_import_is_undone_first(empty_journal: Journal, later: str) -> None:
    """One that changed what the import stored, or relies on it; afterwards, nothing is left."""
    first = await store(empty_journal, booked(1, "a.2", 1), cancelled(2, "c.1", 5))
    rows = {
        "changes": [booked(1, make_trade("a.2", currency="USD"), 1)],
        "finds": [booked(1, "b", 2), booked(2, "a.2", 1)],
        "cancels": [cancelled(1, "a.2", 3)],
        "supersedes": [booked(1, "a.1", 0), booked(2, "b", 2)],
        "cancelled": [booked(1, "c.1", 4), booked(2, "b", 2)],
    }[later]
    second = await store(empty_journal, *rows)
    third = await store(empty_journal, booked(1, "unrelated"))
    error = await refused(empty_journal, first.import_id)
    assert (error.obstacle, error.imports) == (UndoObstacle.LATER_IMPORT, (second.import_id,))
    for each in (second, first, third):
        await undo(empty_journal, each.import_id)
    assert not any(rows for name, rows in (await snapshot(empty_journal)).items() if name != "accounts")


async def test_a_row_that_failed_relies_on_nothing(empty_journal: Journal) -> None:
    """The file was imported in the wrong zone, and again in the right one, whose rows all conflict."""
    wrong = await store(empty_journal, booked(1, make_trade("a", price=1)))
    right = await store(empty_journal, booked(1, make_trade("a", price=2)))
    assert len(right.failed) == 1
    await undo(empty_journal, wrong.import_id)
    again = await store(empty_journal, booked(1, make_trade("a", price=2)))
    assert len(again.inserted) == 1


async def test_what_was_stored_again_is_named(journal: Journal) -> None:
    """The user has saved an execution that the import had deleted."""
    await store(journal, booked(1, "a", 1))
    report = await store(journal, cancelled(1, "a", 2))
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("a", price=3))
        await uow.commit()
    error = await refused(journal, report.import_id)
    assert (error.obstacle, error.executions) == (UndoObstacle.STORED_AGAIN, ("a",))


async def test_the_account_of_what_is_restored_must_be_as_it_was(journal: Journal) -> None:
    """It may be gone, or in another currency, which its executions without one would get."""
    await store(journal, booked(1, make_trade("a", account_id="U9"), 1))
    report = await store(journal, cancelled(1, "a", 2))
    async with journal.unit_of_work() as uow:
        account = await uow.accounts.get_one("U9")
        await uow.accounts.update(replace(account, currency="SEK"))
        await uow.commit()
    assert (await refused(journal, report.import_id)).obstacle is UndoObstacle.ACCOUNT
    async with journal.unit_of_work() as uow:
        await uow.accounts.delete("U9")
        await uow.commit()
    error = await refused(journal, report.import_id)
    assert (error.obstacle, error.executions) == (UndoObstacle.ACCOUNT, ("a",))
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(account)
        await uow.commit()
    assert (await undo(journal, report.import_id)).brought_back == 1


async def test_an_undoing_that_is_refused_half_way_changes_nothing(journal: Journal) -> None:
    """Also if its unit of work commits: one execution is back already when another would get another currency."""
    await store(journal, booked(1, "a", 1), booked(2, make_trade("c", account_id="U9")))
    report = await store(journal, cancelled(1, "a", 2), booked(2, make_trade("c", account_id="U9", currency="USD")))
    assert len(report.updated) == 2
    async with journal.unit_of_work() as uow:
        await uow.accounts.update(replace(await uow.accounts.get_one("U9"), currency="SEK"))
        await uow.commit()
    error = await refused(journal, report.import_id)
    assert (error.obstacle, error.executions) == (UndoObstacle.ACCOUNT, ("c",))


async def test_a_cancellation_that_was_changed_since_prevents_it(empty_journal: Journal) -> None:
    """One that its user has deleted does not."""
    report = await store(empty_journal, cancelled(1, "a", 2))
    async with empty_journal.unit_of_work() as uow:
        (setting,) = await uow.settings.list_prefixed("zorivest.cancelled/")
        await uow.settings.set(setting.key, [7, True])
        await uow.commit()
    assert (await refused(empty_journal, report.import_id)).obstacle is UndoObstacle.CANCELLATION
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.delete(setting.key)
        await uow.commit()
    await undo(empty_journal, report.import_id)


@pytest.mark.parametrize("use", ["snapshot", "plan", "trade", "name"])
async def test_an_account_in_use_stays(empty_journal: Journal, use: str) -> None:
    """So does one that its user has changed."""
    report = await store(empty_journal, booked(1, "a"))
    async with empty_journal.unit_of_work() as uow:
        account = await uow.accounts.get_one("U1")
        if use == "snapshot":
            await uow.balance_snapshots.save(BalanceSnapshot("U1", account.created_at, 5))
        elif use == "plan":
            await uow.trade_plans.save(make_plan(account_id="U1"))
        elif use == "trade":
            await uow.trades.save(make_trade("mine"))
        else:
            await uow.accounts.update(replace(account, name="mine"))
        await uow.commit()
    assert (await undo(empty_journal, report.import_id)).accounts_deleted == 0
    async with empty_journal.unit_of_work(read_only=True) as uow:
        assert await uow.accounts.exists("U1")


async def test_a_read_only_unit_of_work_undoes_nothing(empty_journal: Journal) -> None:
    """It says that it is read-only."""
    report = await store(empty_journal, booked(1, "a"))
    async with empty_journal.unit_of_work(read_only=True) as uow:
        with pytest.raises(ReadOnlyError):
            await uow.imports.undo(report.import_id or 0)


async def test_what_another_program_has_written_is_a_typed_error(empty_journal: Journal) -> None:
    """The record of an import is no place for anything else."""
    await store(empty_journal, booked(1, make_trade("a", realized_pnl=None)))
    report = await store(empty_journal, booked(1, make_trade("a", realized_pnl=1)))
    async with empty_journal.unit_of_work() as uow:
        rows = ImportRowRepository(uow.imports)
        stored = await rows.own(report.import_id or 0, [ImportKind.CHANGED], ["a"])
        await rows.forget(report.import_id or 0, [ImportKind.CHANGED], ["a"])
        await rows.add([replace(stored["a"], before="[1]")])
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        with pytest.raises(ValidationError, match="in a form that no release writes"):
            await uow.imports.undo(report.import_id or 0)
        assert await uow.imports.count_all() == 2


async def test_a_cancellation_leaves_what_was_booked_since(empty_journal: Journal) -> None:
    """Under the same identifier, whichever file comes first; the statement again forgets neither."""
    await store(empty_journal, booked(1, "a", 3))
    for rows in ([cancelled(1, "a", 2)], [booked(1, "a", 1), cancelled(2, "a", 2)], [booked(1, "a", 1)]):
        await store(empty_journal, *rows)
        async with empty_journal.unit_of_work(read_only=True) as uow:
            assert await uow.trades.exists("a")
    report = await store(empty_journal, cancelled(1, "a", 4))
    assert [entry.reason for entry in report.updated] == [Reason.CANCELLED]
    await store(empty_journal, booked(1, "a", 3))
    async with empty_journal.unit_of_work(read_only=True) as uow:
        assert not await uow.trades.exists("a")


async def test_a_booking_that_is_found_again_counts_with_its_last_position(empty_journal: Journal) -> None:
    """The same values, cancelled and booked again: the cancellation between them may come last."""
    await store(empty_journal, booked(1, "a", 1))
    report = await store(empty_journal, booked(1, "a", 3))
    assert [entry.reason for entry in report.duplicate] == [Reason.STORED]
    await store(empty_journal, cancelled(1, "a", 2))
    async with empty_journal.unit_of_work(read_only=True) as uow:
        assert await uow.trades.exists("a")


async def test_an_account_passes_to_the_next_import_that_uses_it(empty_journal: Journal) -> None:
    """So that it is deleted with the last of them."""
    first, second = [await store(empty_journal, booked(1, exec_id)) for exec_id in ("a", "b")]
    assert (await undo(empty_journal, first.import_id)).accounts_deleted == 0
    assert (await undo(empty_journal, second.import_id)).accounts_deleted == 1
    assert not any((await snapshot(empty_journal)).values())
