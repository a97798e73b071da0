"""Data go out with their types, and come back."""

from __future__ import annotations

import asyncio
import csv
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from special_files import make_pipe, make_socket
from zorivest_async import (
    Account,
    AccountType,
    ConfigurationError,
    ExportError,
    MarketProviderSetting,
    MissingDependencyError,
    Setting,
    Trade,
    TradeAction,
    TradeFilter,
    TradeReport,
    ValidationError,
    Vault,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.database.aggregates import AGGREGATES
from zorivest_async.transfer.exporting import export_trades, write_csv, write_parquet
from zorivest_async.transfer.frames import to_arrow, to_pandas, to_polars
from zorivest_async.transfer.importers import ZORIVEST, CsvTrades, import_trades

MOMENT = datetime(2024, 3, 8, 14, 30, 0, 123456, tzinfo=UTC)
TRADES = [
    Trade("0001", MOMENT, 'S"PY, é', TradeAction.BOT, 0.1, 1 / 3, "A", 1.02, -5e-324),
    Trade("0002\n", MOMENT.replace(year=9999), "SPY", TradeAction.SLD, 1e300, -37.63, "A"),
]
REPORTS = [
    TradeReport("0001", 5, None, followed_plan=True, tags=("a", "b,c"), created_at=MOMENT),
    TradeReport("0002\n", None, 1, lessons_learned="", created_at=MOMENT),
]


def test_a_polars_frame_has_the_entities_types() -> None:
    """Moments are in UTC, whole numbers whole; a frame of nothing has the same schema."""
    frame = to_polars(TRADES)
    assert frame.schema["time"] == pl.Datetime("us", "UTC")
    assert frame.schema["quantity"] == pl.Float64
    assert frame.schema["exec_id"] == frame.schema["action"] == pl.String
    assert [Trade(**row) for row in frame.to_dicts()] == TRADES
    assert to_polars([]).schema == frame.schema
    reports = to_polars(REPORTS, TradeReport)
    assert reports.schema["tags"] == pl.List(pl.String)
    assert reports["setup_quality"].to_list() == [5, None]
    assert to_polars([], TradeReport).schema == reports.schema


def test_a_pandas_frame_has_the_entities_types() -> None:
    """Moments are in UTC, whole numbers whole; a frame of nothing has the same types."""
    frame = to_pandas(TRADES)
    assert str(frame.dtypes["time"]) == "datetime64[us, UTC]"
    assert str(frame.dtypes["quantity"]) == "float64"
    assert str(frame.dtypes["exec_id"]) == "string"
    rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    assert [Trade(**row) for row in rows] == TRADES
    assert to_pandas([]).dtypes.equals(frame.dtypes)
    reports = to_pandas(REPORTS, TradeReport)
    assert str(reports.dtypes["setup_quality"]) == "Int64"
    assert str(reports.dtypes["followed_plan"]) == "boolean"
    assert reports["setup_quality"][0] == 5
    assert reports["setup_quality"][1] is pd.NA
    assert to_pandas([], TradeReport).dtypes.equals(reports.dtypes)


def test_only_entities_of_the_class_are_taken() -> None:
    """A frame is of one class; a secret shows its mask, and a watchlist its tickers."""
    for convert in (to_polars, to_pandas, to_arrow):
        with pytest.raises(ValidationError, match="must be a TradeReport"):
            convert([*REPORTS, *TRADES], TradeReport)
    setting = MarketProviderSetting("p", api_key="canary-key")
    assert "canary-key" not in str(to_polars([setting], MarketProviderSetting).to_dicts())
    watchlist = Watchlist("w", items=(WatchlistItem("SPY"), WatchlistItem("QQQ")))
    assert to_polars([watchlist], Watchlist)["items"].to_list() == [["SPY", "QQQ"]]


@pytest.mark.parametrize("name", AGGREGATES.by_name)
def test_every_entity_has_columns(tmp_path: Path, name: str) -> None:
    """A row of each aggregate's example fits into frames and into a file, and keeps its key."""
    aggregate = AGGREGATES.by_name[name]
    example = aggregate.entity(**aggregate.example(1))
    for convert in (to_polars, to_pandas, to_arrow):
        assert len(convert([example], aggregate.entity)) == 1
    write_csv(tmp_path / "rows.csv", [example], aggregate.entity)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    keys = aggregate.key_of(example)
    assert [row[name] for name in aggregate.mapper.keys] == [
        str(key or "") for key in (keys if isinstance(keys, tuple) else (keys,))
    ]


def test_values_of_settings_are_texts_of_json() -> None:
    """A column has one type, and a setting may be of several."""
    values: list[tuple[Any, str]] = [(7, "int"), ("dark", "str"), ({"a": [None]}, "json"), (None, "json")]
    settings = [Setting(f"k{n}", value, kind, MOMENT) for n, (value, kind) in enumerate(values)]
    assert to_polars(settings, Setting)["value"].to_list() == ["7", '"dark"', '{"a": [null]}', "null"]


def test_parquet_keeps_types_and_values(tmp_path: Path) -> None:
    """What is read back is what was written, and an empty file has the same schema."""
    write_parquet(tmp_path / "full.parquet", TRADES)
    write_parquet(tmp_path / "empty.parquet", [])
    table = pq.read_table(tmp_path / "full.parquet")
    assert [Trade(**row) for row in table.to_pylist()] == TRADES
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert pq.read_schema(tmp_path / "empty.parquet").equals(table.schema)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.parquet", "full.parquet"]


def test_csv_keeps_text_apart_from_what_is_absent(tmp_path: Path) -> None:
    """Text is quoted, nothing else is; an empty file has its header."""
    write_csv(tmp_path / "reports.csv", REPORTS, TradeReport)
    text = (tmp_path / "reports.csv").read_bytes().decode()
    assert text.splitlines()[0].startswith("trade_id,setup_quality,")
    assert '"0001",5,,true,,,"[""a"", ""b,c""]",,2024-03-08T14:30:00.123456+00:00\r\n' in text
    assert '"0002\n",,1,,,"","[]",,' in text
    write_csv(tmp_path / "empty.csv", [], TradeReport)
    assert (tmp_path / "empty.csv").read_text().splitlines() == text.splitlines()[:1]


FORMULAS = ("=1+1", "+1", "-META260612P640", "@SUM(A1)", "\t=1", "  =1", "\uff1d1")


def test_csv_guards_against_formulas_on_request(tmp_path: Path) -> None:
    """Text that a spreadsheet would compute gets an apostrophe; other text and negative numbers do not."""
    trades = [
        Trade(str(number), MOMENT, text, TradeAction.BOT, 1, -5, "A-1", notes="a=b")
        for number, text in enumerate(FORMULAS)
    ]
    path = tmp_path / "trades.csv"
    write_csv(path, trades, guard_formulas=True)
    with path.open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["instrument"] for row in rows] == [f"'{text}" for text in FORMULAS]
    assert {(row["price"], row["account_id"], row["notes"]) for row in rows} == {("-5.0", "A-1", "a=b")}
    write_csv(path, trades)
    with path.open(newline="") as file:
        assert [row["instrument"] for row in csv.DictReader(file)] == [*FORMULAS]


@pytest.mark.asyncio
async def test_csv_has_a_byte_order_mark_on_request(vault: Vault, tmp_path: Path) -> None:
    """By which spreadsheets recognise UTF-8; a Parquet file has none."""
    path = tmp_path / "trades.csv"
    await export_trades(vault, path, byte_order_mark=True, guard_formulas=True)
    assert (await asyncio.to_thread(path.read_bytes)).startswith(b"\xef\xbb\xbfexec_id")
    await export_trades(vault, path)
    assert (await asyncio.to_thread(path.read_bytes)).startswith(b"exec_id")
    with pytest.raises(ConfigurationError, match="for CSV"):
        await export_trades(vault, tmp_path / "trades.parquet", byte_order_mark=True)


@pytest.mark.asyncio
async def test_exported_trades_are_imported_equal(vault: Vault, tmp_path: Path) -> None:
    """CSV goes into another vault digit for digit; the filter says what goes out; other suffixes are refused."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("A", "a", AccountType.BROKER))
        await uow.trades.save_many(TRADES)
        await uow.commit()
    assert await export_trades(vault, tmp_path / "out.csv") == 2
    assert await export_trades(vault, tmp_path / "out.parquet", TradeFilter(instrument="SPY")) == 1
    with pytest.raises(ConfigurationError, match="csv"):
        await export_trades(vault, tmp_path / "out.xlsx")
    async with Vault.in_memory() as other:
        report = await import_trades(other, CsvTrades(tmp_path / "out.csv", ZORIVEST), accounts="create")
        assert len(report.inserted) == 2
        async with other.unit_of_work() as uow:
            assert await uow.trades.list_filtered(TradeFilter(), sort="time") == TRADES
    assert not await asyncio.to_thread((tmp_path / "out.csv.part").exists)


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_an_export_touches_no_file_of_another_name(tmp_path: Path, write: Any) -> None:
    """Neither a user's own ``.part`` nor what a link of that name, or of the file's own, leads to."""
    precious, target = tmp_path / "precious", tmp_path / "out"
    precious.write_text("precious")
    (tmp_path / "out.part").write_text("mine")
    write(target, TRADES)
    assert (tmp_path / "out.part").read_text() == "mine"
    (tmp_path / "out.part").unlink()
    (tmp_path / "out.part").symlink_to(precious)
    target.unlink()
    target.symlink_to(precious)
    write(target, TRADES)
    assert precious.read_text() == "precious"
    assert not target.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.part", "precious"]
    if sys.platform != "win32":
        assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_an_export_replaces_a_file_unless_told_otherwise(tmp_path: Path, write: Any) -> None:
    """Without ``overwrite`` the name must be free; the error says what to do."""
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(ConfigurationError, match="overwrite=True"):
        write(target, TRADES, overwrite=False)
    assert target.read_text() == "old"
    write(target, TRADES)
    written = target.read_bytes()
    assert written != b"old"
    write(tmp_path / "new", TRADES, overwrite=False)
    assert (tmp_path / "new").read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "out"]


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are files on POSIX")
@pytest.mark.parametrize("write", [write_csv, write_parquet])
@pytest.mark.parametrize(
    ("thing", "make"), [("named pipe", make_pipe), ("socket", make_socket), ("directory", Path.mkdir)]
)
def test_an_export_replaces_nothing_but_files(tmp_path: Path, write: Any, thing: str, make: Any) -> None:
    """A rename would take the place of a pipe, or, as an administrator, of a device of the whole machine."""
    target = tmp_path / "out"
    make(target)
    with pytest.raises(ExportError, match=f"this is a {thing}"):
        write(target, TRADES)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not target.is_file()


@pytest.mark.asyncio
async def test_of_exports_to_one_file_each_writes_a_whole_one(vault: Vault, tmp_path: Path) -> None:
    """None is torn or mixed with another; where nothing may be replaced, one gets the name."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("A", "a", AccountType.BROKER))
        for instrument, count in (("AAAA", 3_000), ("B", 2_000)):
            await uow.trades.save_many(
                Trade(f"{instrument}{number}", MOMENT, instrument, TradeAction.BOT, 1, 1, "A")
                for number in range(count)
            )
        await uow.commit()
    filters = [TradeFilter(instrument="AAAA"), TradeFilter(instrument="B")]
    whole = []
    for number, one in enumerate(filters):
        await export_trades(vault, tmp_path / f"{number}.csv", one)
        whole.append(await asyncio.to_thread((tmp_path / f"{number}.csv").read_bytes))
    target = tmp_path / "out.csv"
    for _ in range(5):
        await asyncio.gather(*(export_trades(vault, target, one) for one in filters * 2))
        assert await asyncio.to_thread(target.read_bytes) in whole
    await asyncio.to_thread(target.unlink)
    exports = (export_trades(vault, target, one, overwrite=False) for one in filters * 2)
    results = await asyncio.gather(*exports, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["ConfigurationError"] * 3 + ["int"]
    assert await asyncio.to_thread(target.read_bytes) in whole


@pytest.mark.parametrize(
    ("convert", "module", "extra"),
    [(to_polars, "polars", "polars"), (to_pandas, "pandas", "pandas"), (to_arrow, "pyarrow", "parquet")],
)
def test_a_missing_extra_is_named(convert: Any, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, and is an ImportError with the name of what is missing."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf'pip install "zorivest-async\[{extra}\]"') as caught:
        convert(TRADES)
    assert caught.value.name == module


def test_the_integrations_are_imported_without_any_extra() -> None:
    """In an interpreter where none can be imported, everything but their use works."""
    program = """
import sys
for name in ("polars", "pandas", "pyarrow", "ibflex", "defusedxml", "requests", "tzdata", "rich", "typer"):
    sys.modules[name] = None
import zorivest_async.transfer.exporting
import zorivest_async.transfer.frames
import zorivest_async.transfer.importers
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)
