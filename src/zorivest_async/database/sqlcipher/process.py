"""Process-wide state that makes forks safe: the current process, and the files that SQLite has open in it.

SQLite keeps a table of the files that a process has open, because POSIX locks belong to the process and not to a
descriptor (https://sqlite.org/howtocorrupt.html, section 2.2). A forked child inherits the table but not the locks. It
would believe that it holds the parent's locks, and lose commits. Therefore this module keeps the library's only state
per process. A child gets a new :class:`Process`:

* Objects from before the fork are left behind (:attr:`Process.left_behind`) and refuse to work.
* A file that was open at the fork cannot be opened in the child; any other file can.
* No inherited SQLite handle is touched, not even by garbage collection: its mutex may be locked forever, and closing it
  would write to the parent's files.

A fork waits for the threads that are inside SQLite, because a mutex that one of them holds stays locked in the child; a
long statement pauses between two opcodes. The wait is limited. After a longer one, the child finds a locked mutex with
a probe before it opens its first file.

``os.register_at_fork`` reports the forks of Python. For the forks of a C program (uWSGI), :func:`current` compares the
process id.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.hot_journal import require_plausible_journal
from zorivest_async.database.sqlcipher.places import Places
from zorivest_async.database.sqlcipher.raw_connection import RawConnection
from zorivest_async.database.sqlcipher.uris import path_of
from zorivest_async.domain.threads import no_thread_error
from zorivest_async.errors import VaultForkedError, VaultReplacedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

__all__ = [
    "FileConnection",
    "FileId",
    "Process",
    "Watch",
    "connect",
    "connect_as",
    "current",
    "gate_of_thread",
    "inside_sqlite",
    "registered",
    "renew_in_child",
    "start_thread",
]

FileId: TypeAlias = tuple[int, int]
"""Device and inode: the identity of a file under any name."""

LONGEST_PAUSE_S: Final = 1.0
"""Maximum time that a fork waits for threads that are inside SQLite. Most statements take less than a millisecond."""

OPCODES_PER_PAUSE: Final = 200_000
"""Number of opcodes between two checks of a long statement whether a fork waits for it: a few milliseconds."""

PROBE_TIMEOUT_S: Final = 2.0
"""Maximum time that a child waits for SQLite's answer, which takes a millisecond, or forever."""

KEY_DERIVATIONS: Final = 2
"""Maximum number of keys that a process derives at a time. Each takes 64 MiB and four threads, or 256 MiB."""

ATTEMPTS: Final = 3
"""Maximum number of attempts to open a path whose file is replaced during each attempt."""

_ConnectionT = TypeVar("_ConnectionT", bound="FileConnection")


class _Lock(Protocol):
    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...

    def release(self) -> None: ...


class _Inherited(Protocol):
    """An object that, in a child, would wait for a thread or a connection of the parent."""

    def end_in_child(self) -> None: ...


class Process:
    """State of one process that uses SQLite.

    Args:
        parent: The state of the process that forked; ``None`` in the first process.

    Attributes:
        pid: The process id.
        left_behind: Whether the running process is a forked child of this one, which must not use its objects.
        opening: Lock held while a file is opened; a fork waits for it.
        gates: Locks of the threads that use SQLite, each held while its thread is inside SQLite; a fork waits for them.
        entering: Lock held while a gate is added. A fork holds it, so that no thread enters through a new gate.
        resumed: Event that is set while no fork waits.
        waiting: Answers that threads of this process owe.
        pools: Pools of connections.
        connections: Open raw connections to files.
        cursors: Cursors that may be open.
        descriptors: Descriptors of lock files and WALs. A child closes them, as it would keep the parent's locks.
        derivations: Places for deriving keys. A child has new ones: the threads that hold places do not exist there.
    """

    def __init__(self, parent: Process | None = None) -> None:
        self.pid = os.getpid()
        self.left_behind = False
        self.opening = threading.RLock()
        self.gates: set[threading.Lock] = set()
        self.entering = threading.RLock()  # garbage collection may close connections while it is held
        self.resumed = threading.Event()
        self.resumed.set()
        self.waiting: set[_Inherited] = set()
        self.pools: weakref.WeakSet[_Inherited] = weakref.WeakSet()
        self.connections: dict[int, weakref.ref[FileConnection]] = {}
        self.cursors: set[weakref.ref[Any]] = set()
        self.descriptors: set[int] = set()
        self.derivations = Places(KEY_DERIVATIONS)
        self._open: dict[FileId, int] = {}
        self._names: dict[str, list[FileId]] = {}
        self._inherited: frozenset[FileId] = frozenset()
        self._probing = threading.Lock()
        self._answers: bool | None = True
        if parent is not None:
            self._inherited = parent.closed_to_children
            self._answers = True if parent.has_not_used_sqlite else None

    @property
    def closed_to_children(self) -> frozenset[FileId]:
        """The files that a child cannot open: they are open here, or this process inherited them."""
        return self._inherited.union(self._open)

    @property
    def has_not_used_sqlite(self) -> bool:
        """Whether no thread can have held a mutex of SQLite."""
        return self._answers is True and not self.gates and not self.closed_to_children

    def let_forks_in(self, gate: threading.Lock) -> None:
        """Pause for a fork that waits; called between two opcodes, on the thread that holds a gate."""
        if not self.resumed.is_set():
            gate.release()
            self.resumed.wait(LONGEST_PAUSE_S)
            gate.acquire()

    def admit(self, path: str, file: FileId) -> None:
        """Register a file as open under a path; the caller holds :attr:`opening`.

        Raises:
            VaultForkedError: The parent had the file open at the fork.
            VaultReplacedError: This process has another file open under that path.
        """
        if file in self._inherited:
            raise VaultForkedError(
                f"{path}: the parent process had this file open when it forked, so this process cannot open it; "
                "fork before the vault is opened, or start the process with multiprocessing's 'spawn'"
            )
        others = self._names.setdefault(path, [])
        if others and others[0] != file:
            # SQLite finds the WAL by its path: it would read that of the earlier file, and write it into this one.
            raise VaultReplacedError(path)
        others.append(file)
        self._open[file] = self._open.get(file, 0) + 1

    def dismiss(self, path: str, file: FileId) -> None:
        """Undo one :meth:`admit`, when the file is closed."""
        with self.opening:
            self._open[file] -= 1
            if not self._open[file]:
                del self._open[file]
            names = self._names[path]
            names.remove(file)
            if not names:
                del self._names[path]

    def sqlite_answers(self) -> bool:
        """Return whether SQLite answers: in a child, a mutex that a thread held at the fork is locked forever."""
        if self._answers is None:
            with self._probing:
                if self._answers is None:
                    probe = threading.Thread(target=_use_sqlite, name="zorivest-probe", daemon=True)
                    start_thread(probe)
                    probe.join(PROBE_TIMEOUT_S)
                    self._answers = not probe.is_alive()
        return self._answers

    def require_sqlite(self) -> None:
        """Check that SQLite answers.

        Raises:
            VaultForkedError: It does not.
        """
        if not self.sqlite_answers():
            raise VaultForkedError(
                "the process forked while another thread was inside SQLite, so this process cannot use it; "
                "fork before a vault is opened, or start the process with multiprocessing's 'spawn'"
            )


def _use_sqlite() -> None:
    """Take every mutex of SQLite and SQLCipher that does not belong to a connection or a file."""
    with suppress(sqlcipher.Error):
        sqlcipher.connect(f"file:{os.devnull}?mode=ro", uri=True).close()
    with suppress(sqlcipher.Error):
        probe = sqlcipher.connect(f"file:/zorivest-probe-{os.getpid()}?vfs=memdb", uri=True)
        probe.execute("PRAGMA cipher_log = OFF")
        probe.set_key(bytearray(b"x'" + b"00" * 48 + b"'"))
        probe.execute("CREATE TABLE probe (x)")
        probe.close()


_current = Process()
_renewals: list[Callable[[], object]] = []
_forking = threading.local()
_inside = threading.local()


def start_thread(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        VaultError: The system refuses this process another thread.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise no_thread_error(error) or error from error


def current() -> Process:
    """Return the state of this process, which differs from that of any process it was forked from."""
    return _current if os.getpid() == _current.pid else _become_child()


@contextmanager
def inside_sqlite() -> Generator[threading.Lock]:
    """Make forks wait until the block ends; yield the thread's gate, for :meth:`Process.let_forks_in`."""
    outer: threading.Lock | None = getattr(_inside, "gate", None)
    if outer is not None:
        yield outer
        return
    with gate_of_thread() as gate, gate:
        yield gate


@contextmanager
def gate_of_thread() -> Generator[threading.Lock]:
    """Create a gate for this thread, which holds it whenever it is inside SQLite, until the block ends."""
    process, gate = current(), threading.Lock()
    with process.entering:
        process.gates.add(gate)
    _inside.gate = gate
    try:
        yield gate
    finally:
        _inside.gate = None
        process.gates.discard(gate)


def renew_in_child(renew: Callable[[], object]) -> None:
    """Register a function that renews a module-level lock in a child: a thread that is missing there may hold it."""
    _renewals.append(renew)


def _before_fork() -> None:
    deadline = time.monotonic() + LONGEST_PAUSE_S
    _current.resumed.clear()
    _forking.held = held = list[_Lock]()
    _acquire(held, deadline, _current.entering)
    _acquire(held, deadline, *_current.gates.copy(), _current.opening)


def _acquire(held: list[_Lock], deadline: float, *locks: _Lock) -> None:
    held.extend(lock for lock in locks if lock.acquire(timeout=max(0.0, deadline - time.monotonic())))


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()
    _current.resumed.set()


def _become_child() -> Process:
    global _current
    parent, _current = _current, Process(_current)
    parent.left_behind = True
    for handle in (*parent.connections.copy().values(), *parent.cursors.copy()):
        _keep_for_ever(handle())
    for descriptor in parent.descriptors:
        with suppress(OSError):
            os.close(descriptor)  # which, unlike unlocking, leaves the parent its lock
    for renew in _renewals:
        renew()
    _forget_worker_threads()
    for inherited in (*parent.pools, *parent.waiting.copy()):
        inherited.end_in_child()
    return _current


def _forget_worker_threads() -> None:
    """Make anyio start new threads for an inherited event loop: the idle threads that it lists are not in a child."""
    from anyio import lowlevel  # noqa: PLC0415 - only a child needs it

    # anyio has no public way to forget them. Without this name, a child that continues with an inherited event loop
    # would wait for its parent's threads. Most children have a loop of their own, and never do.
    per_loop: Mapping[object, dict[object, object]] = getattr(lowlevel, "_run_vars", {})
    for variables in tuple(per_loop.values()):
        variables.clear()


def _keep_for_ever(handle: object) -> None:
    """Prevent the collection of a handle of the parent, even when the interpreter exits."""
    import ctypes  # noqa: PLC0415 - only a child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(handle))


if sys.platform != "win32":  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_become_child)


@atexit.register
def _leave_without_sqlite() -> None:
    """End a child in which SQLite does not answer: otherwise SQLCipher would wait for it after the interpreter's end.

    The exit status is 1 after an uncaught error, else 0: Python does not report the requested status here.
    """
    if not current().sqlite_answers():
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os._exit(int(getattr(sys, "last_value", None) is not None))


class Watch(Protocol):
    """Check that the path of a connection still leads to the file that was opened."""

    path: Path

    def is_moved(self) -> bool:
        """Return whether the path leads to another file, or to none."""
        ...

    def check(self, raw: FileConnection) -> None:
        """Raise :class:`~zorivest_async.VaultReplacedError` if the path leads to another file, or to none."""
        ...

    def write_back(self, raw: FileConnection) -> None:
        """Write the WAL into the file, even if it was moved."""
        ...


class _Closer(Enum):
    """What closes a forgotten connection."""

    NONE = auto()
    """It is closed already, or could not be opened; the driver crashes if such a connection is closed."""
    COLLECTOR = auto()
    """Garbage collection."""
    THREAD = auto()
    """Its thread, even if both are garbage: the thread and the collector must not use SQLite at the same time."""


class FileConnection(RawConnection):
    """A raw connection to a file, which is registered with the process while the connection is open.

    Attributes:
        file: The file; ``None`` for a database in memory.
        watch: Checks that the path still leads to the file; ``None`` without such a check.
        gate: Lock held by the connection's thread while it is inside SQLite.
    """

    file: FileId | None = None
    watch: Watch | None = None
    gate: threading.Lock | None = None
    _path = ""
    _process: Process | None = None
    _closer = _Closer.NONE

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._closer = _Closer.COLLECTOR

    def leave_to_thread(self) -> None:
        """Note that a thread uses the connection from now on, and closes it."""
        self._closer = _Closer.THREAD

    def belongs_to(self, process: Process, path: str, file: FileId) -> None:
        """Note the file that :meth:`Process.admit` registered, to dismiss it when the connection is closed."""
        self._process, self._path, self.file = process, path, file
        process.connections[id(self)] = weakref.ref(self)

    def execute(self, *arguments: Any) -> sqlcipher.Cursor:
        """Execute a statement while forks wait."""
        with inside_sqlite():
            return super().execute(*arguments)

    def close(self) -> None:
        """Close the connection, unless another process opened it."""
        process = self._process
        if process is not None and process.left_behind:
            return
        with inside_sqlite():
            if process is not None and process.connections.pop(id(self), None) is None:
                return
            super().close()
        self._process, self._closer = None, _Closer.NONE
        if process is not None and self.file is not None:
            process.dismiss(self._path, self.file)

    def __del__(self) -> None:
        if self._closer is _Closer.COLLECTOR:
            self.close()


def _file_at(path: str | Path) -> FileId | None:
    """Return the file that a path leads to; ``None`` if it does not exist or cannot be examined."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def connect(uri: str) -> FileConnection:
    """Open a raw connection without a key; see :func:`connect_as`."""
    return connect_as(FileConnection, uri)


def connect_as(kind: type[_ConnectionT], uri: str) -> _ConnectionT:
    """Open a raw connection without a key, and register its file as open; any thread may use it, one at a time.

    Args:
        kind: The class of the connection.
        uri: The URI that SQLite opens.

    Raises:
        VaultForkedError: The parent process had the file open when it forked.
        VaultReplacedError: This process has another file open under that path, or the file is replaced repeatedly.
        VaultError: The rollback journal beside the file belongs to another database.
        sqlcipher3.dbapi2.OperationalError: SQLite cannot open it.
    """
    process, path = current(), path_of(uri)
    for _ in range(ATTEMPTS):
        with inside_sqlite(), process.opening:
            before = _file_at(path) if path is not None else None
            if path is None or before is None:
                process.require_sqlite()
                raw = _opened(uri, kind)
                if path is None:
                    return raw
                raw.close()  # the file did not exist before, so it is not registered yet
                continue
            require_plausible_journal(path)
            process.admit(path, before)
            try:
                process.require_sqlite()
                raw = _opened(uri, kind)
            except BaseException:
                process.dismiss(path, before)
                raise
            raw.belongs_to(process, path, before)
            if _file_at(path) == before:
                return raw
            raw.close()
    raise VaultReplacedError(path)


def _opened(uri: str, kind: type[_ConnectionT]) -> _ConnectionT:
    return sqlcipher.connect(uri, uri=True, isolation_level=None, check_same_thread=False, factory=kind)


@contextmanager
def registered(path: Path) -> Generator[None]:
    """Register a file as open that a connection opens by itself, such as the target of ``VACUUM INTO`` or ``ATTACH``.

    Raises:
        VaultForkedError: The parent process had the file open when it forked.
    """
    process, name = current(), str(path)
    file = _file_at(path)
    if file is None:
        yield
        return
    with process.opening:
        process.admit(name, file)
    try:
        yield
    finally:
        if not process.left_behind:
            process.dismiss(name, file)
