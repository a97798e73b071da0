"""How commands of ``zorivest`` end, whatever goes wrong; called as a function, which is faster than a process."""

from __future__ import annotations

import errno
import getpass
import io
import sys
import warnings
from typing import TYPE_CHECKING, TypeAlias
from unittest.mock import Mock

import pytest

from command_line import NEW_PASSPHRASE, PASSPHRASE, make_vault, names_beside, opens_with, warns_only_of_cheapest
from plaintext_journal import make_plaintext
from zorivest_async import (
    ConfigurationError,
    Progress,
    Vault,
    VaultBusyError,
    VaultDamagedError,
    VaultFullError,
    VaultInUseError,
    WrongPassphraseError,
    ZorivestError,
)
from zorivest_async.cli import main
from zorivest_async.cli.exits import printable, reported
from zorivest_async.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Run: TypeAlias = "Callable[..., tuple[int, str, str]]"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with both passphrases in the environment, and return its exit code and what it printed."""
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("ZORIVEST_NEW_PASSPHRASE", NEW_PASSPHRASE)

    def run_command(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run_command


def test_one_vault_through_all_commands(vault_path: Path, run: Run) -> None:
    """Each ends with 0 and writes nothing to stderr."""
    copy = vault_path.with_name("copy.vault")
    for arguments in (
        ("create", vault_path),
        ("info", vault_path),
        ("info", vault_path, "--json"),
        ("verify", vault_path),
        ("backup", vault_path, copy),
        ("restore", copy, vault_path, "--replace"),
        ("rekey", vault_path, "--profile", "strong"),
        ("adopt", make_plaintext(vault_path.with_name("journal.db")), vault_path.with_name("adopted.vault")),
        ("--version",),
    ):
        code, output, error = run(*arguments)
        assert (code, error) == (0, ""), arguments
        assert output
    assert opens_with(vault_path, NEW_PASSPHRASE) == opens_with(copy, PASSPHRASE) == 0


def test_what_is_there_stays(vault_path: Path, run: Run) -> None:
    """Neither a new vault nor a restored one takes the place of another without being told to."""
    before = make_vault(vault_path).read_bytes()
    for arguments in (("create", vault_path), ("restore", vault_path, vault_path)):
        code, output, error = run(*arguments)
        assert (code, output) == (1, "")
        assert "the path already exists" in error
    assert vault_path.read_bytes() == before


def test_problems_go_to_stdout(vault_path: Path, run: Run) -> None:
    """One line each, whatever is in them."""
    contents = bytearray(make_vault(vault_path, trades=200).read_bytes())
    contents[-2000] ^= 1
    vault_path.write_bytes(contents)
    code, output, error = run("verify", vault_path)
    assert (code, warns_only_of_cheapest(error)) == (1, True)
    assert "failed for page" in output


def test_invalid_rows_are_told_in_the_commands_words(vault_path: Path, run: Run) -> None:
    """The error names the option, and stdout the column; no vault is made."""
    plaintext = make_plaintext(vault_path.with_name("journal.db"), {"trades": [{"exec_id": "T1", "action": "BUY"}]})
    code, output, error = run("adopt", plaintext, vault_path)
    assert code == 6
    assert error.endswith("so no vault was made; correct them, or pass --skip-invalid\n")
    assert "action" in output
    assert run("adopt", vault_path.with_name("gone.db"), vault_path)[0] == 5
    assert names_beside(vault_path) == {plaintext.name}


@pytest.mark.parametrize("command", ["verify", "backup", "rekey"])
def test_a_wrong_passphrase_changes_nothing(vault_path: Path, run: Run, command: str) -> None:
    """Each command that opens a vault ends with 3, and makes nothing."""
    make_vault(vault_path)
    before = vault_path.read_bytes()
    wrong = vault_path.with_name("wrong")
    wrong.touch(mode=0o600)
    wrong.write_text("wrong", encoding="utf-8")
    more = [vault_path.with_name("copy.vault")] if command == "backup" else []
    code, output, error = run(command, vault_path, *more, "--passphrase-file", wrong)
    assert (code, output) == (3, "")
    assert error.startswith(f"zorivest: error: {vault_path}: the passphrase or key does not open this vault")
    assert names_beside(vault_path) == {vault_path.name, wrong.name}
    assert vault_path.read_bytes() == before


@pytest.mark.parametrize("contents", [b"", b"\n", b"\nsecond line", b"\xff\xfe", None])
def test_a_file_without_a_passphrase_is_refused(vault_path: Path, run: Run, contents: bytes | None) -> None:
    """It is empty, or no text, or not there; the line names it and shows nothing of it."""
    file = vault_path.with_name("passphrase")
    if contents is not None:
        file.touch(mode=0o600)
        file.write_bytes(contents)
    code, output, error = run("create", vault_path, "--passphrase-file", file)
    assert (code, output) == (5 if contents is None else 1, "")
    assert error.startswith(f"zorivest: error: {file}: ")
    assert error.count("\n") == 1
    assert not vault_path.exists()


@pytest.mark.parametrize("command", ["info", "verify", "backup", "rekey"])
def test_a_missing_vault_is_not_made(vault_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """No command but ``create`` makes a vault, and none asks for a passphrase that could open nothing."""
    monkeypatch.delenv("ZORIVEST_PASSPHRASE")
    more = [vault_path.with_name("copy.vault")] if command == "backup" else []
    assert run(command, vault_path, *more) == (
        *(5, ""),
        f"zorivest: error: {vault_path}: there is no vault here; create one with zorivest create\n",
    )
    assert names_beside(vault_path) == set()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (WrongPassphraseError("v"), 3, "v: the passphrase or key does not open this vault"),
        (VaultInUseError("v"), 4, "v: the vault is in use elsewhere"),
        (VaultBusyError("v"), 4, "v: another writer held the vault"),
        (VaultFullError("v"), 8, "v: there is no space left"),
        (VaultDamagedError("v"), 7, "v: the vault is damaged"),
        (ConfigurationError("two\nlines"), 1, r"two\nlines"),
        (PermissionError(errno.EACCES, "Permission denied", "passphrase"), 1, "passphrase: Permission denied"),
        (OSError("odd"), 1, "odd"),
    ],
)
def test_every_error_has_a_line_and_a_code(
    error: ZorivestError | OSError, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names what is concerned."""
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == code
    output, shown = capsys.readouterr()
    assert output == ""
    assert shown.startswith(f"zorivest: error: {line}")
    assert shown.count("\n") == 1


def test_ctrl_c_needs_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Who pressed it knows; the exit code is the shell's for a process that SIGINT ended."""
    with pytest.raises(SystemExit) as ended, reported():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_outside_a_command(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """While the arguments are read it ends the program as well."""

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zorivest_async.cli.program.app", interrupt)
    assert run("info") == (130, "", "")


def test_output_that_nobody_reads_is_no_error_of_the_vault() -> None:
    """A closed pipe passes through to the library that knows how to end quietly."""
    with pytest.raises(BrokenPipeError), reported():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_passphrase_is_not_asked_for_where_it_would_be_seen(
    vault_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that cannot hide what is typed is refused."""

    def ask(_prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", getpass.GetPassWarning, stacklevel=2)
        raise AssertionError("the warning is an error")

    monkeypatch.delenv("ZORIVEST_PASSPHRASE")
    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    code, _, error = run("create", vault_path)
    assert code == 1
    assert "this terminal would show the passphrase" in error
    assert not vault_path.exists()


@pytest.mark.parametrize(
    ("typed", "ending"),
    [
        ([PASSPHRASE, PASSPHRASE], (0, "")),
        ([PASSPHRASE, "typo"], (1, "zorivest: error: the two passphrases differ\n")),
        ([EOFError()], (1, "zorivest: error: no passphrase was typed\n")),
        ([KeyboardInterrupt()], (130, "")),
    ],
)
def test_what_is_typed_decides(
    vault_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    typed: list[str | BaseException],
    ending: tuple[int, str],
) -> None:
    """A vault is made where the same passphrase was typed twice, and only there."""
    monkeypatch.delenv("ZORIVEST_PASSPHRASE")
    monkeypatch.setattr(getpass, "getpass", Mock(side_effect=typed))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    code, _, error = run("create", vault_path)
    assert (code, error) == ending
    assert vault_path.exists() is (code == 0)


@pytest.mark.parametrize("arguments", [[], ["--passphrase-file", "-"]])
def test_stdin_may_be_closed(vault_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Programs without a console have no stdin at all."""
    monkeypatch.delenv("ZORIVEST_PASSPHRASE")
    monkeypatch.setattr(sys, "stdin", None)
    code, _, error = run("create", vault_path, *arguments)
    assert code == 1
    assert "passphrase" in error


class FakeTerminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("stream", [FakeTerminal, io.StringIO])
def test_a_bar_is_for_terminals(stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows the phase, with whatever looks like markup in it; a pipe or a log gets nothing."""
    shown = stream()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar() as progress:
        progress(Progress("[red]copy", 1, 2))
    assert ("[red]copy" in shown.getvalue()) is stream().isatty()


def test_a_vault_is_closed_when_a_command_fails(vault_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing warns of a vault left open."""

    async def fail(_vault: Vault, **_options: object) -> None:
        raise VaultFullError(vault_path)

    monkeypatch.setattr(Vault, "verify", fail)
    code, _, error = run("verify", make_vault(vault_path))
    assert code == 8
    assert "no space left" in error
    assert names_beside(vault_path) == {vault_path.name}


def test_only_what_steers_a_terminal_is_escaped() -> None:
    """Letters of every script stay, brackets too."""
    assert printable("journal [1]: Ünï 株 🚀") == "journal [1]: Ünï 株 🚀"
    assert printable("\x1b]0;\u202etitle\a\r\udc80") == r"\x1b]0;\u202etitle\x07\r\udc80"
