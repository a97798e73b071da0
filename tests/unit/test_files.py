"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import VaultBusyError, VaultError, VaultFullError, VaultInUseError, VaultNotFoundError
from zorivest_async.database.cipher import ConnectionSettings
from zorivest_async.database.failures import vault_error_of
from zorivest_async.database.files import new_file, publish, typed_os_errors
from zorivest_async.database.maintenance import _leave_wal

if TYPE_CHECKING:
    from pathlib import Path


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
    """With hard links and on file systems without them."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    temporary, target = tmp_path / "temporary", tmp_path / "target"
    temporary.write_bytes(b"new")
    publish(temporary, target)
    assert target.read_bytes() == b"new"
    temporary.unlink(missing_ok=True)
    temporary.write_bytes(b"newer")
    with pytest.raises(FileExistsError):
        publish(temporary, target)
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("has_links", [True, False])
def test_one_of_many_who_publish_at_once_gets_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """And keeps it: the others looked before it was there, too."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    looked = threading.Barrier(4)
    monkeypatch.setattr("zorivest_async.database.files.require_free", lambda _path: looked.wait())

    def run(number: int) -> int | None:
        temporary = tmp_path / f"{number}"
        temporary.write_text(f"{number}")
        try:
            publish(temporary, tmp_path / "target")
        except FileExistsError:
            return None
        return number

    with ThreadPoolExecutor(looked.parties) as threads:
        (winner,) = (number for number in threads.map(run, range(looked.parties)) if number is not None)
    assert (tmp_path / "target").read_text() == f"{winner}"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileExistsError(), VaultError),
        (FileNotFoundError(), VaultNotFoundError),
        (NotADirectoryError(), VaultNotFoundError),
        (PermissionError(), VaultError),
        (OSError(errno.ENOSPC, "full"), VaultFullError),
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
