"""Keeping what functions held out of the tracebacks of their errors, which debuggers and error reporters show.

Types, messages, files and line numbers stay. Only frames that have ended can be emptied; whatever catches the error
empties those below it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from traceback import walk_tb
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["forget_locals", "sealed", "sealed_init"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EMPTIED: Final = frozenset(
    {"zorivest_async", "PIL", "aiosqlite", "alembic", "anyio", "argon2", "cryptography", "sqlalchemy"}
)
"""Packages whose frames are emptied. Those of the library's users are theirs to look into."""


def forget_locals(error: BaseException | None, *, everywhere: bool = False) -> None:
    """Empty the frames that an error, and the errors behind it, came through; forget errors that are not shown.

    Args:
        error: The error.
        everywhere: Empty all of them, on a thread that runs nothing of the library's users.
    """
    while error is not None:
        for frame, _ in walk_tb(error.__traceback__):
            if everywhere or frame.f_globals.get("__name__", "").partition(".")[0] in _EMPTIED:
                with suppress(RuntimeError):  # it has not ended
                    frame.clear()
        if error.__suppress_context__:
            error.__context__ = None
        error = error.__cause__ or error.__context__


def sealed(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Keep the arguments of a function, and what it makes of them, out of tracebacks."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            forget_locals(error)
            raise

    return call


def sealed_init(cls: type[_T]) -> type[_T]:
    """Keep what instances of a dataclass are made of out of tracebacks: its ``__init__`` is :func:`sealed`."""
    cls.__init__ = sealed(cls.__init__)  # type: ignore[method-assign]
    return cls
