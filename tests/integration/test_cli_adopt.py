"""``zorivest adopt`` as users run it: what it makes, what it tells, and what it refuses."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from command_line import (
    PASSPHRASE,
    ROW_CANARY,
    assert_refused,
    at_terminal,
    make_vault,
    names_beside,
    opens_with,
    run_vault_command,
)
from plaintext_journal import NOON, Rows, make_plaintext

if TYPE_CHECKING:
    from pathlib import Path

TRADE = {"instrument": ROW_CANARY, "action": "BOT", "quantity": 1, "price": 1, "account_id": ROW_CANARY, "time": NOON}
ODD: Rows = {
    "trades": [
        {"exec_id": f"{ROW_CANARY}-1"} | TRADE,  # its account is not there
        {"exec_id": f"{ROW_CANARY}-2"} | TRADE | {"action": ROW_CANARY},
        {"exec_id": f"{ROW_CANARY}-3"} | TRADE | {"action": ROW_CANARY},
    ],
    "settings": [{"key": ROW_CANARY, "value": ROW_CANARY.encode(), "value_type": "str"}],
}
ON_TERMINALS = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")


@pytest.fixture
def plaintext(tmp_path: Path) -> Path:
    """Return a journal with three invalid rows."""
    return make_plaintext(tmp_path / "journal.db", ODD)


def cells(output: str) -> list[list[str]]:
    """Return what stands in the rows of the tables that were printed."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if line.startswith("│")]


def test_adopt_makes_a_vault_of_a_plaintext_journal(vault_path: Path) -> None:
    """It opens with the passphrase under the profile that was asked for, and the plaintext file is as it was."""
    plaintext = make_plaintext(vault_path.with_name("journal.db"))
    before = plaintext.read_bytes()
    result = run_vault_command("adopt", plaintext, vault_path, "--profile", "strong", passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].startswith(f"{vault_path}: created; {plaintext} is unchanged and unencrypted")
    assert ["trades", "2", "2", "0", "0"] in cells(result.stdout)
    assert ["trades", "time", "converted", "has times without an offset, read as UTC", "2"] in cells(result.stdout)
    assert opens_with(vault_path, PASSPHRASE) == 2
    assert json.loads(run_vault_command("info", vault_path, "--json", passphrase=PASSPHRASE).stdout)["profile"] == (
        "strong"
    )
    assert plaintext.read_bytes() == before
    assert names_beside(vault_path) == {vault_path.name, plaintext.name}


def test_adopt_refuses_rows_that_cannot_be_right_and_says_which_columns(plaintext: Path, vault_path: Path) -> None:
    """The error names the option, in its own words; columns and numbers are on stdout, and neither shows a row."""
    result = run_vault_command("adopt", plaintext, vault_path, passphrase=PASSPHRASE)
    assert result.returncode == 6
    assert re.fullmatch(rf"zorivest: error: {re.escape(str(plaintext))}: rows [^\n]+\n", result.stderr)
    assert "--skip-invalid" in result.stderr
    assert "skip_invalid" not in result.stderr
    assert [[row[0], row[1], row[2], row[4]] for row in cells(result.stdout)] == [
        ["settings", "value", "left out", "1"],
        ["trades", "action", "left out", "2"],
    ]
    assert ROW_CANARY not in result.stdout + result.stderr
    assert names_beside(vault_path) == {plaintext.name}


def test_adopt_leaves_out_rows_that_cannot_be_right_when_told_to(plaintext: Path, vault_path: Path) -> None:
    """Both tables count them, what was made up is there too, and no row is shown."""
    result = run_vault_command("adopt", plaintext, vault_path, "--skip-invalid", passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    shown = cells(result.stdout)
    assert ["trades", "5", "3", "0", "2"] in shown
    assert ["settings", "4", "3", "0", "1"] in shown
    assert ["trades", "action", "left out", "must be one of: BOT, SLD", "2"] in shown
    assert ["accounts", "", "added", "was referred to, but missing", "1"] in shown
    assert ROW_CANARY not in result.stdout
    assert opens_with(vault_path, PASSPHRASE) == 3


def test_adopt_tells_nothing_where_there_is_nothing_to_tell(vault_path: Path) -> None:
    """A journal without rows gives one table, of noughts."""
    plaintext = make_plaintext(vault_path.with_name("journal.db"))
    with closing(sqlite3.connect(plaintext)) as raw, raw:
        for (table,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            raw.execute(f"DELETE FROM {table}")  # noqa: S608
    result = run_vault_command("adopt", plaintext, vault_path, passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    assert {tuple(row[1:]) for row in cells(result.stdout)} == {("0",) * 4}
    assert result.stdout.count("┏") == 1


def test_names_in_the_plaintext_file_steer_no_terminal(vault_path: Path) -> None:
    """Another program's table may be named as it likes: it is shown as it is, with escapes."""
    plaintext = make_plaintext(vault_path.with_name("journal.db"))
    with closing(sqlite3.connect(plaintext)) as raw, raw:
        raw.execute('CREATE TABLE "[red]x:smile:\x1b[2J" (a)')
    result = run_vault_command("adopt", plaintext, vault_path, passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    assert [r"[red]x:smile:\x1b[2J", "", "dropped", "is not a table of a vault", "0"] in cells(result.stdout)


def test_adopt_overwrites_nothing(plaintext: Path, vault_path: Path) -> None:
    """A file that is there, the plaintext one too, stays as it is."""
    before = plaintext.read_bytes()
    vault_path.write_bytes(b"precious")
    for path in (vault_path, plaintext):
        result = run_vault_command("adopt", plaintext, path, "--skip-invalid", passphrase=PASSPHRASE)
        assert_refused(result, 1, str(path), "the path already exists")
    assert (vault_path.read_bytes(), plaintext.read_bytes()) == (b"precious", before)


def test_adopt_asks_for_no_passphrase_where_there_is_nothing_to_adopt(vault_path: Path) -> None:
    """The missing file is named."""
    result = run_vault_command("adopt", vault_path.with_name("gone.db"), vault_path)
    assert_refused(result, 5, "gone.db: there is no file to adopt")


def test_adopt_takes_no_other_file(vault_path: Path) -> None:
    """A vault, text, and a database of another program are not journals."""
    other = vault_path.with_name("other.db")
    with closing(sqlite3.connect(other)) as raw, raw:
        raw.execute("CREATE TABLE other (a)")
    text = vault_path.with_name("text")
    text.write_text("precious" * 1000, encoding="utf-8")
    for source in (make_vault(vault_path.with_name("other.vault")), other, text):
        assert_refused(run_vault_command("adopt", source, vault_path, passphrase=PASSPHRASE), 7, str(source))
    assert not vault_path.exists()


@ON_TERMINALS
def test_adopt_has_the_passphrase_typed_twice(plaintext: Path, vault_path: Path) -> None:
    """As for every new vault."""
    with at_terminal("adopt", plaintext, vault_path, "--skip-invalid") as terminal:
        for prompt in (f"Passphrase of {vault_path.name}: ", "Repeat it: "):
            terminal.wait_for(prompt)
            terminal.type(PASSPHRASE)
        ended = terminal.finish()
    assert ended.returncode == 0
    assert PASSPHRASE not in ended.stderr
    assert opens_with(vault_path, PASSPHRASE) == 3


@ON_TERMINALS
def test_ctrl_c_leaves_no_half_adopted_vault(vault_path: Path) -> None:
    """It ends the command with 130, without a traceback, and the plaintext file is as it was."""
    plaintext = make_plaintext(vault_path.with_name("journal.db"))
    with closing(sqlite3.connect(plaintext)) as raw, raw:
        raw.execute(
            "INSERT INTO trades WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) "
            "SELECT i, time, instrument, action, quantity, price, account_id, commission, realized_pnl "
            "FROM trades, n WHERE exec_id = 'T1'"
        )
    before = plaintext.read_bytes()
    with at_terminal("adopt", plaintext, vault_path, passphrase=PASSPHRASE) as terminal:
        terminal.wait_for("rows")
        terminal.process.send_signal(signal.SIGINT)
        ended = terminal.finish()
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
    assert names_beside(vault_path) == {plaintext.name}
    assert plaintext.read_bytes() == before
