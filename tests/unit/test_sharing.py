"""Files that another program has open, as Windows says it: waited for, then named.

The errors are made here, as no other system has them; what is done to the files is real.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async import ExportError, VaultInUseError
from zorivest_async.transfer.exporting import write_csv
from zorivest_async.vault import files, sharing
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from collections.abc import Callable


def windows_error(code: int) -> PermissionError:
    """Return an error as Windows raises it."""
    error = PermissionError(errno.EACCES, "The process cannot access the file", "journal.vault")
    vars(error)["winerror"] = code
    return error


def failing(times: int, code: int) -> Callable[[], str]:
    """Return something that fails so often, and then does not."""
    left = iter(range(times))

    def act() -> str:
        for _ in left:
            raise windows_error(code)
        return "done"

    return act


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for what does not end."""
    monkeypatch.setattr(sharing, "PATIENCE_S", 0.0)


@pytest.mark.parametrize("code", [32, 33])
def test_what_another_program_has_open_is_waited_for(code: int) -> None:
    """A virus scanner is through with a file in milliseconds."""
    assert sharing.patiently(failing(3, code)) == "done"


def test_a_file_that_is_replaced_may_be_said_to_be_denied() -> None:
    """Windows says "access denied" where the file that would be replaced is open; else that means permissions."""
    assert sharing.patiently(failing(3, 5), replacing=True) == "done"
    with pytest.raises(PermissionError):
        sharing.patiently(failing(1, 5))


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("error", [windows_error(32), windows_error(5), PermissionError(errno.EACCES, "denied")])
def test_what_goes_on_is_raised(error: OSError) -> None:
    """After that time, and at once where it is another error."""

    def act() -> None:
        raise error

    with pytest.raises(PermissionError):
        sharing.patiently(act, replacing=True)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("code", [32, 33])
def test_a_file_of_a_vault_that_is_open_elsewhere_is_named(tmp_path: Path, code: int) -> None:
    """With a typed error that says which program it may be."""
    words = r"another program has this file open \(a spreadsheet, a virus scanner"
    with pytest.raises(VaultInUseError, match=words), files.typed_os_errors(tmp_path / "journal.vault"):
        raise windows_error(code)


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("code", [32, 33])
def test_an_export_that_is_open_in_a_spreadsheet_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It is an ``OSError`` still, the old file stays, and nothing is left beside it."""
    target = tmp_path / "trades.csv"
    target.write_text("old")

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise windows_error(code)

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(ExportError, match=r"trades\.csv: another program has this file open") as caught:
        write_csv(target, [])
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EACCES
    assert [entry.name for entry in tmp_path.iterdir()] == ["trades.csv"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("publish", [files.publish, files.replace, files.replace_database])
def test_a_file_gets_its_name_though_a_scanner_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: Any
) -> None:
    """Linking, replacing and removing are each tried again."""
    failures = [
        _fail_twice(monkeypatch, owner, name) for owner, name in ((os, "link"), (Path, "replace"), (Path, "unlink"))
    ]
    target = tmp_path / "journal.vault"
    with new_file(target) as part:
        publish(part, target)
        assert not part.exists()
        assert any(failures)
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal.vault"]


def _fail_twice(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Path]:
    """Have a function fail for a work folder's file, twice, and return where it did."""
    real, failed = getattr(owner, name), list[Path]()

    def act(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "file" and len(failed) < 2:
            failed.append(path)
            raise windows_error(32)
        return real(path, *arguments, **options)

    monkeypatch.setattr(owner, name, act)
    return failed
