"""Executions come in from CSV files: each once, and none silently wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from zorivest_async import (
    Account,
    AccountType,
    ConfigurationError,
    Progress,
    Trade,
    TradeAction,
    TradeFilter,
    Vault,
)
from zorivest_async.transfer.importers import (
    IBKR_ACTIVITY,
    THINKORSWIM,
    CsvProfile,
    CsvTrades,
    ImportReport,
    ImportSourceError,
    Reason,
    import_trades,
)

pytestmark = pytest.mark.asyncio

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data"

FEED = CsvProfile(
    name="feed",
    columns={"exec_id": "id", "time": "date", "action": "side", "quantity": "amount", "price": "price"},
    constants={"instrument": "ETH/USDT", "account_id": "DEMO"},
)
HEADER = "id,date,side,amount,price"
MOMENT = "2023-02-02 09:20:00.138000+00:00"


async def import_lines(
    vault: Vault, tmp_path: Path, *lines: str, profile: CsvProfile = FEED, dry_run: bool = False, **options: str
) -> ImportReport:
    """Import a file of these lines; accounts are made."""
    path = tmp_path / "executions.csv"
    await asyncio.to_thread(path.write_text, "\n".join((*lines, "")), encoding="utf-8")
    given = {"accounts": "create", **options}
    return await import_trades(vault, CsvTrades(path, profile), dry_run=dry_run, **given)  # type: ignore[arg-type]


async def stored(vault: Vault) -> list[Trade]:
    """Return the trades of a vault, oldest first."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_filtered(TradeFilter(), sort="time", limit=None)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Return how long the report's lists are."""
    return len(report.inserted), len(report.duplicate), len(report.updated), len(report.failed)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared data are not beside the repository")
async def test_real_executions_are_imported_once(vault: Vault) -> None:
    """A thousand public executions are inserted by the first import, and none by the second."""
    (path,) = await asyncio.to_thread(lambda: [*(SHARED_DATA / "executions").glob("*.csv")])
    source = CsvTrades(path, FEED)
    assert counts(await import_trades(vault, source, accounts="create")) == (1000, 0, 0, 0)
    assert counts(await import_trades(vault, source)) == (0, 1000, 0, 0)
    trades = await stored(vault)
    assert len(trades) == 1000
    moment = datetime(2023, 2, 2, 9, 20, 0, 138000, tzinfo=UTC)
    expected = Trade("1206419187", moment, "ETH/USDT", TradeAction.BOT, 26.062, 1666.8, "DEMO", realized_pnl=None)
    assert trades[0] == expected


async def test_a_dry_run_writes_nothing_and_tells_the_same(vault: Vault, tmp_path: Path) -> None:
    """Its report is that of the import that follows; the vault's file keeps every byte, and there is no account."""
    lines = (HEADER, f"1,{MOMENT},buy,1,2", f"1,{MOMENT},buy,1,2", f"1,{MOMENT},buy,1,3", f"2,{MOMENT},hold,1,2")
    dry = await import_lines(vault, tmp_path, *lines, dry_run=True)
    assert vault.path is not None
    before = await asyncio.to_thread(vault.path.read_bytes)
    dry = await import_lines(vault, tmp_path, *lines, dry_run=True)
    assert await asyncio.to_thread(vault.path.read_bytes) == before
    assert await stored(vault) == []
    async with vault.unit_of_work(read_only=True) as uow:
        assert not await uow.accounts.exists("DEMO")
    real = await import_lines(vault, tmp_path, *lines)
    for name in ("inserted", "duplicate", "updated", "failed"):
        assert [*getattr(dry, name)] == [*getattr(real, name)]
    assert counts(real) == (1, 1, 0, 2)
    assert (dry.accounts_created, dry.dry_run, real.dry_run) == (["DEMO"], True, False)


async def test_identical_fills_are_kept(vault: Vault, tmp_path: Path) -> None:
    """Two executions that agree in everything but their identifier are two executions."""
    report = await import_lines(vault, tmp_path, HEADER, f"1,{MOMENT},buy,1,2", f"2,{MOMENT},buy,1,2")
    assert counts(report) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    ("on_conflict", "reason", "price"),
    [("fail", Reason.CONFLICT, 2.0), ("keep", Reason.KEPT, 2.0), ("update", Reason.CHANGED, 3.0)],
)
async def test_other_values_under_a_stored_identifier_do_what_was_asked(
    vault: Vault, tmp_path: Path, on_conflict: str, reason: Reason, price: float
) -> None:
    """They fail, are left out or replace what is stored, and the report says so."""
    await import_lines(vault, tmp_path, HEADER, f"1,{MOMENT},buy,1,2")
    report = await import_lines(vault, tmp_path, HEADER, f"1,{MOMENT},buy,1,3", on_conflict=on_conflict)
    expected = {"fail": report.failed, "keep": report.duplicate, "update": report.updated}
    (entry,) = expected[on_conflict]
    assert (entry.row, entry.key, entry.reason) == (2, "1", reason)
    assert [trade.price for trade in await stored(vault)] == [price]


async def test_an_identifier_used_in_two_accounts_needs_the_account_in_it(vault: Vault, tmp_path: Path) -> None:
    """Without, the second row fails whatever is asked; with it, both are stored."""
    columns = {
        "exec_id": "id",
        "time": "date",
        "action": "side",
        "quantity": "n",
        "price": "p",
        "account_id": "account",
    }
    profile = CsvProfile(name="two accounts", columns=columns, constants={"instrument": "SPY"})
    lines = ("id,date,side,n,p,account", f"1,{MOMENT},buy,1,2,A", f"1,{MOMENT},buy,1,2,B")
    for on_conflict in ("fail", "keep", "update"):
        dry = await import_lines(vault, tmp_path, *lines, profile=profile, dry_run=True, on_conflict=on_conflict)
        assert counts(dry) == (1, 0, 0, 1)
    both = replace(profile, exec_id="{account_id}:{exec_id}")
    assert counts(await import_lines(vault, tmp_path, *lines, profile=both)) == (2, 0, 0, 0)
    assert {trade.exec_id for trade in await stored(vault)} == {"A:1", "B:1"}


async def test_rows_of_an_unknown_account_fail_unless_it_may_be_made(vault: Vault, tmp_path: Path) -> None:
    """By default an account has to be there; the rows of others are imported."""
    profile = replace(FEED, columns={**FEED.columns, "account_id": "account"}, constants={"instrument": "SPY"})
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("known", "mine", AccountType.BROKER))
        await uow.commit()
    lines = (f"{HEADER},account", f"1,{MOMENT},buy,1,2,known", f"2,{MOMENT},buy,1,2,unknown")
    report = await import_lines(vault, tmp_path, *lines, profile=profile, accounts="require")
    assert counts(report) == (1, 0, 0, 1)
    assert (report.failed[0].row, report.failed[0].reason) == (3, Reason.UNKNOWN_ACCOUNT)
    assert "accounts='create'" in report.failed[0].detail
    report = await import_lines(vault, tmp_path, *lines, profile=profile)
    assert (counts(report), report.accounts_created) == ((1, 1, 0, 0), ["unknown"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"1,234.50"', 1234.5),
        ("(5.00)", -5.0),
        ("$12.25", 12.25),
        ("-$12.25", -12.25),
        ("+.5", 0.5),
        ("1e-05", 0.00001),
        ('"1,23"', None),
        ('"1,2345.0"', None),
        ("(-5)", None),
        ("(5", None),
        ("", None),
        ("nan", None),
        ("1e999", None),
        ("0.12345678901234567890123", None),
        ("--5", None),
    ],
)
async def test_numbers_are_read_as_brokers_write_them(
    vault: Vault, tmp_path: Path, text: str, expected: float | None
) -> None:
    """With thousands, parentheses and signs; what is no number, or has more digits than are kept, fails the row."""
    report = await import_lines(vault, tmp_path, HEADER, f"1,{MOMENT},buy,1,{text}")
    assert [trade.price for trade in await stored(vault)] == ([] if expected is None else [expected])
    for entry in report.failed:
        assert (entry.row, entry.reason) == (2, Reason.UNREADABLE)
        assert entry.detail.startswith("price ")
        assert text == "" or text.strip('"') not in str(entry)


async def test_a_decimal_comma_is_the_profiles_to_name(vault: Vault, tmp_path: Path) -> None:
    """With it, points group thousands."""
    profile = replace(FEED, decimal_mark=",", delimiter=";")
    report = await import_lines(
        vault, tmp_path, HEADER.replace(",", ";"), f"1;{MOMENT};buy;1;1.234,50", f"2;{MOMENT};buy;1;1,234.50",
        profile=profile,
    )  # fmt: skip
    assert [trade.price for trade in await stored(vault)] == [1234.5]
    assert counts(report) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("text", "ambiguous", "expected"),
    [
        ("2024-07-01 09:30:00", "fail", "2024-07-01T13:30:00+00:00"),
        ("2024-01-02 09:30:00", "fail", "2024-01-02T14:30:00+00:00"),
        ("2024-01-02 09:30:00+01:00", "fail", "2024-01-02T08:30:00+00:00"),
        ("2024-03-10 02:30:00", "later", "does not exist"),
        ("2024-11-03 01:30:00", "fail", "is ambiguous"),
        ("2024-11-03 01:30:00", "earlier", "2024-11-03T05:30:00+00:00"),
        ("2024-11-03 01:30:00", "later", "2024-11-03T06:30:00+00:00"),
        ("2024-01-02 09:30:00.123456789", "fail", "finer than microseconds"),
        ("yesterday", "fail", "ISO 8601"),
    ],
)
async def test_local_times_need_no_guessing(
    vault: Vault, tmp_path: Path, text: str, ambiguous: str, expected: str
) -> None:
    """The profile's zone says what they mean; an ambiguous one fails unless the profile decides, too."""
    profile = replace(FEED, time_zone="America/New_York", ambiguous_times=ambiguous)  # type: ignore[arg-type]
    report = await import_lines(vault, tmp_path, HEADER, f"1,{text},buy,1,2", profile=profile)
    if report.failed:
        assert expected in report.failed[0].detail
    else:
        assert [trade.time.isoformat() for trade in await stored(vault)] == [expected]


async def test_a_naive_time_without_a_zone_fails(vault: Vault, tmp_path: Path) -> None:
    """It is not taken for UTC: nobody said so."""
    report = await import_lines(vault, tmp_path, HEADER, "1,2024-01-02 09:30:00,buy,1,2")
    assert "has no offset" in report.failed[0].detail


async def test_byte_order_marks_quotes_and_repeated_headers_are_no_trouble(vault: Vault, tmp_path: Path) -> None:
    """They are what exports joined with other programs look like; empty lines are skipped, and broken ones fail."""
    lines = (
        f"\ufeff{HEADER},note", f'1,{MOMENT},"BUY","1",2,"two\nlines"', f"{HEADER},note", "", f"2,{MOMENT},Sell,1,2,",
        f"3,{MOMENT},buy,1",
    )  # fmt: skip
    report = await import_lines(vault, tmp_path, *lines)
    assert counts(report) == (2, 0, 0, 1)
    assert report.failed[0].row == 7
    assert report.warnings[0] == "columns that were not imported: note"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"id,date,side,amount\n", "columns that are missing: price"),
        (b"id,date,side,amount,price,price\n", "duplicated columns: price"),
        (b"id,date,side,amount,price\n\xff\xfe\n", "not text"),
        (b'id,date,side,amount,price\n"1,2\n', "does not end"),
    ],
)
async def test_a_file_of_another_kind_is_refused(vault: Vault, tmp_path: Path, content: bytes, problem: str) -> None:
    """The error says what is wrong, and nothing is written."""
    path = tmp_path / "other.csv"
    await asyncio.to_thread(path.write_bytes, content)
    with pytest.raises(ImportSourceError, match=problem):
        await import_trades(vault, CsvTrades(path, FEED), accounts="create")
    assert await stored(vault) == []


async def test_an_ibkr_activity_statement_is_imported(vault: Vault, tmp_path: Path) -> None:
    """Its account is found, sub-totals are skipped, costs are positive, and identical orders are kept, once."""
    order = 'Trades,Data,Order,Stocks,USD,AAPL,"2023-01-03, 09:30:00","1,000",130.28,125,-130280,-1.02,131,0,5,O'
    lines = (
        "Statement,Header,Field Name,Field Value",
        "Account Information,Data,Account,U1234567",
        ("Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,Proceeds,"
        "Comm/Fee,Basis,Realized P/L,MTM P/L,Code"),
        order, order,
        'Trades,Data,ClosedLot,Stocks,USD,AAPL,"2023-01-03, 09:30:00",-1,1,,,,,,,',
        "Trades,SubTotal,,Stocks,USD,AAPL,,1000,,,,,,,,",
        ("Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,,Proceeds,"
        "Comm in USD,,,MTM in USD,Code"),
        'Trades,Data,Order,Forex,USD,EUR.USD,"2023-01-03, 10:00:00",-500,1.05,,525,-2,,,0,',
    )  # fmt: skip
    report = await import_lines(vault, tmp_path, *lines, profile=IBKR_ACTIVITY)
    assert counts(report) == (3, 0, 0, 0)
    first, second, forex = await stored(vault)
    assert first == replace(second, exec_id="ibkr/U1234567/2023-01-03T14:30:00Z/AAPL/1")
    assert (first.quantity, first.commission, first.action) == (1000, 1.02, "BOT")
    assert (forex.action, forex.quantity, forex.commission) == ("SLD", 500, 2)
    assert any("Realized P/L" in warning for warning in report.warnings)
    assert counts(await import_lines(vault, tmp_path, *lines, profile=IBKR_ACTIVITY)) == (0, 3, 0, 0)


async def test_a_row_of_a_statement_without_cells_fails_alone(vault: Vault, tmp_path: Path) -> None:
    """It ends no table, and the rows after it are read."""
    lines = (
        "Account Information,Data,Account,U1234567",
        ("Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Comm/Fee,"
        "Realized P/L"),
        "Trades,Data",
        'Trades,Data,Order,Stocks,USD,AAPL,"2023-01-03, 09:30:00",5,130.28,-1,0',
    )  # fmt: skip
    assert counts(await import_lines(vault, tmp_path, *lines, profile=IBKR_ACTIVITY)) == (1, 0, 0, 1)


async def test_a_thinkorswim_statement_is_imported(vault: Vault, tmp_path: Path) -> None:
    """The section of trades is found among others, and the legs of a spread have the time of their order."""
    lines = (
        "Account Statement for 12345678SCHW (Individual) since 1/1/24 through 1/31/24",
        "",
        "Cash Balance",
        "DATE,TIME,TYPE,REF #,DESCRIPTION,AMOUNT",
        '1/2/24,09:31:05,TRD,="1",BOT +100 AAPL,"-18,500.00"',
        "",
        "Account Trade History",
        ",Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type",
        ",1/2/24 09:31:05,STOCK,BUY,+100,TO OPEN,AAPL,,,STOCK,185.00,185.00,LMT",
        ",1/3/24 10:00:00,VERTICAL,SELL,-1,TO OPEN,SPY,19 JAN 24,480,CALL,2.10,1.00,LMT",
        ",,,BUY,+1,TO OPEN,SPY,19 JAN 24,485,CALL,1.10,CREDIT,",
        "",
        "Equities",
        "Symbol,Description,Qty",
        "AAPL,APPLE INC,+100",
    )
    report = await import_lines(vault, tmp_path, *lines, profile=THINKORSWIM)
    assert counts(report) == (3, 0, 0, 0)
    share, *legs = await stored(vault)
    assert (share.instrument, share.quantity, share.account_id) == ("AAPL", 100, "12345678SCHW")
    assert {leg.instrument for leg in legs} == {"SPY 19 JAN 24 480 CALL", "SPY 19 JAN 24 485 CALL"}
    assert {leg.time for leg in legs} == {datetime(2024, 1, 3, 15, tzinfo=UTC)}
    assert counts(await import_lines(vault, tmp_path, *lines, profile=THINKORSWIM)) == (0, 3, 0, 0)


async def test_an_identifier_is_never_formed_of_the_fills_values_alone() -> None:
    """A profile that would make one of identical fills, or has no place for a field, is refused."""
    for template in ("{time}/{instrument}", "{time}/{quantity}/{ordinal}", "{account_id}/{time}", "{price}", "fixed"):
        with pytest.raises(ConfigurationError, match="exec_id"):
            replace(FEED, exec_id=template)
    with pytest.raises(ConfigurationError, match="no field"):
        replace(FEED, columns={**FEED.columns, "prize": "price"})
    with pytest.raises(ConfigurationError, match="instrument"):
        replace(FEED, constants={"account_id": "DEMO"})


async def test_a_time_zone_that_does_not_exist_is_refused(vault: Vault, tmp_path: Path) -> None:
    """A profile's zone is looked up when it is needed, in a thread."""
    with pytest.raises(ConfigurationError, match="time_zone: there is no such time zone"):
        await import_lines(vault, tmp_path, HEADER, profile=replace(FEED, time_zone="America/Gotham"))


async def test_stopping_while_storing_leaves_nothing(vault: Vault, tmp_path: Path) -> None:
    """What a progress callback raises ends the import, and none of its rows is stored."""

    def stop(progress: Progress) -> None:
        if progress.phase == "store" and progress.done:
            raise RuntimeError("enough")

    path = tmp_path / "executions.csv"
    rows = "\n".join(f"{number},{MOMENT},buy,1,2" for number in range(500))
    await asyncio.to_thread(path.write_text, f"{HEADER}\n{rows}\n")
    with pytest.raises(RuntimeError, match="enough"):
        await import_trades(vault, CsvTrades(path, FEED), accounts="create", progress=stop)
    assert await stored(vault) == []


async def test_a_row_without_its_identifier_or_in_another_format_fails(vault: Vault, tmp_path: Path) -> None:
    """An empty identifier is none, also behind an account; a time in none of the profile's formats is not guessed."""
    profile = replace(
        FEED, exec_id="{account_id}:{exec_id}", time_formats=("%m/%d/%Y %H:%M", "%m/%d/%y %H:%M"), time_zone="UTC"
    )
    lines = (HEADER, "1,1/2/24 9:30,buy,1,2", ",1/2/2024 9:30,buy,1,2", "3,2024-01-02 09:30,buy,1,2")
    report = await import_lines(vault, tmp_path, *lines, profile=profile)
    assert [trade.exec_id for trade in await stored(vault)] == ["DEMO:1"]
    assert [(entry.row, entry.detail) for entry in report.failed] == [
        (3, "exec_id must not be empty"),
        (4, "time is in none of the profile's formats"),
    ]


async def test_options_that_do_not_exist_are_refused(vault: Vault, tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigurationError, match="accounts"):
        await import_lines(vault, tmp_path, HEADER, accounts="maybe")
    with pytest.raises(ConfigurationError, match="on_conflict"):
        await import_lines(vault, tmp_path, HEADER, on_conflict="guess")
