"""Mapping of the system's errors during an export."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zorivest_async.database.sqlcipher.os_errors import problem_of
from zorivest_async.errors import ExportError, ZorivestError
from zorivest_async.vault.sharing import OPEN_ELSEWHERE, is_open_elsewhere

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["export_errors"]


@contextmanager
def export_errors(path: Path) -> Generator[None]:
    """Map an ``OSError`` of the block to the library's error.

    Raises:
        ExportError: The file or folder cannot be written.
    """
    try:
        yield
    except ZorivestError:
        raise
    except OSError as error:
        exported = ExportError(path, OPEN_ELSEWHERE if is_open_elsewhere(error) else problem_of(error))
        exported.errno = error.errno
        raise exported from error
