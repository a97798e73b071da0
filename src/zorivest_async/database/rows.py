"""Rows to entities and back, generically: a field goes into the column of its name.

Values are converted by the column types' own processors, column by column rather than row by row: the loops then run in
C, and a slice of rows costs little more than the driver's own tuples.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from functools import cached_property
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from sqlalchemy import Column, Select, Table, bindparam, delete, exists, select, update
from sqlalchemy.dialects.sqlite import Insert, insert

from zorivest_async.database.statements import DIALECT, Statement
from zorivest_async.database.types import Optionally
from zorivest_async.domain.entity import Entity
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["SLICE_ROWS", "STRANGE", "RowMapper"]

STRANGE: Final = "is stored in a form that no release writes"
"""What is wrong with a value that cannot be decoded."""

SLICE_ROWS = 500
"""Rows converted in one go: about a millisecond of the event loop."""

_UNDECODABLE: Final = (KeyError, RecursionError, TypeError, ValueError)
"""What decoding a value raises that was never encoded here: an unknown member, a text that is no moment or no JSON."""

_EntityT = TypeVar("_EntityT", bound=Entity)


class RowMapper(Generic[_EntityT]):
    """Maps one entity class to one table.

    Args:
        entity: The entity class, slotted.
        table: Its table.
        renamed: Fields whose column has another name.
        elsewhere: Fields that are not in this table.
        fixed: Columns that an update leaves alone, besides the primary key.
    """

    def __init__(
        self,
        entity: type[_EntityT],
        table: Table,
        *,
        renamed: Mapping[str, str] | None = None,
        elsewhere: frozenset[str] = frozenset(),
        fixed: frozenset[str] = frozenset(),
    ) -> None:
        self.entity = cast("Any", entity)
        self.table = table
        names = renamed or {}
        mapped = {names.get(f.name, f.name): f.name for f in fields(self.entity) if f.name not in elsewhere}
        # In the order of the table, which is the order of the columns in SQLAlchemy's INSERT and UPDATE.
        self.columns: dict[str, Column[Any]] = {mapped[c.name]: c for c in table.columns if c.name in mapped}
        self.fields = tuple(self.columns)
        (self.key,) = (name for name, column in self.columns.items() if column.primary_key)
        self.changeable = tuple(name for name in self.fields if name != self.key and name not in fixed)

    @property
    def key_column(self) -> Column[Any]:
        """The primary key."""
        return self.columns[self.key]

    @cached_property
    def select(self) -> Select[Any]:
        """Selects the columns of all fields, in the fields' order."""
        return select(*self.columns.values())

    @cached_property
    def get(self) -> Statement:
        """Selects the columns of the row with a ``key``."""
        return Statement(self.select.where(self.key_column == bindparam("key")))

    @cached_property
    def exists(self) -> Statement:
        """Selects whether there is a row with a ``key``."""
        return Statement(select(exists().where(self.key_column == bindparam("key"))))

    @cached_property
    def delete(self) -> Statement:
        """Deletes the row with a ``key``."""
        return Statement(delete(self.table).where(self.key_column == bindparam("key")))

    @cached_property
    def insert(self) -> str:
        """Inserts a row of the fields' values; a row number that is ``None`` is given by SQLite."""
        return Statement(self._insertion).text

    @cached_property
    def insert_or_skip(self) -> str:
        """As :attr:`insert`, but leaves a row alone whose key is stored already."""
        return Statement(self._insertion.on_conflict_do_nothing(index_elements=[self.key_column])).text

    @cached_property
    def upsert(self) -> str:
        """As :attr:`insert`, but updates the :attr:`changeable` columns of a row whose key is stored already."""
        new = self._insertion
        columns = (self.columns[name].name for name in self.changeable)
        changes = {column: new.excluded[column] for column in columns}
        return Statement(new.on_conflict_do_update(index_elements=[self.key_column], set_=changes)).text

    @cached_property
    def update(self) -> str:
        """Updates a row: :attr:`changeable` values, then the key."""
        statement = update(self.table).where(self.key_column == bindparam("key"))
        return Statement(statement.values(self._parameters(self.changeable))).text

    @property
    def _insertion(self) -> Insert:
        return insert(self.table).values(self._parameters(self.fields))

    def _parameters(self, names: Sequence[str]) -> dict[str, Any]:
        return {self.columns[name].name: bindparam(f"p_{name}") for name in names}

    def to_row(self, entity: _EntityT, names: Sequence[str]) -> tuple[Any, ...]:
        """Return driver values of the named fields."""
        encoders = self._encoders
        values = [getattr(entity, name) for name in names]
        return tuple(
            [
                value if (encode := encoders[name]) is None else encode(value)
                for name, value in zip(names, values, strict=True)
            ]
        )

    def to_rows(self, entities: Iterable[_EntityT], names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return driver values of the named fields, a tuple per entity."""
        columns = zip(*map(attrgetter(*names), entities), strict=True)
        return list(zip(*map(self._encode, names, columns), strict=True))

    def _encode(self, name: str, values: Sequence[Any]) -> Iterator[Any]:
        encode = self._encoders[name]
        return iter(values) if encode is None else map(encode, values)

    @cached_property
    def _encoders(self) -> dict[str, Callable[[Any], Any] | None]:
        return {name: _for_column(column, _bind_processor(column)) for name, column in self.columns.items()}

    def to_entity(self, row: Sequence[Any]) -> _EntityT:
        """Return the entity of a row; see :meth:`to_entities`."""
        entity: _EntityT = object.__new__(self.entity)
        try:
            for (set_field, decode), stored in zip(self._setters, row, strict=True):
                set_field(entity, stored if decode is None else decode(stored))
        except _UNDECODABLE:
            self._refuse_stranger((row,))
            raise
        return entity

    def to_entities(self, rows: Sequence[Sequence[Any]], **elsewhere: Iterable[Any]) -> list[_EntityT]:
        """Return an entity per row of driver values, which were checked when they were stored and are not again.

        Args:
            rows: As :attr:`select` gives them.
            elsewhere: Values of the fields that are not in the table, or not as they are there, one per row.

        Raises:
            ValidationError: A value is not one that a release stores, so something else has written it.
        """
        entities: list[_EntityT] = [*map(object.__new__, repeat(self.entity, len(rows)))]
        try:
            for (set_field, decode), stored in zip(self._setters, zip(*rows, strict=True), strict=False):
                _set_all(set_field, entities, stored if decode is None else map(decode, stored))
        except _UNDECODABLE:
            self._refuse_stranger(rows)
            raise
        for name, values in elsewhere.items():
            _set_all(self.entity.__dict__[name].__set__, entities, values)
        return entities

    def _refuse_stranger(self, rows: Sequence[Sequence[Any]]) -> None:
        for name, (_, decode), stored in zip(self.columns, self._setters, zip(*rows, strict=True), strict=False):
            try:
                _set_all(lambda _entity, _value: None, stored, stored if decode is None else map(decode, stored))
            except _UNDECODABLE:
                # Not from that error, which shows the value.
                raise ValidationError(self.entity.__name__, name, STRANGE) from None

    @cached_property
    def _setters(self) -> list[tuple[Callable[[Any, Any], None], Callable[[Any], Any] | None]]:
        # Frozen entities refuse setattr; their slots' descriptors do not.
        return [
            (self.entity.__dict__[name].__set__, _for_column(column, _result_processor(column)))
            for name, column in self.columns.items()
        ]


def _bind_processor(column: Column[Any]) -> Callable[[Any], Any] | None:
    return column.type.dialect_impl(DIALECT).bind_processor(DIALECT)


def _result_processor(column: Column[Any]) -> Callable[[Any], Any] | None:
    return column.type.dialect_impl(DIALECT).result_processor(DIALECT, None)


def _for_column(column: Column[Any], process: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return process.convert if isinstance(process, Optionally) and not column.nullable else process


def _set_all(set_field: Callable[[Any, Any], None], entities: Sequence[Any], values: Iterable[Any]) -> None:
    # The deque consumes the map without a Python loop.
    deque[object](map(set_field, entities, values), maxlen=0)
