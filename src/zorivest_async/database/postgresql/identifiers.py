"""Limits of identifiers: two of them and a time must stand in one row of an index, which has at most 2,704 bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String

from zorivest_async.database.types import Confidential
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Column

__all__ = ["check_of"]

MAX_CHARACTERS: Final = 512
"""Maximum length of an identifier."""

MAX_BYTES: Final = 1_024
"""Maximum size of an identifier in UTF-8."""

TOO_LONG: Final = f"must have at most {MAX_CHARACTERS} characters, and {MAX_BYTES:,} bytes in UTF-8, on a server"


def check_of(entity: str, field: str, column: Column[Any]) -> Callable[[Any], None] | None:
    """Return what refuses too long an identifier; ``None`` for a column that no index has."""
    stored = getattr(column.type, "impl_instance", column.type)
    if not isinstance(stored, String) or isinstance(column.type, Confidential) or not _is_indexed(column):
        return None
    return partial(_require_short, entity, field)


def _is_indexed(column: Column[Any]) -> bool:
    is_key = column.primary_key or bool(column.foreign_keys) or bool(column.unique)
    return is_key or any(column.name in index.columns for index in column.table.indexes)


def _require_short(entity: str, field: str, value: Any) -> None:
    if isinstance(value, str) and (len(value) > MAX_CHARACTERS or len(value.encode()) > MAX_BYTES):
        raise ValidationError(entity, field, TOO_LONG)
