"""What repositories share: sending statements, decoding rows in slices, and the methods that every aggregate has.

Reads are Core statements over the declared tables; writes are their compiled text with positional rows, which the
driver takes as they are. Nothing lazy leaves a method: rows become frozen entities before it returns.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, CursorResult, Executable, Select, bindparam, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.failures import translated
from zorivest_async.database.rows import SLICE_ROWS, RowMapper
from zorivest_async.database.savepoint import savepoint_on
from zorivest_async.database.types import UTCDateTime
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import LARGEST_INTEGER, utc_now
from zorivest_async.errors import InvalidQueryError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

__all__ = ["ConnectionSource", "KeyedRepository", "NamedRepository", "NumberedRepository", "Repository"]

_EntityT = TypeVar("_EntityT", bound=Entity)
_KeyT = TypeVar("_KeyT")


class ConnectionSource(Protocol):
    """Where a repository gets its connection from, statement by statement: a unit of work, or an ``AsyncSession``."""

    async def connection(self) -> AsyncConnection:
        """Return the connection, in its transaction."""
        ...


_Source: TypeAlias = AsyncSession | AsyncConnection | ConnectionSource


class Repository(Generic[_EntityT]):
    """Base of all repositories.

    Not safe to share between tasks: it speaks on one connection, in one transaction. Cancelling a method interrupts its
    statement; the transaction is then the owner's to roll back. For what the database refuses, every method raises
    :class:`~zorivest_async.RepositoryError` or :class:`~zorivest_async.VaultError`, and the unit of work stays usable.

    Args:
        source: An ``AsyncSession`` or ``AsyncConnection`` whose database has the schema; commit and roll back there. A
            :class:`~zorivest_async.SqlAlchemyUnitOfWork` makes its own repositories.
    """

    mapper: ClassVar[RowMapper[Any]]

    def __init__(self, source: _Source) -> None:
        self._source = source

    @property
    def _name(self) -> str:
        return str(self.mapper.entity.__name__)

    async def _connection(self) -> AsyncConnection:
        source = self._source
        if isinstance(source, AsyncConnection):
            return source
        if isinstance(source, AsyncSession) and (source.new or source.dirty or source.deleted):
            await source.flush()  # what was added to the session is there for the next statement, as with ORM queries
        return await source.connection()

    async def _execute(self, statement: Executable, /, about: Any = None, **parameters: Any) -> CursorResult[Any]:
        with translated(self._name, about):
            return await (await self._connection()).execute(statement, parameters)

    async def _execute_sql(self, sql: str, row: Sequence[Any], about: Any = None) -> CursorResult[Any]:
        with translated(self._name, about):
            return await (await self._connection()).exec_driver_sql(sql, tuple(row))

    async def _execute_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        with translated(self._name):
            return (await (await self._connection()).exec_driver_sql(sql, rows)).rowcount

    @asynccontextmanager
    async def _all_or_nothing(self) -> AsyncGenerator[None]:
        """Undo the statements of the block, and no others, if it raises."""
        with translated(self._name):
            async with savepoint_on(await self._connection()):
                yield

    async def _scalar(self, statement: Executable, /, **parameters: Any) -> Any:
        return (await self._execute(statement, **parameters)).scalar()

    async def _fetch_rows(self, statement: Executable, /, **parameters: Any) -> list[Sequence[Any]]:
        """Return the driver's own tuples, which are cheaper than SQLAlchemy's rows."""
        cursor = (await self._execute(statement, **parameters)).cursor
        return [] if cursor is None else list(cursor.fetchall())

    async def _fetch(self, statement: Select[Any], /, **parameters: Any) -> list[_EntityT]:
        return await self._decode(await self._fetch_rows(statement, **parameters))

    async def _decode(self, rows: Sequence[Sequence[Any]]) -> list[_EntityT]:
        entities: list[_EntityT] = []
        for start in range(0, len(rows), SLICE_ROWS):
            if start:
                await asyncio.sleep(0)  # let the event loop do something else
            entities += self.mapper.to_entities(rows[start : start + SLICE_ROWS])
        return entities

    def _row(self, entity: _EntityT, names: Sequence[str]) -> tuple[Any, ...]:
        if not isinstance(entity, self.mapper.entity):
            raise ValidationError(self._name, "self", f"must be a {self._name}, not {type(entity).__name__}")
        return self.mapper.to_rows([entity], names)[0]

    def _where_key(self) -> ColumnElement[bool]:
        return self.mapper.key_column == bindparam("key")

    def _window(self, statement: Select[Any], limit: int | None, offset: int) -> Select[Any]:
        if limit is not None:
            self._require_count("limit", limit, minimum=0)
        self._require_count("offset", offset, minimum=0)
        return statement.limit(limit).offset(offset)

    def _require_count(self, name: str, number: int, *, minimum: int) -> None:
        if isinstance(number, bool) or not isinstance(number, int) or not minimum <= number <= LARGEST_INTEGER:
            raise InvalidQueryError(self._name, problem=f"{name} must be a whole number, {minimum} or more")

    async def _insert(self, entity: _EntityT) -> int:
        row = self._row(entity, self.mapper.fields)
        return (await self._execute_sql(self.mapper.insert, row, getattr(entity, self.mapper.key))).lastrowid


class KeyedRepository(Repository[_EntityT], Generic[_EntityT, _KeyT]):
    """A repository of entities that are found by their identifier."""

    async def get(self, key: _KeyT, /) -> _EntityT | None:
        """Return the entity with this identifier, or ``None``."""
        found = await self._fetch(self.mapper.select.where(self._where_key()), key=key)
        return found[0] if found else None

    async def get_one(self, key: _KeyT, /) -> _EntityT:
        """Return the entity with this identifier.

        Raises:
            NotFoundError: There is none.
        """
        found = await self.get(key)
        if found is None:
            raise NotFoundError(self._name, key)
        return found

    async def exists(self, key: _KeyT, /) -> bool:
        """Return whether an entity with this identifier is stored."""
        return bool(await self._scalar(select(exists().where(self._where_key())), key=key))

    async def update(self, entity: _EntityT, /) -> None:
        """Write all fields of a stored entity but its identifier and the moment it was made.

        Where the entity has an ``updated_at``, it becomes the present moment.

        Raises:
            NotFoundError: It is not stored.
        """
        await self._update(entity, self.mapper)

    async def _update(self, entity: _EntityT, mapper: RowMapper[Any]) -> None:
        key = getattr(entity, mapper.key, None)
        row = self._row(entity, mapper.changeable)
        if "updated_at" in mapper.changeable:
            now = UTCDateTime.to_text(utc_now())
            row = tuple(
                now if name == "updated_at" else value for name, value in zip(mapper.changeable, row, strict=True)
            )
        if not (await self._execute_sql(mapper.update, (*row, key), key)).rowcount:
            raise NotFoundError(self._name, key)

    async def delete(self, key: _KeyT, /) -> bool:
        """Delete the entity with this identifier and return whether there was one."""
        return bool((await self._execute(delete(self.mapper.table).where(self._where_key()), key=key)).rowcount)


class NamedRepository(KeyedRepository[_EntityT, str]):
    """A repository of entities that bring their own identifier."""

    async def save(self, entity: _EntityT, /) -> None:
        """Insert an entity.

        Raises:
            DuplicateError: Its identifier is stored already.
            ForeignKeyError: It refers to something that is not stored.
        """
        await self._insert(entity)


class NumberedRepository(KeyedRepository[_EntityT, int]):
    """A repository of entities whose identifier is given when they are stored."""

    async def save(self, entity: _EntityT, /) -> int:
        """Insert an entity and return its row number: the one it has, or where that is ``None``, a new one.

        Row numbers are never given twice, even after a deletion.

        Raises:
            DuplicateError: Its row number, or another value that must be unique, is stored already.
            ForeignKeyError: It refers to something that is not stored.
        """
        return await self._insert(entity)
