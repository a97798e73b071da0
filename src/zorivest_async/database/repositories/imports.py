"""Imports of executions, which the journal remembers and can undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from sqlalchemy import bindparam, func, select

from zorivest_async.database.aggregates import IMPORT
from zorivest_async.database.error_mapping import translated
from zorivest_async.database.repositories.base import NumberedRepository, window
from zorivest_async.database.repositories.import_recorder import SqlAlchemyImportRecorder
from zorivest_async.database.repositories.import_rows import ImportRowRepository, is_of_execution
from zorivest_async.database.repositories.import_undo import referenced, undo_import
from zorivest_async.database.statements import Statement, has_value, sought
from zorivest_async.database.tables import IMPORT_ROWS, IMPORTS
from zorivest_async.domain.entities import Import
from zorivest_async.domain.enums import UndoObstacle
from zorivest_async.errors import ImportUndoError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.imports import ImportTrace
    from zorivest_async.domain.queries import UndoResult

__all__ = ["SqlAlchemyImportRepository"]

_MAPPER: Final = IMPORT.mapper
_COUNT = Statement(select(func.count()).select_from(IMPORTS))
_NEWEST_FIRST: Final = _MAPPER.select.order_by(IMPORTS.c.id.desc())
_OF_FILE = Statement(_NEWEST_FIRST.where(has_value(IMPORTS.c.sha256, sought("sha256", IMPORTS.c.sha256))))
_OF_TRADE = Statement(
    _NEWEST_FIRST.where(
        IMPORTS.c.id.in_(
            select(IMPORT_ROWS.c.import_id).where(
                IMPORT_ROWS.c.key == bindparam("exec_id"),
                is_of_execution(IMPORT_ROWS.c.kind),
            )
        )
    )
)


class SqlAlchemyImportRepository(NumberedRepository[Import]):
    """Repository of :class:`~zorivest_async.Import` entities, which imports store; :meth:`undo` removes one.

    What other programs, or you, delete from it cannot be undone any more.
    """

    mapper: ClassVar = _MAPPER
    _newest_first = window(_NEWEST_FIRST)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[Import]:
        """Return imports, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))

    async def count_all(self) -> int:
        """Return the number of imports."""
        return int(await self._scalar(_COUNT))

    async def list_of_file(self, sha256: str) -> list[Import]:
        """Return the imports of a file, by the SHA-256 of its content, newest first."""
        return await self._fetch(_OF_FILE, sha256=sha256)

    async def list_for_trade(self, exec_id: str) -> list[Import]:
        """Return the imports that have stored, changed or deleted an execution, newest first."""
        return await self._fetch(_OF_TRADE, exec_id=exec_id)

    async def undo(self, import_id: int) -> UndoResult:
        """Undo an import, all of it or nothing; :meth:`commit <zorivest_async.SqlAlchemyUnitOfWork.commit>` afterwards.

        Executions that it changed get their earlier values. Executions that it deleted are stored again, with the
        images, reports and plans that it moved, and remembered cancellations get their earlier state. Executions that
        it inserted are deleted, and so are the accounts that it created, unless something uses them, or you have
        changed them. An execution that you have deleted since stays deleted.

        It holds the turn to write while it runs; other writers wait for it however long it takes.

        Raises:
            NotFoundError: There is no such import, or it was undone already.
            ImportUndoError: Something of yours or of a later import would be lost. Its ``obstacle`` says what, and its
                ``executions`` or ``imports`` where.
        """
        channel = self._channel
        try:
            with translated(channel.backend, self._name):
                async with channel.whole():
                    if not await self.exists(import_id):
                        raise NotFoundError("Import", import_id)
                    channel.keep_turn()
                    return await undo_import(self, import_id)
        except ImportUndoError as error:
            if error.obstacle is UndoObstacle.REFERENCED:
                error.executions = await referenced(self, import_id)
            raise

    async def begin(self, record: Import) -> SqlAlchemyImportRecorder:
        """Store an import that begins, and return its recorder; other writers wait for its end, however long."""
        import_id = await self.save(record)
        self._channel.keep_turn()
        return SqlAlchemyImportRecorder(self, import_id)

    async def traces(self, keys: Iterable[str], *, besides: int | None = None) -> list[ImportTrace]:
        """Return what imports, except one, have stored or changed of some executions and remembered cancellations."""
        return await ImportRowRepository(self).traces(keys, besides or 0)
