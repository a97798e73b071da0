"""SQL texts made from Core statements once, for repositories to send with values alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Text, bindparam, func, select
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.expression import ClauseElement

__all__ = ["DIALECT", "Statement", "each"]

DIALECT = SQLiteDialect()
"""Compiles statements, and converts values, for every engine over SQLite."""


class Statement:
    """A Core statement, compiled when it is first sent.

    SQLAlchemy would look its text up anew each time, which takes longer than SQLite takes to answer.

    Args:
        core: The statement; its bound parameters are the statement's, by name.
    """

    def __init__(self, core: ClauseElement) -> None:
        self._core = core

    @cached_property
    def text(self) -> str:
        """The SQL, with positional parameters."""
        return str(self._compiled)

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return values as the driver takes them, in order; those that were fixed when the statement was made too."""
        return tuple(
            [
                parameters.get(name, fixed) if convert is None else convert(parameters.get(name, fixed))
                for name, fixed, convert in self._parameters
            ]
        )

    @cached_property
    def _compiled(self) -> SQLCompiler:
        compiled: Any = self._core.compile(dialect=DIALECT)
        return compiled  # type: ignore[no-any-return]

    @cached_property
    def _parameters(self) -> list[tuple[str, Any, Callable[[Any], Any] | None]]:
        compiled = self._compiled
        return [
            (name, compiled.binds[name].value, compiled.binds[name].type.dialect_impl(DIALECT).bind_processor(DIALECT))
            for name in compiled.positiontup or ()
        ]


def each(name: str) -> Select[Any]:
    """Return a subquery of the values in a JSON array, which is one parameter however many they are."""
    return select(func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value)
