"""Private names of aiosqlite, which has no public way to run a function on a connection's thread.

:class:`~zorivest_async.database.sqlcipher.driver.CipherConnection` overrides ``_connect`` and ``_execute``, through
which aiosqlite's own methods reach the thread. The functions here are for connections of plain ``sqlite+aiosqlite``. If
a release of aiosqlite lacks one of the names, importing the library fails here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import aiosqlite

from zorivest_async._requirements import require_names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = ["ConnectionBase", "raw_of", "run_on_thread"]

_T = TypeVar("_T")

require_names(aiosqlite, aiosqlite.Connection, "_conn", "_connect", "_execute")


class ConnectionBase(aiosqlite.Connection):
    """An aiosqlite connection that sets the attributes the driver uses itself, independent of aiosqlite's constructor.

    Args:
        connector: Opens the driver's connection.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._connector = connector
        self._connection: sqlite3.Connection | None = None  # which _conn returns
        self._running = True


def raw_of(connection: Any) -> Any:
    """Return the driver's connection of an aiosqlite connection, for use on its thread."""
    return connection._conn  # noqa: SLF001


async def run_on_thread(connection: Any, function: Callable[[], _T]) -> _T:
    """Run a function on the thread of an aiosqlite connection, as its own cursors do."""
    return cast("_T", await connection._execute(function))  # noqa: SLF001
