"""The demo command as users run it: what it prints, and what it keeps to itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from zorivest_async import Vault, WrongPassphraseError
from zorivest_async.cli.demo.story import PROVIDER_KEY

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data"
PASSPHRASE = "it's the passphrase of the demo's tests"


def run_command(*arguments: str | Path, passphrase: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python -m zorivest_async`` in a process of its own, without a terminal, where warnings are errors."""
    environment = {name: value for name, value in os.environ.items() if name != "ZORIVEST_PASSPHRASE"}
    if passphrase is not None:
        environment["ZORIVEST_PASSPHRASE"] = passphrase
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "zorivest_async", *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def table_in(output: str) -> dict[str, tuple[int, ...]]:
    """Return the numbers of the report's table: stored, read back, equal."""
    rows = re.findall(r"^(\S.*?) +([\d,]+) +([\d,]+) +([\d,]+)$", output, re.MULTILINE)
    return {kind: tuple(int(text.replace(",", "")) for text in numbers) for kind, *numbers in rows}


def names_beside(path: Path) -> list[str]:
    """Return the names of everything in the folder of a file, without lock files, which stay."""
    return sorted(other.name for other in path.parent.iterdir() if other.suffix != ".lock")


def assert_refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a command failed and said why in one line."""
    assert (result.returncode in {1, 5}, result.stdout) == (True, "")
    assert re.fullmatch(r"zorivest: error: [^\n]+\n", result.stderr)
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="module")
def plain_run() -> subprocess.CompletedProcess[str]:
    """Return how the command went without arguments."""
    return run_command("demo")


def test_the_bundled_sample_comes_back_equal(plain_run: subprocess.CompletedProcess[str]) -> None:
    """Without arguments 100 executions, four charts and the rest of a journal are stored and come back equal."""
    assert (plain_run.returncode, plain_run.stderr) == (0, "")
    assert table_in(plain_run.stdout) == {
        "accounts": (1, 1, 1),
        "executions": (100, 100, 100),
        "images of executions": (4, 4, 4),
        "images of report and plan": (2, 2, 2),
        "image details": (6, 6, 6),
        "thumbnails": (6, 6, 6),
        "reports": (1, 1, 1),
        "plans": (1, 1, 1),
        "watchlists": (1, 1, 1),
        "watchlist items": (3, 3, 3),
        "balances": (3, 3, 3),
        "settings": (6, 6, 6),
        "providers": (1, 1, 1),
        "provider keys, revealed": (1, 1, 1),
    }
    assert plain_run.stdout.endswith("\nEverything came back equal.\n")


def test_the_report_says_how_the_vault_was_locked_and_what_it_took(plain_run: subprocess.CompletedProcess[str]) -> None:
    """Positions are summed up, both refusals quoted; size, time and longest stall are numbers above zero."""
    assert re.search(r"\npositions +\d+ closed, \d+% won, [+-][\d,]+\.\d\d USDT\n", plain_run.stdout)
    assert "sqlite3 without the key  refused: file is not a database\n" in plain_run.stdout
    assert "a wrong passphrase       refused: WrongPassphraseError\n" in plain_run.stdout
    for pattern in (r"vault file +([\d,]+) bytes\n", r"time +([\d.]+) s\n", r"longest event-loop stall +([\d.]+) ms\n"):
        found = re.search(pattern, plain_run.stdout)
        assert found is not None, pattern
        assert float(found[1].replace(",", "")) > 0


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared data are not beside the repository")
def test_the_shared_data_come_back_equal() -> None:
    """All 1,000 executions and all four charts of the shared data are stored and come back equal."""
    (executions,) = (SHARED_DATA / "executions").glob("*.csv")
    result = run_command("demo", "--executions", executions, "--images", SHARED_DATA / "charts")
    assert (result.returncode, result.stderr) == (0, "")
    table = table_in(result.stdout)
    assert table["executions"] == (1000, 1000, 1000)
    assert table["images of executions"] == (4, 4, 4)
    assert all(len(set(numbers)) == 1 for numbers in table.values())


@pytest.mark.asyncio
async def test_a_kept_vault_opens_with_its_passphrase_alone(vault_path: Path) -> None:
    """What ``--vault`` leaves behind is the journal under the environment's passphrase; beside it at most a lock."""
    result = await to_thread.run_sync(lambda: run_command("demo", "--vault", vault_path, passphrase=PASSPHRASE))
    assert result.returncode == 0
    left_behind = await to_thread.run_sync(names_beside, vault_path)
    assert {vault_path.name} <= set(left_behind) <= {vault_path.name, f"{vault_path.name}.lock"}
    async with (
        Vault.open(vault_path, passphrase=PASSPHRASE, create=False) as vault,
        vault.unit_of_work(read_only=True) as uow,
    ):
        assert len(await uow.trades.list_all(limit=None)) == 100
    with pytest.raises(WrongPassphraseError):
        await Vault.open(vault_path, passphrase=PASSPHRASE.upper(), create=False)


def test_a_kept_vault_takes_its_passphrase_as_other_commands_do(vault_path: Path) -> None:
    """It may stand in a file, too; a short one is warned of."""
    file = vault_path.with_name("passphrase")
    file.touch(mode=0o600)
    file.write_text("short\n", encoding="utf-8")
    result = run_command("demo", "--vault", vault_path, "--passphrase-file", file, passphrase=PASSPHRASE)
    assert result.returncode == 0
    assert re.fullmatch(r"zorivest: warning: the passphrase has fewer than [^\n]+\n", result.stderr)
    shown = run_command("info", vault_path, "--passphrase-file", file)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_no_secret_is_printed_or_stored_in_the_clear(vault_path: Path) -> None:
    """The passphrase and the provider's key are neither in the output nor in the file."""
    result = run_command("demo", "--vault", vault_path, passphrase=PASSPHRASE)
    assert result.returncode == 0
    for secret in (PASSPHRASE, PROVIDER_KEY):
        assert secret not in result.stdout + result.stderr
        assert secret.encode() not in vault_path.read_bytes()


def test_an_existing_vault_is_left_as_it_is(vault_path: Path) -> None:
    """A second run on the same path is refused, with the right passphrase too, and changes no byte."""
    assert run_command("demo", "--vault", vault_path, passphrase=PASSPHRASE).returncode == 0
    before, names_before = vault_path.read_bytes(), names_beside(vault_path)
    for passphrase in (PASSPHRASE, "another"):
        result = run_command("demo", "--vault", vault_path, passphrase=passphrase)
        assert_refused(result, str(vault_path), "the path already exists")
    assert (vault_path.read_bytes(), names_beside(vault_path)) == (before, names_before)


@pytest.mark.skipif(sys.platform == "win32", reason="making links needs a privilege there")
def test_nothing_else_is_taken_for_a_place_either(vault_path: Path) -> None:
    """A folder, and a link that leads nowhere, are left as they are."""
    vault_path.mkdir()
    assert_refused(run_command("demo", "--vault", vault_path, passphrase=PASSPHRASE), "the path already exists")
    assert list(vault_path.iterdir()) == []
    vault_path.rmdir()
    vault_path.symlink_to("nowhere")
    assert_refused(run_command("demo", "--vault", vault_path, passphrase=PASSPHRASE), "the path already exists")
    assert names_beside(vault_path) == [vault_path.name]


@pytest.mark.parametrize("passphrase", [None, ""])
def test_a_kept_vault_needs_a_passphrase(vault_path: Path, passphrase: str | None) -> None:
    """Without a passphrase no vault is made that nobody could open again."""
    result = run_command("demo", "--vault", vault_path, passphrase=passphrase)
    assert_refused(result, "ZORIVEST_PASSPHRASE")
    assert names_beside(vault_path) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A vault is not put into a folder that does not exist."""
    path = tmp_path / "no-such-folder" / "journal.vault"
    assert_refused(
        run_command("demo", "--vault", path, passphrase=PASSPHRASE), str(path), "the parent directory does not exist"
    )
    assert names_beside(path.parent) == []
