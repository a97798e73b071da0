"""Paths as SQLite's URIs: the texts that SQLite's documentation gives, of either system."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.uris import file_uri, path_of

WINDOWS = {
    r"C:\vaults\journal.vault": "file:///C:/vaults/journal.vault",
    r"c:\My Vaults\50%#1?.vault": "file:///c:/My%20Vaults/50%25%231%3F.vault",
    r"\\server\share\journal.vault": "file:////server/share/journal.vault",
    r"\\server\C$\Müller\journal.vault": "file:////server/C%24/M%C3%BCller/journal.vault",
    "//server/share/folder/journal.vault": "file:////server/share/folder/journal.vault",
    r"\\?\C:\vaults\journal.vault": "file:///C:/vaults/journal.vault",
    r"\\?\UNC\server\share\journal.vault": "file:////server/share/journal.vault",
}


@pytest.mark.parametrize("path", WINDOWS)
def test_a_path_of_windows_has_no_authority(path: str) -> None:
    """A share's server is part of the path (https://sqlite.org/uri.html, 3.1): SQLite refuses it as the authority."""
    uri = file_uri(PureWindowsPath(path), "mode=rw")
    assert uri == f"{WINDOWS[path]}?mode=rw"
    assert uri.startswith("file:///")


@pytest.mark.parametrize("path", WINDOWS)
def test_a_path_of_windows_comes_back(path: str) -> None:
    """What the guard of open files looks at is the file that SQLite opens."""
    plain = path.replace("\\\\?\\UNC\\", "\\\\").replace("\\\\?\\", "")
    assert path_of(file_uri(PureWindowsPath(path), "mode=rw"), windows=True) == str(PureWindowsPath(plain))


@pytest.mark.parametrize("path", ["/vaults/journal.vault", "/a b/50%#1?;é.vault", "//twice/journal.vault"])
def test_a_path_of_posix_comes_back(path: str) -> None:
    """Whatever characters are in it."""
    uri = file_uri(PurePosixPath(path), "mode=rw")
    assert uri.startswith("file:///")
    assert path_of(uri, windows=False) == path


def test_a_database_in_memory_has_no_path() -> None:
    """Its URI names none."""
    assert path_of("file:/zorivest-1?vfs=memdb") is None


@pytest.mark.parametrize("name", ["plain.db", "50%#1?;&=é.db", "a b+c.db", "q?mode=memory.db"])
def test_sqlite_opens_the_file_of_that_name(tmp_path: Path, name: str) -> None:
    """No character of a name is taken for a part of the URI."""
    raw = sqlcipher.connect(file_uri(tmp_path / name, "mode=rwc"), uri=True)
    raw.execute("CREATE TABLE numbers (n)")
    raw.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_sqlite_refuses_an_authority(tmp_path: Path) -> None:
    """Which is why a share's server is not one; an empty authority, and more slashes, are fine."""
    with pytest.raises(sqlcipher.OperationalError):
        sqlcipher.connect(PureWindowsPath(r"\\server\share\journal.vault").as_uri() + "?mode=rw", uri=True)
    sqlcipher.connect(f"file:///{tmp_path}/journal.db?mode=rwc", uri=True).close()
