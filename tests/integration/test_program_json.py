"""What each command prints in JSON is the library's own answer; what it stores, the library reads back."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from broker_samples import FOLDER
from command_line import PASSPHRASE, THINKORSWIM_STATEMENT, Called, call
from zorivest_async import (
    Account,
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    KdfProfile,
    PlanStatus,
    Trade,
    TradeAction,
    TradeFilter,
    TradePlan,
    TradeReport,
    Vault,
)
from zorivest_async.analytics import GroupBy, Matching, performance, positions
from zorivest_async.cli.demo.samples import DATA
from zorivest_async.transfer.importers import THINKORSWIM, CsvTrades, import_trades
from zorivest_async.transfer.journal import import_journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from zorivest_async.ports import UnitOfWork

_ResultT = TypeVar("_ResultT")

CHART = DATA / "3-entry.png"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """An empty vault."""

    async def make() -> None:
        async with Vault.open(tmp_path / "journal.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST):
            pass

    asyncio.run(make())
    return tmp_path / "journal.vault"


@pytest.fixture
def traded(journal: Path) -> Path:
    """A vault with an account, a closed and an open position, a report and a plan, all added by commands."""
    commands = """
        accounts add U1 --name Margin --type broker
        trades add 1 --time 2024-03-08T14:30 --instrument SPY --action BOT --quantity 100 --price 513 --account U1
        trades add 2 --time 2024-03-08T15:30 --instrument SPY --action SLD --quantity 100 --price 514.5 --account U1
        trades add 3 --time 2024-04-02T15:30 --instrument QQQ --action BOT --quantity 5 --price 440 --account U1
        trades edit 2 --commission 1.25
        trades edit 3 --asset-class etf --notes entered_late
        reports write 1 --setup-quality 4 --followed-plan --tag breakout --tag trend --lessons-learned retest
        plans add --ticker SPY --direction BOT --conviction high --stop-loss 512 --strategy Breakout --trade 1
    """
    for command in commands.strip().splitlines():
        ended = run(journal, *command.split())
        assert (ended.code, ended.err) == (0, ""), ended
    return journal


def run(journal: Path, *arguments: str | Path | float) -> Called:
    """Run a command on a vault."""
    return call(*arguments, vault=journal)


def ask(journal: Path, work: Callable[[UnitOfWork], Awaitable[_ResultT]]) -> _ResultT:
    """Return the library's own answer."""

    async def read() -> _ResultT:
        opening = Vault.open(journal, passphrase=PASSPHRASE, create=False)
        async with opening as vault, vault.unit_of_work(read_only=True) as uow:
            return await work(uow)

    return asyncio.run(read())


def in_json(value: Any) -> Any:
    """Return what JSON has of an entity or an answer: all fields except the bytes of images."""
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: in_json(item) for name, item in named.items() if name not in {"data", "thumbnail"}}
    if isinstance(value, list | tuple):
        return [in_json(item) for item in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value


def test_trades(traded: Path) -> None:
    """They are listed with each filter, shown, changed and deleted."""
    stored = ask(traded, lambda uow: uow.trades.list_all())
    assert run(traded, "trades", "list", "--json").json == in_json(stored)
    assert run(traded, "trades", "show", "2", "--json").json == in_json(stored[1])
    opening = datetime.fromisoformat("2024-03-08T14:30Z")
    assert stored[2] == Trade("1", opening, "SPY", TradeAction.BOT, 100, 513, "U1", realized_pnl=None)
    filters: dict[str, tuple[str, Any]] = {
        "--account": ("U1", TradeFilter(account_id="U1")),
        "--instrument": ("SPY", TradeFilter(instrument="SPY")),
        "--action": ("SLD", TradeFilter(action=TradeAction.SLD)),
        "--since": ("2024-04-01", TradeFilter(since=datetime.fromisoformat("2024-04-01T00:00Z"))),
        "--until": ("2024-04-01", TradeFilter(until=datetime.fromisoformat("2024-04-01T00:00Z"))),
        "--search": ("qq", TradeFilter(search="qq")),
        "--tag": ("trend", TradeFilter(tag="trend")),
        "--asset-class": ("etf", TradeFilter(asset_class=AssetClass.ETF)),
        "--currency": ("EUR", TradeFilter(currency="EUR")),
        "--strategy": ("Breakout", TradeFilter(strategy="Breakout")),
    }
    assert {option[2:].replace("-", "_") for option in filters} == {
        field.name.removesuffix("_id") for field in fields(TradeFilter)
    }
    for option, (value, trade_filter) in filters.items():
        found = ask(traded, lambda uow, wanted=trade_filter: uow.trades.list_filtered(wanted))  # type: ignore[misc]
        assert run(traded, "trades", "list", option, value, "--json").json == in_json(found), option
    assert len(run(traded, "trades", "list", "--limit", 1, "--json").json) == 1
    assert [each["exec_id"] for each in run(traded, "trades", "list", "--sort", "price", "--json").json] == [
        "3",
        "1",
        "2",
    ]
    changed = run(traded, "trades", "edit", "3", "--price", 441, "--clear", "notes", "--json").json
    after = ask(traded, lambda uow: uow.trades.get_one("3"))
    assert (after.price, after.notes, after.quantity) == (441, None, 5)
    assert changed == in_json(after)
    assert run(traded, "trades", "delete", "3", "--yes", "--json").json == {"exec_id": "3", "deleted": True}
    assert ask(traded, lambda uow: uow.trades.get("3")) is None


def test_the_formats_have_the_same_rows(traded: Path) -> None:
    """JSON, a line for each row, and CSV; text has a heading and a line for each row."""
    rows = run(traded, "trades", "list", "--json").json
    assert [json.loads(line) for line in run(traded, "trades", "list", "--jsonl").out.splitlines()] == rows
    table = [*csv.DictReader(io.StringIO(run(traded, "trades", "list", "--csv").out))]
    assert [each["exec_id"] for each in table] == [each["exec_id"] for each in rows]
    assert {*table[0]} == {*rows[0]}
    lines = run(traded, "trades", "list").out.splitlines()
    assert lines[0].split()[:3] == ["exec_id", "time", "instrument"]
    assert [line.split()[0] for line in lines[1:]] == [each["exec_id"] for each in rows]
    assert "2024-03-08 10:30:00-05:00" in run(traded, "trades", "list", "--zone", "America/New_York").out
    assert run(traded, "trades", "list", "--json", "--csv").code == 2


def test_positions(traded: Path) -> None:
    """They are the library's by each rule, with their holding time."""
    for method in Matching:
        found = ask(traded, lambda uow, rule=method: positions(uow, open=True, method=rule))  # type: ignore[misc]
        shown = run(traded, "positions", "--open", "--method", method, "--json").json
        assert [each.pop("holding_time") for each in shown] == [in_json(each.holding_time) for each in found]
        assert shown == in_json(found.items)
    assert len(run(traded, "positions", "--json").json) == 1


def test_stats(traded: Path) -> None:
    """They are the library's, by each key, with the drawdown in three fields."""
    zone = "America/New_York"
    for by in (None, *GroupBy):
        options = ("stats", "--zone", zone, *(() if by is None else ("--by", by)))
        found = ask(traded, lambda uow, by=by: performance(uow, by=by, time_zone=by and zone))  # type: ignore[misc]
        for each, row in zip(found, run(traded, *options, "--json").json, strict=True):
            expected = in_json(each)
            fall = expected.pop("drawdown") or {"amount": None, "begin": None, "end": None}
            assert (row.pop("drawdown"), row.pop("drawdown_begin"), row.pop("drawdown_end")) == tuple(fall.values())
            assert row == expected
    shown = run(traded, "stats", "--zone", zone, "--by", "month").out.splitlines()
    assert [shown[0].split()[0], shown[1].split()[0]] == ["group", "2024-03"]


def test_accounts_and_balances(journal: Path) -> None:
    """An account is added, listed, shown, changed and deleted; its balances are added and listed."""
    added = run(journal, "accounts", "add", "U1", "--name", "Margin", "--type", "ira", "--is-tax-advantaged", "--json")
    account = ask(journal, lambda uow: uow.accounts.get_one("U1"))
    assert (account.account_type, account.is_tax_advantaged) == (AccountType.IRA, True)
    assert added.json == in_json(account)
    assert isinstance(account, Account)
    assert run(journal, "accounts", "list", "--json").json == [in_json(account)]
    assert run(journal, "accounts", "edit", "U1", "--name", "Cash", "--json").json["name"] == "Cash"
    assert run(journal, "accounts", "show", "U1", "--json").json["name"] == "Cash"
    balance = run(journal, "balances", "add", "U1", "12.5", "--time", "2024-03-08", "--json").json
    assert run(journal, "balances", "list", "U1", "--json").json == [balance]
    assert in_json(ask(journal, lambda uow: uow.balance_snapshots.get_latest("U1"))) == balance
    assert run(journal, "balances", "add", "U1", "-3", "--json").json["balance"] == -3
    assert run(journal, "balances", "list", "U2").code == 5
    run(journal, "accounts", "add", "U2", "--name", "Other", "--type", "bank")
    assert run(journal, "accounts", "delete", "U2", "--yes", "--json").json == {"account_id": "U2", "deleted": True}
    assert ask(journal, lambda uow: uow.accounts.exists("U2")) is False


def test_plans(traded: Path) -> None:
    """A plan is added, listed, shown, changed and deleted."""
    (plan,) = ask(traded, lambda uow: uow.trade_plans.list_all())
    assert isinstance(plan, TradePlan)
    assert (plan.conviction, plan.linked_trade_id, plan.stop_loss) == (ConvictionLevel.HIGH, "1", 512)
    assert run(traded, "plans", "list", "--json").json == [in_json(plan)]
    assert run(traded, "plans", "list", "--status", "active", "--json").json == []
    number = str(plan.id)
    run(traded, "plans", "edit", number, "--status", "executed", "--clear", "stop-loss")
    changed = ask(traded, lambda uow: uow.trade_plans.get_one(int(number)))
    assert (changed.status, changed.stop_loss) == (PlanStatus.EXECUTED, None)
    assert run(traded, "plans", "show", number, "--json").json == in_json(changed)
    assert run(traded, "plans", "delete", number, "--yes").code == 0
    assert ask(traded, lambda uow: uow.trade_plans.list_all()) == []


def test_reports(traded: Path) -> None:
    """A report is written, listed, shown, changed and deleted, by its trade."""
    report = ask(traded, lambda uow: uow.trade_reports.get_for_trade("1"))
    assert report is not None
    assert report == TradeReport(
        "1", 4, None, True, None, "retest", ("breakout", "trend"), created_at=report.created_at
    )
    assert run(traded, "reports", "list", "--json").json == [in_json(report)]
    assert run(traded, "reports", "show", "1", "--json").json == in_json(report)
    assert run(traded, "reports", "write", "1", "--setup-quality", "1").code == 6
    changed = run(traded, "reports", "edit", "1", "--no-followed-plan", "--clear", "tags", "--json").json
    assert (changed["followed_plan"], changed["tags"]) == (False, [])
    assert run(traded, "reports", "delete", "1", "--yes").code == 0
    assert run(traded, "reports", "show", "1").code == 5
    assert ask(traded, lambda uow: uow.trade_reports.get_for_trade("1")) is None


def test_watchlists(journal: Path) -> None:
    """A watchlist is added and deleted, and so are its tickers."""
    run(journal, "watchlists", "add", "Chips", "NVDA", "AMD", "--description", "Makers")
    run(journal, "watchlists", "watch", "Chips", "TSM", "--notes", "Thursday")
    run(journal, "watchlists", "unwatch", "Chips", "AMD")
    (stored,) = ask(journal, lambda uow: uow.watchlists.list_all())
    assert [item.ticker for item in stored.items] == ["NVDA", "TSM"]
    (shown,) = run(journal, "watchlists", "list", "--json").json
    assert shown.pop("tickers") == ["NVDA", "TSM"]
    assert shown == in_json(stored)
    assert run(journal, "watchlists", "show", "Chips", "--json").json == in_json(stored.items)
    assert [run(journal, "watchlists", *each).code for each in (["unwatch", "Chips", "X"], ["show", "X"])] == [5, 5]
    assert run(journal, "watchlists", "delete", "Chips", "--yes").code == 0
    assert ask(journal, lambda uow: uow.watchlists.list_all()) == []


def test_images(traded: Path, tmp_path: Path) -> None:
    """An image is added, listed, exported byte for byte, and deleted."""
    added = run(traded, "images", "add", "1", CHART, "--caption", "entry", "--json").json
    (info,) = ask(traded, lambda uow: uow.images.list_for_owner(ImageOwnerType.TRADE, "1"))
    assert added == in_json(info)
    assert run(traded, "images", "list", "1", "--json").json == [in_json(info)]
    run(traded, "images", "add", "1", CHART, "--of", "plan")
    assert len(run(traded, "images", "list", "1", "--of", "plan", "--json").json) == 1
    target, number = tmp_path / "chart.png", str(info.id)
    assert run(traded, "images", "export", number, target).code == 0
    assert target.read_bytes() == CHART.read_bytes()
    assert run(traded, "images", "export", number, target).code == 1
    assert run(traded, "images", "export", number, target, "--overwrite").code == 0
    assert run(traded, "images", "delete", number, "--yes").code == 0
    assert run(traded, "images", "export", number, tmp_path / "none.png").code == 5
    assert not (tmp_path / "none.png").exists()


def test_settings(journal: Path) -> None:
    """A setting is a text, or any value in JSON."""
    run(journal, "settings", "set", "risk.percent", "0.5", "--as-json")
    run(journal, "settings", "set", "zone", "0.5")
    assert ask(journal, lambda uow: uow.settings.get("risk.percent")) == 0.5
    assert ask(journal, lambda uow: uow.settings.get("zone")) == "0.5"
    assert run(journal, "settings", "list", "--json").json == in_json(ask(journal, lambda uow: uow.settings.get_all()))
    assert run(journal, "settings", "list", "--prefix", "risk", "--json").json[0]["value"] == 0.5
    assert run(journal, "settings", "get", "zone", "--json").json["value"] == "0.5"
    assert run(journal, "settings", "delete", "zone").code == 0
    assert [run(journal, "settings", each, "zone").code for each in ("get", "delete")] == [5, 5]
    assert run(journal, "settings", "set", "zone", "{", "--as-json").code == 2


def test_search(traded: Path) -> None:
    """Hits are the library's; a person sees where the words are."""
    assert run(traded, "search", "retest", "--json").json == in_json(ask(traded, lambda uow: uow.search.find("retest")))
    assert run(traded, "search", "retest", "--kind", "plan", "--json").json == []
    assert "«retest»" in run(traded, "search", "retest").out or "[retest]" in run(traded, "search", "retest").out


def test_sql(traded: Path) -> None:
    """A query has rows by the names of its columns."""
    query = "SELECT instrument, count(*) AS n FROM trades GROUP BY 1 ORDER BY 1"
    assert run(traded, "sql", query, "--json").json == [{"instrument": "QQQ", "n": 1}, {"instrument": "SPY", "n": 2}]
    assert run(traded, "sql", "(select 1) union values (2)").code == 6
    assert run(traded, "sql", "-- first\n /* then */ select 1 as n", "--json").json == [{"n": 1}]
    assert len(run(traded, "sql", "EXPLAIN QUERY PLAN SELECT * FROM trades", "--json").json) == 1


NOT_RUN = """
PRAGMA rekey='x'
pragma/**/rekey = 'x'
/* a */ PRAGMA rekey='x'
-- a\\nPRAGMA rekey='x'
EXPLAIN PRAGMA rekey='x'
EXPLAIN QUERY PLAN PRAGMA rekey='x'
EXPLAIN/**/PRAGMA rekey='x'
/* a */ PRAGMA rekey='x' /* */ SELECT 1
-- SELECT\\nPRAGMA rekey='x'
;PRAGMA rekey='x'
SELECT 1; PRAGMA rekey='x'
SELECT 1;PRAGMA rekey='x';
SELECT * FROM pragma_rekey('x')
SELECT * FROM pragma_rekey
WITH a AS (SELECT 1) DELETE FROM trades
WITH a AS (SELECT 1) INSERT INTO settings SELECT 1, 1, 1, 1
SELECT sqlcipher_export('main')
PRAGMA key='x'
PRAGMA journal_mode=DELETE
PRAGMA query_only=0
ATTACH DATABASE 'new.db' AS n KEY ''
VACUUM INTO 'new.db'
DELETE FROM trades
BEGIN
SELEC
SELECT load_extension('x')
"""


def test_sql_changes_nothing(traded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a query is refused before the database sees it: a pragma changes the key of a file that is read."""
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    for line in NOT_RUN.strip().splitlines():
        ended = run(traded, "sql", line.replace("\\n", "\n"))
        assert ended.code in {6, 8}, (line, ended)
        assert ended.out == ""
        assert len(ask(traded, lambda uow: uow.trades.list_all())) == 3, line
    assert {path.name for path in tmp_path.iterdir()} == before
    assert run(traded, "verify").code == 0


def test_import_and_export(traded: Path, journal_copy: Path, tmp_path: Path) -> None:
    """A file is imported after a dry run; a journal that is exported can be imported into an empty vault."""
    statement = tmp_path / "statement.csv"
    statement.write_text(THINKORSWIM_STATEMENT)
    planned = run(traded, "import", statement, "--dry-run", "--json").json
    assert planned["dry_run"] is True
    assert len(ask(traded, lambda uow: uow.trades.list_all())) == 3
    done = run(traded, "import", statement, "--yes", "--json").json
    assert {**done, "dry_run": True, "import_id": None} == planned
    assert done["accounts_created"] == ["12345678SCHW"]

    async def again() -> list[str]:
        async with Vault.open(traded, passphrase=PASSPHRASE) as vault:
            report = await import_trades(vault, CsvTrades(statement, THINKORSWIM))
            return [str(entry.key) for entry in report.duplicate]

    assert [each["key"] for each in done["inserted"]] == asyncio.run(again())
    exported = run(traded, "export", "trades", tmp_path / "t.csv", "--instrument", "SPY", "--json").json
    assert exported["trades"] == len(ask(traded, lambda uow: uow.trades.list_filtered(TradeFilter(instrument="SPY"))))
    rows = run(traded, "export", "journal", tmp_path / "all", "--json").json["rows"]
    assert rows["trade_reports"] == 1
    assert run(journal_copy, "import", tmp_path / "all", "--yes").code == 0
    assert (
        run(journal_copy, "trades", "list", "--all", "--json").out
        == run(traded, "trades", "list", "--all", "--json").out
    )

    async def once_more() -> None:
        async with Vault.in_memory() as vault:
            await import_journal(vault, tmp_path / "all")

    asyncio.run(once_more())
    assert run(traded, "import", tmp_path / "t.csv", "--yes", "--json").json["inserted"] == []


@pytest.fixture
def journal_copy(tmp_path: Path) -> Path:
    """Another empty vault."""
    path = tmp_path / "copy.vault"

    async def make() -> None:
        async with Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST):
            pass

    asyncio.run(make())
    return path


def test_charts(traded: Path, tmp_path: Path) -> None:
    """Both are drawn in each format, and replace nothing unless they may."""
    for kind, beginning in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert run(traded, "chart", "equity", tmp_path / f"e.{kind}", "--json").json == {
            "path": str(tmp_path / f"e.{kind}")
        }
        assert (tmp_path / f"e.{kind}").read_bytes().startswith(beginning)
    assert run(traded, "chart", "calendar", tmp_path / "c.png").code == 0
    assert run(traded, "chart", "calendar", tmp_path / "c.png").code == 1
    assert run(traded, "chart", "calendar", tmp_path / "c.png", "--overwrite").code == 0
    assert run(traded, "chart", "calendar", tmp_path / "c.jpg").code == 2


def test_the_vault(traded: Path, tmp_path: Path) -> None:
    """It is checked, copied, restored and examined; each says so to a program, too."""
    assert run(traded, "info", "--json").json["rows"]["trades"] == 3
    verified = run(traded, "verify", "--json").json
    assert (verified["ok"], verified["problems"]) == (True, [])
    copy, restored = tmp_path / "backup.vault", tmp_path / "restored.vault"
    assert run(traded, "backup", copy, "--json").json == {"path": str(copy)}
    assert run(traded, "restore", copy, restored, "--json").json == {"path": str(restored)}
    assert run(restored, "trades", "list", "--json").out == run(traded, "trades", "list", "--json").out
    findings = {each["what"]: each["state"] for each in run(traded, "doctor", "--open", "--json").json}
    assert findings["opening"] == "good"
    assert "WRONG" not in findings.values()
    assert run(traded, "create", tmp_path / "new.vault", "--json").json["path"] == str(tmp_path / "new.vault")


def test_imports_are_listed_and_taken_back(traded: Path, tmp_path: Path) -> None:
    """With the library's own values; an import that is undone is gone, and so is what it stored."""
    statement = tmp_path / "statement.csv"
    statement.write_text(THINKORSWIM_STATEMENT)
    done = run(traded, "import", statement, "--profile", "thinkorswim-account-statement", "--yes", "--json").json
    (listed,) = run(traded, "imports", "list", "--json").json
    (stored,) = ask(traded, lambda uow: uow.imports.list_all())
    assert {name: listed[name] for name in ("id", "source", "sha256", "inserted")} == {
        "id": done["import_id"],
        "source": "statement.csv",
        "sha256": stored.sha256,
        "inserted": len(done["inserted"]),
    }
    assert run(traded, "imports", "undo", 1, "--json").code == 2  # a program is not asked
    undone = run(traded, "imports", "undo", 1, "--yes", "--json").json
    assert (undone["deleted"], undone["accounts_deleted"]) == (len(done["inserted"]), 1)
    assert len(ask(traded, lambda uow: uow.trades.list_all())) == 3
    assert run(traded, "imports", "list", "--json").json == []
    assert run(traded, "imports", "undo", 1, "--yes").code == 5


def test_what_a_file_does_not_state_is_asked_for(traded: Path, tmp_path: Path) -> None:
    """The options that are missing are named; with them the rows are stored, and no profile is guessed."""
    statement = tmp_path / "orders.csv"
    shutil.copy(FOLDER / "webull.csv", statement)
    ended = run(traded, "import", statement, "--yes")
    assert ended.code == 2
    assert "--account, --currency" in ended.err
    ended = run(traded, "import", statement, "--account", "W1", "--currency", "USD", "--yes", "--json")
    assert ended.code == 1  # one of its rows fails, and the others are stored
    done = json.loads(ended.out)
    assert done["accounts_created"] == ["W1"]
    assert done["inserted"]
    statement.write_text("a,b\n1,2\n")
    assert "--profile" in run(traded, "import", statement, "--yes").err
    assert "there is no profile 'webul'" in run(traded, "import", statement, "--profile", "webul", "--yes").err
