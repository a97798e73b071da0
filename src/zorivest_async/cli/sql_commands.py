"""The command ``zorivest sql``."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import PROGRAM, MisuseError, say_error
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Format, Rows, show
from zorivest_async.errors import InvalidQueryError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from zorivest_async import Vault

__all__ = ["app", "run_query"]

_PROMPT: Final = "sql> "
_HISTORY_LINES: Final = 1000

_QUERY: Final = re.compile(
    r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*\*/)*"
    r"(?:explain\s+(?:query\s+plan\s+|analyze\s+)?)?(?:select|with|values)\b",
    re.IGNORECASE,
)
"""Beginning of a query, after comments.

A connection that refuses to write still runs ``PRAGMA``, also below ``EXPLAIN``: ``PRAGMA rekey`` encrypts the file
with a key that the library cannot derive.
"""

app = area()


@journal_command(
    app,
    "sql",
    "sql 'SELECT instrument, count(*) AS executions FROM trades GROUP BY instrument'",
    "sql",
    has_times=False,
    takes_dashes=True,
)
def sql(
    journal: Journal,
    query: Annotated[str | None, typer.Argument(metavar="[QUERY]", help="One query. Default: a prompt.")] = None,
) -> Rows | None:
    """Run one query that only reads, or, at a terminal, a prompt for queries with a history."""
    if query is not None:
        return journal.use(lambda vault: run_query(vault, query))
    if not sys.stdin.isatty():
        raise MisuseError("pass a query, or run this in a terminal for a prompt")
    _prompt(journal)
    return None


async def run_query(vault: Vault, query: str) -> Rows:
    """Return the rows of a query; the connection refuses to write.

    Raises:
        InvalidQueryError: The statement is not a query, and was not run.
        ReadOnlyError: The statement writes.
        RepositoryError: The database refuses the query; the message has the database's words.
    """
    from zorivest_async.cli.summary import backend_of
    from zorivest_async.database.error_mapping import translated

    if _QUERY.match(query) is None:
        raise InvalidQueryError(problem="only queries are run: SELECT, WITH, VALUES, and EXPLAIN before one of them")
    with translated(backend_of(vault)):
        async with vault.read_engine.connect() as connection:
            result = await connection.exec_driver_sql(query)
            names = [*result.keys()]
            return Rows([dict(zip(names, map(_value, row), strict=True)) for row in result])


def _value(value: Any) -> Any:
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


@contextmanager
def _history() -> Generator[None]:
    """Keep the lines of the prompt in a file that only the user can read; without ``readline`` there is no history."""
    try:
        readline: Any = import_module("readline")
    except ImportError:
        yield
        return
    from platformdirs import user_state_path

    path = user_state_path(PROGRAM, appauthor=False) / "sql_history"
    readline.set_history_length(_HISTORY_LINES)
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            readline.write_history_file(path)


def _prompt(journal: Journal) -> None:
    opening = journal.opening()
    with asyncio.Runner() as runner, _history():
        vault = runner.run(_open(opening))
        try:
            while (query := _typed()) is not None:
                try:
                    show(runner.run(run_query(vault, query)), Format.TEXT)
                except ZorivestError as error:
                    say_error(str(error))
                except KeyboardInterrupt:
                    sys.stderr.write("the query was stopped\n")
        finally:
            runner.run(vault.aclose())


async def _open(opening: Callable[[], Any]) -> Vault:
    vault: Vault = await opening()
    return vault


def _typed() -> str | None:
    """Return the next query; ``None`` at the end."""
    while True:
        try:
            line = input(_PROMPT).strip().removesuffix(";")
        except EOFError:
            sys.stdout.write("\n")
            return None
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            continue
        if line in {"exit", "quit", ".quit", "\\q"}:
            return None
        if line:
            return line
