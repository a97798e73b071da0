"""Removal of local variables from tracebacks, which debuggers and error reporters show.

Types, messages, files and line numbers stay. Only frames that have ended can be cleared, so the function that catches
an error clears the frames below it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["forget_locals", "hidden_call", "seal_coroutines", "sealed", "sealed_coroutine", "sealed_init"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_CoroutineFunctionT = TypeVar("_CoroutineFunctionT", bound="Callable[..., Coroutine[Any, Any, Any]]")

_EMPTIED: Final = frozenset(
    {"zorivest_async", "PIL", "aiosqlite", "alembic", "anyio", "argon2", "asyncpg", "cryptography", "sqlalchemy"}
)
"""Packages whose frames are cleared. Frames of the application are not touched."""


def hidden_call(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Callable[[], _T]:
    """Return a call for a thread, whose repr shows no arguments, unlike that of :func:`functools.partial`."""
    return lambda: function(*args, **kwargs)


def forget_locals(error: BaseException | None, *, everywhere: bool = False) -> None:
    """Clear the frames in the tracebacks of an error and of its chain of causes; drop suppressed errors.

    Args:
        error: The error.
        everywhere: Clear all frames, on a thread that runs no code of the application.
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
    """Keep the arguments and local variables of a function out of tracebacks."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            forget_locals(error)
            raise

    return call


def sealed_coroutine(function: _CoroutineFunctionT) -> _CoroutineFunctionT:
    """Keep the arguments and local variables of a coroutine function out of tracebacks."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            del args, kwargs
            forget_locals(error)
            raise

    return cast("_CoroutineFunctionT", call)


def seal_coroutines(cls: type[Any]) -> None:
    """Apply :func:`sealed_coroutine` to the public coroutine functions that a class defines."""
    for name, method in tuple(vars(cls).items()):
        if iscoroutinefunction(method) and not name.startswith("_"):
            setattr(cls, name, sealed_coroutine(method))


def sealed_init(cls: type[_T]) -> type[_T]:
    """Keep the constructor arguments of a dataclass out of tracebacks: its ``__init__`` is :func:`sealed`."""
    cls.__init__ = sealed(cls.__init__)  # type: ignore[method-assign]
    return cls
