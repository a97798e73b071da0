"""What repositories share: sending statements, decoding rows in slices, and the methods that every aggregate has.

Reads are Core statements over the declared tables; writes are their compiled text with positional rows, which the
driver takes as they are. Nothing lazy leaves a method: rows become frozen entities before it returns.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from sqlalchemy import Select, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.channel import BorrowedChannel, Channel
from zorivest_async.database.failures import translated
from zorivest_async.database.rows import SLICE_ROWS, RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.types import UTCDateTime
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import LARGEST_INTEGER, utc_now
from zorivest_async.errors import InvalidQueryError, NotFoundError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from sqlalchemy import Select

    from zorivest_async.database.driver import StatementResult

__all__ = ["KeyedRepository", "NamedRepository", "NumberedRepository", "Repository", "Source", "decoded", "window"]

_EntityT = TypeVar("_EntityT", bound=Entity)
_KeyT = TypeVar("_KeyT")

_ALL_ROWS = -1
"""A negative ``LIMIT`` is none (https://sqlite.org/lang_select.html#limitoffset)."""

Source: TypeAlias = AsyncSession | AsyncConnection | Channel


def window(statement: Select[Any]) -> Statement:
    """Return a statement for some rows of a listing: at most ``limit`` after ``offset``."""
    return Statement(statement.limit(bindparam("limit")).offset(bindparam("offset")))


async def decoded(mapper: RowMapper[_EntityT], rows: list[tuple[Any, ...]]) -> list[_EntityT]:
    """Return the entities of rows, made in slices that leave the event loop free; the rows are given up on the way."""
    if len(rows) == 1:
        return [mapper.to_entity(rows[0])]
    entities: list[_EntityT] = []
    for start in range(0, len(rows), SLICE_ROWS):
        if start:
            await asyncio.sleep(0)  # let the event loop do something else
        chunk = rows[start : start + SLICE_ROWS]
        entities += mapper.to_entities(chunk)
        rows[start : start + SLICE_ROWS] = [()] * len(chunk)  # letting go of all of them at once would take long, too
    return entities


def window_values(entity: str, limit: int | None, offset: int) -> dict[str, int]:
    """Return the parameters of a statement's :func:`window`.

    Raises:
        InvalidQueryError: They are no such numbers.
    """
    if limit is not None:
        require_count(entity, "limit", limit, minimum=0)
    require_count(entity, "offset", offset, minimum=0)
    return {"limit": _ALL_ROWS if limit is None else limit, "offset": offset}


def require_count(entity: str, name: str, number: int, *, minimum: int) -> None:
    """Check a whole number that somebody asked for.

    Raises:
        InvalidQueryError: It is none, too small, or too large for SQLite.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not minimum <= number <= LARGEST_INTEGER:
        raise InvalidQueryError(entity, problem=f"{name} must be a whole number, {minimum} or more")


class Repository(Generic[_EntityT]):
    """Base of all repositories.

    Not safe to share between tasks: it speaks on one connection, in one transaction. Cancelling a method interrupts its
    statement; the transaction is then the owner's to roll back. For what the database refuses, every method raises
    :class:`~zorivest_async.RepositoryError` or :class:`~zorivest_async.VaultError`, and the unit of work stays usable.

    Args:
        source: An ``AsyncSession`` or ``AsyncConnection`` whose database has the schema; commit and roll back there. A
            :class:`~zorivest_async.SqlAlchemyUnitOfWork` makes its own repositories. Or another repository, whose
            transaction it then takes part in.
    """

    mapper: ClassVar[RowMapper[Any]]

    def __init__(self, source: Source | Repository[Any]) -> None:
        self._channel: Channel
        if isinstance(source, Repository):
            self._channel = source._channel  # noqa: SLF001 - its own class's
        else:
            self._channel = BorrowedChannel(source) if isinstance(source, AsyncSession | AsyncConnection) else source

    @property
    def _name(self) -> str:
        return str(self.mapper.entity.__name__)

    async def _execute(self, statement: Statement, /, about: Any = None, **parameters: Any) -> StatementResult:
        return await self._execute_sql(statement.text, statement.values(parameters), about)

    async def _execute_sql(self, sql: str, row: Sequence[Any], about: Any = None) -> StatementResult:
        try:
            with translated(self._name, about):
                return await self._channel.send(sql, row)
        except BaseException:
            del row  # a traceback may show local variables
            raise

    async def _execute_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        try:
            with translated(self._name):
                return await self._channel.send_rows(sql, rows)
        except BaseException:
            del rows
            raise

    @asynccontextmanager
    async def _all_or_nothing(self) -> AsyncGenerator[None]:
        """Undo the statements of the block, and no others, if it raises."""
        with translated(self._name):
            async with self._channel.savepoint():
                yield

    async def _scalar(self, statement: Statement, /, **parameters: Any) -> Any:
        """Return the first value of the first row, ``None`` where there is no row."""
        rows = await self._fetch_rows(statement, **parameters)
        return rows[0][0] if rows else None

    async def _fetch_rows(self, statement: Statement, /, **parameters: Any) -> list[tuple[Any, ...]]:
        with translated(self._name):
            return (await self._channel.send(statement.text, statement.values(parameters))).rows

    async def _fetch(self, statement: Statement, /, **parameters: Any) -> list[_EntityT]:
        return await self._decode(await self._fetch_rows(statement, **parameters))

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[_EntityT]:
        return await decoded(self.mapper, rows)

    def _row(self, entity: _EntityT, names: Sequence[str]) -> tuple[Any, ...]:
        if not isinstance(entity, self.mapper.entity):
            raise ValidationError(self._name, "self", f"must be a {self._name}, not {type(entity).__name__}")
        return self.mapper.to_row(entity, names)

    def _window(self, limit: int | None, offset: int) -> dict[str, int]:
        return window_values(self._name, limit, offset)

    def _require_count(self, name: str, number: int, *, minimum: int) -> None:
        require_count(self._name, name, number, minimum=minimum)

    async def _insert(self, entity: _EntityT) -> int:
        about = getattr(entity, self.mapper.key, None)
        return (await self._execute_sql(self.mapper.insert, self._row(entity, self.mapper.fields), about)).lastrowid


class KeyedRepository(Repository[_EntityT], Generic[_EntityT, _KeyT]):
    """A repository of entities that are found by their identifier."""

    async def get(self, key: _KeyT, /) -> _EntityT | None:
        """Return the entity with this identifier, or ``None``."""
        found = await self._fetch(self.mapper.get, key=key)
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
        return bool(await self._scalar(self.mapper.exists, key=key))

    async def update(self, entity: _EntityT, /) -> None:
        """Write all fields of a stored entity but its identifier and the moment it was made.

        Where the entity has an ``updated_at``, it becomes the present moment.

        Raises:
            NotFoundError: It is not stored.
        """
        await self._update(entity, self.mapper)

    async def _update(self, entity: _EntityT, mapper: RowMapper[Any]) -> None:
        key = getattr(entity, mapper.key, None)
        if not (await self._execute_sql(mapper.update, (*self._changes(entity, mapper.changeable), key), key)).rowcount:
            raise NotFoundError(self._name, key)

    def _changes(self, entity: _EntityT, names: Sequence[str]) -> Iterable[Any]:
        row = self._row(entity, names)
        if "updated_at" not in names:
            return row
        now = UTCDateTime.to_text(utc_now())
        return (now if name == "updated_at" else value for name, value in zip(names, row, strict=True))

    async def delete(self, key: _KeyT, /) -> bool:
        """Delete the entity with this identifier and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, key=key)).rowcount)


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
