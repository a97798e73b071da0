"""Filter of a server's access log."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["paths_hidden"]

_HIDDEN: Final = "-"
_UVICORN_ARGUMENTS: Final = 5
"""Number of arguments of uvicorn's formatter: client, method, path with query, HTTP version, status."""


class _PathFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.args, tuple) or len(record.args) != _UVICORN_ARGUMENTS:
            return False
        client, method, _, version, status = record.args
        record.args = (client, method, _HIDDEN, version, status)
        return True


@contextmanager
def paths_hidden() -> Generator[None]:
    """Hide paths and queries in uvicorn's access log during a block, as they contain identifiers of trades.

    A line in an unknown format is dropped.
    """
    log, hide = logging.getLogger("uvicorn.access"), _PathFilter()
    log.addFilter(hide)
    try:
        yield
    finally:
        log.removeFilter(hide)
