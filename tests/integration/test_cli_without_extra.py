"""The program without its extra: the demo runs, and every other command says what to install."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from zorivest_async import __version__
from zorivest_async.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MISSING = 'zorivest: error: every command but demo needs an extra: pip install "zorivest-async[cli]"\n'


@pytest.fixture(autouse=True, params=["typer", "rich"])
def _without_extra(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two packages cannot be imported."""
    monkeypatch.setitem(sys.modules, request.param, None)


def test_the_demo_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything comes back equal, with the same report."""
    assert main(["demo"]) == 0
    output, error = capsys.readouterr()
    assert output.endswith("\nEverything came back equal.\n")
    assert error == ""


def test_the_demo_takes_its_options(
    vault_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its vault stays where it was asked to be; what cannot be used is told in one line."""
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", "correct horse")
    nothing = str(vault_path.with_name("nothing"))
    for option in ("--executions", "--images"):
        assert main(["demo", "--vault", str(vault_path), option, nothing]) in {5, 6}
        assert capsys.readouterr().err.startswith(f"zorivest: error: {nothing}: ")
        assert not vault_path.exists()
    assert main(["demo", "--vault", str(vault_path)]) == 0
    assert vault_path.is_file()


@pytest.mark.parametrize("arguments", [["info", "journal.vault", "--json"], ["backup", "--help"], ["no-such-command"]])
def test_other_commands_name_the_extra(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with the exit code of a command that failed."""
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", MISSING)


def test_its_help_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    """With the demo and its exit codes; without a command it is printed as for a wrong one."""
    assert main(["--help"]) == 0
    output, _ = capsys.readouterr()
    assert main([]) == 2
    assert capsys.readouterr() == ("", output)
    for words in ("demo ", "zorivest-async[cli]", "130"):
        assert words in output


def test_a_wrong_option_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is with the extra."""
    assert main(["demo", "--nonsense"]) == 2
    assert capsys.readouterr().out == ""


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As it does with the extra."""
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"zorivest {__version__}\n", "")
