"""Checks of stored values by column, for readers of few columns of very many rows."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from zorivest_async.database.mapping import STRANGE, UNDECODABLE
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["column_of", "flag_of", "number_of", "text_of", "whole_number_of"]


def column_of(entity: str, field: str, decode: Callable[[Any], Any], stored: tuple[Any, ...]) -> tuple[Any, ...]:
    """Decode the values of a column.

    Raises:
        ValidationError: One is not a value that a release stores, so another program has written it.
    """
    try:
        return tuple(map(decode, stored))
    except UNDECODABLE:
        # Not "from error", which shows the value.
        raise ValidationError(entity, field, STRANGE) from None


def number_of(stored: Any) -> float:
    """Return a finite number.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not finite.
    """
    if not isfinite(stored):
        raise ValueError
    return float(stored)


def text_of(stored: Any) -> str:
    """Return a text.

    Raises:
        TypeError: It is not one.
    """
    if not isinstance(stored, str):
        raise TypeError
    return stored


def whole_number_of(stored: Any) -> int:
    """Return a whole number.

    Raises:
        TypeError: It is not one.
    """
    if not isinstance(stored, int):
        raise TypeError
    return stored


def flag_of(stored: Any) -> bool:
    """Return a flag, which is 0 or 1 in some engines.

    Raises:
        KeyError: It is another value.
        TypeError: It is not a number.
    """
    return {0: False, 1: True}[stored]
