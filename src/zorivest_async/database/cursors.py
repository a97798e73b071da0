"""DB-API cursors over the driver, for use inside SQLAlchemy's greenlets."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.adapter import CipherAdapter

__all__ = ["Cursor", "ServerSideCursor"]

_T = TypeVar("_T")


class Cursor:
    """A DB-API cursor whose ``execute`` brings everything back in one hand-off."""

    server_side: ClassVar[bool] = False
    __slots__ = ("_adapter", "_rows", "arraysize", "description", "lastrowid", "rowcount")

    def __init__(self, adapter: CipherAdapter) -> None:
        self._adapter = adapter
        self._rows: Iterator[Any] = iter(())
        self.arraysize = 1
        self.description: Any = None
        self.lastrowid: int | None = None
        self.rowcount = -1

    def execute(self, operation: str, parameters: Any = None) -> None:  # noqa: D102 - as PEP 249 says
        self._run(lambda raw: raw.execute(operation, () if parameters is None else parameters))

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:  # noqa: D102 - as PEP 249 says
        self._run(lambda raw: raw.executemany(operation, seq_of_parameters))

    def _run(self, start: Callable[[sqlcipher.Cursor], Any]) -> None:
        work = partial(self._adapter.execute_and_fetch, start)
        self.description, self.rowcount, self.lastrowid, rows = self._adapter.run(work)
        self._rows = iter(rows)

    def fetchone(self) -> Any:  # noqa: D102 - as PEP 249 says
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:  # noqa: D102 - as PEP 249 says
        return list(islice(self._rows, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:  # noqa: D102 - as PEP 249 says
        return list(self._rows)

    def setinputsizes(self, *inputsizes: Any) -> None:
        """Do nothing: SQLite needs no sizes."""

    async def _async_soft_close(self) -> None:
        """Do nothing: no cursor is open on the thread."""

    def close(self) -> None:  # noqa: D102 - as PEP 249 says
        self._rows = iter(())


class ServerSideCursor(Cursor):
    """A DB-API cursor that stays open on the thread and fetches in chunks."""

    server_side: ClassVar[bool] = True
    __slots__ = ("_raw",)

    def __init__(self, adapter: CipherAdapter) -> None:
        super().__init__(adapter)
        self._raw: sqlcipher.Cursor | None = None

    def _run(self, start: Callable[[sqlcipher.Cursor], Any]) -> None:
        def execute(connection: sqlcipher.Connection) -> sqlcipher.Cursor:
            raw = connection.cursor()
            try:
                start(raw)
            except BaseException:
                raw.close()
                raise
            return raw

        self._raw = raw = self._adapter.run(execute)
        self.description, self.rowcount, self.lastrowid = raw.description, raw.rowcount, raw.lastrowid

    def _fetch(self, fetch: Callable[[sqlcipher.Cursor], _T]) -> _T:
        raw = self._raw
        if raw is None:
            self._adapter.refuse("the cursor is closed")

        def fetch_checked(_connection: sqlcipher.Connection) -> _T:
            fetched = fetch(raw)
            self._adapter.require_authentic()
            return fetched

        return self._adapter.run(fetch_checked)

    def fetchone(self) -> Any:  # noqa: D102 - as PEP 249 says
        return self._fetch(lambda raw: raw.fetchone())

    def fetchmany(self, size: int | None = None) -> list[Any]:  # noqa: D102 - as PEP 249 says
        chunk = self.arraysize if size is None else size
        return self._fetch(lambda raw: raw.fetchmany(chunk))

    def fetchall(self) -> list[Any]:  # noqa: D102 - as PEP 249 says
        return self._fetch(lambda raw: raw.fetchall())

    def close(self) -> None:  # noqa: D102 - as PEP 249 says
        raw, self._raw = self._raw, None
        if raw is not None:
            self._adapter.finish(lambda _connection: raw.close())
