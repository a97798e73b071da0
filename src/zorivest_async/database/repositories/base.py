"""Base classes of repositories: sending statements, decoding rows in slices, and the methods of every aggregate.

Reads are Core statements over the tables of the models. Writes are compiled text with positional rows, which the driver
takes directly. No method returns lazy objects: it converts rows to frozen entities before it returns.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast

from sqlalchemy import Delete, Select, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.backend import Channel
from zorivest_async.database.channel import BorrowedChannel
from zorivest_async.database.error_mapping import translated, translation_of
from zorivest_async.database.mapping import SLICE_ROWS, RowCodec, RowMapper
from zorivest_async.database.repositories.foreign_keys import what_is_missing, what_refers
from zorivest_async.database.statements import Statement
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import LARGEST_INTEGER, utc_now
from zorivest_async.errors import (
    ForeignKeyError,
    InvalidQueryError,
    NotFoundError,
    RepositoryError,
    ValidationError,
    ZorivestError,
)
from zorivest_async.security.tracebacks import seal_coroutines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping, Sequence

    from sqlalchemy import Column, Table

    from zorivest_async.database.backend import Backend, BulkInsert, StatementResult

__all__ = ["KeyedRepository", "NamedRepository", "NumberedRepository", "Repository", "Source", "decoded", "window"]

_EntityT = TypeVar("_EntityT", bound=Entity)
_KeyT = TypeVar("_KeyT")

_STILL_REFERRED_TO = "another row refers to it, or to one that would be deleted with it; delete or change that first"

Source: TypeAlias = AsyncSession | AsyncConnection | Channel


def window(statement: Select[Any]) -> Statement:
    """Return a statement with ``LIMIT`` and ``OFFSET``, as the parameters ``limit`` and ``offset``."""
    return Statement(statement.limit(bindparam("limit")).offset(bindparam("offset")))


async def decoded(codec: RowCodec[_EntityT], rows: list[tuple[Any, ...]]) -> list[_EntityT]:
    """Return the entities of rows, made in slices that leave the event loop free; the rows are given up on the way."""
    if len(rows) == 1:
        return [codec.to_entity(rows[0])]
    entities: list[_EntityT] = []
    for start in range(0, len(rows), SLICE_ROWS):
        if start:
            await asyncio.sleep(0)  # let the event loop run other tasks
        chunk = rows[start : start + SLICE_ROWS]
        entities += codec.to_entities(chunk)
        rows[start : start + SLICE_ROWS] = [()] * len(chunk)  # letting go of all of them at once would take long, too
    return entities


def window_values(backend: Backend, entity: str, limit: int | None, offset: int) -> dict[str, int | None]:
    """Return the parameters of a statement's :func:`window`.

    Raises:
        InvalidQueryError: ``limit`` or ``offset`` is not a whole number from 0 to 2**63 - 1.
    """
    if limit is not None:
        require_count(entity, "limit", limit, minimum=0)
    require_count(entity, "offset", offset, minimum=0)
    return {"limit": backend.no_limit if limit is None else limit, "offset": offset}


def require_count(entity: str, name: str, number: int, *, minimum: int) -> None:
    """Check a whole number of a query.

    Raises:
        InvalidQueryError: It is not an integer, too small, or too large for SQLite.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not minimum <= number <= LARGEST_INTEGER:
        raise InvalidQueryError(
            entity, problem=f"{name} must be a whole number from {minimum} to {LARGEST_INTEGER} (2**63 - 1)"
        )


def _set_problem(error: RepositoryError, problem: str) -> None:
    error.problem, error.args = problem, (error.entity, problem)


class Repository(Generic[_EntityT]):
    """Base of all repositories.

    It is not safe to share between tasks, because it uses one connection, in one transaction. Cancelling a method
    interrupts its statement; roll the transaction back afterwards. If the database refuses a statement, every method
    raises :class:`~zorivest_async.RepositoryError` or :class:`~zorivest_async.VaultError`, and the unit of work stays
    usable.

    Args:
        source: An ``AsyncSession`` or ``AsyncConnection`` whose database has the schema; commit and roll back there. Or
            another repository, whose transaction it then uses. A :class:`~zorivest_async.SqlAlchemyUnitOfWork` makes
            its own repositories.
    """

    mapper: ClassVar[RowMapper[Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        seal_coroutines(cls)

    def __init__(self, source: Source | Repository[Any]) -> None:
        self._channel: Channel
        given: Any = source
        if hasattr(given, "send_rows"):  # a channel; SQLAlchemy's abstract classes take long to check an object's class
            self._channel = given
        elif isinstance(source, Repository):
            self._channel = source._channel  # noqa: SLF001 - its own class's
        else:
            self._channel = BorrowedChannel(given)

    @property
    def _name(self) -> str:
        return self.mapper.name

    @property
    def _columns(self) -> Mapping[str, Column[Any]]:
        """The columns that its statements write, by field."""
        return self.mapper.columns

    @property
    def _codec(self) -> RowCodec[_EntityT]:
        """Converts rows and entities for the engine behind the channel."""
        return self.mapper.for_backend[self._channel.backend]

    async def _execute(self, statement: Statement, /, about: Any = None, **parameters: Any) -> StatementResult:
        channel = self._channel
        try:
            compiled = statement[channel.backend]
            return await channel.send(compiled.text, compiled.values(parameters))
        except channel.backend.errors as error:
            refusal = self._refusal(error, about)
            if isinstance(refusal, ForeignKeyError) and isinstance(statement.core, Delete):
                await self._explain_deletion(refusal, statement.core, parameters)
            raise refusal from error

    async def _execute_row(
        self, statement: Statement, row: Sequence[Any], about: Any = None, *, names: Sequence[str] | None = None
    ) -> StatementResult:
        """Send a statement that writes one row.

        Args:
            statement: The statement.
            row: Its values.
            about: The row's identifier.
            names: The fields of the values; ``None`` for all, in the mapper's order.
        """
        channel = self._channel
        try:
            return await channel.send(statement[channel.backend].text, row)
        except channel.backend.errors as error:
            refusal = self._refusal(error, about)
            if isinstance(refusal, ForeignKeyError):
                await self._explain_rows(refusal, names or self.mapper.fields, [row])
            del row  # a traceback may show local variables
            raise refusal from error
        except BaseException:
            del row
            raise

    async def _execute_rows(
        self,
        statement: Statement,
        rows: list[tuple[Any, ...]],
        bulk: BulkInsert | None = None,
        names: Sequence[str] | None = None,
    ) -> int:
        """Send a statement for each of some rows; those before one that is refused stay written.

        Args:
            statement: The statement.
            rows: The values of the rows.
            bulk: Sends them; the channel by default.
            names: The fields of the values; ``None`` for all, in the mapper's order.
        """
        channel = self._channel
        try:
            return await (bulk.send if bulk else channel.send_rows)(statement[channel.backend].text, rows)
        except channel.backend.errors as error:
            refusal = self._refusal(error)
            if isinstance(refusal, ForeignKeyError):
                await self._explain_rows(refusal, names or self.mapper.fields, rows)
            del rows
            raise refusal from error
        except BaseException:
            del rows
            raise

    def _refusal(self, error: Exception, about: Any = None) -> ZorivestError:
        """Return the library's error for one of the driver's or of SQLAlchemy's."""
        return translation_of(self._channel.backend, error, self.mapper.name, about)

    async def _explain_deletion(self, error: ForeignKeyError, deletion: Delete, parameters: dict[str, Any]) -> None:
        rows_of, condition = cast("Table", deletion.table), deletion.whereclause
        found = await what_refers(self._channel, rows_of, condition, parameters, owner=self.mapper.table)
        _set_problem(error, found or _STILL_REFERRED_TO)

    async def _explain_rows(self, error: ForeignKeyError, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        table, columns = self.mapper.table, [self._columns[name].name for name in names]
        found = await what_is_missing(self._channel, table, columns, rows)
        if found is None and error.key is not None:  # another table may refer to what an update changes
            key = self.mapper.key_column
            changed = [name for name in columns if name != key.name]
            condition = key == bindparam("key", type_=key.type)
            found = await what_refers(self._channel, table, condition, {"key": error.key}, owner=table, columns=changed)
        if found is not None:
            _set_problem(error, found)

    @asynccontextmanager
    async def _all_or_nothing(self) -> AsyncGenerator[None]:
        """Undo the statements of the block, and no others, if it raises."""
        with translated(self._channel.backend, self.mapper.name):
            async with self._channel.savepoint():
                yield

    async def _scalar(self, statement: Statement, /, **parameters: Any) -> Any:
        """Return the first value of the first row, or ``None`` without rows."""
        rows = await self._fetch_rows(statement, **parameters)
        return rows[0][0] if rows else None

    async def _fetch_rows(self, statement: Statement, /, **parameters: Any) -> list[tuple[Any, ...]]:
        channel = self._channel
        try:
            compiled = statement[channel.backend]
            return (await channel.send(compiled.text, compiled.values(parameters))).rows
        except channel.backend.errors as error:
            raise self._refusal(error) from error

    async def _fetch(self, statement: Statement, /, **parameters: Any) -> list[_EntityT]:
        return await self._decode(await self._fetch_rows(statement, **parameters))

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[_EntityT]:
        codec = self.mapper.for_backend[self._channel.backend]
        return [codec.to_entity(rows[0])] if len(rows) == 1 else await decoded(codec, rows)

    def _row(self, entity: _EntityT, names: Sequence[str]) -> tuple[Any, ...]:
        if not isinstance(entity, self.mapper.entity):
            raise ValidationError(self._name, "self", f"must be a {self._name}, not {type(entity).__name__}")
        return self.mapper.for_backend[self._channel.backend].to_row(entity, names)

    def _window(self, limit: int | None, offset: int) -> dict[str, int | None]:
        return window_values(self._channel.backend, self._name, limit, offset)

    def _require_count(self, name: str, number: int, *, minimum: int) -> None:
        require_count(self._name, name, number, minimum=minimum)

    def _insert(self, entity: _EntityT) -> Awaitable[StatementResult]:
        mapper = self.mapper
        return self._execute_row(mapper.insert, self._row(entity, mapper.fields), getattr(entity, mapper.key, None))

    async def _insert_numbered(self, entity: _EntityT) -> int:
        """Insert an entity whose identifier the database may give, and return that."""
        mapper = self.mapper
        row, key = self._row(entity, mapper.fields), getattr(entity, mapper.key, None)
        try:
            number: int = (await self._execute_row(mapper.insert_returning_key, row, key)).rows[0][0]
        finally:
            del row  # a traceback may show local variables
        return number


class KeyedRepository(Repository[_EntityT], Generic[_EntityT, _KeyT]):
    """Base of the repositories of entities with an identifier."""

    async def get(self, key: _KeyT, /) -> _EntityT | None:
        """Return the entity with this identifier, or ``None``; an identifier that no row can have is a miss, too."""
        channel = self._channel
        try:
            compiled = self.mapper.get[channel.backend]
            found = (await channel.send(compiled.text, compiled.values({"key": key}))).rows
        except channel.backend.errors as error:
            raise self._refusal(error, key) from error
        return (await self._decode(found))[0] if found else None

    async def get_one(self, key: _KeyT, /) -> _EntityT:
        """Return the entity with this identifier.

        Raises:
            NotFoundError: It is not stored.
        """
        found = await self.get(key)
        if found is None:
            raise NotFoundError(self._name, key)
        return found

    async def exists(self, key: _KeyT, /) -> bool:
        """Return whether an entity with this identifier is stored."""
        return bool(await self._scalar(self.mapper.exists, key=key))

    async def update(self, entity: _EntityT, /) -> None:
        """Write all fields of a stored entity, except its identifier and the time of its creation.

        An ``updated_at`` of the entity is set to the current time.

        Raises:
            NotFoundError: It is not stored.
        """
        await self._update(entity, self.mapper)

    async def _update(self, entity: _EntityT, mapper: RowMapper[Any]) -> None:
        if await self._updates_unindexed(entity, mapper):
            return
        if not await self._updates(entity, mapper, mapper.update):
            raise NotFoundError(self._name, getattr(entity, mapper.key, None))

    async def _updates_unindexed(self, entity: _EntityT, mapper: RowMapper[Any]) -> bool:
        """Update a row if its indexed fields stay as they are stored, and return whether it was one.

        Most changes are of that kind, and cost half the time of those that rewrite every index.
        """
        if not (self._channel.backend.rewrites_indexes and mapper.indexed and mapper.unindexed):
            return False
        key, names = getattr(entity, mapper.key, None), (*mapper.unindexed, mapper.key, *mapper.indexed)
        # The row is in no local variable, which a traceback may show.
        result = await self._execute_row(
            mapper.update_unindexed,
            (*self._changes(entity, mapper.unindexed), key, *self._row(entity, mapper.indexed)),
            key,
            names=names,
        )
        return bool(result.rowcount)

    async def _updates(self, entity: _EntityT, mapper: RowMapper[Any], statement: Statement, *more: Any) -> bool:
        """Send an update of a mapper, and return whether it has found the row; ``more`` are its further values."""
        key = getattr(entity, mapper.key, None)
        names = (*mapper.changeable, mapper.key)
        # The row is in no local variable, which a traceback may show.
        result = await self._execute_row(
            statement, (*self._changes(entity, mapper.changeable), key, *more), key, names=names
        )
        return bool(result.rowcount)

    def _changes(self, entity: _EntityT, names: Sequence[str]) -> Iterable[Any]:
        row = self._row(entity, names)
        if "updated_at" not in names:
            return row
        now = self._codec.encode("updated_at", utc_now())
        return (now if name == "updated_at" else value for name, value in zip(names, row, strict=True))

    async def delete(self, key: _KeyT, /) -> bool:
        """Delete the entity with this identifier and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, key, key=key)).rowcount)


class NamedRepository(KeyedRepository[_EntityT, str]):
    """Base of the repositories of entities whose identifier the caller chooses."""

    async def save(self, entity: _EntityT, /) -> None:
        """Insert an entity.

        Raises:
            DuplicateError: Its identifier is already stored.
            ForeignKeyError: It refers to a row that is not stored.
        """
        await self._insert(entity)


class NumberedRepository(KeyedRepository[_EntityT, int]):
    """Base of the repositories of entities whose identifier is assigned when they are stored."""

    async def save(self, entity: _EntityT, /) -> int:
        """Insert an entity and return its row number: its own, or a new one if that is ``None``.

        Row numbers are never reused, even after a deletion.

        Raises:
            DuplicateError: Its row number, or another unique value, is already stored.
            ForeignKeyError: It refers to a row that is not stored.
        """
        return await self._insert_numbered(entity)
