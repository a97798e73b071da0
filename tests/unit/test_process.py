"""What a process knows of the files that it has open, and what a child takes from it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import VaultForkedError, VaultReplacedError
from zorivest_async.database.sqlcipher.process import Process, connect, current

if TYPE_CHECKING:
    from pathlib import Path

FILE, OTHER = (1, 2), (1, 3)


def test_a_file_is_open_until_it_was_closed_as_often_as_opened() -> None:
    """Nothing of it is remembered then, and another file may have its name."""
    process = Process()
    process.admit("name", FILE)
    process.admit("name", FILE)
    process.dismiss("name", FILE)
    assert process.closed_to_children == {FILE}
    with pytest.raises(VaultReplacedError):
        process.admit("name", OTHER)
    process.dismiss("name", FILE)
    assert process.closed_to_children == set()
    assert not process._names
    process.admit("name", OTHER)
    assert process.closed_to_children == {OTHER}


def test_a_child_opens_no_file_that_its_parent_had_open() -> None:
    """Nor does the child of that one."""
    parent = Process()
    parent.admit("name", FILE)
    child = Process(parent)
    for heir in (child, Process(child)):
        with pytest.raises(VaultForkedError):
            heir.admit("another name", FILE)
        heir.admit("name", OTHER)
        heir.dismiss("name", OTHER)


def test_a_child_tries_sqlite_only_where_its_parent_may_have_been_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no thread for that after a parent that never used it, but one after a parent that did, or may have."""
    unused, with_file, with_gate = Process(), Process(), Process()
    with_file.admit("name", FILE)
    with_gate.gates.add(threading.Lock())
    tried = list[str]()

    class Probe(threading.Thread):
        def start(self) -> None:
            tried.append(self.name)
            super().start()

    monkeypatch.setattr(threading, "Thread", Probe)
    assert Process(unused).sqlite_answers()
    assert tried == []
    for parent in (with_file, with_gate, Process(with_file)):
        tried.clear()
        child = Process(parent)
        assert child.sqlite_answers()
        assert child.sqlite_answers()
        assert tried == ["zorivest-probe"]


def test_a_missing_file_is_an_error_of_the_drivers(tmp_path: Path) -> None:
    """As with any connection of SQLite's."""
    with pytest.raises(sqlcipher.OperationalError):
        connect(f"file:{tmp_path.as_posix()}/missing?mode=rw")


def test_a_file_is_not_opened_where_sqlite_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be waited for without end; and the file does not count as open."""
    path = tmp_path / "file"
    path.touch()
    monkeypatch.setattr(current(), "_answers", False)
    before = current().closed_to_children
    with pytest.raises(VaultForkedError, match="inside SQLite"):
        connect(f"file:{path.as_posix()}")
    assert current().closed_to_children == before
