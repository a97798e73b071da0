"""Tables of an exported journal, and the conversion between their entities and lines of JSON."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.aggregates import AGGREGATES, SCHEMA_VERSION
from zorivest_async.errors import ValidationError
from zorivest_async.transfer.columns import Kind, columns_of
from zorivest_async.transfer.importers.source import parse_iso

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zorivest_async.database.aggregates import Aggregate

__all__ = ["SCHEMA_VERSION", "JournalTable", "journal_tables"]


def _texts(value: list[Any]) -> tuple[Any, ...]:
    if type(value) is not list:  # tuple() would split a text into its characters
        raise TypeError
    return tuple(value)


_DECODE: Final[dict[Kind, Callable[[Any], Any]]] = {"time": parse_iso, "bytes": b64decode, "texts": _texts}
_ENCODE: Final[dict[Kind, Callable[[Any], Any]]] = {
    "text": str,
    "time": lambda time: time.isoformat(),
    "bytes": lambda data: b64encode(data).decode(),
    "texts": list,
}


class JournalTable:
    """A table of an exported journal, which is one file of JSON lines.

    Args:
        aggregate: The aggregate whose rows it contains.

    Attributes:
        aggregate: The aggregate.
        entity: The class of its entities, which have whole rows.
        name: The name of the table and the file.
        kinds: The kind of each field's values.
    """

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self.aggregate = aggregate
        self.entity: type[Any] = aggregate.as_stored.entity
        self.name = aggregate.name
        self.kinds = {c.name: c.kind for c in columns_of(self.entity) if c.name in aggregate.exported}

    def to_json(self, entity: Any) -> str:
        """Return the line of an entity."""
        values = {name: (kind, getattr(entity, name)) for name, kind in self.kinds.items()}
        plain = {
            name: value if value is None or kind not in _ENCODE else _ENCODE[kind](value)
            for name, (kind, value) in values.items()
        }
        return json.dumps(plain, ensure_ascii=False)

    def from_json(self, values: Mapping[str, Any], **more: Any) -> Any:
        """Return the entity of a line; a field that the line lacks gets its default.

        Args:
            values: The values of the line.
            more: Values of fields that are not in the line.

        Raises:
            ValidationError: A field is invalid.
            FieldError: A time is invalid.
            TypeError: A field is missing, unknown or of another JSON type.
            ValueError: Bytes are not valid Base64.
        """
        fields = {
            name: value if value is None or (kind := self.kinds.get(name)) not in _DECODE else _DECODE[kind](value)
            for name, value in values.items()
        }
        try:
            return self.entity(**fields, **more)
        except ValidationError as error:  # which names the class of whole rows
            raise ValidationError(self.aggregate.entity.__name__, error.field, error.problem) from None


def journal_tables() -> list[JournalTable]:
    """Return the tables of a journal, each after those that it refers to."""
    return [JournalTable(aggregate) for aggregate in AGGREGATES]
