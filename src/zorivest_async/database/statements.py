"""Prepared statements: Core statements compiled once, which repositories send with their values."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, ColumnClause, Select, Text, bindparam, column, select
from sqlalchemy.sql.functions import FunctionElement

from zorivest_async.domain.validation import LARGEST_INTEGER
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.expression import ClauseElement

    from zorivest_async.database.backend import Backend

__all__ = ["Compiled", "Elements", "Statement", "contains_folded", "each"]


class Compiled:
    """A statement as one engine of databases takes it.

    Attributes:
        text: The SQL, with positional parameters.
    """

    __slots__ = ("_parameters", "text")

    def __init__(self, core: ClauseElement, backend: Backend) -> None:
        dialect = backend.dialect
        compiled: Any = core.compile(dialect=dialect)
        self.text = str(compiled)
        self._parameters: list[tuple[str, Any, Callable[[Any], Any] | None]] = [
            (name, compiled.binds[name].value, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or ()
        ]

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values of the parameters as the driver takes them, in order, including fixed ones.

        Raises:
            InvalidQueryError: A value has a type that no column has.
        """
        values: list[Any] = []  # a comprehension would be a call of its own before Python 3.12
        for name, fixed, convert in self._parameters:
            values.append(_bound(parameters.get(name, fixed), convert))
        return tuple(values)


class Statement(dict["Backend", Compiled]):
    """A Core statement and, by backend, what it is compiled to: ``statement[backend]``, when it is first sent there.

    SQLAlchemy would look its text up again each time, which takes longer than SQLite takes to answer.

    Args:
        core: The statement; its bound parameters are the statement's, by name.
    """

    __slots__ = ("core",)

    def __init__(self, core: ClauseElement) -> None:
        super().__init__()
        self.core = core

    def __missing__(self, backend: Backend) -> Compiled:
        return self.setdefault(backend, Compiled(self.core, backend))


def _bound(value: Any, convert: Callable[[Any], Any] | None) -> Any:
    """Convert a value to compare with; a value that no row can have becomes ``NULL``, which equals no value.

    An identifier may come from a request: 2**63 does not fit into SQLite's 64 bits, and UTF-8 cannot encode a lone
    surrogate.
    """
    if isinstance(value, str):
        if not value.isascii() and not _is_encodable(value):
            return None
    elif isinstance(value, int):
        if not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
            return None
    elif value is not None and not isinstance(value, float | bytes | date):
        kind = type(value).__name__
        raise InvalidQueryError(problem=f"an identifier or a filter must be text or a number, not {kind}")
    return value if convert is None else convert(value)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Elements(FunctionElement[str]):
    """The elements of a JSON array, one a row; each backend says how it takes them apart."""

    name = "elements"
    inherit_cache = True


class contains_folded(FunctionElement[bool]):  # noqa: N801 - used like a function
    """Whether a text contains another one, whatever the case of ASCII letters; each backend says how."""

    name = "contains_folded"
    type = Boolean()
    inherit_cache = True


def each(name: str) -> Select[Any]:
    """Return a subquery of the values in a JSON array, which is one parameter however many they are."""
    value: ColumnClause[Any] = column("value")
    return select(value).select_from(Elements(bindparam(name, type_=Text)))
