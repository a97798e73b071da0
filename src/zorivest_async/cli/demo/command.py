"""The demo: store a journal, close it, show that it is locked, reopen it, compare, and report."""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from anyio import to_thread

from zorivest_async import Vault, VaultError, WrongPassphraseError
from zorivest_async.analytics import performance
from zorivest_async.cli.demo.journal import compare, keep
from zorivest_async.cli.demo.loop_watch import watched_loop
from zorivest_async.cli.demo.samples import DATA, EXECUTIONS, read_executions, read_pictures
from zorivest_async.cli.demo.story import tell_story
from zorivest_async.cli.exits import ExitCode
from zorivest_async.cli.passphrases import CURRENT
from zorivest_async.cli.progress import progress_bar
from zorivest_async.cli.running import run_to_end
from zorivest_async.database.sqlcipher.long_operation import run_operation
from zorivest_async.database.sqlcipher.uris import file_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zorivest_async import ProgressCallback
    from zorivest_async.analytics import Performance
    from zorivest_async.cli.demo.journal import Check

__all__ = ["run_demo"]


def run_demo(vault: Path | None, executions: Path | None, images: Path | None, passphrase_file: str | None) -> ExitCode:
    """Run the demo, print its report, and return the exit code; it fails if anything that is read back differs.

    Args:
        vault: Where to keep the vault; ``None`` for a temporary folder.
        executions: A CSV file of executions; ``None`` for the bundled sample.
        images: A folder of images; ``None`` for the bundled charts.
        passphrase_file: A file with the passphrase, for a vault that is kept.

    Raises:
        ZorivestError: A path, a file or an image is invalid; no vault was created.
        OSError: A file cannot be read or written.
    """
    if vault is not None and os.path.lexists(vault):
        raise VaultError(vault, "the path already exists, and the demo needs a new vault; choose another name")
    passphrase = secrets.token_urlsafe() if vault is None else CURRENT.read(passphrase_file, vault, twice=True)
    with TemporaryDirectory(prefix="zorivest-demo-") as folder, progress_bar() as progress:
        path = Path(folder) / "demo.vault" if vault is None else vault
        report, problems = run_to_end(_run(path, passphrase, executions or EXECUTIONS, images or DATA, progress))
    sys.stdout.write(report)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return ExitCode.FAILED if problems else ExitCode.OK


async def _run(
    path: Path, passphrase: str, executions: Path, folder: Path, progress: ProgressCallback
) -> tuple[str, list[str]]:
    """Return the report, and a sentence for each problem."""
    began = perf_counter()
    async with watched_loop() as late_s:
        # All input is read and checked before the vault is created.
        trades = await run_operation(lambda operation: read_executions(executions, operation), progress)
        pictures = await run_operation(lambda operation: read_pictures(folder, operation), progress)
        story = tell_story(executions, trades, pictures)
        async with Vault.open(path, passphrase=passphrase) as vault:
            images = await keep(vault, story, progress)
        file_bytes = (await to_thread.run_sync(path.stat)).st_size
        sqlite3_said = await to_thread.run_sync(_try_sqlite3, path)
        library_said = await _try_wrong_passphrase(path)
        async with (
            Vault.open(path, passphrase=passphrase, create=False) as vault,
            vault.unit_of_work(read_only=True) as uow,
        ):
            checks = await compare(uow, story, images, progress)
            results = await performance(uow)
    problems = [
        f"{check.kind}: {check.stored:,} stored, {check.read:,} read back, {check.equal:,} of them equal"
        for check in checks
        if not check.ok
    ]
    if sqlite3_said is None:
        problems.append("sqlite3 did not refuse the vault as a file that is not a database")
    if library_said is None:
        problems.append("a wrong passphrase opened the vault")
    facts = {
        "positions": "; ".join(map(_result, results)) or "none closed",
        "sqlite3 without the key": f"refused: {sqlite3_said}" if sqlite3_said else "NOT REFUSED",
        "a wrong passphrase": f"refused: {library_said}" if library_said else "NOT REFUSED",
        "vault file": f"{file_bytes:,} bytes",
        "time": f"{perf_counter() - began:.2f} s",
        "longest event-loop stall": f"{max(late_s, default=0.0) * 1000:.1f} ms",
    }
    verdict = "NOT everything came back equal." if problems else "Everything came back equal."
    return _report(checks, facts, verdict), problems


def _try_sqlite3(path: Path) -> str | None:
    """Return the standard library's error that the file is not a database; ``None`` if there is no such error."""
    with closing(sqlite3.connect(file_uri(path.absolute(), "mode=ro"), uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.DatabaseError as error:
            return str(error) if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else None
    return None


async def _try_wrong_passphrase(path: Path) -> str | None:
    """Return the name of the library's error for a wrong passphrase; ``None`` if that opens the vault."""
    try:
        async with Vault.open(path, passphrase=secrets.token_urlsafe(), create=False):
            return None
    except WrongPassphraseError as error:
        return type(error).__name__


def _result(result: Performance) -> str:
    won = "" if result.win_rate is None else f", {result.win_rate:.0%} won"
    return f"{result.closed:,} closed{won}, {result.realized_pnl:+,.2f} {result.currency}"


def _report(checks: Iterable[Check], facts: Mapping[str, str], verdict: str) -> str:
    """Return a table of the comparison, then the positions, how the file was locked, its size, and the times."""
    heading = f"{'':<25}{'stored':>10}{'read back':>12}{'equal':>10}"
    counts = [f"{check.kind:<25}{check.stored:>10,}{check.read:>12,}{check.equal:>10,}" for check in checks]
    return "\n".join((heading, *counts, "", *(f"{name:<25}{fact}" for name, fact in facts.items()), "", verdict, ""))
