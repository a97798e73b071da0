"""Conversion between paths and SQLite's URIs (https://sqlite.org/uri.html)."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath, PureWindowsPath
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

__all__ = ["file_uri", "path_of"]

_EXTENDED_SHARE: Final = "//?/UNC/"
_EXTENDED: Final = "//?/"


def file_uri(path: PurePath, query: str) -> str:
    r"""Return the URI of a file for SQLite.

    A share's name is part of the path, ``file:////server/share/journal.vault``. ``Path.as_uri()`` would make it the
    authority, which SQLite refuses; the resolved path of a mapped drive is a share, too.

    Args:
        path: The absolute path. On Windows also ``\\server\share\...`` and the extended forms ``\\?\C:\...`` and
            ``\\?\UNC\server\...``, whose prefix SQLite adds itself to a long path.
        query: The parameters, for example ``"mode=rw"``.
    """
    if isinstance(path, PureWindowsPath):
        text = path.as_posix()
        if text.upper().startswith(_EXTENDED_SHARE):
            text = "//" + text[len(_EXTENDED_SHARE) :]
        elif text.startswith(_EXTENDED):
            text = text[len(_EXTENDED) :]
        quoted = quote(text, safe="/:")
        return f"file://{quoted if quoted.startswith('//') else '/' + quoted}?{query}"
    return f"file://{quote(os.fsencode(path))}?{query}"


def path_of(uri: str, *, windows: bool = sys.platform == "win32") -> str | None:
    """Return the path of the file that SQLite opens for a URI; ``None`` for a database in memory."""
    parts = urlsplit(uri)
    if "vfs=memdb" in parts.query:
        return None
    if not windows:
        return os.fsdecode(unquote_to_bytes(parts.path))
    path = unquote(parts.path)
    return str(PureWindowsPath(path if path.startswith("//") else path[1:]))
