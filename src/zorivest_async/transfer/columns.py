"""Conversion of entities to columns, each with one type independent of its values."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from zorivest_async.domain.entity import Entity
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Column", "Kind", "columns_of", "to_columns"]

Kind: TypeAlias = Literal["text", "time", "number", "integer", "flag", "bytes", "texts", "json"]

_KINDS: dict[Any, Kind] = {
    str: "text",
    datetime: "time",
    float: "number",
    int: "integer",
    bool: "flag",
    bytes: "bytes",
    tuple: "texts",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: one field of an entity.

    Attributes:
        name: The name of the field.
        kind: The type of its values. A time is aware, in UTC; texts are a list; members of enums are text; a field of
            several types becomes JSON text.
    """

    name: str
    kind: Kind


def columns_of(entity: type[Entity]) -> tuple[Column, ...]:
    """Return the columns of an entity, in the order of its fields."""
    cls: Any = entity
    hints = get_type_hints(cls, include_extras=True)
    return tuple(Column(f.name, _kind_of(hints[f.name])) for f in fields(cls))


def _kind_of(hint: Any) -> Kind:
    if get_origin(hint) is Annotated:
        return _kind_of(get_args(hint)[0])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "text"
    if hint in _KINDS:
        return _KINDS[hint]
    if get_origin(hint) is tuple:
        return "texts"
    required = [alternative for alternative in get_args(hint) if alternative is not type(None)]
    return _kind_of(required[0]) if len(required) == 1 else "json"


def to_columns(entities: Iterable[Entity], entity: type[Entity]) -> dict[str, list[Any]]:
    """Return the values of entities by column, converted to the columns' kinds.

    Raises:
        ValidationError: One of the entities is of another class than ``entity``.
    """
    rows = [*entities]
    if not all(isinstance(row, entity) for row in rows):
        raise ValidationError(entity.__name__, "self", f"must be a {entity.__name__}")
    return {
        column.name: [_plain(column.kind, getattr(row, column.name)) for row in rows] for column in columns_of(entity)
    }


def _plain(kind: Kind, value: Any) -> Any:
    if kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if value is None:
        return None
    if kind == "text":
        return str(value)  # for a secret, its mask
    if kind == "texts":
        return [_named(item) for item in value]
    return value


def _named(item: Any) -> Any:
    """Return the value that represents an item: for an entity inside another one, its first field."""
    return getattr(item, fields(cast("Any", item))[0].name) if isinstance(item, Entity) else item
