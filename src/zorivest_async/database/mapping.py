"""Generic mapper between rows and entities: a field is stored in the column of its name.

The processors of the column types convert values by column, and not by row. So the loops run in C, and a slice of rows
costs little more than the driver's tuples.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import repeat
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Select, Table, bindparam, delete, exists, select, update
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.dialects.sqlite.dml import OnConflictDoNothing, OnConflictDoUpdate

from zorivest_async.database.statements import Statement
from zorivest_async.database.types import Optionally
from zorivest_async.domain.entity import Entity
from zorivest_async.errors import ValidationError
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from zorivest_async.database.backend import Backend

__all__ = ["SLICE_ROWS", "STRANGE", "UNDECODABLE", "Codec", "RowCodec", "RowMapper"]

STRANGE: Final = "is stored in a form that no release writes"
"""Message for a value that cannot be decoded."""

SLICE_ROWS = 500
"""Number of rows in a slice: about a millisecond of the event loop."""

UNDECODABLE: Final = (KeyError, RecursionError, TypeError, ValueError)
"""Errors of decoding a value that no release encodes: an unknown member, an invalid time, invalid JSON."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_EntityT = TypeVar("_EntityT", bound=Entity)


@dataclass(frozen=True, slots=True)
class Codec:
    """Codec of a field, for a conversion that its column's type does not do.

    Attributes:
        decode: Returns the field's value for its stored value and those of ``beside``.
        encode: Returns the stored value of a field's value; ``None`` if the column's type converts it.
        beside: Other fields whose stored values ``decode`` needs.
        is_secret: Whether :meth:`RowMapper.sealed` encrypts the stored value. Exports do not contain such a field.
    """

    decode: Callable[..., Any]
    encode: Callable[[Any], Any] | None = None
    beside: tuple[str, ...] = ()
    is_secret: bool = False


class _DoNothing(OnConflictDoNothing):
    """``ON CONFLICT DO NOTHING``, which each engine that has it can compile.

    SQLAlchemy has a class for each engine. PostgreSQL's has one attribute more, the name of a constraint; importing it
    would import all of that dialect, which takes 50 ms.
    """

    inherit_cache = True
    constraint_target = None


class _DoUpdate(OnConflictDoUpdate):
    """``ON CONFLICT DO UPDATE``, in the same way."""

    inherit_cache = True
    constraint_target = None


class RowMapper(Generic[_EntityT]):
    """Mapper of one entity class to one table.

    Args:
        entity: The entity class, which has slots.
        table: The table.
        renamed: Columns of fields that have another name.
        elsewhere: Fields that are not in the table, with their value in an entity that is created from a row.
        fixed: Columns that an update does not change, besides the primary key.
        codecs: Codecs of fields for which the type of their column is not sufficient.
        name: Name of the entity in errors; that of the class by default.

    Attributes:
        for_backend: The converter of rows and entities by backend.
        keys: The fields of the primary key.
        key: The last of them, by which statements find a row of a table that has one.
    """

    def __init__(
        self,
        entity: type[_EntityT],
        table: Table,
        *,
        renamed: Mapping[str, str] = _NOTHING,
        elsewhere: Mapping[str, Any] = _NOTHING,
        fixed: frozenset[str] = frozenset(),
        codecs: Mapping[str, Codec] = _NOTHING,
        name: str | None = None,
    ) -> None:
        self.entity = cast("Any", entity)
        self.name = name or entity.__name__
        self.table = table
        self.elsewhere = elsewhere
        self.codecs = codecs
        self._renamed, self._fixed = renamed, fixed
        mapped = {renamed.get(f.name, f.name): f.name for f in fields(self.entity) if f.name not in elsewhere}
        # In the order of the table, which is the order of the columns in SQLAlchemy's INSERT and UPDATE.
        self.columns: dict[str, Column[Any]] = {mapped[c.name]: c for c in table.columns if c.name in mapped}
        self.fields = tuple(self.columns)
        self.keys = tuple(name for name, column in self.columns.items() if column.primary_key)
        self.key = self.keys[-1]
        self.changeable = tuple(name for name in self.fields if name != self.key and name not in fixed)
        self.for_backend = _RowCodecs(self)
        self.secrets = tuple(name for name, codec in codecs.items() if codec.is_secret and name in self.columns)

    def without(self, names: Iterable[str]) -> RowMapper[_EntityT]:
        """Return a mapper of the same table without some fields: they are not written, and read as ``None``."""
        return RowMapper(
            self.entity,
            self.table,
            renamed=self._renamed,
            elsewhere={**self.elsewhere, **dict.fromkeys(names)},
            fixed=self._fixed,
            codecs=self.codecs,
            name=self.name,
        )

    @property
    def key_column(self) -> Column[Any]:
        """The primary key."""
        return self.columns[self.key]

    @cached_property
    def select(self) -> Select[Any]:
        """The query for the columns of all fields, in the order of :attr:`fields`."""
        return select(*self.columns.values())

    @cached_property
    def get(self) -> Statement:
        """The query for the row with a ``key``."""
        return Statement(self.select.where(self.key_column == bindparam("key")))

    @cached_property
    def exists(self) -> Statement:
        """The query whether a row with a ``key`` exists."""
        return Statement(select(exists().where(self.key_column == bindparam("key"))))

    @cached_property
    def delete(self) -> Statement:
        """The deletion of the row with a ``key``."""
        return Statement(delete(self.table).where(self.key_column == bindparam("key")))

    @cached_property
    def insert(self) -> Statement:
        """The insertion of a row; the database assigns a row number that is ``None``."""
        return Statement(self._insertion)

    @cached_property
    def insert_returning_key(self) -> Statement:
        """The same as :attr:`insert`, but it returns the key."""
        return Statement(self._insertion.returning(self.key_column))

    @cached_property
    def insert_or_skip(self) -> Statement:
        """The same as :attr:`insert`, but it does nothing if the key is already stored."""
        return Statement(self._insertion.ext(_DoNothing([self.key_column])))

    @cached_property
    def upsert(self) -> Statement:
        """The same as :attr:`insert`, but it updates the :attr:`changeable` fields if the key is already stored."""
        new = self._insertion
        columns = (self.columns[name].name for name in self.changeable)
        changes = {column: new.excluded[column] for column in columns}
        return Statement(new.ext(_DoUpdate([self.key_column], set_=changes)))

    @cached_property
    def update(self) -> Statement:
        """The update of a row; its values are the :attr:`changeable` fields, then the key."""
        return self.update_if()

    def update_if(self, *conditions: ColumnElement[bool]) -> Statement:
        """Return the same as :attr:`update`, for a row that meets conditions, whose values follow the key."""
        statement = update(self.table).where(self.key_column == bindparam("key"), *conditions)
        return Statement(statement.values(self._parameters(self.changeable)))

    @cached_property
    def indexed(self) -> tuple[str, ...]:
        """The :attr:`changeable` fields whose columns are in an index or refer to another table."""
        table = self.table
        columns = {column.name for index in table.indexes for column in index.columns}
        columns |= {column.name for column in table.columns if column.unique or column.foreign_keys}
        return tuple(name for name in self.changeable if self.columns[name].name in columns)

    @cached_property
    def unindexed(self) -> tuple[str, ...]:
        """The other :attr:`changeable` fields."""
        return tuple(name for name in self.changeable if name not in self.indexed)

    @cached_property
    def update_unindexed(self) -> Statement:
        """The update of a row whose :attr:`indexed` fields stay; its values are the others, the key, and these."""
        stay = [self.columns[name].is_not_distinct_from(bindparam(f"old_{name}")) for name in self.indexed]
        statement = update(self.table).where(self.key_column == bindparam("key"), *stay)
        return Statement(statement.values(self._parameters(self.unindexed)))

    @property
    def _insertion(self) -> Insert:
        return insert(self.table).values(self._parameters(self.fields))

    def _parameters(self, names: Sequence[str]) -> dict[str, Any]:
        return {self.columns[name].name: bindparam(f"p_{name}") for name in names}

    def sealed(self, row: Sequence[Any], names: Sequence[str], seal: Callable[[MaskedSecret], str]) -> tuple[Any, ...]:
        """Return a row of the named fields with its secrets encrypted.

        Args:
            row: Driver values of :meth:`RowCodec.to_row`.
            names: The names of their fields.
            seal: Encrypts a secret.

        Raises:
            ValidationError: A secret is only a mask, because it was read from the database.
        """
        return tuple([self._sealed(name, value, seal) for name, value in zip(names, row, strict=True)])

    def _sealed(self, name: str, value: Any, seal: Callable[[MaskedSecret], str]) -> Any:
        if value is None or name not in self.secrets:
            return value
        if not isinstance(value, MaskedSecret) or not value.is_known:
            raise ValidationError(self.name, name, "is only a mask, and there is no stored key behind it")
        return seal(value)


class RowCodec(Generic[_EntityT]):
    """Converter between entities and the rows of one backend.

    Args:
        mapper: The mapper of fields to columns.
        backend: The backend.
    """

    def __init__(self, mapper: RowMapper[_EntityT], backend: Backend) -> None:
        self._mapper = mapper
        self._entity = mapper.entity
        self._columns = mapper.columns
        self._dialect = backend.dialect
        self._check_of = backend.check_of

    def to_row(self, entity: _EntityT, names: Sequence[str]) -> tuple[Any, ...]:
        """Return driver values of the named fields."""
        encoders = self._encoders
        return tuple(
            [
                getattr(entity, name) if (encode := encoders[name]) is None else encode(getattr(entity, name))
                for name in names
            ]
        )

    def to_rows(self, entities: Iterable[_EntityT], names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return driver values of the named fields, a tuple per entity."""
        columns = zip(*map(attrgetter(*names), entities), strict=True)
        return list(zip(*map(self._encode, names, columns), strict=True))

    def _encode(self, name: str, values: Sequence[Any]) -> Iterator[Any]:
        encode = self._encoders[name]
        if encode is None or (values[0] is None and self._is_plain(name) and values.count(None) == len(values)):
            return iter(values)
        return map(encode, values)

    def _is_plain(self, name: str) -> bool:
        """Return whether the type of the column encodes the field, which keeps a ``None``."""
        return name not in self._mapper.codecs

    @cached_property
    def _encoders(self) -> dict[str, Callable[[Any], Any] | None]:
        own = {name: codec.encode for name, codec in self._mapper.codecs.items() if codec.encode is not None}
        encoders = {name: own.get(name) or self._bind_processor(column) for name, column in self._columns.items()}
        for name, column in self._columns.items():
            if (check := self._check_of(self._mapper.name, name, column)) is not None:
                encoders[name] = _checked(check, encoders[name])
        return encoders

    def _bind_processor(self, column: Column[Any]) -> Callable[[Any], Any] | None:
        return _for_column(column, column.type.dialect_impl(self._dialect).bind_processor(self._dialect))

    def _result_processor(self, column: Column[Any]) -> Callable[[Any], Any] | None:
        return _for_column(column, column.type.dialect_impl(self._dialect).result_processor(self._dialect, None))

    def to_entity(self, row: Sequence[Any]) -> _EntityT:
        """Return the entity of a row; see :meth:`to_entities`."""
        entity: _EntityT = object.__new__(self._entity)
        try:
            for (set_field, decode), stored in zip(self._setters, row, strict=True):
                set_field(entity, stored if decode is None else decode(stored))
            for _, set_field, compose in self._composed:
                set_field(entity, compose(row))
        except UNDECODABLE:
            self._refuse_stranger((row,))
            raise
        return entity

    def to_entities(self, rows: Sequence[Sequence[Any]], **given: Iterable[Any]) -> list[_EntityT]:
        """Return an entity for each row of driver values, without checking the values again that storing has checked.

        Args:
            rows: Rows of :attr:`RowMapper.select`.
            given: Values of fields that are not in the table, or that are already decoded, one for each row.

        Raises:
            ValidationError: Another program has stored a value that no release writes.
        """
        entities: list[_EntityT] = [*map(object.__new__, repeat(self._entity, len(rows)))]
        try:
            for (set_field, decode), stored in zip(self._setters, zip(*rows, strict=True), strict=False):
                _set_all(set_field, entities, stored if decode is None else map(decode, stored))
            for name, set_field, compose in self._composed:
                _set_all(set_field, entities, given.get(name) or map(compose, rows))
        except UNDECODABLE:
            self._refuse_stranger(rows)
            raise
        return entities

    def _refuse_stranger(self, rows: Sequence[Sequence[Any]]) -> None:
        decoded = [
            (name, stored if decode is None else map(decode, stored))
            for name, (_, decode), stored in zip(self._columns, self._setters, zip(*rows, strict=True), strict=False)
        ]
        for name, values in (*decoded, *((name, map(compose, rows)) for name, _, compose in self._composed)):
            try:
                deque[object](values, maxlen=0)
            except ValidationError:  # a codec's own error says more
                raise
            except UNDECODABLE:
                # Without that error as a cause, because it shows the value.
                raise ValidationError(self._mapper.name, name, STRANGE) from None

    @cached_property
    def _setters(self) -> list[tuple[Callable[[Any, Any], None], Callable[[Any], Any] | None]]:
        # Frozen entities refuse setattr; their slots' descriptors do not.
        return [
            (
                getattr(self._entity, name).__set__,
                None if name in self._mapper.codecs else self._result_processor(column),
            )
            for name, column in self._columns.items()
        ]

    @cached_property
    def _composed(self) -> list[tuple[str, Callable[[Any, Any], None], Callable[[Sequence[Any]], Any]]]:
        """The fields that are not decoded from their own column alone, with a function of the whole row."""
        composed = {
            name: self._composer(name, codec) for name, codec in self._mapper.codecs.items() if name in self._columns
        }
        composed |= {name: _constant(value) for name, value in self._mapper.elsewhere.items()}
        return [(name, getattr(self._entity, name).__set__, compose) for name, compose in composed.items()]

    def _composer(self, name: str, codec: Codec) -> Callable[[Sequence[Any]], Any]:
        pick = itemgetter(*map(self._mapper.fields.index, (name, *codec.beside)))
        return (lambda row: codec.decode(*pick(row))) if codec.beside else (lambda row: codec.decode(pick(row)))

    def encode(self, name: str, value: Any) -> Any:
        """Return the driver value of one field."""
        encode = self._encoders[name]
        return value if encode is None else encode(value)


class _RowCodecs(dict["Backend", RowCodec[Any]]):
    """Converters of a mapper by backend, each created when it is first used."""

    def __init__(self, mapper: RowMapper[Any]) -> None:
        super().__init__()
        self._mapper = mapper

    def __missing__(self, backend: Backend) -> RowCodec[Any]:
        return self.setdefault(backend, RowCodec(self._mapper, backend))


def _checked(check: Callable[[Any], None], encode: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        check(value)
        return value if encode is None else encode(value)

    return checked


def _constant(value: Any) -> Callable[[Sequence[Any]], Any]:
    return lambda _row: value


def _for_column(column: Column[Any], process: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return process.convert if isinstance(process, Optionally) and not column.nullable else process


def _set_all(set_field: Callable[[Any, Any], None], entities: Sequence[Any], values: Iterable[Any]) -> None:
    # The deque consumes the map without a Python loop.
    deque[object](map(set_field, entities, values), maxlen=0)
