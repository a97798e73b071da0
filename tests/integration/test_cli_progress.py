"""What ``zorivest`` shows while it works on a larger vault, and how it stops when Ctrl-C is pressed."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from command_line import NEW_PASSPHRASE, PASSPHRASE, at_terminal, make_vault, names_beside, opens_with

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")


@pytest.fixture(scope="module")
def large_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a vault of some 100 MB, which takes a while to copy; no test changes it."""
    return make_vault(tmp_path_factory.mktemp("large") / "journal.vault", images=50)


def test_a_bar_shows_the_phases_and_goes(large_vault: Path, tmp_path: Path) -> None:
    """It is on the terminal; the result alone is on stdout."""
    copy = tmp_path / "copy.vault"
    with at_terminal("backup", large_vault, copy, passphrase=PASSPHRASE) as terminal:
        ended = terminal.finish()
    assert (ended.returncode, ended.stdout) == (0, f"{copy}: backed up, and read back\n")
    for phase in ("copy", "verify"):
        assert phase in ended.stderr
    assert ended.stderr.endswith("\x1b[2K")


def test_the_demo_has_the_same_bar() -> None:
    """Its report alone is on stdout, and nothing of the bar stays."""
    with at_terminal("demo") as terminal:
        ended = terminal.finish()
    assert ended.returncode == 0
    assert ended.stdout.endswith("\nEverything came back equal.\n")
    assert "\u2501" in ended.stderr
    assert ended.stderr.endswith("\x1b[2K")


@pytest.mark.parametrize("command", ["backup", "rekey"])
def test_ctrl_c_leaves_nothing_behind(large_vault: Path, tmp_path: Path, command: str) -> None:
    """In the middle of a copy it ends the command with 130, without a traceback, half a file or a changed vault."""
    copy = tmp_path / "copy.vault"
    more = [copy] if command == "backup" else []
    with at_terminal(command, large_vault, *more, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE) as terminal:
        terminal.wait_for("copy")
        terminal.process.send_signal(signal.SIGINT)
        ended = terminal.finish()
    assert (ended.returncode, ended.stdout) == (130, "")
    assert "Traceback" not in ended.stderr
    assert names_beside(copy) == set()
    assert names_beside(large_vault) == {large_vault.name}
    assert opens_with(large_vault, PASSPHRASE) == 3
