"""``zorivest server``: the statements and commands of docs/servers.md, in order, on a server of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from catalogs import described
from command_line import SCRIPT, environment
from documents import ROOT, blocks_of
from servers import own_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal_databases import JournalDatabase
    from servers import Cluster

PAGE = (ROOT / "docs" / "servers.md").read_text("utf-8")
PASSWORD = "canary-password"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the test's own, as the roles of the page belong to a whole server."""
    with own_cluster() as made:
        yield made


def run(cluster: Cluster, command: str, folder: Path, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """Run a command of the page as a shell does, against the server of the test."""
    command = command.replace("db.example", f"127.0.0.1:{cluster.port}")
    programs = os.pathsep.join([str(SCRIPT.parent), str(cluster.programs.programs), os.environ["PATH"]])
    where = {"PGHOST": str(cluster.socket_folder), "PGPORT": str(cluster.port), "PGUSER": "postgres"}
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", command],
        env=environment() | where | {"PATH": programs, "PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=60,
    )
    assert PASSWORD not in done.stdout + done.stderr
    return done


@pytest.mark.skipif(sys.platform == "win32", reason="the commands of the page are those of a POSIX shell")
@pytest.mark.timeout(400)  # a dozen commands, each of which starts Python
def test_the_page_leads_to_a_journal(cluster: Cluster, tmp_path: Path, journal_database: JournalDatabase) -> None:
    """By each of its two ways; every statement and command of it is run as it stands there."""
    blocks = blocks_of(PAGE, "sql", "sh")
    creating, printing, roles, initializing, *later = blocks
    cluster.sql(creating.text)
    assert run(cluster, printing.text, tmp_path).returncode == 0
    by_script = described(cluster, "journals")
    cluster.sql("".join(f"ALTER ROLE zorivest_{role} PASSWORD '{PASSWORD}';" for role in ("owner", "app", "dump")))
    assert cluster.sql("SELECT zorivest_open_journal('main', true)", "journals", "zorivest_app") == ["1"]
    for block in later:
        if block.language == "sql":
            cluster.sql(block.text, "journals")
        else:
            done = run(cluster, block.text, tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "journals.dump").stat().st_size > 1_000
    assert cluster.sql("SELECT zorivest_open_journal('main', false)", "journals", "reports") == ["1"]

    cluster.sql("DROP DATABASE journals; DROP ROLE zorivest_owner; DROP ROLE zorivest_app; DROP ROLE reports;")
    cluster.sql(creating.text)
    cluster.sql(roles.text, "journals")
    cluster.sql("".join(f"ALTER ROLE zorivest_{role} PASSWORD '{PASSWORD}';" for role in ("owner", "app")))
    done = run(cluster, initializing.text, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "it was created" in done.stdout
    assert described(cluster, "journals") == by_script == described(journal_database.cluster, journal_database.name)
    assert run(cluster, later[0].text, tmp_path).returncode == 0


def server_command(*arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command without a shell."""
    return subprocess.run(
        [SCRIPT, "server", *arguments],
        env=environment() | {"PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def url_without_password(database: JournalDatabase, role: str) -> str:
    """Return the URL of a role, who has to say a password elsewhere."""
    return database.url_of(role).replace(f":{database.password}@", "@")


def test_a_problem_is_printed_and_ends_with_1(journal_database: JournalDatabase) -> None:
    """``check`` is for scripts, too."""
    url = url_without_password(journal_database, journal_database.runtime)
    assert server_command("check", url, password=journal_database.password).stdout.startswith("nothing is wrong")
    journal_database.sql(f"GRANT TRUNCATE ON trades TO {journal_database.runtime}")
    try:
        done = server_command("check", url, password=journal_database.password)
    finally:
        journal_database.sql(f"REVOKE TRUNCATE ON trades FROM {journal_database.runtime}")
    assert done.returncode == 1
    assert "has rights on the table trades" in done.stdout


def test_an_error_is_one_line(journal_database: JournalDatabase) -> None:
    """A wrong password, a server that is not there, a role without rights, a role that is not there, a wrong URL."""
    database = journal_database
    runtime, owner = url_without_password(database, database.runtime), url_without_password(database, database.owner)
    for code, arguments, password, words in (
        (3, ("check", runtime), "wrong", "refuse"),
        (4, ("check", "postgresql://127.0.0.1:1/x"), "", "cannot be reached"),
        (1, ("upgrade", runtime), database.password, "connect as the owner"),
        (1, ("upgrade", owner, "--runtime", "nobody_there"), database.password, 'role "nobody_there" does not exist'),
        (1, ("check", "mysql://x/y"), "", "postgresql://"),
        (1, ("sql", "--owner", "x" * 64), "", "63 bytes"),
    ):
        done = server_command(*arguments, password=password)
        assert done.returncode == code, done
        assert done.stdout == ""
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_password_in_the_command_is_warned_of_and_not_printed(journal_database: JournalDatabase) -> None:
    """It is used all the same; in the environment it causes no warning."""
    done = server_command("check", journal_database.url)
    assert (done.returncode, journal_database.password in done.stdout + done.stderr) == (0, False)
    assert "warning" in done.stderr
    done = subprocess.run(
        [SCRIPT, "server", "check"],
        env=environment() | {"ZORIVEST_SERVER_URL": journal_database.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wrong = server_command("check", journal_database.url.replace(journal_database.password, PASSWORD))
    assert wrong.returncode == 3
    assert PASSWORD not in wrong.stdout + wrong.stderr
