"""Texts of statements for PostgreSQL, with what the connection needs to know about them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["Plan", "Savepoint", "Sender", "ServerText", "is_reading", "savepoint_of", "unnested"]


class Sender(Protocol):
    """The transaction that sends a statement."""

    @property
    def keys(self) -> JournalKeys:
        """The keys of the journal."""
        ...

    async def take_numbers(self, table: str, amount: int, /) -> int:
        """Return the first of the numbers of some new rows of a table."""
        ...


class Plan(Protocol):
    """What a statement's values are before they are sent, and its rows after they were received."""

    async def prepare(self, values: Sequence[Any], sender: Sender, /) -> tuple[str, Sequence[Any]]:
        """Return the text and the values to send."""
        ...

    async def read(
        self, rows: list[tuple[Any, ...]], values: Sequence[Any], keys: JournalKeys, /
    ) -> list[tuple[Any, ...]]:
        """Return rows with their confidential values opened.

        Args:
            rows: The rows.
            values: The values that were sent.
            keys: The keys of the journal.

        Raises:
            VaultDamagedError: A value does not authenticate.
        """
        ...


class ServerText(str):
    """A statement of the library, with what PostgreSQL's connection does beside sending it.

    Attributes:
        plan: How its values and its rows are converted; ``None`` if they are sent and received as they are.
        refuses_duplicates: Whether a row that was not inserted is a duplicate: the insertion does nothing then, as an
            error would abort the transaction.
        many: The same insertion of many rows, an array a column; its values are the rows. ``None`` if each row is sent
            by itself.
    """

    __slots__ = ("many", "plan", "refuses_duplicates")

    plan: Plan | None
    refuses_duplicates: bool
    many: ServerText | None

    def __new__(
        cls, text: str, plan: Plan | None = None, *, refuses_duplicates: bool = False, many: ServerText | None = None
    ) -> Self:
        """Return a text."""
        made = super().__new__(cls, text)
        made.plan = plan
        made.refuses_duplicates = refuses_duplicates
        made.many = many
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
