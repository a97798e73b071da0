"""Prepared statements: Core statements compiled once, which repositories send with their values."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnClause,
    ColumnElement,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    column,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from zorivest_async.domain.validation import LARGEST_INTEGER
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.expression import ClauseElement
    from sqlalchemy.types import TypeEngine

    from zorivest_async.database.backend import Backend

__all__ = [
    "Compiled",
    "Elements",
    "JsonArray",
    "Sought",
    "Statement",
    "contains_folded",
    "each",
    "has_element",
    "has_value",
    "opened_image",
    "sought",
    "whole_number",
]


class Compiled:
    """A statement as one engine of databases takes it.

    Attributes:
        text: The SQL, with positional parameters.
    """

    __slots__ = ("_parameters", "text")

    def __init__(self, core: ClauseElement, backend: Backend) -> None:
        compiled: Any = core.compile(dialect=backend.dialect)
        self.text = backend.text_of(core, compiled)
        self._parameters: list[tuple[str, Any, Callable[[Any], Any] | None]] = [
            (name, compiled.binds[name].value, _converter(compiled.binds[name].type, backend))
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


def _converter(kind: TypeEngine[Any], backend: Backend) -> Callable[[Any], Any] | None:
    dialect = backend.dialect
    return backend.comparable(kind, kind.dialect_impl(dialect).bind_processor(dialect))


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


class JsonArray(Text):
    """A JSON array in one parameter, whose elements are values to compare with."""


class Elements(FunctionElement[str]):
    """The elements of a JSON array, one a row; each backend says how it takes them apart."""

    name = "elements"
    inherit_cache = True


class contains_folded(FunctionElement[bool]):  # noqa: N801 - used like a function
    """Whether a text contains another one, whatever the case of ASCII letters; each backend says how."""

    name = "contains_folded"
    type = Boolean()
    inherit_cache = True


class has_value(FunctionElement[bool]):  # noqa: N801 - used like a function
    """Whether a confidential column has a value, which a server that cannot read it finds by its hash.

    Its arguments are the column, and a parameter that :func:`sought` makes.
    """

    name = "has_value"
    type = Boolean()
    inherit_cache = True


class has_element(FunctionElement[bool]):  # noqa: N801 - used like a function
    """Whether a confidential list has an element; its arguments are those of :class:`has_value`."""

    name = "has_element"
    type = Boolean()
    inherit_cache = True


class Sought(String):
    """A value to look for in a confidential column.

    Args:
        label: The table and the column.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label


def sought(name: str, column: Column[Any]) -> BindParameter[str]:
    """Return the parameter of a value to look for in a confidential column."""
    return bindparam(name, type_=Sought(f"{column.table.name}.{column.name}"))


class _Wrapping(FunctionElement[Any]):
    """Base of elements that are their only argument, unless a backend says otherwise."""

    inherit_cache = True

    def __init__(self, wrapped: ColumnElement[Any], *, type_: Any = None) -> None:
        super().__init__(wrapped)
        self.type = wrapped.type if type_ is None else type_


@compiles(_Wrapping)
def _unwrapped(element: _Wrapping, compiler: SQLCompiler, **options: Any) -> str:
    (wrapped,) = element.clauses
    return compiler.process(wrapped, **options)


class opened_image(_Wrapping):  # noqa: N801 - used like a function
    """The original bytes of an image, which may be in another table."""

    name = "opened_image"
    inherit_cache = True


class whole_number(_Wrapping):  # noqa: N801 - used like a function
    """A value of a JSON array as a whole number."""

    name = "whole_number"
    inherit_cache = True


def each(name: str, *, is_number: bool = False) -> Select[Any]:
    """Return a subquery of the values in a JSON array, which is one parameter however many they are.

    Args:
        name: The parameter.
        is_number: Whether the values are whole numbers.
    """
    value: ColumnClause[Any] = column("value")
    values: ColumnElement[Any] = whole_number(value, type_=Integer()) if is_number else value
    return select(values).select_from(Elements(bindparam(name, type_=JsonArray)))
