"""Each profile that ships reads a sample of its broker's layout, once and exactly, and no other broker's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from broker_samples import FOLDER, SAMPLES, line_of, profile_of, source_of
from zorivest_async import ConfigurationError, TradeAction, TradeFilter, Vault
from zorivest_async.database.sqlcipher.long_operation import Operation, StoppedError
from zorivest_async.transfer.importers import (
    ZORIVEST,
    CsvProfile,
    CsvTrades,
    ImportSourceError,
    brokers,
    detect_profile,
    import_trades,
)

if TYPE_CHECKING:
    from pathlib import Path

FLEX = '<?xml version="1.0"?>\n<FlexQueryResponse queryName="q"><FlexStatements></FlexStatements></FlexQueryResponse>\n'


def given(profile: CsvProfile) -> CsvProfile:
    """Return a profile with something for all that it asks."""
    facts: dict[str, Any] = {"account_id": "U1", "currency": "USD", "time_zone": "UTC"}
    return profile.given(**{name: facts[name] for name in profile.asks})


@pytest.mark.asyncio
@pytest.mark.parametrize("name", SAMPLES)
async def test_a_sample_is_imported_exactly_and_once(vault: Vault, name: str) -> None:
    """Its executions are those of the table, rows that cannot be read without a guess fail, and again adds nothing."""
    sample, source = SAMPLES[name], source_of(name)
    report = await import_trades(vault, source, accounts="create")
    async with vault.unit_of_work(read_only=True) as uow:
        trades = await uow.trades.list_filtered(TradeFilter(), sort="time", limit=None)
    assert sorted(map(line_of, trades)) == sorted(sample.trades)
    assert tuple(entry.row for entry in report.failed) == sample.failed
    assert not [warning for warning in report.warnings if "columns that were not imported" in warning]
    again = await import_trades(vault, source)
    assert (len(again.inserted), len(again.updated), len(again.duplicate)) == (0, 0, len(trades))


@pytest.mark.parametrize("profile", brokers.PROFILES, ids=lambda profile: profile.name)
def test_a_profile_refuses_the_files_of_others(profile: CsvProfile, tmp_path: Path) -> None:
    """A file that is none of the profile's is one error, and no row of it is read."""
    flex = tmp_path / "flex.xml"
    flex.write_text(FLEX)
    others = [FOLDER / f"{name.lower()}.csv" for name in SAMPLES if profile_of(name) is not profile]
    for path in (*others, flex):
        with pytest.raises(ImportSourceError):
            CsvTrades(path, given(profile)).read(Operation(None))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_detected(name: str) -> None:
    """By exactly one profile; the reason says where the header is, and what the user must say."""
    detected = detect_profile(FOLDER / f"{name.lower()}.csv")
    assert detected.profile is profile_of(name)
    assert "all columns of the profile, in line" in detected.reason
    assert all(fact in detected.reason for fact in profile_of(name).asks)


def test_detection_does_not_choose_between_two(tmp_path: Path) -> None:
    """It names them; nor does it choose one for a file that none fits."""
    twin = CsvProfile(name="twin", columns=ZORIVEST.columns, optional_columns=ZORIVEST.optional_columns)
    with pytest.raises(ImportSourceError, match="several profiles fit this file: 'zorivest', 'twin'"):
        detect_profile(FOLDER / "zorivest.csv", (*brokers.PROFILES, twin))
    path = tmp_path / "strange.csv"
    path.write_text("a,b,c\n1,2,3\n")
    with pytest.raises(ImportSourceError, match="no profile fits this file; write one"):
        detect_profile(path)
    path.write_text("Symbol,Type,Quantity,Price,Value,Fees,When\nBTC,Buy,1,2,2,0,now\n")
    with pytest.raises(ImportSourceError, match="the nearest is 'Revolut crypto', whose columns Date are missing"):
        detect_profile(path)
    path.write_text(FLEX)
    assert detect_profile(path).profile is None


def test_every_profile_that_ships_has_a_source_and_a_sample() -> None:
    """The public place where its layout was seen, with the year; and PROFILES contains all of them."""
    constants = {name: getattr(brokers, name) for name in brokers.__all__ if name != "PROFILES"}
    assert set(constants) == set(SAMPLES)
    assert {each.name for each in constants.values()} == {each.name for each in brokers.PROFILES}
    assert len(constants) == len(brokers.PROFILES)
    assert {path.name for path in FOLDER.iterdir()} == {f"{name.lower()}.csv" for name in SAMPLES}
    for profile in brokers.PROFILES:
        assert profile is ZORIVEST or "(20" in profile.source


def test_what_a_file_does_not_state_is_asked_for() -> None:
    """A source with an incomplete profile is refused, and what a column states cannot be given for all rows."""
    with pytest.raises(ConfigurationError, match=r"does not state account_id; pass profile.given\(account_id=...\)"):
        CsvTrades("x.csv", brokers.ROBINHOOD)
    with pytest.raises(ConfigurationError, match="currency: is stated by a column"):
        brokers.AVANZA.given(currency="SEK")
    with pytest.raises(ConfigurationError, match="a trade has no field broker"):
        brokers.ROBINHOOD.given(broker="x")
    assert brokers.ROBINHOOD.given(account_id="R").asks == frozenset()


@pytest.mark.asyncio
async def test_fills_of_one_time_keep_their_order(vault: Vault) -> None:
    """Fidelity's newest row is the first: of two executions of one day, the purchase came before the sale."""
    await import_trades(vault, source_of("FIDELITY"), accounts="create")
    async with vault.unit_of_work(read_only=True) as uow:
        rows = [row async for block in uow.trades.stream_executions() for row in block]
    options = sorted((row for row in rows if row.instrument == "-KO250321C70"), key=lambda row: row.sequence or 0)
    assert [row.action for row in options] == [TradeAction.BOT, TradeAction.SLD]
    assert [row.exec_id.rpartition("/")[2] for row in options] == ["1", "2"]


@pytest.mark.asyncio
async def test_a_later_export_of_the_same_day_changes_no_identifier(vault: Vault, tmp_path: Path) -> None:
    """Where the newest row is the first and there are no times: identifiers count from the oldest."""
    await import_trades(vault, source_of("SCHWAB"), accounts="create")
    text = await asyncio.to_thread((FOLDER / "schwab.csv").read_text)
    newer = '"03/07/2025","Buy","KO","COCA-COLA CO","10","$64.00","","-$640.00"\n'
    old = '"03/07/2025","Buy","KO"'
    path = tmp_path / "evening.csv"
    await asyncio.to_thread(path.write_text, text.replace(old, newer + old))
    report = await import_trades(vault, CsvTrades(path, source_of("SCHWAB").profile))
    assert [(entry.row, (entry.key or "")[-2:]) for entry in report.inserted] == [(5, "/2")]
    assert (len(report.duplicate), len(report.failed)) == (3, 1)


@pytest.mark.asyncio
async def test_an_order_that_filled_further_conflicts(vault: Vault, tmp_path: Path) -> None:
    """It is not another execution; with on_conflict="update" it replaces the earlier state of the order."""
    before = source_of("WEBULL")
    await import_trades(vault, before, accounts="create")
    text = await asyncio.to_thread((FOLDER / "webull.csv").read_text)
    path = tmp_path / "later.csv"
    await asyncio.to_thread(
        path.write_text, text.replace("Partial Filled,40,100", "Filled,100,100").replace("10:00:02", "10:30:00")
    )
    later = CsvTrades(path, before.profile)
    assert sorted(entry.row for entry in (await import_trades(vault, later)).failed) == [5, 7]
    updated = await import_trades(vault, later, on_conflict="update")
    assert [entry.row for entry in updated.updated] == [5]


class CountingOperation(Operation):
    """Operation that counts its checks, and stops at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(None)
        self.checks = 0
        self.stop_at = stop_at

    def check(self) -> None:
        """Count, and stop."""
        self.checks += 1
        if self.checks == self.stop_at:
            raise StoppedError


def test_reading_stops_at_any_point(tmp_path: Path) -> None:
    """Also in the passes after the last row, which number the executions from the oldest."""
    head = '"Date","Action","Symbol","Description","Quantity","Price","Fees & Comm","Amount"\n'
    rows = "".join(f'"03/07/2025","Buy","KO","COCA-COLA CO","1","$64.{n % 100:02}","","-$64"\n' for n in range(2_000))
    path = tmp_path / "schwab.csv"
    path.write_text(head + rows)
    source = CsvTrades(path, brokers.SCHWAB.given(account_id="U1"))
    counting = CountingOperation()
    assert len(source.read(counting).executions) == 2_000
    assert counting.checks >= 2 * 2_000 / 100
    for stop_at in (1, counting.checks // 2, counting.checks):
        with pytest.raises(StoppedError):
            source.read(CountingOperation(stop_at))
