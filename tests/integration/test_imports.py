"""Imports and their undoing over real files: stopped at any point, beside other writers, with a user's own table."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from factories import make_trade
from loop_watch import Watch, is_quiet
from snapshots import snapshot
from sources import Given, booked, cancelled
from statements import flex, trade
from zorivest_async import (
    Account,
    AccountType,
    ImportSourceError,
    ImportUndoError,
    KdfProfile,
    TradeFilter,
    UndoObstacle,
    Vault,
    VaultBusyError,
)
from zorivest_async.transfer.importers import (
    THINKORSWIM,
    CsvProfile,
    CsvTrades,
    FlexTrades,
    ImportReport,
    Reason,
    import_trades,
)

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async import UndoResult
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.transfer.importers import ReadRows

pytestmark = pytest.mark.asyncio

PASSPHRASE = "correct horse battery staple"
LONGEST_STOP_S = 0.5
LONGEST_STALL_S = 0.010

PROFILE = CsvProfile(
    name="large",
    columns={"exec_id": "id", "time": "time", "action": "side", "quantity": "quantity", "price": "price"},
    constants={"instrument": "SPY", "account_id": "LARGE"},
)


def write_file(path: Path, rows: int) -> Path:
    """Write executions, one a second."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,time,side,quantity,price\n")
        file.writelines(
            f"x{number},{start + timedelta(seconds=number)},buy,1.5,{100 + number / 100}\n" for number in range(rows)
        )
    return path


async def import_large(vault: Vault, path: Path, **options: Any) -> ImportReport:
    """Import a file of :func:`write_file`."""
    return await import_trades(vault, CsvTrades(path, PROFILE), accounts="create", **options)


async def undo(vault: Vault, import_id: int | None) -> UndoResult:
    """Undo an import, and commit."""
    assert import_id is not None
    async with vault.unit_of_work() as uow:
        result = await uow.imports.undo(import_id)
        await uow.commit()
    return result


async def stopped_after(seconds: float, work: Any) -> float | None:
    """Cancel work after some time; return how long it took to stop, or ``None`` if it had ended before."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        task.result()
        return None
    clock = asyncio.get_running_loop().time
    asked = clock()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return clock() - asked


async def test_a_file_in_the_wrong_zone_is_taken_back(vault: Vault, tmp_path: Path) -> None:
    """Imported again in the right one, each fill is there twice; the report names the first import, which is undone."""
    path = tmp_path / "t.csv"
    header = ",Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type"
    row = ",1/10/24 10:14:01,STOCK,BUY,+100,TO OPEN,AAPL,,,STOCK,185.10,185.10,LMT"
    title = "Account Statement for 1X (me) since 1/2/24 through 1/31/24\n\nAccount Trade History"
    await asyncio.to_thread(path.write_text, f"{title}\n{header}\n{row}\n\n")
    wrong = replace(THINKORSWIM, time_zone="America/Chicago")
    await import_trades(vault, CsvTrades(path, wrong), accounts="create")
    report = await import_trades(vault, CsvTrades(path, THINKORSWIM), accounts="create")
    assert report.repeats is not None
    assert report.repeats.profile == "thinkorswim account statement, America/Chicago"
    assert report.repeats.source == "t.csv"
    assert "undo it" in report.warnings[-1]
    await undo(vault, report.repeats.id)
    async with vault.unit_of_work(read_only=True) as uow:
        (fill,) = await uow.trades.list_all()
        assert fill.time == datetime(2024, 1, 10, 15, 14, 1, tzinfo=UTC)
        (left,) = await uow.imports.list_all()
        assert left.profile == "thinkorswim account statement, America/New_York"


BOOKED = trade(1, ibExecID="0001.ab.01.01", tradePrice="13")
CORRECTED = trade(2, ibExecID="0001.ab.01.02", tradePrice="30")
CANCELLED = trade(
    3,
    ibExecID="0001.ab.01.02",
    tradePrice="30",
    quantity="-10",
    buySell="BUY (Ca.)",
    transactionType="TradeCancel",
    origTradeID="2",
)
UNDER_ONE_BOOKING = (
    CORRECTED.replace('tradeID="2"', 'tradeID="1"'),
    CANCELLED.replace('origTradeID="2"', 'origTradeID="1"'),
)


@pytest.mark.parametrize(
    "files",
    [
        [[BOOKED], [CORRECTED], [CANCELLED]],
        [[BOOKED, CORRECTED, CANCELLED]],
        [[BOOKED], [CORRECTED], [CANCELLED], [BOOKED]],
        [[BOOKED], [CORRECTED], [CANCELLED], [BOOKED, CORRECTED, CANCELLED]],
        [[BOOKED], [CORRECTED, CANCELLED]],
        [[CANCELLED], [CORRECTED], [BOOKED]],
        [[BOOKED], [CANCELLED]],
        [[BOOKED], [*UNDER_ONE_BOOKING]],
        [[*UNDER_ONE_BOOKING], [BOOKED]],
    ],
)
async def test_a_cancelled_correction_leaves_no_version(vault: Vault, tmp_path: Path, files: list[list[str]]) -> None:
    """However its rows are cut into files, and in whatever order these are imported."""
    for lines in files:
        path = await flex(tmp_path / "statement.xml", *lines)
        report = await import_trades(vault, FlexTrades(path), accounts="create")
        assert not report.failed
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.list_all() == []


async def test_a_statement_with_a_cancelled_correction_inserts_nothing(vault: Vault, tmp_path: Path) -> None:
    """What it cancels itself is not stored first; what replaced it under another identifier is the only one."""
    path = await flex(tmp_path / "statement.xml", BOOKED, CORRECTED, CANCELLED)
    report = await import_trades(vault, FlexTrades(path), accounts="create")
    assert [entry.reason for entry in report.duplicate] == [Reason.SUPERSEDED, Reason.SUPERSEDED, Reason.CANCELLED]
    assert (len(report.inserted), len(report.updated)) == (0, 0)
    again = trade(4, ibExecID="0004.cd.01.01", tradeID="2", transactionID="104")
    path = await flex(tmp_path / "statement.xml", BOOKED, CORRECTED, CANCELLED, again)
    report = await import_trades(vault, FlexTrades(path), accounts="create")
    assert [entry.key for entry in report.inserted] == ["0004.cd.01.01"]


async def test_versions_of_another_account_are_no_versions(vault: Vault) -> None:
    """A cancellation reaches only into its own account."""
    other = make_trade("f.1", account_id="U2")
    await import_trades(vault, Given((booked(1, other, 1),)), accounts="create")
    await import_trades(vault, Given((cancelled(1, "f.2", 2),)), accounts="create")
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.exists("f.1")


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_row_that_contradicts_itself_is_refused(vault: Vault, tmp_path: Path, side: str) -> None:
    """A purchase of less than nothing, as some brokers book one back; a sale may be negative, as many write it."""
    path = tmp_path / "b.csv"
    await asyncio.to_thread(path.write_text, f"id,time,side,quantity,price\n1,2024-01-02T10:00:00Z,{side},-10,5\n")
    report = await import_large(vault, path)
    details = [entry.detail for entry in report.failed]
    assert details == ["quantity is negative, and the side is a purchase: the row contradicts itself"] * (side == "buy")
    statement = await flex(tmp_path / "f.xml", trade(buySell=side.upper(), quantity="-10"))
    report = await import_trades(vault, FlexTrades(statement), accounts="create")
    assert [entry.reason for entry in report.failed] == [Reason.UNREADABLE] * (side == "buy")


async def test_a_table_of_the_users_is_named(vault: Vault) -> None:
    """An execution that it refers to is not deleted, and neither is anything else."""
    report = await import_trades(vault, Given((booked(1, "a"), booked(2, "b"))), accounts="create")
    async with vault.unit_of_work() as uow:
        connection = await uow.connection()
        await connection.execute(text("CREATE TABLE stars (trade VARCHAR REFERENCES trades (exec_id))"))
        await connection.execute(text("INSERT INTO stars VALUES ('b')"))
        await uow.commit()
    before = await snapshot(vault)
    with pytest.raises(ImportUndoError, match="stars") as refused:
        await undo(vault, report.import_id)
    assert (refused.value.obstacle, refused.value.executions) == (UndoObstacle.REFERENCED, ("b",))
    assert await snapshot(vault) == before


async def test_an_account_that_a_table_of_the_users_refers_to_stays(vault: Vault) -> None:
    """It is in use."""
    report = await import_trades(vault, Given((booked(1, "a"),)), accounts="create")
    async with vault.unit_of_work() as uow:
        connection = await uow.connection()
        await connection.execute(text("CREATE TABLE banks (account VARCHAR REFERENCES accounts (account_id))"))
        await connection.execute(text("INSERT INTO banks VALUES ('U1')"))
        await uow.commit()
    assert (await undo(vault, report.import_id)).accounts_deleted == 0


@pytest.mark.parametrize("path", [None, "a.csv"])
async def test_a_file_that_changes_while_it_is_read_is_refused(vault: Vault, tmp_path: Path, path: str | None) -> None:
    """Its hash would not be that of what was stored; a source that is no file has no such hash."""
    file = tmp_path / "a.csv"
    await asyncio.to_thread(file.write_text, "one")

    class Changing(Given):
        def read(self, operation: Operation) -> ReadRows:
            file.write_text("another one")
            return super().read(operation)

    source = Changing((booked(1, "a"),))
    if path is None:
        assert len((await import_trades(vault, source, accounts="create")).inserted) == 1
        return
    object.__setattr__(source, "path", file)
    with pytest.raises(ImportSourceError, match="the file was changed while it was read; import it again"):
        await import_trades(vault, source, accounts="create")
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.imports.count_all() == 0


async def test_a_source_over_a_folder_is_read_as_it_reads_itself(vault: Vault, tmp_path: Path) -> None:
    """Its path is no file to hash, so its executions are."""
    source = Given((booked(1, "a"),))
    object.__setattr__(source, "path", tmp_path)
    for _ in range(2):
        report = await import_trades(vault, source, accounts="create")
    assert report.repeats is not None
    assert report.repeats.source == "Given"


async def test_other_writers_wait_for_a_large_import(tmp_path: Path) -> None:
    """And for another one, and for its undoing: longer than the busy timeout, which is for those who do not work."""
    path = await asyncio.to_thread(write_file, tmp_path / "large.csv", 4_000)
    other = await asyncio.to_thread(write_file, tmp_path / "other.csv", 4_001)
    file = tmp_path / "journal.vault"
    begun = asyncio.Event()

    async def save(vault: Vault) -> None:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("theme", "dark")
            await uow.commit()

    async with Vault.open(file, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST, busy_timeout_s=0.02) as vault:
        importing = asyncio.ensure_future(
            import_large(vault, path, progress=lambda report: begun.set() if report.phase == "store" else None)
        )
        await begun.wait()
        await asyncio.sleep(0)
        (first, second, _) = await asyncio.gather(importing, import_large(vault, other), save(vault))
        assert (len(first.inserted), len(second.inserted), len(second.duplicate)) == (4_000, 1, 4_000)
        await asyncio.gather(undo(vault, second.import_id), save(vault), save(vault))
        async with vault.unit_of_work() as uow:
            await uow.settings.set("theme", "light")
            with pytest.raises(VaultBusyError):  # a writer that does nothing is not waited for
                await asyncio.ensure_future(save(vault))


async def test_an_import_waits_for_that_of_another_vault_object(tmp_path: Path) -> None:
    """As of another process, of which it can only see that the vault is busy."""
    paths = [await asyncio.to_thread(write_file, tmp_path / f"{n}.csv", 4_000 + n) for n in range(2)]
    file = tmp_path / "journal.vault"
    options: dict[str, Any] = {"passphrase": PASSPHRASE, "profile": KdfProfile.CHEAPEST, "busy_timeout_s": 0.02}
    async with Vault.open(file, **options) as one, Vault.open(file, passphrase=PASSPHRASE, busy_timeout_s=0.02) as two:
        reports = await asyncio.gather(import_large(one, paths[0]), import_large(two, paths[1]))
        assert sum(len(report.inserted) for report in reports) == 4_001


@pytest.mark.parametrize("rows", [6_000, pytest.param(200_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
async def test_a_stopped_import_stores_nothing(vault: Vault, tmp_path: Path, rows: int) -> None:
    """Nor does a stopped undoing take anything back: both stop within half a second, at any point."""
    path = await asyncio.to_thread(write_file, tmp_path / "large.csv", rows)
    chance = random.Random(rows)  # noqa: S311 - seeded randomness makes a test repeatable
    clock = asyncio.get_running_loop().time
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("LARGE", "mine", AccountType.BROKER))
        await uow.commit()
    before = await snapshot(vault)
    quiet, slowest = is_quiet(), 0.0
    begun = clock()
    import_id = (await import_large(vault, path)).import_id
    took = clock() - begun
    begun = clock()
    await undo(vault, import_id)
    undoing_took = clock() - begun
    for _ in range(6):
        slowest = max(slowest, await stopped_after(took * chance.random() * 0.9, import_large(vault, path)) or 0)
        async with vault.unit_of_work(read_only=True) as uow:
            for each in await uow.imports.list_all():  # one that had ended before
                await undo(vault, each.id)
        assert await snapshot(vault) == before
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.imports.count_all() == 0
    import_id = (await import_large(vault, path)).import_id
    for _ in range(6):
        slowest = max(slowest, await stopped_after(undoing_took * chance.random() * 0.9, undo(vault, import_id)) or 0)
        async with vault.unit_of_work(read_only=True) as uow:
            if not await uow.imports.exists(import_id or 0):
                break
            assert await uow.trades.count_filtered(TradeFilter()) == rows
    else:
        await undo(vault, import_id)
    assert await snapshot(vault) == before
    if quiet and is_quiet():
        assert slowest < LONGEST_STOP_S


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_the_loop_is_free_while_200_000_rows_are_stored_and_taken_back(vault: Vault, tmp_path: Path) -> None:
    """It is at work for less than 10 ms on any one thing, except for a handful, none of which takes 25 ms."""
    path = await asyncio.to_thread(write_file, tmp_path / "large.csv", 200_000)
    async with Watch() as watch:
        report = await import_large(vault, path)
        await import_large(vault, path)
        result = await undo(vault, report.import_id)
    assert (len(report.inserted), result.deleted) == (200_000, 200_000)
    *others, _, _, _, _, longest = sorted(watch.busy_s)
    assert others[-1] < LONGEST_STALL_S
    assert longest < 2.5 * LONGEST_STALL_S
