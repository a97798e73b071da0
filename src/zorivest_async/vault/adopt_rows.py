"""Conversion of a plaintext journal's rows to entities, with a note for every value that changes."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sqlalchemy import Boolean
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from zorivest_async.database.mapping import UNDECODABLE
from zorivest_async.database.types import TagList, UTCDateTime
from zorivest_async.domain.entities import ImageAttachment
from zorivest_async.domain.entity import optional_fields
from zorivest_async.domain.settings import MarketProviderSetting, Setting, decode_setting
from zorivest_async.domain.validation import MAX_TEXT_LENGTH, utc_now
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zorivest_async.database.aggregates import Aggregate
    from zorivest_async.database.mapping import RowMapper
    from zorivest_async.domain.entity import Entity
    from zorivest_async.vault.adopt_report import What

__all__ = ["SourceRow", "derive", "entity_of"]

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}

_SETTING_TYPES: Final = frozenset({"str", "int", "float", "bool", "json"})


class SourceRow:
    """A row during its conversion.

    Args:
        values: The driver's values by column.

    Attributes:
        values: The converted values by column.
        notes: For each change, the column, the kind of change, and the reason.
        naive: Columns whose time had no offset.
    """

    __slots__ = ("naive", "notes", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.notes: list[tuple[str, What, str]] = []
        self.naive: list[str] = []

    def put(self, column: str, value: object, what: What, reason: str) -> None:
        """Replace a value, and note the reason."""
        self.values[column] = value
        self.notes.append((column, what, reason))

    def times(self, *columns: str) -> None:
        """Convert texts to times; the entity refuses an invalid one."""
        for column in columns:
            stored = self.values[column]
            try:
                time = datetime.fromisoformat(stored)
            except (TypeError, ValueError):
                continue
            if time.isoformat(" ", "microseconds") == stored:
                self.values[column] = time
            else:
                self.put(column, time, "converted", "is in another format, which was read as ISO 8601")
            if time.tzinfo is None:
                self.naive.append(column)

    def flags(self, *columns: str) -> None:
        """Convert 0 and 1, SQLite's booleans."""
        for column in columns:
            if self.values[column] in (0, 1):
                self.values[column] = bool(self.values[column])

    def defaults(self, values: Mapping[str, object]) -> None:
        """Replace NULL with the default of the column."""
        for column, value in values.items():
            if self.values[column] is None:
                plain = str(value) if isinstance(value, StrEnum) else value
                self.put(column, plain, "converted", f"is NULL; the default, {plain!r}, was stored")


class _Conversions(NamedTuple):
    """The columns of a table to convert, by their types and defaults."""

    times: list[str]
    flags: list[str]
    tags: list[str]
    defaults: dict[str, object]

    @classmethod
    @cache
    def of(cls, aggregate: Aggregate[Any]) -> _Conversions:
        columns = aggregate.rows.columns.values()
        optional = optional_fields(aggregate.rows.entity)
        times, flags, tags = (
            [column.name for column in columns if isinstance(column.type, kind)]
            for kind in (UTCDateTime, Boolean, TagList)
        )
        made = {
            column.name: column.default for field, column in aggregate.rows.columns.items() if field not in optional
        }
        defaults = {
            name: default.arg for name, default in made.items() if isinstance(default, ScalarElementColumnDefault)
        }
        return cls(times, flags, tags, defaults)


def entity_of(aggregate: Aggregate[Any], row: SourceRow) -> Any:
    """Return the entity of a row, after converting the row's values in place.

    The types and defaults of the columns select the conversions; the few entities in :data:`_REPAIRS` need more.

    Raises:
        ValidationError: The row is invalid.
    """
    conversions = _Conversions.of(aggregate)
    row.times(*conversions.times)
    row.flags(*conversions.flags)
    row.defaults(conversions.defaults)
    for name in conversions.tags:
        _tag_list(row, name)
    if (repair := _REPAIRS.get(aggregate.entity)) is not None:
        repair(row)
    else:
        _decode(row, aggregate.rows)
    columns = aggregate.rows.columns
    return aggregate.rows.entity(**{field: row.values[column.name] for field, column in columns.items()})


def _decode(row: SourceRow, mapper: RowMapper[Any]) -> None:
    """Decode the values of fields with a codec; the entity refuses an invalid one."""
    for field, codec in mapper.codecs.items():
        names = [mapper.columns[name].name for name in (field, *codec.beside)]
        with suppress(*UNDECODABLE):
            row.values[names[0]] = codec.decode(*(row.values[name] for name in names))


def _tag_list(row: SourceRow, column: str) -> None:
    stored = row.values[column]
    if stored is None:
        row.values[column] = ()
    elif isinstance(stored, str) and len(stored) <= MAX_TEXT_LENGTH:  # the entity refuses a longer one
        _tags(row, column, stored)


def _tags(row: SourceRow, column: str, stored: str) -> None:
    try:
        tags: Any = json.loads(stored)
    except (RecursionError, ValueError):
        tags = None
    if isinstance(tags, list):
        _tag_array(row, column, cast("list[object]", tags))
    else:
        texts = [tag.strip() for tag in stored.split(",")]
        row.put(column, [tag for tag in texts if tag], "converted", "is not a JSON array; it was split at its commas")


def _tag_array(row: SourceRow, column: str, tags: list[object]) -> None:
    if all(isinstance(tag, str) and tag.strip() for tag in tags):
        row.values[column] = tags
    else:
        texts = [tag if isinstance(tag, str) else _dumped(tag) for tag in tags]
        row.put(column, [tag for tag in texts if tag.strip()], "converted", "has elements that are not text, or empty")


def _dumped(tag: object) -> str:
    try:
        return json.dumps(tag, ensure_ascii=False)
    except RecursionError:  # loads() came just below the limit
        return ""


def _setting(row: SourceRow) -> None:
    if row.values["updated_at"] is None:
        row.put("updated_at", utc_now(), "converted", "is NULL; the time of adoption was stored")
    stored, value_type = row.values["value"], row.values["value_type"]
    if stored is None:
        row.put("value_type", "json", "converted", "is the type of a NULL, which was stored as JSON's null")
    elif value_type not in _SETTING_TYPES:
        row.put("value_type", "str", "converted", "is not a type of a setting; the value was kept as text")
    elif isinstance(stored, str) and len(stored) <= MAX_TEXT_LENGTH:
        try:
            row.values["value"] = decode_setting(stored, value_type)
        except ValidationError:
            _misread_setting(row, stored, value_type)


def _misread_setting(row: SourceRow, stored: str, value_type: str) -> None:
    if value_type == "bool" and stored.lower() in _TRUTHS:
        row.put("value", _TRUTHS[stored.lower()], "converted", "is another spelling of true or false")
    else:
        row.put("value_type", "str", "converted", "does not match the value, which was kept as text")


def _market_provider(row: SourceRow) -> None:
    column = "encrypted_api_key"
    api_key = row.values[column]
    if api_key == "":
        row.put(column, None, "converted", "is empty, which is not an API key")
    elif isinstance(api_key, str) and api_key.startswith("ENC:"):
        row.put(column, None, "dropped", "is encrypted under a key that the file does not contain; save it again")
    elif api_key is not None:
        row.notes.append((column, "converted", "was not encrypted; it is now, under the vault's key"))


def derive(row: SourceRow, column: str, value: object) -> None:
    """Store a value that is derived from the original, and note it if the column was NULL or had another value."""
    stored = row.values[column]
    if stored is None:
        row.put(column, value, "added", "was NULL; it was derived from the original")
    elif stored != value:
        row.put(column, value, "converted", "did not match the original; it was derived again")


def _image(row: SourceRow) -> None:
    data = row.values["data"]
    for column in ("width", "height"):
        if row.values[column] == 0:
            row.put(column, None, "converted", "is 0, which is not a size")
    if isinstance(data, bytes):
        derive(row, "file_size", len(data))


_REPAIRS: Final[dict[type[Entity], Callable[[SourceRow], None]]] = {
    Setting: _setting,
    MarketProviderSetting: _market_provider,
    ImageAttachment: _image,
}
"""Conversions of fields that depend on each other, or on the vault's key."""
