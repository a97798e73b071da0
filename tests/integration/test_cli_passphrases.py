"""Where ``zorivest`` takes passphrases from, and where they do not show."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from command_line import (
    NEW_PASSPHRASE,
    PASSPHRASE,
    assert_refused,
    at_terminal,
    make_vault,
    names_beside,
    opens_with,
    run_vault_command,
    warns_only_of_cheapest,
)
from plaintext_journal import make_plaintext

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals and no mode bits there")


def test_the_first_line_of_a_file(vault_path: Path) -> None:
    """Its line ending and the mark at the beginning are no part of the passphrase; the environment is not asked."""
    file = vault_path.with_name("passphrase")
    file.touch(mode=0o600)
    file.write_bytes(f"\ufeff{PASSPHRASE}\r\nsecond line\n".encode())
    result = run_vault_command("info", make_vault(vault_path), "--passphrase-file", file, passphrase="wrong")
    assert (result.returncode, result.stderr) == (0, "")


def test_spaces_belong_to_the_passphrase(vault_path: Path) -> None:
    """Only the line ending is cut off."""
    created = run_vault_command("create", vault_path, "--passphrase-file", "-", typed=f"  {PASSPHRASE} \n")
    assert (created.returncode, created.stderr) == (0, "")
    assert opens_with(vault_path, f"  {PASSPHRASE} ") == 0


@posix_only
def test_a_file_that_others_can_read_is_warned_about(vault_path: Path) -> None:
    """The command goes on; the line names the file."""
    file = vault_path.with_name("passphrase")
    file.write_text(PASSPHRASE, encoding="utf-8")
    file.chmod(0o640)
    result = run_vault_command("info", make_vault(vault_path), "--passphrase-file", file)
    assert result.returncode == 0
    assert result.stderr == f"zorivest: warning: {file}: other users can read this file; protect it with chmod 600\n"


def test_both_passphrases_of_rekey_may_come_from_stdin(vault_path: Path) -> None:
    """The old one is on its first line, the new one on its second."""
    result = run_vault_command(
        *("rekey", make_vault(vault_path), "--passphrase-file", "-", "--new-passphrase-file", "-"),
        typed=f"{PASSPHRASE}\n{NEW_PASSPHRASE}\n",
    )
    assert (result.returncode, warns_only_of_cheapest(result.stderr)) == (0, True)
    assert opens_with(vault_path, NEW_PASSPHRASE) == 3


@pytest.mark.parametrize("length", [1, 7, 8])
@pytest.mark.parametrize("command", ["create", "adopt", "rekey"])
def test_a_new_passphrase_that_is_short_is_warned_of(vault_path: Path, command: str, length: int) -> None:
    """Wherever one is chosen; it is taken all the same, and not shown. An old one is nobody's choice any more."""
    short, plaintext = "\u00fc" * length, vault_path.with_name("journal.db")
    if command == "rekey":
        run_vault_command("create", vault_path, passphrase="old")
        result = run_vault_command("rekey", vault_path, passphrase="old", new_passphrase=short)
    elif command == "adopt":
        result = run_vault_command("adopt", make_plaintext(plaintext), vault_path, passphrase=short)
    else:
        result = run_vault_command("create", vault_path, passphrase=short)
    assert result.returncode == 0
    assert ("fewer than 8 characters" in result.stderr) == (length < 8)
    assert result.stderr.count("\n") == (length < 8)
    assert short not in result.stderr
    assert opens_with(vault_path, short) == (2 if command == "adopt" else 0)


@pytest.mark.parametrize("passphrase", [None, ""])
def test_without_any_source_it_says_what_there_is(vault_path: Path, passphrase: str | None) -> None:
    """Where stdin is no terminal nothing is asked for; an empty variable is none."""
    result = run_vault_command("create", vault_path, passphrase=passphrase, typed=f"{PASSPHRASE}\n")
    assert_refused(result, 1, "ZORIVEST_PASSPHRASE", "--passphrase-file", "terminal")
    assert not vault_path.exists()


def test_the_new_passphrase_is_not_taken_from_the_old_ones_variable(vault_path: Path) -> None:
    """Rekey names the variable and the option of the new one."""
    result = run_vault_command("rekey", make_vault(vault_path), passphrase=PASSPHRASE)
    assert_refused(result, 1, "ZORIVEST_NEW_PASSPHRASE", "--new-passphrase-file")


@posix_only
def test_a_new_passphrase_is_typed_twice_and_never_shown(vault_path: Path) -> None:
    """The prompts name the vault, and nothing that is typed appears."""
    with at_terminal("create", vault_path) as terminal:
        terminal.wait_for(f"Passphrase of {vault_path.name}: ")
        terminal.type(PASSPHRASE)
        terminal.wait_for("Repeat it: ")
        terminal.type(PASSPHRASE)
        ended = terminal.finish()
    assert (ended.returncode, ended.stdout) == (0, f"{vault_path}: created\n")
    assert PASSPHRASE not in ended.stderr
    assert opens_with(vault_path, PASSPHRASE) == 0


@posix_only
def test_rekey_asks_for_three(vault_path: Path) -> None:
    """The old passphrase once, the new one twice."""
    with at_terminal("rekey", make_vault(vault_path)) as terminal:
        for prompt, typed in (
            (f"Passphrase of {vault_path.name}: ", PASSPHRASE),
            (f"New passphrase of {vault_path.name}: ", NEW_PASSPHRASE),
            ("Repeat it: ", NEW_PASSPHRASE),
        ):
            terminal.wait_for(prompt)
            terminal.type(typed)
        ended = terminal.finish()
    assert ended.returncode == 0
    assert PASSPHRASE not in ended.stderr
    assert NEW_PASSPHRASE not in ended.stderr
    assert opens_with(vault_path, NEW_PASSPHRASE) == 3


@posix_only
@pytest.mark.parametrize(("first", "second", "problem"), [(PASSPHRASE, "typo", "differ"), ("", "", "empty")])
def test_what_is_typed_may_be_wrong(vault_path: Path, first: str, second: str, problem: str) -> None:
    """Two different passphrases, or none, make no vault."""
    with at_terminal("create", vault_path) as terminal:
        terminal.wait_for(": ")
        terminal.type(first)
        terminal.wait_for("Repeat it: ")
        terminal.type(second)
        ended = terminal.finish()
    assert ended.returncode == 1
    assert ended.stderr.endswith("\r\n")
    assert problem in ended.stderr.splitlines()[-1]
    assert names_beside(vault_path) == set()


@posix_only
@pytest.mark.parametrize(("key", "code"), [("\x04", 1), (signal.SIGINT, 130)])
def test_a_prompt_can_be_left(vault_path: Path, key: str | signal.Signals, code: int) -> None:
    """Ctrl-D and Ctrl-C make no vault, and show no traceback."""
    with at_terminal("create", vault_path) as terminal:
        terminal.wait_for(": ")
        if isinstance(key, signal.Signals):
            terminal.process.send_signal(key)
        else:
            terminal.type(key)
        ended = terminal.finish()
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert names_beside(vault_path) == set()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux lists command lines in /proc")
def test_the_list_of_processes_shows_no_passphrase(vault_path: Path) -> None:
    """While one that came from the environment is in use, the command line does not hold it."""
    with at_terminal("rekey", make_vault(vault_path), passphrase=PASSPHRASE) as terminal:
        terminal.wait_for("New passphrase")
        command_line = Path(f"/proc/{terminal.process.pid}/cmdline").read_text(encoding="utf-8")
    assert "rekey" in command_line
    assert PASSPHRASE not in command_line
