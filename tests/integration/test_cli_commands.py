"""Every command of ``zorivest`` as users run it: what it does, what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from command_line import (
    NEW_PASSPHRASE,
    PASSPHRASE,
    SCRIPT,
    assert_refused,
    environment,
    held_by_another_process,
    make_vault,
    names_beside,
    opens_with,
    run_vault_command,
    warns_only_of_cheapest,
)
from zorivest_async import WrongPassphraseError, __version__
from zorivest_async.database.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

EMPTY_TABLES = {
    "accounts": 0,
    "balance_snapshots": 0,
    "images": 0,
    "market_provider_settings": 0,
    "settings": 0,
    "trade_plans": 0,
    "trade_reports": 0,
    "trades": 0,
    "watchlist_items": 0,
    "watchlists": 0,
    "zorivest_import_rows": 0,
    "zorivest_imports": 0,
}


@pytest.mark.parametrize("profile", ["default", "strong"])
def test_create_makes_an_empty_vault(vault_path: Path, profile: str) -> None:
    """It opens with the passphrase, its salt names the profile, and nothing is left beside it."""
    created = run_vault_command("create", vault_path, "--profile", profile, passphrase=PASSPHRASE)
    assert (created.returncode, created.stdout, created.stderr) == (0, f"{vault_path}: created\n", "")
    assert names_beside(vault_path) == {vault_path.name}
    shown = run_vault_command("info", vault_path, "--json", passphrase=PASSPHRASE)
    assert json.loads(shown.stdout) == {
        "size_bytes": vault_path.stat().st_size,
        "profile": profile,
        "schema_version": SCHEMA_VERSION,
        "rows": EMPTY_TABLES,
        "oldest_trade": None,
        "newest_trade": None,
        "images_bytes": 0,
    }


def test_create_overwrites_nothing(vault_path: Path) -> None:
    """A file that is there, vault or not, stays as it is."""
    vault_path.write_bytes(b"precious")
    result = run_vault_command("create", vault_path, passphrase=PASSPHRASE)
    assert_refused(result, 1, str(vault_path), "the path already exists")
    assert vault_path.read_bytes() == b"precious"


def test_create_makes_no_folders(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    result = run_vault_command("create", tmp_path / "none" / "journal.vault", passphrase=PASSPHRASE)
    assert_refused(result, 5, "the parent directory does not exist")


def test_info_counts(vault_path: Path) -> None:
    """The machine's form holds the rows of each table, the span of the trades and the bytes of the originals."""
    make_vault(vault_path, trades=3, images=1)
    shown = run_vault_command("info", vault_path, "--json", passphrase=PASSPHRASE)
    assert (shown.returncode, shown.stderr) == (0, "")
    summary = json.loads(shown.stdout)
    assert summary["rows"] == EMPTY_TABLES | {"accounts": 1, "trades": 3, "images": 1}
    assert summary["oldest_trade"] == "2024-03-08T14:30:00+00:00"
    assert summary["newest_trade"] == "2024-03-08T14:32:00+00:00"
    assert 1_000_000 < summary["images_bytes"] < summary["size_bytes"] == vault_path.stat().st_size
    assert summary["profile"] == "cheapest"


def test_info_is_a_table_for_people(vault_path: Path) -> None:
    """Without ``--json`` the same numbers stand in lines that people read."""
    shown = run_vault_command("info", make_vault(vault_path, trades=1234), passphrase=PASSPHRASE)
    assert (shown.returncode, shown.stderr) == (0, "")
    for line in (r"trades\W+1,234\W", r"oldest trade\W+2024-03-08 14:30:00 UTC\W", r"original images\W+0 bytes\W"):
        assert re.search(line, shown.stdout)


def test_verify_finds_nothing_wrong_with_a_good_vault(vault_path: Path) -> None:
    """It says how much it has looked at, and warns of a key derivation that is for tests, which is no problem."""
    result = run_vault_command("verify", make_vault(vault_path), passphrase=PASSPHRASE)
    assert (result.returncode, warns_only_of_cheapest(result.stderr)) == (0, True)
    pages = vault_path.stat().st_size // 4096
    assert result.stdout == f"{vault_path}: nothing is wrong with its {pages} pages\n"


def test_verify_prints_problems_and_fails(vault_path: Path) -> None:
    """A page with a flipped bit is named on stdout, and the exit code is 1."""
    contents = bytearray(make_vault(vault_path, trades=200).read_bytes())
    contents[-2000] ^= 1
    vault_path.write_bytes(contents)
    result = run_vault_command("verify", vault_path, passphrase=PASSPHRASE)
    assert (result.returncode, warns_only_of_cheapest(result.stderr)) == (1, True)
    assert f"page {len(contents) // 4096}\n" in result.stdout
    assert "nothing is wrong" not in result.stdout


def test_backup_makes_a_copy_that_opens(vault_path: Path) -> None:
    """The copy holds the same trades, although somebody else reads the vault meanwhile."""
    make_vault(vault_path)
    copy = vault_path.with_name("copy.vault")
    with held_by_another_process(vault_path):
        result = run_vault_command("backup", vault_path, copy, passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{copy}: ")
    assert opens_with(copy, PASSPHRASE) == 3
    assert names_beside(vault_path) == {vault_path.name, copy.name}


def test_backup_overwrites_nothing(vault_path: Path) -> None:
    """A file that is at the destination stays as it is."""
    copy = vault_path.with_name("copy.vault")
    copy.write_bytes(b"precious")
    result = run_vault_command("backup", make_vault(vault_path), copy, passphrase=PASSPHRASE)
    assert_refused(result, 1, str(copy), "the path already exists")
    assert copy.read_bytes() == b"precious"


def test_restore_makes_a_vault_of_a_backup(vault_path: Path) -> None:
    """Where nothing is, it needs no option; the backup stays."""
    backup = make_vault(vault_path.with_name("backup.vault"))
    result = run_vault_command("restore", backup, vault_path, passphrase=PASSPHRASE)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{vault_path}: restored\n", "")
    assert opens_with(vault_path, PASSPHRASE) == opens_with(backup, PASSPHRASE) == 3
    assert names_beside(vault_path) == {vault_path.name, backup.name}


def test_restore_replaces_a_vault_only_when_told_to(vault_path: Path) -> None:
    """Without ``--replace`` a vault that is there stays."""
    make_vault(vault_path, trades=5)
    backup = make_vault(vault_path.with_name("backup.vault"))
    assert_refused(run_vault_command("restore", backup, vault_path, passphrase=PASSPHRASE), 1, "--replace")
    assert opens_with(vault_path, PASSPHRASE) == 5
    result = run_vault_command("restore", backup, vault_path, "--replace", passphrase=PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    assert opens_with(vault_path, PASSPHRASE) == 3


def test_restore_needs_the_vault_alone(vault_path: Path) -> None:
    """While another process has it open, nothing changes."""
    backup = make_vault(vault_path.with_name("backup.vault"), trades=5)
    with held_by_another_process(make_vault(vault_path)):
        result = run_vault_command("restore", backup, vault_path, "--replace", passphrase=PASSPHRASE)
    assert_refused(result, 4, str(vault_path), "in use")
    assert opens_with(vault_path, PASSPHRASE) == 3


def test_rekey_changes_the_passphrase(vault_path: Path) -> None:
    """The new one opens the vault with all that is in it, and the old one does not."""
    make_vault(vault_path)
    result = run_vault_command("rekey", vault_path, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE)
    assert (result.returncode, warns_only_of_cheapest(result.stderr)) == (0, True)
    assert "the old one" in result.stdout
    assert opens_with(vault_path, NEW_PASSPHRASE) == 3
    with pytest.raises(WrongPassphraseError):
        opens_with(vault_path, PASSPHRASE)
    assert names_beside(vault_path) == {vault_path.name}


@pytest.mark.parametrize("options", [(), ("--profile", "default"), ("--profile", "strong")])
def test_rekey_keeps_the_profile_unless_it_is_told_another(vault_path: Path, options: tuple[str, ...]) -> None:
    """A strong vault does not become a weaker one without a word; the profile of tests is warned of."""
    run_vault_command("create", vault_path, "--profile", "strong", passphrase=PASSPHRASE)
    result = run_vault_command("rekey", vault_path, *options, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE)
    assert (result.returncode, result.stderr) == (0, "")
    shown = run_vault_command("info", vault_path, "--json", passphrase=NEW_PASSPHRASE)
    assert json.loads(shown.stdout)["profile"] == (options or ("", "strong"))[1]


def test_rekey_needs_the_vault_alone(vault_path: Path) -> None:
    """While another process has it open, nothing changes, and the exit code says that it is in use."""
    make_vault(vault_path)
    with held_by_another_process(vault_path):
        result = run_vault_command("rekey", vault_path, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE)
    assert_refused(result, 4, str(vault_path), "in use")
    assert opens_with(vault_path, PASSPHRASE) == 3
    assert names_beside(vault_path) == {vault_path.name}


def test_a_wrong_passphrase_has_its_own_exit_code(vault_path: Path) -> None:
    """The line names the vault."""
    assert_refused(run_vault_command("info", make_vault(vault_path), passphrase="wrong"), 3, str(vault_path))


@pytest.mark.parametrize("arguments", [["info"], ["create", "x", "--passphrase", PASSPHRASE], ["explode"], []])
def test_wrong_usage_has_its_own_exit_code(arguments: list[str]) -> None:
    """A missing argument, an option that takes a passphrase, an unknown command and no command end with 2."""
    result = run_vault_command(*arguments)
    assert result.returncode == 2
    assert PASSPHRASE not in result.stdout + result.stderr


def test_help_tells_the_exit_codes() -> None:
    """They are at the end of the help."""
    shown = " ".join(run_vault_command("--help").stdout.split())
    for meaning in ("1 a problem", "2 wrong usage", "3 wrong passphrase", "4 in use or busy", "130 interrupted"):
        assert meaning in shown


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["create", "--help"], ["demo", "--help"], []])
def test_the_module_is_the_same_program(arguments: list[str]) -> None:
    """``python -m zorivest_async`` says what ``zorivest`` says, and calls itself so."""
    by_module = subprocess.run(
        [sys.executable, "-m", "zorivest_async", *arguments],
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=30,
    )
    by_name = run_vault_command(*arguments)
    for result in (by_module, by_name):
        assert "zorivest" in result.stdout + result.stderr
        assert "zorivest_async" not in result.stdout + result.stderr
    assert (by_module.returncode, by_module.stdout, by_module.stderr) == (
        by_name.returncode,
        by_name.stdout,
        by_name.stderr,
    )


def test_it_says_its_version() -> None:
    """``--version`` prints the name and the version."""
    result = run_vault_command("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"zorivest {__version__}\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="such names are not allowed there")
def test_names_that_look_like_markup_or_control_a_terminal_are_shown_as_they_are(tmp_path: Path) -> None:
    """Brackets stay, and what would move the cursor or end the line is escaped."""
    path = tmp_path / "[red]x[blink]\n\x1b[2J\udcff.vault"
    assert_refused(run_vault_command("info", path), 5, r"[red]x[blink]\n\x1b[2J\udcff.vault: there is no")
    assert run_vault_command("create", path, passphrase=PASSPHRASE).stdout.endswith(
        "[red]x[blink]\\n\\x1b[2J\\udcff.vault: created\n"
    )


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nobody_need_read_the_output(vault_path: Path, form: list[str]) -> None:
    """Where the reader of a pipe has gone, the command ends without a word."""
    make_vault(vault_path)
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [SCRIPT, "info", vault_path, *form],
        env=environment(PASSPHRASE) | {"PYTHONUNBUFFERED": ""},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=30,
    )
    os.close(writing)
    assert (result.returncode, result.stderr) == (1, b"")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_extra_it_says_what_to_install(missing: str) -> None:
    """The exit code is 1, and there is no traceback."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from zorivest_async.cli import main; sys.exit(main(['info']))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert_refused(result, 1, 'pip install "zorivest-async[cli]"')
