"""Entities as columns, each of one type whatever is in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from zorivest_async.domain.entities import WatchlistItem
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.entity import Entity

__all__ = ["Column", "Kind", "columns_of", "to_columns"]

Kind: TypeAlias = Literal["text", "moment", "number", "integer", "flag", "bytes", "texts"]

_KINDS: dict[Any, Kind] = {
    str: "text",
    datetime: "moment",
    float: "number",
    int: "integer",
    bool: "flag",
    bytes: "bytes",
    tuple: "texts",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A field of an entity.

    Attributes:
        name: Of the field.
        kind: What its values are. A moment is aware, in UTC; texts are a list; members of enums are text.
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
    (required,) = (alternative for alternative in get_args(hint) if alternative is not type(None))
    return _kind_of(required)


def to_columns(entities: Iterable[Entity], entity: type[Entity]) -> dict[str, list[Any]]:
    """Return the values of entities, column by column: plain ones, as the columns' kinds say.

    Raises:
        ValidationError: One of them is something else than ``entity``.
    """
    rows = [*entities]
    if not all(isinstance(row, entity) for row in rows):
        raise ValidationError(entity.__name__, "self", f"must be a {entity.__name__}")
    return {
        column.name: [_plain(column.kind, getattr(row, column.name)) for row in rows] for column in columns_of(entity)
    }


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "text":
        return str(value)  # of a secret, the mask
    if kind == "texts":
        return [item.ticker if isinstance(item, WatchlistItem) else item for item in value]
    return value
