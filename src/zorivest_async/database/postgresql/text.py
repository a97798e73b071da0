"""Texts of statements for PostgreSQL, with what the connection needs to know about them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Savepoint", "ServerText", "is_reading", "savepoint_of", "unnested"]


class ServerText(str):
    """A statement of the library, with what PostgreSQL's connection does beside sending it.

    Attributes:
        refuses_duplicates: Whether a row that was not inserted is a duplicate: the insertion does nothing then, as an
            error would abort the transaction.
        resolve: Returns the text and the values to send for the values of the statement; ``None`` if they are the same.
        resolve_rows: The same for many rows, an array a column; ``None`` if each row is sent by itself.
    """

    __slots__ = ("refuses_duplicates", "resolve", "resolve_rows")

    refuses_duplicates: bool
    resolve: Callable[[Sequence[Any]], tuple[str, Sequence[Any]]] | None
    resolve_rows: Callable[[list[tuple[Any, ...]]], tuple[str, Sequence[Any]]] | None

    def __new__(
        cls,
        text: str,
        *,
        refuses_duplicates: bool = False,
        resolve: Callable[[Sequence[Any]], tuple[str, Sequence[Any]]] | None = None,
        resolve_rows: Callable[[list[tuple[Any, ...]]], tuple[str, Sequence[Any]]] | None = None,
    ) -> Self:
        """Return a text."""
        made = super().__new__(cls, text)
        made.refuses_duplicates = refuses_duplicates
        made.resolve = resolve
        made.resolve_rows = resolve_rows
        return made


class Savepoint(NamedTuple):
    """A statement about a savepoint.

    Attributes:
        action: ``"SAVEPOINT"``, ``"RELEASE"`` or ``"ROLLBACK"``.
        name: The savepoint.
    """

    action: str
    name: str


_SAVEPOINT: Final = re.compile(
    r"\s*(?:(SAVEPOINT)|(RELEASE)(?:\s+SAVEPOINT)?|(ROLLBACK)(?:\s+(?:WORK|TRANSACTION))?\s+TO(?:\s+SAVEPOINT)?)"
    r"\s+\"?(\w+)\"?\s*;?\s*",
    re.IGNORECASE,
)
_READS: Final = re.compile(r"\s*(?:SELECT|SHOW|VALUES|TABLE|EXPLAIN|FETCH)\b", re.IGNORECASE)
_ROW: Final = re.compile(r"\bVALUES \((?P<row>.*?)\)(?P<rest> ON CONFLICT .*| RETURNING .*)?\Z", re.DOTALL)
_PARAMETER: Final = re.compile(r"\$(\d+)::([A-Z ]*[A-Z])")


@lru_cache(maxsize=1024)
def is_reading(sql: str) -> bool:
    """Return whether a statement can only read, so that its failure undoes nothing."""
    return _READS.match(sql) is not None


@lru_cache(maxsize=1024)
def savepoint_of(sql: str) -> Savepoint | None:
    """Return what a statement does to a savepoint; ``None`` if it does nothing to any."""
    found = _SAVEPOINT.fullmatch(sql)
    if found is None:
        return None
    begun, released, rolled_back, name = found.groups()
    return Savepoint((begun or released or rolled_back).upper(), name)


@lru_cache(maxsize=256)
def unnested(sql: str) -> str | None:
    """Return the insertion of many rows, an array a column, for the insertion of one; ``None`` if it is another one.

    The rows are inserted in their order. A driver's ``executemany`` would not tell how many were.
    """
    found = _ROW.search(sql)
    if found is None or not sql.startswith("INSERT"):
        return None
    row, types = found["row"], dict[int, str]()

    def column_of(parameter: re.Match[str]) -> str:
        types[int(parameter[1])] = parameter[2]
        return f"given.c{parameter[1]}"

    columns = _PARAMETER.sub(column_of, row)
    if sorted(types) != list(range(1, len(types) + 1)) or "$" in columns:
        return None
    arrays = ", ".join(f"${number}::{types[number]}[]" for number in sorted(types))
    names = ", ".join(f"c{number}" for number in sorted(types))
    return f"{sql[: found.start()]}SELECT {columns} FROM unnest({arrays}) AS given({names}){found['rest'] or ''}"  # noqa: S608 - parts of one statement
