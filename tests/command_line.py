"""Running ``zorivest`` as users do: in a process of its own, from a script or at a terminal; and in this process."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import select
import subprocess
import sys
import sysconfig
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_noise_png, make_trades
from zorivest_async import ImageOwnerType, KdfProfile, Vault
from zorivest_async.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(sysconfig.get_path("scripts")) / "zorivest"
PASSPHRASE = "it's the canary passphrase"
NEW_PASSPHRASE = "another canary passphrase"
ROW_CANARY = "CANARY-ROW"

THINKORSWIM_STATEMENT = """Account Statement for 12345678SCHW (Individual) since 6/8/26 through 6/9/26

Account Trade History
,Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type
,6/8/26 10:05:40,STOCK,SELL,-100,TO CLOSE,ROKU,,,STOCK,72.03,72.03,LMT
,6/8/26 09:31:17,STOCK,BUY,+12,TO OPEN,ROKU,,,STOCK,71.42,71.42,LMT
,6/8/26 09:31:17,STOCK,BUY,+88,TO OPEN,ROKU,,,STOCK,71.42,71.42,LMT

Profits and Losses
"""
"""A broker's file of three executions, which the program recognises."""

_WAIT_S = 30
_OF_TESTS = {"ZORIVEST_POSTGRESQL", "ZORIVEST_TEST_SERVERS"}
"""Variables of the tests' servers, which the program does not read."""


def environment(passphrase: str | None = None, new_passphrase: str | None = None) -> dict[str, str]:
    """Return the environment of a command: wide, in UTF-8, where warnings are errors, with only these passphrases."""
    names = {"ZORIVEST_PASSPHRASE": passphrase, "ZORIVEST_NEW_PASSPHRASE": new_passphrase}
    colors = {"FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"}  # typer and rich would take pipes for terminals
    kept = {name: value for name, value in os.environ.items() if name in _OF_TESTS or not name.startswith("ZORIVEST_")}
    return (
        {name: value for name, value in kept.items() if name not in colors}
        | {"COLUMNS": "200", "TERM": "xterm", "PYTHONUTF8": "1", "PYTHONWARNINGS": "error"}
        | {"ZORIVEST_CONFIG": os.devnull}  # the user's own configuration is not that of tests
        | {name: value for name, value in names.items() if value is not None}
    )


def run_vault_command(
    *arguments: str | Path,
    passphrase: str | None = None,
    new_passphrase: str | None = None,
    typed: str = "",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command whose stdin is a pipe with ``typed`` in it, and return how it ended."""
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env=environment(passphrase, new_passphrase),
        input=typed,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=_WAIT_S,
        cwd=cwd,
    )


def assert_refused(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert that a command failed, printed nothing, and said why in one line that holds no secret."""
    assert (result.returncode, result.stdout) == (code, "")
    assert re.fullmatch(r"zorivest: error: [^\n]+\n", result.stderr)
    for word in words:
        assert word in result.stderr
    for secret in (PASSPHRASE, NEW_PASSPHRASE, ROW_CANARY):
        assert secret not in result.stderr


def warns_only_of_cheapest(stderr: str) -> bool:
    """Return whether a command wrote one line to stderr, which names the profile that tests give their vaults."""
    return re.fullmatch(r"zorivest: warning: [^\n]+ CHEAPEST[^\n]+\n", stderr) is not None


def make_vault(path: Path, *, trades: int = 3, images: int = 0) -> Path:
    """Make a vault that opens with :data:`PASSPHRASE`, with as many trades, and large images of the first one."""

    async def fill() -> None:
        opening = Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
        async with opening as vault, vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1", notes=ROW_CANARY))
            await uow.trades.save_many(make_trades(trades, instrument=ROW_CANARY))
            picture = await asyncio.to_thread(make_noise_png, 1600, 1200) if images else b""
            for _ in range(images):
                await uow.images.attach(ImageOwnerType.TRADE, "00000", picture)
            await uow.commit()

    asyncio.run(fill())
    return path


def opens_with(path: Path, passphrase: str) -> int:
    """Return how many trades a vault holds; raises where the passphrase does not open it."""

    async def count() -> int:
        opening = Vault.open(path, passphrase=passphrase, create=False)
        async with opening as vault, vault.unit_of_work(read_only=True) as uow:
            return len(await uow.trades.list_all())

    return asyncio.run(count())


def names_beside(path: Path) -> set[str]:
    """Return the names of everything in the folder of a file, but for locks, which stay."""
    return {other.name for other in path.parent.iterdir() if other.suffix != ".lock"}


def _open_terminal() -> tuple[int, int]:
    """Open a pseudo-terminal, and return the descriptors of its two ends: the one that is read, and the command's."""
    if sys.platform == "win32":
        pytest.skip("there are no pseudo-terminals there")
    else:
        return os.openpty()


class Terminal:
    """A command whose stdin and stderr are a pseudo-terminal, and its stdout, too, if the screen is to show it.

    Attributes:
        process: The command.
        screen: What was shown until now.
    """

    def __init__(
        self,
        *arguments: str | Path,
        passphrase: str | None = None,
        new_passphrase: str | None = None,
        shows_output: bool = False,
    ) -> None:
        self._master, child = _open_terminal()
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [SCRIPT, *map(str, arguments)],
            env=environment(passphrase, new_passphrase),
            stdin=child,
            stderr=child,
            stdout=child if shows_output else subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        os.close(child)
        self.screen = ""

    def wait_for(self, words: str) -> None:
        """Wait until the screen shows something."""
        while words not in self.screen:
            assert self._show_more(), f"the command ended before it showed {words!r}: {self.screen!r}"

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, f"{line}\n".encode())

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._master, key.encode())

    def finish(self) -> subprocess.CompletedProcess[str]:
        """Wait for the end, and return how it was; ``stderr`` is the screen."""
        while self._show_more():
            pass
        output, _ = self.process.communicate(timeout=_WAIT_S)
        return subprocess.CompletedProcess([], self.process.returncode, output or "", self.screen)

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.communicate()
        os.close(self._master)

    def _show_more(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], _WAIT_S)
        assert readable, f"nothing more was shown after {self.screen!r}"
        try:
            shown = os.read(self._master, 4096)
        except OSError:  # Linux: the other side was closed
            return False
        self.screen += shown.decode(errors="replace")
        return bool(shown)


@contextmanager
def at_terminal(
    *arguments: str | Path,
    passphrase: str | None = None,
    new_passphrase: str | None = None,
    shows_output: bool = False,
) -> Iterator[Terminal]:
    """Run a command at a terminal, and end it with the block."""
    terminal = Terminal(*arguments, passphrase=passphrase, new_passphrase=new_passphrase, shows_output=shows_output)
    try:
        yield terminal
    finally:
        terminal.close()


_HOLDER = """
import asyncio, os, sys
from zorivest_async import Vault

async def hold():
    async with Vault.open(sys.argv[1], passphrase=os.environ["ZORIVEST_PASSPHRASE"], create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            await uow.trades.list_all()
            print("open", flush=True)
            await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Have another process hold a vault open, reading, while the block runs."""
    holder: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path],
        env=environment(PASSPHRASE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield
        holder.communicate(timeout=_WAIT_S)


@dataclass(frozen=True)
class Called:
    """How a command ended that ran in this process.

    Attributes:
        code: The exit code.
        out: Its stdout.
        err: Its stderr.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, parsed."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def call(*arguments: str | Path | float, typed: str | None = None, **variables: str | Path | None) -> Called:
    """Run a command in this process, which takes a tenth of the time that a process of its own takes.

    Args:
        arguments: Its arguments.
        typed: What is on stdin, which is then a terminal; ``None`` for an empty pipe.
        variables: Environment variables without ``ZORIVEST_``, in lower case: ``vault=...``.
    """
    named = {f"ZORIVEST_{name.upper()}": str(value) for name, value in variables.items() if value is not None}
    out, err = _Stream(), _Stream()
    stdin = _Stream(typed or "")
    stdin.is_terminal = typed is not None
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in [name for name in os.environ if name.startswith("ZORIVEST_") and name not in _OF_TESTS]:
            patch.delenv(name)
        for name, value in {"ZORIVEST_CONFIG": os.devnull, "ZORIVEST_PASSPHRASE": PASSPHRASE, **named}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", stdin)
        code = main([*map(str, arguments)])
    return Called(code, out.getvalue(), err.getvalue())


class _Stream(io.StringIO):
    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal
