"""Connection of the driver that is compatible with :mod:`sqlite3`, from which ``sqlcipher3`` differs.

aiosqlite, SQLAlchemy and the libraries over them are written for :mod:`sqlite3`:

* ``cursor.description`` only contains the columns' names. The driver adds declared types, which could be mistaken for
  the types of the values; SQLite does not guarantee that.
* The row factory :class:`sqlite3.Row` does not accept the driver's cursors, so the driver's own class replaces it.
* There is an ``iterdump()``.
* Hooks (an authorizer, a trace callback, a progress handler) only see the user's statements, and not the library's own
  checks of the file. Otherwise an authorizer that denies ``PRAGMA`` would make an ``INSERT`` fail after it was done.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from sqlcipher3 import dbapi2 as sqlcipher

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

__all__ = ["Hooks", "RawConnection", "RawCursor", "described", "in_turn", "without_hooks"]

_CURSOR: Any = sqlcipher.Cursor
_CONNECTION: Any = sqlcipher.Connection

Description: TypeAlias = "tuple[tuple[str, None, None, None, None, None, None], ...]"


def described(description: Sequence[Sequence[Any]] | None) -> Description | None:
    """Return a cursor's description without the declared types, as :mod:`sqlite3` has it."""
    if description is None:
        return None
    return tuple([(column[0], None, None, None, None, None, None) for column in description])


class _RowFactory:
    """Descriptor of a row factory that replaces :class:`sqlite3.Row` with the driver's class.

    Args:
        drivers: The driver's descriptor; the driver reads its value without calling Python.
    """

    def __init__(self, drivers: Any) -> None:
        self._drivers = drivers

    def __get__(self, owner: object, kind: type[object] | None = None) -> Any:
        return self if owner is None else self._drivers.__get__(owner, kind)

    def __set__(self, owner: object, factory: Any) -> None:
        self._drivers.__set__(owner, sqlcipher.Row if factory is sqlite3.Row else factory)


class RawCursor(sqlcipher.Cursor):
    """A cursor of a :class:`RawConnection`.

    Attributes:
        row_factory: Converts tuples to rows.
    """

    @property
    def description(self) -> Any:
        """The columns' names, each with six times ``None``; ``None`` without columns."""
        return described(_CURSOR.description.__get__(self))

    row_factory: Any = _RowFactory(_CURSOR.row_factory)

    def executescript(self, sql_script: str) -> Any:
        """Execute statements, which may end a transaction and begin another; the connection's method calls it, too."""
        cast("RawConnection", self.connection).scripted = True
        return super().executescript(sql_script)


class Hooks:
    """Switch for a connection's hooks; it is a separate object, so that a hook does not keep its connection alive.

    Attributes:
        paused: Whether the running statement is the library's own.
    """

    __slots__ = ("paused",)

    def __init__(self) -> None:
        self.paused = False


@contextmanager
def without_hooks(raw: sqlite3.Connection) -> Generator[None]:
    """Run the block, which executes the library's own statements, without calling hooks."""
    hooks = raw.hooks if isinstance(raw, RawConnection) else Hooks()
    before, hooks.paused = hooks.paused, True
    try:
        yield
    finally:
        hooks.paused = before


def in_turn(first: Callable[[], None] | None, handler: Callable[[], int | None]) -> int | None:
    """Call two progress handlers, and return the result of the second."""
    if first is not None:
        first()
    return handler()


class RawConnection(sqlcipher.Connection):
    """A ``sqlcipher3`` connection that is compatible with :mod:`sqlite3`.

    Attributes:
        hooks: The switch for its hooks.
        row_factory: Converts tuples to rows.
        scripted: Whether a script was executed, since a :class:`GroupCommit` asked.
    """

    scripted = False
    row_factory: Any = _RowFactory(_CONNECTION.row_factory)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.hooks = Hooks()
        super().__init__(*arguments, **options)

    def cursor(self, factory: Any = RawCursor) -> Any:
        """Return a cursor."""
        return super().cursor(factory)

    def iterdump(self) -> Generator[str]:
        """Yield the database as unencrypted SQL text; see :meth:`sqlite3.Connection.iterdump`.

        Raises:
            NotSupportedError: This version of Python has no function for it that accepts the driver's connections.
        """
        # sqlite3's own method only accepts connections of its module, but the function that it calls accepts any.
        dump: Callable[..., Generator[str]] | None = vars(import_module("sqlite3.dump")).get("_iterdump")
        if dump is None:
            raise sqlcipher.NotSupportedError("this version of Python has no iterdump() for encrypted connections")
        return dump(self)

    def set_authorizer(self, authorizer_callback: Callable[..., int] | None) -> None:
        """Set a function that authorizes each action of a statement; see :meth:`sqlite3.Connection.set_authorizer`."""
        hooks, ask = self.hooks, authorizer_callback

        def authorize(*action: Any) -> int:
            return sqlite3.SQLITE_OK if hooks.paused or ask is None else ask(*action)

        super().set_authorizer(None if ask is None else authorize)

    def set_trace_callback(self, trace_callback: Callable[[str], object] | None) -> None:
        """Set a function that is called with each statement; see :meth:`sqlite3.Connection.set_trace_callback`."""
        hooks, tell = self.hooks, trace_callback
        super().set_trace_callback(
            None if tell is None else lambda statement: None if hooks.paused else tell(statement)
        )

    def set_progress_handler(self, progress_handler: Callable[[], int | None] | None, n: int) -> None:
        """Set a function that is called every ``n`` opcodes; see :meth:`sqlite3.Connection.set_progress_handler`."""
        hooks, ask = self.hooks, progress_handler
        super().set_progress_handler(None if ask is None else lambda: None if hooks.paused else ask(), n)
