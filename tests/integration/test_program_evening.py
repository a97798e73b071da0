"""An evening at the terminal, as a script: from an empty vault to a backup that is restored elsewhere and compared."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from command_line import THINKORSWIM_STATEMENT, call, make_vault
from zorivest_async.cli.demo.samples import DATA

if TYPE_CHECKING:
    from pathlib import Path

FLEX_STATEMENT = """<FlexQueryResponse queryName="trades" type="AF">
<FlexStatements count="1">
<FlexStatement accountId="U7654321" fromDate="20260608" toDate="20260609" period="LastBusinessDay"
 whenGenerated="20260609;200000">
<Trades>
<Trade accountId="U7654321" currency="USD" assetCategory="STK" symbol="SPY" tradeID="1" ibOrderID="11"
 ibExecID="0000e0d5.01.01" transactionID="21" transactionType="ExchTrade" dateTime="20260608;093100" buySell="BUY"
 quantity="100" tradePrice="600.5" multiplier="1" taxes="0" ibCommission="-1" ibCommissionCurrency="USD"
 fifoPnlRealized="0" levelOfDetail="EXECUTION" />
<Trade accountId="U7654321" currency="USD" assetCategory="STK" symbol="SPY" tradeID="2" ibOrderID="12"
 ibExecID="0000e0d5.02.01" transactionID="22" transactionType="ExchTrade" dateTime="20260609;100200" buySell="SELL"
 quantity="-100" tradePrice="603.25" multiplier="1" taxes="0" ibCommission="-1" ibCommissionCurrency="USD"
 fifoPnlRealized="273" levelOfDetail="EXECUTION" />
</Trades>
</FlexStatement>
</FlexStatements>
</FlexQueryResponse>
"""

EVENING = """
accounts list
import statement.csv --yes
import flex.xml --yes
import flex.xml --yes
imports list
imports undo 2 --yes
import flex.xml -y
trades list --zone America/New_York
trades add 1001 --time '2026-06-09 11:00' --zone America/New_York --instrument SPY --action BOT --quantity 10 --price 60.4 --account U7654321
trades edit 1001 --price 604
trades add 1002 --time '2026-06-09 11:30' --zone America/New_York --instrument SPY --action SLD --quantity 10 --price 602 --account U7654321 --currency USD
trades edit 1001 --currency USD
images add 1001 CHART --caption 'Late entry'
plans add --ticker SPY --direction BOT --conviction low --stop-loss 603 --strategy Breakout --trade 1001 --status executed
reports write 1001 --setup-quality 2 --no-followed-plan --tag breakout --lessons-learned 'Chased it; wait for the retest'
watchlists add Tomorrow ROKU SPY
balances add U7654321 25310.5 --time 2026-06-09
settings set risk.percent 0.5 --as-json
search retest
positions
stats --by month --zone America/New_York
stats --by tag
chart equity equity.png
chart calendar calendar.svg
export trades trades.csv
export journal everything
backup backup.vault
verify
restore backup.vault elsewhere.vault
"""  # noqa: E501 - a line is a command


@pytest.fixture
def evening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an empty vault and two brokers' files."""
    make_vault(tmp_path / "journal.vault", trades=0)
    (tmp_path / "statement.csv").write_text(THINKORSWIM_STATEMENT)
    (tmp_path / "flex.xml").write_text(FLEX_STATEMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_evening_at_the_terminal(evening: Path) -> None:
    """Each command ends well; what was typed is found in statistics, files and the restored backup."""
    pytest.importorskip("ibflex")
    printed: dict[str, str] = {}
    for line in EVENING.strip().splitlines():
        words = [str(DATA / "3-entry.png") if word == "CHART" else word for word in shlex.split(line)]
        ended = call(*words, vault="journal.vault")
        assert ended.code == 0, (line, ended)
        printed[line] = ended.out
    assert "stored already" in printed["import flex.xml --yes"]
    assert "«retest»" in printed["search retest"] or "[retest]" in printed["search retest"]
    stats = {each["group"]: each for each in call("stats", "--by", "instrument", "--json", vault="journal.vault").json}
    assert stats["SPY"]["closed"] == 2
    assert stats["SPY"]["realized_pnl"] == 253.0
    assert stats["ROKU"]["realized_pnl"] == pytest.approx(61.0)
    (mistake,) = call("positions", "--tag", "breakout", "--json", vault="journal.vault").json
    assert (mistake["net"], mistake["average_entry"], mistake["r_multiple"]) == (-20.0, 604.0, -2.0)
    for command in ("trades list --all", "positions --open", "reports list", "plans list", "stats --by month"):
        words = [*command.split(), "--json", "--zone", "America/New_York"]
        assert call(*words, vault="elsewhere.vault").json == call(*words, vault="journal.vault").json, command
    exported = {path.name for path in (evening / "everything").iterdir()}
    assert {"journal.json", "trades.jsonl", "images"} <= exported
    assert (evening / "equity.png").stat().st_size > 10_000
