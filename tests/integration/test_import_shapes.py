"""Shapes of CSV files that occur: each is read as it is meant, or its rows fail with their field."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async import AssetClass, Trade, TradeAction, TradeFilter, Vault
from zorivest_async.transfer.importers import (
    IBKR_ACTIVITY,
    CsvProfile,
    CsvTrades,
    FieldError,
    ImportReport,
    ImportSourceError,
    import_trades,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

FEED = CsvProfile(
    name="feed",
    columns={"exec_id": "id", "time": "t", "instrument": "s", "action": "a", "quantity": "q", "price": "p"},
    constants={"account_id": "A", "currency": "USD"},
)
HEADER = "id,t,s,a,q,p"
TIME = "2024-01-02T10:00:00Z"
NARROW = "\u202f"
COLUMNS_OF_STATEMENT = (
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,Proceeds,"
    "Comm/Fee,Basis,Realized P/L,MTM P/L,Code"
)


async def import_text(vault: Vault, tmp_path: Path, text: str, profile: CsvProfile = FEED) -> ImportReport:
    """Import a file with this text."""
    path = tmp_path / "executions.csv"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    return await import_trades(vault, CsvTrades(path, profile), accounts="create")


async def stored(vault: Vault) -> list[Trade]:
    """Return the trades of a vault, oldest first."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_filtered(TradeFilter(), sort="time", limit=None)


def row(**changes: str) -> str:
    """Return a row of the feed."""
    return ",".join(({"id": "1", "t": TIME, "s": "BNBUSDT", "a": "buy", "q": "1", "p": "5"} | changes).values())


def named(**columns: str | tuple[str, ...]) -> CsvProfile:
    """Return the feed with more columns."""
    return replace(FEED, columns={**FEED.columns, **columns})


def from_comment(record: dict[str, str]) -> dict[str, str]:
    """Read the quantity and the price in a text."""
    _, side, quantity, _, price = record["c"].split()
    return record | {"side": side, "quantity": quantity, "price": price}


SHAPES: dict[str, tuple[str, CsvProfile, dict[str, Any]]] = {
    "fees in two columns": (
        f"{HEADER},comm,sec\n{row()},0.5,0.02\n",
        named(commission=("comm", "sec")),
        {"commission": 0.52},
    ),
    "an empty one of two": (f"{HEADER},comm,sec\n{row()},0.5,\n", named(fees=("comm", "sec")), {"fees": 0.5}),
    "lines before the header": (f"For Account:,1234\n\n{HEADER}\n\n{row()}\n", FEED, {"price": 5}),
    "a delimiter at the end of rows": (f"{HEADER}\n{row()},\n", FEED, {"price": 5}),
    "a delimiter at the end of the header": (f"{HEADER},\n{row()}\n", FEED, {"price": 5}),
    "a currency behind the price": (
        f"{HEADER}\n{row(p='5.20 SEK')}\n",
        replace(FEED, constants={"account_id": "A"}),
        {"price": 5.2, "currency": "SEK"},
    ),
    "a unit behind the quantity": (f"{HEADER}\n{row(q='0.029BNB')}\n", FEED, {"quantity": 0.029}),
    "a fee in another asset": (
        f"{HEADER},f\n{row()},0.001BNB\n",
        named(commission="f"),
        {"commission": 0.001, "commission_currency": "BNB"},
    ),
    "a fee in the same currency": (
        f"{HEADER},f\n{row()},0.1 USD\n",
        named(commission="f"),
        {"commission": 0.1, "commission_currency": None},
    ),
    "more digits than float64": (
        f"{HEADER}\n{row(p='3102.3217898325970227')}\n",
        replace(FEED, rounded=frozenset({"price"})),
        {"price": 3102.3217898325970227},
    ),
    "thousands with apostrophes": (f"""{HEADER}\n{row(p="1'234.50")}\n""", FEED, {"price": 1234.5}),
    "thousands with narrow blanks": (f"{HEADER}\n{row(p=f'1{NARROW}234.50')}\n", FEED, {"price": 1234.5}),
    "milliseconds from 1970": (
        f"{HEADER}\n{row(t='1704189600000')}\n",
        replace(FEED, time_formats=("epoch_ms",)),
        {"time": TIME},
    ),
    "seconds from 1970": (
        f"{HEADER}\n{row(t='1704189600.000000')}\n",
        replace(FEED, time_formats=("epoch_s",)),
        {"time": TIME},
    ),
    "the name of a zone": (
        f"{HEADER}\n{row(t='01/02/2024 05:00:00 AM EST')}\n",
        replace(FEED, zone_names={"EST": "-05:00"}, time_formats=("%m/%d/%Y %I:%M:%S %p",)),
        {"time": TIME},
    ),
    "a column of zones": (
        f"{HEADER},z\n{row(t='2024-01-02 11:00:00')},Europe/Berlin\n",
        replace(FEED, zone_column="z"),
        {"time": TIME},
    ),
    "a narrow blank before PM": (
        f"{HEADER}\n{row(t=f'2024-01-02 10:00:00{NARROW}AM')}\n",
        replace(FEED, time_formats=("%Y-%m-%d %I:%M:%S %p",), time_zone="UTC"),
        {"time": TIME},
    ),
    "everything in a text": (
        f"id,t,s,c\n1,{TIME},X,OPEN BUY 34 @ 11.7480\n",
        CsvProfile(
            name="comment",
            columns={**FEED.columns, "action": "side", "quantity": "quantity", "price": "price"},
            constants=FEED.constants,
            header=frozenset({"id", "t", "s", "c"}),
            prepare=from_comment,
        ),
        {"quantity": 34, "price": 11.748},
    ),
    "prices in 32nds": (f"""{HEADER}\n{row(p="119'15")}\n""", replace(FEED, price_fraction=32), {"price": 119.46875}),
    "two columns of one name": (
        f"id,t,s,a,q,p,t,p\n{row()},2024-01-02T11:00:00Z,6\n",
        named(price="p#2", notes="p", order_id="t#2"),
        {"price": 6, "notes": "5"},
    ),
    "a column without a name": (f"id,t,s,a,q,p,\n{row()},SEK\n", replace(
        FEED, columns={**FEED.columns, "currency": "p+1"}, constants={"account_id": "A"}
    ), {"currency": "SEK"}),
    "blanks around what only compares": (
        f"id, t, s, a, q, p\n1, {TIME}, X, Buy, 10, 5\n2, {TIME}, X, Dividend, 0, 5\n",
        replace(FEED, only={"a": frozenset({"Buy", "Sell"})}),
        {"quantity": 10},
    ),
    "excluded values": (
        f"{HEADER}\n{row()}\n{row(id='2', a='Dividend')}\n",
        replace(FEED, excluded={"a": frozenset({"Dividend"})}),
        {"quantity": 1},
    ),
    "a multiplier that the user gives": (
        f"{HEADER}\n{row(s='MNQZ6')}\n",
        replace(FEED, needs_multiplier=True).given(multipliers={"MNQ??": "2", "*": "7"}),
        {"multiplier": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
async def test_a_shape_is_read_as_it_is_meant(vault: Vault, tmp_path: Path, name: str) -> None:
    """One execution, whose values are those of the row."""
    text, profile, expected = SHAPES[name]
    report = await import_text(vault, tmp_path, text, profile)
    assert [*map(str, report.failed)] == []
    (trade,) = await stored(vault)
    found = {field: getattr(trade, field) for field in expected}
    if "time" in found:
        found["time"] = trade.time.isoformat().replace("+00:00", "Z")
    assert found == expected


@pytest.mark.parametrize(
    ("text", "changes", "detail"),
    [
        (row(p="3102.3217898325970227"), {}, "price has more digits than float64"),
        (row(p="119'15"), {}, "price is not a number"),
        (row(q="0.4 Lots"), {}, "quantity has a unit whose size is not known"),
        (row(q="1.5k"), {}, "quantity has a unit"),
        (row(p="5 EUR"), {}, "price is in another currency than the row"),
        (row(t="1704189600000"), {}, "time is not a date"),
        (row(t="170418960000000000"), {"time_formats": ("epoch_ms",)}, "time is in none of"),
        (row(t="2024-01-02 10:00:00 CST"), {"zone_names": {"EST": "-05:00"}}, "time is not a date"),
        (row(t=f"{TIME[:-1]}+01:00 EST"), {"zone_names": {"EST": "-05:00"}}, "time has both an offset"),
        (row(s="ES"), {"needs_multiplier": True, "multipliers": {"MES*": "5"}}, "multiplier is unknown"),
        (row(a="Fee"), {"only": {"a": frozenset({"buy"})}, "excluded": {"a": frozenset({"Div"})}}, "a is neither"),
        ("1,2", {}, "it has 2 values and the header 6"),
        (f"{row()},x", {}, "it has 7 values and the header 6"),
    ],
)
async def test_a_row_that_needs_a_guess_fails(
    vault: Vault, tmp_path: Path, text: str, changes: dict[str, Any], detail: str
) -> None:
    """By its line and its field; the others are stored."""
    text = f"{HEADER}\n{row(id='0', s='MES', t=TIME)}\n{text}\n"
    if "time_formats" in changes:
        text = text.replace(TIME, "1704189600000", 1)
    report = await import_text(vault, tmp_path, text, replace(FEED, **changes))
    assert [(entry.row, detail in entry.detail) for entry in report.failed] == [(3, True)]
    assert [trade.exec_id for trade in await stored(vault)] == ["0"]


async def test_a_decimal_mark_that_the_file_contradicts_is_refused(vault: Vault, tmp_path: Path) -> None:
    """0,500 is not 500; and as the file has another mark than the profile, 1,500 may not be 1500 either."""
    rows = [row(id="1", q='"1,500"'), row(id="2", q='"1,234,567"'), row(id="3", q='"0,500"'), row(id="4", q="7")]
    rows.append(row(id="5", p="1.250"))
    report = await import_text(vault, tmp_path, "\n".join((HEADER, *rows, "")))
    assert {trade.exec_id: trade.quantity for trade in await stored(vault)} == {"2": 1_234_567, "4": 7}
    assert sorted(entry.row for entry in report.failed) == [2, 4, 6]
    assert all("another decimal mark" in entry.detail for entry in report.failed)
    alone = replace(FEED, exec_id="again/{exec_id}")
    report = await import_text(vault, tmp_path, "\n".join((HEADER, *rows[:2], rows[-1], "")), alone)
    assert (len(report.inserted), len(report.failed)) == (3, 0)


async def test_prepare_changes_splits_and_leaves_out_rows(vault: Vault, tmp_path: Path) -> None:
    """What it raises fails its row alone; of two executions of a row, both are stored or neither is."""

    def prepare(record: dict[str, str]) -> list[dict[str, str]] | dict[str, str] | None:
        match record["s"]:
            case "PAIR":
                return [record | {"id": "in"}, record | {"id": "out", "a": "sell"}]
            case "HALF":
                return [record | {"id": "good"}, record | {"id": "bad", "q": "x"}]
            case "REASON":
                raise FieldError("s is a word that is not traded")
            case "BUG":
                raise RuntimeError(record["p"])
            case "SHORT":
                return {name: value for name, value in record.items() if name != "q"}
            case _:
                return None

    names = ("PAIR", "OUT", "HALF", "REASON", "BUG", "SHORT")
    text = "\n".join((HEADER, *(row(id=name, s=name, p="123.75") for name in names), ""))
    report = await import_text(vault, tmp_path, text, replace(FEED, prepare=prepare))
    assert [trade.exec_id for trade in await stored(vault)] == ["in", "out"]
    assert [(entry.row, entry.detail) for entry in report.failed] == [
        (4, "quantity is not a number"),
        (5, "s is a word that is not traded"),
        (6, "the profile's prepare raised RuntimeError"),
        (7, "column q is missing in what prepare returned"),
    ]
    assert "1 rows left out by the profile's prepare" in report.warnings


async def test_rows_of_one_identifier_are_parts_where_the_profile_says_so(vault: Vault, tmp_path: Path) -> None:
    """The quantity is their sum; a row with another price is not a part, and one that is identical may be a copy."""
    rows = (row(q="0.1"), row(id="2"), row(q="0.2"), row(p="6"), row(q="0.2"))
    report = await import_text(vault, tmp_path, "\n".join((HEADER, *rows, "")), replace(FEED, merges_parts=True))
    assert {trade.exec_id: trade.quantity for trade in await stored(vault)} == {"1": 0.3, "2": 1}
    assert [entry.row for entry in report.failed] == [5, 6]
    assert "cannot be a part" in report.failed[0].detail
    assert "may be a repetition" in report.failed[1].detail


async def test_other_lines_and_other_tables_are_left_out(vault: Vault, tmp_path: Path) -> None:
    """Totals below the rows, and a table with another header; a row that is cut still fails."""
    text = "\n".join((HEADER, row(), "2,2024", "Total,5", "id,amount", "9,5", HEADER, row(id="3"), ""))
    report = await import_text(vault, tmp_path, text, replace(FEED, row_pattern=r"\d"))
    assert [trade.exec_id for trade in await stored(vault)] == ["1", "3"]
    assert [entry.row for entry in report.failed] == [3]
    assert "1 lines that are no rows of executions left out" in report.warnings


async def test_a_file_without_the_header_is_one_error(vault: Vault, tmp_path: Path) -> None:
    """Of the columns that the nearest line lacks; nothing is stored."""
    with pytest.raises(ImportSourceError, match=r"columns that are missing: p$"):
        await import_text(vault, tmp_path, f"some,title\nid,t,s,a,q,price\n{row()}\n")
    with pytest.raises(ImportSourceError, match="duplicated columns: p"):
        await import_text(vault, tmp_path, f"{HEADER},p\n{row()},1\n")
    assert await stored(vault) == []


async def test_an_execution_without_a_side_closes_the_position(vault: Vault, tmp_path: Path) -> None:
    """That the file's other executions opened, whichever end of the file is the newest."""
    rows = (
        row(id="1", s="P1", a="expired", q="2", p="0"), row(id="2", s="P1", a="sell", q="3"), row(id="3", s="P1"),
        row(id="4", s="P2", a="expired"), row(id="5", s="P3", q="4"), row(id="6", s="P3", a="Expired", q="-3", p="0"),
        row(id="7", s="P3", a="expired", q="1", p="0"), row(id="8", s="P3", a="expired", q="1", p="0"),
    )  # fmt: skip
    profile = replace(FEED, closing_words=frozenset({"expired"}))
    report = await import_text(vault, tmp_path, "\n".join((HEADER, *rows, "")), profile)
    sides = {trade.exec_id: trade.action for trade in await stored(vault)}
    assert sides["1"] is TradeAction.BOT
    assert sides["6"] is sides["7"] is TradeAction.SLD
    assert [(entry.row, "follows from the position" in entry.detail) for entry in report.failed] == [
        (5, True),
        (9, True),
    ]


def order(quantity: int, code: str, commission: int = -1) -> str:
    """Return a row of an activity statement."""
    return f'Trades,Data,Order,Stocks,USD,ABC,"2026-03-04, 09:30:02",{quantity},10,10,-400,{commission},1,0,0,{code}'


async def test_cancelled_rows_of_a_statement_cancel(vault: Vault, tmp_path: Path) -> None:
    """The replacement gets the identifier of the cancelled row, as in a statement without it."""
    head = ("Account Information,Data,Account,U1", COLUMNS_OF_STATEMENT)
    first = "\n".join((*head, order(40, "O"), ""))
    second = "\n".join((*head, order(40, "O"), order(-40, "Ca;O", 0), order(40, "O", -2), order(-7, "Ca", 0), ""))
    third = "\n".join((*head, order(40, "O", -2), ""))
    for text in (first, second, second, third):
        report = await import_text(vault, tmp_path, text, IBKR_ACTIVITY)
    (trade,) = await stored(vault)
    assert (trade.quantity, trade.commission, trade.asset_class) == (40, 2, AssetClass.STOCK)
    assert (len(report.inserted), len(report.updated), len(report.failed)) == (0, 0, 0)
    report = await import_text(vault, tmp_path, second, IBKR_ACTIVITY)
    assert [entry.row for entry in report.failed] == [6]
