"""Brokers' files that another person made: one bad row fails alone, and a bad file is a typed error."""

from __future__ import annotations

import asyncio
import csv
import sys
import tracemalloc
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from special_files import make_pipe, release_pipe
from zorivest_async import ConfigurationError, ImportSourceError, Vault
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.transfer.importers import (
    CsvProfile,
    CsvTrades,
    FlexTrades,
    ImportReport,
    Reason,
    TradeSource,
    csv_rows,
    flex_elements,
    import_trades,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

FIELDS = {
    "exec_id": "id", "time": "time", "instrument": "symbol", "action": "side", "quantity": "amount", "price": "price",
    "account_id": "account", "commission": "fee", "realized_pnl": "result",
}  # fmt: skip
FEED = CsvProfile(name="feed", columns=FIELDS)
LOCAL = CsvProfile(name="local", columns=FIELDS, time_zone="Asia/Tokyo", time_formats=("%Y-%m-%d %H:%M:%S", "%c %z"))
GOOD = {
    "id": "1", "time": "2024-01-02T10:00:00+00:00", "symbol": "SPY", "side": "buy", "amount": "1", "price": "1.5",
    "account": "A", "fee": "0", "result": "0",
}  # fmt: skip
NUMBERS = (
    "1e999",
    "-1e999",
    "1e-999",
    "nan",
    "sNaN",
    "Infinity",
    "1e99999999999999999999",
    "9" * 100_000,
    "0x10",
    "--1",
)
TEXTS = ("\0", "a\0b", "s" * 131_073, "", " ")
TIMES = (
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+99:99", "2024-01-01T00:00:00+24:00",
    "2024-02-30T00:00:00Z", "2024-01-01T24:00:01Z", "10000-01-01T00:00:00Z", "-001-01-01", "2024", "T" * 100_000,
)  # fmt: skip
LOCAL_TIMES = ("0001-01-01 00:00:00", "0001-01-01 08:59:59", "9999-99-99 00:00:00", "Mon Jan  1 00:00:00 2024 +9999")
WAIT_S = 30


def line(**changes: str) -> str:
    """Return a row of a CSV file."""
    return ",".join((GOOD | changes).values())


async def import_csv(folder: Path, content: str | bytes, profile: CsvProfile = FEED) -> ImportReport:
    """Import a file into a vault of its own."""
    path = folder / "executions.csv"
    await asyncio.to_thread(path.write_bytes, content if isinstance(content, bytes) else content.encode())
    async with Vault.in_memory() as vault:
        return await import_trades(vault, CsvTrades(path, profile), accounts="create")


BAD_ROWS = [
    *(line(amount=number) for number in NUMBERS),
    *(line(price=number) for number in NUMBERS),
    *(line(fee=number) for number in NUMBERS),
    *(line(id=text) for text in TEXTS),
    *(line(symbol=text) for text in TEXTS),
    *(line(account=text) for text in TEXTS),
    *(line(time=time) for time in TIMES),
    line(side="\ufeff"),
    line(side="b" * 100_000),
    line(symbol='"' + "s" * 200_000 + '"'),
    line(symbol='"SPY" Put'),
    line(symbol='"' + 'a""b,' * 40_000 + '"'),
    line() + "," * 1_000,
    "\0",
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=range(len(BAD_ROWS)))
async def test_a_bad_row_of_a_csv_file_fails_alone(tmp_path: Path, row: str) -> None:
    """It is reported by its line and without its values, and the rows around it are imported."""
    head = ",".join(FIELDS.values())
    report = await import_csv(tmp_path, "\n".join((head, line(id="before"), row, line(id="after"), "")))
    assert (len(report.inserted), len(report.failed)) == (2, 1)
    entry = report.failed[0]
    assert (entry.row, entry.reason) == (3, Reason.UNREADABLE)
    assert 0 < len(entry.detail) < 200


@pytest.mark.parametrize("time", LOCAL_TIMES)
async def test_a_time_of_a_zone_fails_alone(tmp_path: Path, time: str) -> None:
    """As .NET's "no time" does, which is before the year 1 in UTC where the zone is east of it."""
    head, good = ",".join(FIELDS.values()), line(time="2024-01-02 10:00:00")
    report = await import_csv(tmp_path, "\n".join((head, good, line(id="2", time=time), "")), LOCAL)
    assert (len(report.inserted), [entry.row for entry in report.failed]) == (1, [3])


async def test_a_value_that_goes_on_in_the_next_line_is_no_bad_row(tmp_path: Path) -> None:
    """Where a faulty row may not end with its line, what follows could be a part of it: the file is refused."""
    inside = line(id="inside a quoted value")
    for start in ('"' + "s" * 200_000, '"s" t,"' + "s" * 200_000, '"a"b,"c""'):
        content = "\n".join((",".join(FIELDS.values()), line(), start, inside, 'end",1', ""))
        with pytest.raises(ImportSourceError, match="not CSV") as caught:
            await import_csv(tmp_path, content)
        assert caught.value.line in (3, 5, 6)


BAD_FILES: dict[str, bytes] = {
    "no text": b"id,\xff\n",
    "empty": b"",
    "one endless line": b"id," * 2_000_000,
    "one endless value": b'"' + b"\n" * 200_000,
    "one endless row": b",".join([b'"\n' + b"s" * 100_000 + b'"'] * 100),
    "NUL": b"\0" * 100_000,
    "UTF-16": line().encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100,
}


@pytest.mark.parametrize("kind", BAD_FILES)
async def test_a_bad_csv_file_is_refused(tmp_path: Path, kind: str) -> None:
    """With a typed error, whatever is in it."""
    with pytest.raises(ImportSourceError):
        await import_csv(tmp_path, BAD_FILES[kind])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "ascii", "shift_jis"])
async def test_a_file_in_another_encoding_than_its_profile_says_is_refused(tmp_path: Path, encoding: str) -> None:
    """UTF-16 without a mark at its beginning included."""
    profile = CsvProfile(name="feed", columns=FIELDS, encoding=encoding)
    with pytest.raises(ImportSourceError):
        await import_csv(tmp_path, b"\x80\x81\xff" * 10, profile)


@pytest.mark.parametrize("encoding", ["bogus", "hex", "undefined-1"])
async def test_an_encoding_that_does_not_exist_is_the_profiles_mistake(tmp_path: Path, encoding: str) -> None:
    """It is no bare LookupError."""
    with pytest.raises(ConfigurationError):
        await import_csv(tmp_path, b"x", CsvProfile(name="feed", columns=FIELDS, encoding=encoding))


async def test_what_a_csv_files_own_names_say_is_kept_short(tmp_path: Path) -> None:
    """A header of a megabyte does not become a warning of a megabyte."""
    strange = ",".join(f"{number}{'n' * 900}" for number in range(1_000))
    head = f"{','.join(FIELDS.values())},{strange}\n"
    report = await import_csv(tmp_path, head + line() + "," * 1_000 + "\n")
    assert len(report.inserted) == 1
    assert len("".join(report.warnings)) < 12_000


async def test_an_endless_line_takes_bounded_memory(tmp_path: Path) -> None:
    """Of a sparse file of a terabyte no more is read than a line may have."""
    path = tmp_path / "sparse.csv"

    def grow() -> None:
        with path.open("wb") as file:
            file.truncate(2**40)

    await asyncio.to_thread(grow)
    tracemalloc.start()
    try:
        with pytest.raises(ImportSourceError) as caught:
            await asyncio.to_thread(CsvTrades(path, FEED).read, Operation())
        assert caught.value.line == 1
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_limits_of_lines_leave_room_for_every_value() -> None:
    """What csv itself would take is not refused as a line."""
    assert 8 * csv.field_size_limit() <= csv_rows.MAX_LINE_CHARACTERS


TRADE = {
    "accountId": "U1", "symbol": "SPY", "buySell": "BUY", "quantity": "1", "tradePrice": "1.5", "tradeID": "1",
    "transactionID": "1", "ibExecID": "0001.01.01", "dateTime": "20240102;100000", "ibCommission": "-1",
}  # fmt: skip


def element(**changes: str) -> str:
    """Return an execution of a Flex statement."""
    return "<Trade " + " ".join(f'{name}="{value}"' for name, value in (TRADE | changes).items()) + "/>"


def statement(*elements: str) -> bytes:
    """Return a Flex statement."""
    return (
        "<FlexQueryResponse><FlexStatements><FlexStatement><Trades>"
        f"{''.join(elements)}</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    ).encode()


async def import_flex(folder: Path, content: bytes) -> ImportReport:
    """Import a statement into a vault of its own."""
    path = folder / "statement.xml"
    await asyncio.to_thread(path.write_bytes, content)
    async with Vault.in_memory() as vault:
        return await import_trades(vault, FlexTrades(path), accounts="create")


FLEX_TIMES = (
    "2024-01-01T00:00:00+99:99", "2024-01-01T00:00:00-24:00", "9999-12-31T23:59:59-14:00", "99991231;235959",
    "00010101;000000", "0001-01-01;00:00:00+14:00", "20240230;000000", "T" * 100_000,
)  # fmt: skip
BAD_ELEMENTS = [
    *(element(quantity=number) for number in NUMBERS),
    *(element(tradePrice=number) for number in NUMBERS),
    *(element(ibCommission=number) for number in NUMBERS if not number.startswith("--")),
    *(element(fifoPnlRealized=number) for number in NUMBERS if not number.startswith("--")),
    *(element(multiplier=number) for number in NUMBERS),
    *(element(taxes=number) for number in NUMBERS),
    *(element(assetCategory="BOND", tradeMoney=number) for number in NUMBERS),
    *(element(currency=text) for text in ("", "U", "us$", "U" * 13, "U" * 100_000)),
    element(assetCategory="OPT"),
    element(ibCommissionCurrency="?"),
    element(ibOrderID="o" * 900_000),
    *(element(dateTime=time) for time in FLEX_TIMES),
    element(symbol="s" * 10_001),
    element(ibExecID="e" * 10_001),
    element(transactionType="TradeCancel", tradeID="t" * 900_000),
    element(transactionType="TradeCancel", ibExecID="", tradeID="", origTradeID="t" * 900_000),
    element(transactionID="1" * 900_000),
    element(levelOfDetail="x" * 900_000, buySell="&#xD7FF;"),
]


@pytest.mark.parametrize("row", BAD_ELEMENTS, ids=range(len(BAD_ELEMENTS)))
async def test_a_bad_execution_of_a_flex_statement_fails_alone(tmp_path: Path, row: str) -> None:
    """It is reported by its number and without its values, and those around it are imported."""
    before, after = element(tradeID="8", ibExecID="8"), element(tradeID="9", ibExecID="9")
    report = await import_flex(tmp_path, statement(before, row, after))
    assert len(report.inserted) == 2
    if "levelOfDetail" not in row:  # which is how a statement says that it is no execution
        assert [(entry.row, entry.reason) for entry in report.failed] == [(2, Reason.UNREADABLE)]
        assert 0 < len(report.failed[0].detail) < 200


BOMB = b"".join(b"<!ENTITY e%d '%s'>" % (n + 1, b"&e%d;" % n * 10) for n in range(10))
GIFT = b"<!DOCTYPE FlexQueryResponse [<!ATTLIST Trade ibCommission CDATA '%s'>]>"
HEAD = b"<FlexQueryResponse><Trades>"
BAD_STATEMENTS: dict[str, bytes] = {
    "entity bomb": b"<!DOCTYPE x [<!ENTITY e0 'x'>" + BOMB + b"]><FlexQueryResponse>&e10;</FlexQueryResponse>",
    "external entity": b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><FlexQueryResponse>&e;</FlexQueryResponse>",
    "external document type": b"<!DOCTYPE FlexQueryResponse SYSTEM 'http://127.0.0.1:9/x.dtd'><FlexQueryResponse/>",
    "parameter entity": b"<!DOCTYPE x [<!ENTITY % e SYSTEM 'file:///dev/zero'>%e;]><FlexQueryResponse/>",
    "attributes that it does not state": GIFT % b"-999" + statement(element()),
    "attributes of a megabyte": GIFT % (b"9" * 900_000) + statement(element()),
    "undeclared entity": HEAD + b"&bogus;",
    "deep": b"<FlexQueryResponse>" + b"<a>" * 1_000_000,
    "endless tag": HEAD + b"<Trade symbol='" + b"S" * 8_000_000,
    "endless tag with brackets": HEAD + b"<Trade symbol='" + b"S>" * 4_000_000,
    "endless text": HEAD + b"S" * 8_000_000,
    "endless comment": HEAD + b"<!-- " + b"S" * 8_000_000,
    "endless instruction": HEAD + b"<?x " + b"S" * 8_000_000,
    "endless section": HEAD + b"<![CDATA[" + b"S" * 8_000_000,
    "endless name": b"<" + b"S" * 8_000_000,
    "blanks": b" " * 8_000_000,
    "empty": b"",
    "cut": statement(element())[:-50],
    "NUL": statement(element()).replace(b"SPY", b"S\0Y"),
    "surrogates": statement(element()).replace(b"SPY", b"\xed\xa0\x80"),
    "a surrogate's number": statement(element()).replace(b"SPY", b"&#xD800;"),
    "no Flex statement": b"<html/>",
    "a name of another's": b"<FlexQueryResponse xmlns='urn:x'/>",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    **{
        f"encoding {name}": f'<?xml version="1.0" encoding="{name}"?><FlexQueryResponse/>'.encode()
        for name in (
            "bogus",
            "hex",
            "rot13",
            "idna",
            "undefined",
            "utf-7",
            "shift_jis",
            "utf-32",
            "utf-16",
        )
    },
}


@pytest.mark.parametrize("kind", BAD_STATEMENTS)
async def test_a_bad_flex_statement_is_refused(tmp_path: Path, kind: str) -> None:
    """With a typed error, in little time and memory."""
    tracemalloc.start()
    try:
        with pytest.raises(ImportSourceError):
            await asyncio.wait_for(import_flex(tmp_path, BAD_STATEMENTS[kind]), WAIT_S)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize("size", [20_000, 200_000, 900_000])
async def test_a_long_tag_is_not_scanned_again_and_again(size: int) -> None:
    """The parser gets it in pieces that double, for it scans an unfinished tag from its beginning with each of them."""
    pieces = flex_elements._Pieces(BytesIO(bytes(size)))
    sizes = [len(piece) for piece in iter(lambda: pieces.read(0), b"")]
    scanned = sum(sum(sizes[: number + 1]) for number in range(len(sizes)))
    assert sum(sizes) == size
    assert scanned <= 4 * size


async def test_a_statement_of_many_small_elements_takes_flat_memory(tmp_path: Path) -> None:
    """Elements that are no executions are forgotten, too."""
    tracemalloc.start()
    try:
        await import_flex(tmp_path, statement("<Other a='1'><b/></Other>" * 100_000, element()))
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_attributes_that_are_unknown_are_named_in_short(tmp_path: Path) -> None:
    """However many they are, and however long."""
    strange = {f"n{number}{'n' * 400}": "1" for number in range(1_000)}
    report = await import_flex(tmp_path, statement(element(**strange)))
    assert len(report.inserted) == 1
    assert len("".join(report.warnings)) < 12_000


async def test_cancelling_is_noticed_while_other_elements_are_read(tmp_path: Path) -> None:
    """A statement may consist of anything but executions."""
    reading = asyncio.Event()
    path = tmp_path / "statement.xml"
    await asyncio.to_thread(path.write_bytes, statement("<StatementOfFundsLine amount='1' text='some'/>" * 400_000))
    done: list[float] = []

    def report(progress: object) -> None:
        reading.set()
        done.append(progress.done / progress.total)  # type: ignore[attr-defined]

    async with Vault.in_memory() as vault:
        task = asyncio.create_task(import_trades(vault, FlexTrades(path), progress=report))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert max(done) < 0.9


def make_folder(path: Path) -> None:
    """Put a folder at a path."""
    path.mkdir()


def link_to_device(path: Path) -> None:
    """Put a link to a device without an end at a path."""
    path.symlink_to("/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices have no names in folders")
@pytest.mark.parametrize("make", [make_pipe, make_folder, link_to_device])
@pytest.mark.parametrize("source_of", [lambda path: CsvTrades(path, FEED), FlexTrades])
async def test_what_is_no_regular_file_is_not_opened(
    tmp_path: Path, make: Callable[[Path], None], source_of: Callable[[Path], TradeSource]
) -> None:
    """An import does not wait for a pipe."""
    path = tmp_path / "strange"
    await asyncio.to_thread(make, path)
    async with Vault.in_memory() as vault:
        task = asyncio.create_task(import_trades(vault, source_of(path)))
        try:
            done, _ = await asyncio.wait({task}, timeout=WAIT_S)
            assert done, "the import waits"
            with pytest.raises(ImportSourceError, match="to a regular file"):
                await task
        finally:
            if make is make_pipe:
                release_pipe(path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
async def test_a_link_that_the_caller_chose_is_followed(tmp_path: Path) -> None:
    """It leads to a regular file."""
    await asyncio.to_thread((tmp_path / "real.xml").write_bytes, statement(element()))
    await asyncio.to_thread((tmp_path / "link.xml").symlink_to, "real.xml")
    async with Vault.in_memory() as vault:
        report = await import_trades(vault, FlexTrades(tmp_path / "link.xml"), accounts="create")
    assert len(report.inserted) == 1
