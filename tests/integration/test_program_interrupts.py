"""Ctrl-C at any time of a command leaves nothing half done; prompts and questions at a terminal. Real processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_line import PASSPHRASE, SCRIPT, at_terminal, call, environment, make_vault, names_beside
from zorivest_async import Vault

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")

ROWS = 3000
PARTS = (0.01, 0.1, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.97, 1.1)
"""When Ctrl-C comes: parts of the time of an import that nothing stops, from the start of the interpreter on."""

STARTING = 3
"""Number of the parts that may end before the interpreter has begun to run the program."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of trades that are imported into an account which the import creates."""
    folder = tmp_path_factory.mktemp("exported")
    vault = make_vault(folder / "source.vault", trades=ROWS)
    assert call("export", "trades", folder / "trades.csv", vault=vault).code == 0
    return folder / "trades.csv"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with an account and no trade, which tests copy."""
    return make_vault(tmp_path_factory.mktemp("empty") / "journal.vault", trades=0)


async def trades_in(path: Path) -> int:
    """Return how many trades a vault has that is sound."""
    async with Vault.open(path, passphrase=PASSPHRASE, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return len(await uow.trades.list_all(limit=None))


@pytest.fixture(scope="module")
def whole_s(exported: Path, empty: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an import takes now, in seconds, as a process of its own."""
    vault = tmp_path_factory.mktemp("timed") / "journal.vault"
    shutil.copy(empty, vault)
    began = time.perf_counter()
    process = started("import", exported, "--yes", "--vault", vault)
    process.communicate(timeout=60)
    assert process.returncode == 0
    return time.perf_counter() - began


def interrupted_after(delay_s: float, *arguments: str | Path) -> subprocess.Popen[str]:
    """Run a command, and send it what Ctrl-C sends after a while."""
    process = started(*arguments)
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    return process


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command."""
    return subprocess.Popen(
        [SCRIPT, *map(str, arguments)],
        env=environment(PASSPHRASE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_an_import_is_whole_or_nothing(exported: Path, empty: Path, tmp_path: Path, whole_s: float) -> None:
    """Whenever Ctrl-C comes, the vault is sound and has all trades or none, and the exit code says which."""
    codes: list[int] = []
    for number, delay_s in enumerate(whole_s * part for part in PARTS):
        vault = tmp_path / str(number) / "journal.vault"
        vault.parent.mkdir()
        shutil.copy(empty, vault)
        process = interrupted_after(delay_s, "import", exported, "--yes", "--vault", vault)
        out, err = process.communicate(timeout=30)
        stored = asyncio.run(trades_in(vault))
        assert stored in {0, ROWS}, (delay_s, stored, err)
        assert process.returncode in {0, 130, -signal.SIGINT}, (delay_s, out, err)
        if process.returncode == -signal.SIGINT:  # the interpreter, before it runs the program or after it has run it
            assert stored == ROWS or number < STARTING, (delay_s, out, err)
        if process.returncode == 0:
            assert stored == ROWS
        assert names_beside(vault) == {vault.name}
        codes.append(process.returncode)
    assert 130 in codes


def test_files_that_are_written_are_whole_or_absent(exported: Path, tmp_path: Path, whole_s: float) -> None:
    """A backup and an export that Ctrl-C stops leave no unfinished file."""
    vault = exported.with_name("source.vault")
    for number, delay_s in enumerate(whole_s * part for part in PARTS[1:7:2]):
        for command, name in ((("backup",), "backup.vault"), (("export", "trades"), "t.csv")):
            folder = tmp_path / f"{command[0]}{number}"
            folder.mkdir()
            process = interrupted_after(delay_s, *command, folder / name, "--vault", vault)
            process.communicate(timeout=30)
            assert process.returncode in {0, 130, -signal.SIGINT}
            assert {path.name for path in folder.iterdir() if path.suffix != ".lock"} <= {name}
            if (folder / name).exists():
                whole = len(exported.read_bytes()) if name == "t.csv" else None
                assert whole is None or len((folder / name).read_bytes()) == whole


def test_a_question_can_be_left(empty: Path, tmp_path: Path) -> None:
    """Ctrl-C at a question is no answer: nothing is changed."""
    vault = tmp_path / "journal.vault"
    shutil.copy(empty, vault)
    with at_terminal("accounts", "delete", "U1", "--vault", vault, passphrase=PASSPHRASE) as terminal:
        terminal.wait_for("[y/N]")
        terminal.process.send_signal(signal.SIGINT)
        ended = terminal.finish()
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr
    assert call("accounts", "show", "U1", vault=vault).code == 0


def test_a_prompt_for_queries(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are typed one after the other; a wrong one ends nothing, nor does Ctrl-C; Ctrl-D is the end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    vault = tmp_path / "journal.vault"
    shutil.copy(empty, vault)
    answers = {"select 41 + 1 as n;": "42", "select x": "no such column", "delete from trades": "only queries"}
    with at_terminal("sql", "--vault", vault, passphrase=PASSPHRASE, shows_output=True) as terminal:
        for line, answer in answers.items():
            terminal.wait_for("sql> ")
            terminal.type(line)
            terminal.wait_for(answer)
        terminal.wait_for("one of them\r\nsql> ")
        terminal.screen = ""
        time.sleep(0.5)  # readline does not see a signal between its prompt and its wait until the next key
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait_for("sql> ")
        terminal.type("select 6 * 7 + 1000 as m")
        terminal.wait_for("1042\r\nsql> ")
        time.sleep(0.2)  # the prompt is shown before readline reads keys
        terminal.press("\x04")
        ended = terminal.finish()
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the viewer is started by another program there")
def test_an_image_is_opened_and_its_copy_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's viewer gets a copy that has the original's bytes, which is gone after Enter."""
    viewer, seen = tmp_path / "bin" / "xdg-open", tmp_path / "seen"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\nls -ld "$1" > "{seen}"\ncp "$1" "{seen}.png"\n')
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{viewer.parent}{os.pathsep}{os.environ['PATH']}")
    vault = make_vault(tmp_path / "journal.vault", images=1)
    with at_terminal("images", "open", "1", "--vault", vault, passphrase=PASSPHRASE) as terminal:
        terminal.wait_for("Press Enter")
        while not seen.with_suffix(".png").exists():
            time.sleep(0.05)
        shown = Path(seen.read_text().split()[-1])
        assert shown.exists()
        terminal.type("")
        ended = terminal.finish()
    assert (ended.returncode, shown.parent.exists()) == (0, False)
    original = tmp_path / "original.png"
    assert call("images", "export", 1, original, vault=vault).code == 0
    assert seen.with_suffix(".png").read_bytes() == original.read_bytes()
