"""What the document about the command line shows, works as printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from command_line import NEW_PASSPHRASE, PASSPHRASE, opens_with, run_vault_command
from plaintext_journal import make_plaintext
from zorivest_async.cli.exits import ExitCode

DOCUMENT = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")


def test_its_commands_run_one_after_the_other(tmp_path: Path) -> None:
    """Each of them ends with 0 and prints something, and the vaults that they leave open with the right passphrase."""
    make_plaintext(tmp_path / "journal.db")
    (block,) = re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "zorivest"
        result = run_vault_command(*arguments, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, ""), line
        assert result.stdout, line
    assert opens_with(tmp_path / "journal.vault", NEW_PASSPHRASE) == 0
    assert opens_with(tmp_path / "backup.vault", PASSPHRASE) == 0
    assert opens_with(tmp_path / "adopted.vault", PASSPHRASE) == 2


def test_it_names_every_command_and_every_exit_code() -> None:
    """Its tables are the program's."""
    commands = re.findall(r"^│ ([a-z]+) ", run_vault_command("--help").stdout, re.MULTILINE)
    assert re.findall(r"^\| `([a-z]+)[ `]", DOCUMENT, re.MULTILINE) == commands
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE)}
    assert codes == {*ExitCode, 2}
