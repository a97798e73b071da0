"""Values to compare with a column: one that no row can have, of whatever type, is a miss and no error."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Integer, LargeBinary, Numeric, String

from zorivest_async.database.statements import JsonArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.types import TypeEngine

__all__ = ["comparable"]

_KINDS: Final[tuple[tuple[type[TypeEngine[Any]], tuple[type, ...]], ...]] = (
    (String, (str,)),
    (Boolean, (bool,)),
    (Integer, (int,)),
    (Numeric, (int, float)),
    (LargeBinary, (bytes,)),
)
"""Types of values by type of column."""

_ESCAPED: Final = re.compile(r"\\u0000|\\u[dD][89a-fA-F]")
"""Characters that PostgreSQL has in no text: NUL, and half of a surrogate pair."""


def comparable(kind: TypeEngine[Any], convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Return what converts a value to compare with a column of a type; a value of another type becomes ``None``.

    Args:
        kind: The type of the column.
        convert: Converts the values that fit; ``None`` if they need no conversion.
    """
    if isinstance(kind, JsonArray):
        return _without_impossible
    stored = getattr(kind, "impl_instance", kind)
    fitting = next((types for column, types in _KINDS if isinstance(stored, column)), None)
    return convert if fitting is None else partial(_fitting, fitting, convert)


def _fitting(types: tuple[type, ...], convert: Callable[[Any], Any] | None, value: Any) -> Any:
    if not isinstance(value, types) or (isinstance(value, str) and "\0" in value):
        return None
    return value if convert is None else convert(value)


def _without_impossible(array: Any) -> Any:
    """Return a JSON array without the texts that no row can have."""
    if not isinstance(array, str) or _ESCAPED.search(array) is None:
        return array
    return json.dumps([each for each in json.loads(array) if not (isinstance(each, str) and _is_impossible(each))])


def _is_impossible(text: str) -> bool:
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
