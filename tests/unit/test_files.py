"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import portalocker
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import VaultBusyError, VaultError, VaultFullError, VaultInUseError, VaultNotFoundError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings
from zorivest_async.database.sqlcipher.failures import vault_error_of
from zorivest_async.vault import work_folder as work_folders
from zorivest_async.vault.files import publish, publish_folder, replace, sync_file, sync_folder, typed_os_errors
from zorivest_async.vault.maintenance import _leave_wal
from zorivest_async.vault.work_folder import new_file, remove_leftovers, remove_second_names, work_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def driver_error(code: int) -> sqlcipher.OperationalError:
    """Make an error as the driver does."""
    error = sqlcipher.OperationalError("on purpose")
    error.sqlite_errorcode = code
    return error


def refuse_link(*_paths: Any) -> None:
    """Fail as a file system without hard links does."""
    raise OSError(errno.EPERM, "no hard links here")


def test_a_new_file_is_private_and_goes_with_its_block(tmp_path: Path) -> None:
    """With everything that SQLite may have put beside it."""
    with new_file(tmp_path / "vault") as temporary:
        assert os.name == "nt" or stat.S_IMODE(temporary.stat().st_mode) == 0o600
        for suffix in ("-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + suffix).touch()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_publishing_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    """With hard links and on file systems without them; and the file has no second name afterwards."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    target = tmp_path / "target"
    with new_file(target) as temporary:
        temporary.write_bytes(b"new")
        publish(temporary, target)
        assert not temporary.exists()
    assert target.read_bytes() == b"new"
    assert target.stat().st_nlink == 1
    with new_file(target) as temporary, pytest.raises(FileExistsError):
        publish(temporary, target)
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("has_links", [True, False])
def test_one_of_many_who_publish_at_once_gets_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """And keeps it: the others were ready when it did, too."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    ready, target = threading.Barrier(4, timeout=30), tmp_path / "target"

    def run(number: int) -> int | None:
        with new_file(target) as temporary:
            temporary.write_text(f"{number}")
            ready.wait()
            try:
                publish(temporary, target)
            except FileExistsError:
                return None
        return number

    with ThreadPoolExecutor(ready.parties) as threads:
        (winner,) = (number for number in threads.map(run, range(ready.parties)) if number is not None)
    assert target.read_text() == f"{winner}"
    assert list(tmp_path.iterdir()) == [target]


def test_a_reservation_without_a_file_is_a_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no hard links, a process that dies between the two steps leaves an empty file."""
    monkeypatch.setattr(os, "link", refuse_link)
    target, other = tmp_path / "target", tmp_path / "other"
    with new_file(target) as temporary:
        monkeypatch.setattr(type(temporary), "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(temporary, target)
        assert target.stat().st_size == 0
        other.touch()
    assert list(tmp_path.iterdir()) == [other]


def test_replacing_a_link_leaves_what_it_leads_to(tmp_path: Path) -> None:
    """The link itself is what had the name."""
    precious, target = tmp_path / "precious", tmp_path / "target"
    precious.write_text("precious")
    target.symlink_to(precious)
    with new_file(target) as temporary:
        temporary.write_text("new")
        replace(temporary, target)
    assert precious.read_text() == "precious"
    assert target.read_text() == "new"
    assert not target.is_symlink()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_folder_replaces_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Not even an empty one, which a bare rename() would."""
    target = tmp_path / "target"
    make(target)
    before = target.lstat()
    with work_folder(tmp_path) as work:
        (work / "folder").mkdir()
        (work / "folder" / "file").touch()
        with pytest.raises(FileExistsError):
            publish_folder(work / "folder", target)
    assert target.lstat().st_ino == before.st_ino
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("entries", [[], ["file"]])
def test_a_folder_replaces_nothing_that_appeared_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: list[str]
) -> None:
    """Between the look at the name and the renaming; other failures are not said to be a taken name."""
    monkeypatch.setattr(os.path, "lexists", lambda _path: False)
    target = tmp_path / "target"
    if entries:
        target.mkdir()
        (target / "file").touch()
    else:
        target.touch()
    with work_folder(tmp_path) as work:
        (work / "folder").mkdir()
        with pytest.raises(FileExistsError):
            publish_folder(work / "folder", target)
        with pytest.raises(FileNotFoundError):
            publish_folder(work / "folder", tmp_path / "missing" / "target")
    assert target.is_dir() is bool(entries)


def test_a_work_folder_is_private(tmp_path: Path) -> None:
    """Nobody else reads in it, or learns the name of what is being made there."""
    with work_folder(tmp_path) as work:
        assert os.name == "nt" or stat.S_IMODE(work.stat().st_mode) == 0o700
        assert [path.name for path in work.iterdir()] == ["lock"]


def test_the_work_of_a_living_process_is_no_leftover(tmp_path: Path) -> None:
    """Neither another thread's nor another process's; once that is killed, its work is."""
    with new_file(tmp_path / "mine") as temporary:
        program = "import sys, pathlib; from zorivest_async.vault.work_folder import new_file\n"
        program += "with new_file(pathlib.Path(sys.argv[1])) as file: print(file, flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "theirs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            theirs = Path(process.stdout.readline().strip())
            remove_leftovers(tmp_path)
            assert theirs.exists()
            assert temporary.exists()
            process.kill()
            process.wait()
        remove_leftovers(tmp_path)
        assert not theirs.parent.exists()
        assert temporary.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entries", [[], ["lock"], ["file"], ["lock", "file", "reserved"]])
def test_a_leftover_goes_whatever_is_left_of_it(tmp_path: Path, entries: list[str]) -> None:
    """A process may die, or the power fail, at any step of making or removing it."""
    work = tmp_path / f".zorivest-{'0' * 32}"
    work.mkdir()
    for name in entries:
        (work / name).write_bytes(b"")
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_only_looks_like_a_leftover_stays(tmp_path: Path) -> None:
    """A user's own files, and links, whose targets are left alone, too."""
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("lock", "precious"):
        (kept / name).touch()
    (tmp_path / f".zorivest-{'1' * 32}").symlink_to(kept)
    (tmp_path / f".zorivest-{'2' * 32}").touch()
    (tmp_path / ".zorivest-notes").mkdir()
    (tmp_path / f".zorivest-{'3' * 32}.part").mkdir()
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells no owner")
def test_what_another_user_made_is_no_leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a shared folder, it may be a trap."""
    work = tmp_path / f".zorivest-{'4' * 32}"
    work.mkdir()
    (tmp_path / "vault").touch()
    (work / "file").hardlink_to(tmp_path / "vault")
    own = 0
    if sys.platform != "win32":
        own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    remove_second_names(tmp_path / "vault")
    remove_leftovers(tmp_path)
    assert (work / "file").exists()
    monkeypatch.setattr(os, "geteuid", lambda: own)
    remove_second_names(tmp_path / "vault")
    assert list(work.iterdir()) == []
    remove_leftovers(tmp_path)
    assert not work.exists()


def test_a_second_name_is_not_looked_for_behind_a_link(tmp_path: Path) -> None:
    """The folder that a link leads to may be a user's own."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "vault").touch()
    (kept / "file").hardlink_to(tmp_path / "vault")
    (tmp_path / f".zorivest-{'5' * 32}").symlink_to(kept)
    remove_second_names(tmp_path / "vault")
    assert (kept / "file").exists()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system does not list descriptors")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Neither of what was made and published, nor of leftovers, nor of the work of others."""

    def work_once(name: str) -> int:
        with work_folder(tmp_path) as work, new_file(tmp_path / name) as temporary:
            (tmp_path / f".zorivest-{'6' * 32}").mkdir()
            remove_leftovers(tmp_path)
            publish(temporary, tmp_path / name)
            with new_file(tmp_path / name) as other:
                replace(other, tmp_path / name)
            (work / "folder").mkdir()
            publish_folder(work / "folder", tmp_path / f"{name} folder")
        return sum(1 for _ in Path("/dev/fd").iterdir())

    assert work_once("first") == work_once("second")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_a_forked_process_leaves_its_parents_work_alone(tmp_path: Path) -> None:
    """It has inherited the block that would clean up."""
    program = "import os, sys, pathlib; from zorivest_async.vault.work_folder import new_file\n"
    program += "with new_file(pathlib.Path(sys.argv[1])) as file:\n"
    program += "    if (child := os.fork()) == 0: sys.exit()\n"
    program += "    os.waitpid(child, 0); print(file.exists())"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_files_without_locks_are_never_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work goes on, on a file system that cannot lock files; nothing tells whose maker is alive there."""

    def refuse(*_arguments: Any) -> None:
        raise portalocker.LockException(OSError(errno.ENOLCK, "no locks here"))

    monkeypatch.setattr(portalocker, "lock", refuse)
    with new_file(tmp_path / "x") as temporary:
        remove_leftovers(tmp_path)
        publish(temporary, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_work_that_was_taken_for_a_leftover_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may look between the making of the folder and that of its lock, or before that is locked."""
    makes, locks = work_folders.create_private, work_folders._try_lock
    meddling = iter([True, False])

    def make(path: Path) -> int:
        if next(meddling, False):
            remove_leftovers(tmp_path)
        return makes(path)

    def lock(descriptor: int) -> bool | None:
        if next(turns, False):
            monkeypatch.setattr(work_folders, "_try_lock", locks)
            remove_leftovers(tmp_path)
        return locks(descriptor)

    turns = iter([True])
    monkeypatch.setattr(work_folders, "create_private", make)
    monkeypatch.setattr(work_folders, "_try_lock", lock)
    with work_folder(tmp_path) as work:
        assert [path.name for path in tmp_path.iterdir()] == [work.name]
        assert (work / "lock").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs fcntl")
@pytest.mark.parametrize(("works", "expected"), [(True, ["full"] * 2), (False, ["full", "plain"] * 2)])
def test_a_mac_syncs_files_through_the_drives_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool, expected: list[str]
) -> None:
    """And folders; where the file system cannot do that, plainly."""
    import fcntl  # noqa: PLC0415 - Windows has none

    calls = list[str]()

    def full_sync(_descriptor: int, command: int) -> None:
        assert command == 51
        calls.append("full")
        if not works:
            raise OSError(errno.ENOTSUP, "not here")

    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full_sync)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: calls.append("plain"))
    monkeypatch.setattr(sys, "platform", "darwin")
    (tmp_path / "file").touch()
    sync_file(tmp_path / "file")
    sync_folder(tmp_path)
    assert calls == expected


@pytest.mark.skipif(sys.platform == "win32", reason="Windows syncs no folders")
def test_a_folder_that_fails_to_sync_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails is not mistaken for a file system that cannot sync folders."""

    def fail(number: int) -> Callable[[int], None]:
        def fsync(_descriptor: int) -> None:
            raise OSError(number, "on purpose")

        return fsync

    monkeypatch.setattr(os, "fsync", fail(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", fail(errno.EIO))
    with pytest.raises(OSError, match="on purpose"):
        sync_folder(tmp_path)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileExistsError(), VaultError),
        (FileNotFoundError(), VaultNotFoundError),
        (NotADirectoryError(), VaultNotFoundError),
        (PermissionError(), VaultError),
        (OSError(errno.ENOSPC, "full"), VaultFullError),
        (OSError(errno.EDQUOT, "quota"), VaultFullError),
        (OSError(errno.EIO, "failed"), VaultError),
        (OSError(errno.EMFILE, "many"), VaultError),
        (driver_error(13), VaultFullError),
        (driver_error(5), VaultBusyError),
        (driver_error(10), VaultError),
        (VaultInUseError(), VaultInUseError),
    ],
)
def test_what_goes_wrong_is_typed(tmp_path: Path, error: Exception, kind: type) -> None:
    """The system's and the driver's errors become the library's; its own pass."""
    with pytest.raises(VaultError) as caught, typed_os_errors(tmp_path):
        raise error
    assert type(caught.value) is kind


def test_an_unknown_driver_error_keeps_its_words(tmp_path: Path) -> None:
    """They say what happened to the file, and hold no row."""
    assert "on purpose" in str(vault_error_of(driver_error(1), tmp_path))


def test_a_database_that_stays_in_its_journal_mode_is_in_use(tmp_path: Path) -> None:
    """SQLite may answer with the old mode instead of an error."""
    raw = sqlcipher.connect(":memory:")
    with pytest.raises(VaultInUseError):
        _leave_wal(raw, tmp_path)
    raw.close()


@pytest.mark.parametrize(("platform", "durability", "expected"), [
    ("darwin", "full", True), ("darwin", "normal", False), ("linux", "full", False),
])  # fmt: skip
def test_a_mac_syncs_through_the_drives_cache(
    monkeypatch: pytest.MonkeyPatch, platform: str, durability: Any, expected: bool
) -> None:
    """fsync() alone is not enough there."""
    monkeypatch.setattr("sys.platform", platform)
    assert ("PRAGMA fullfsync = ON" in ConnectionSettings(durability=durability).pragmas()) is expected
