"""Exception handlers: the status code of each error, and a JSON body without values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from zorivest_async.errors import (
    CorruptImageError,
    CurrencyChangeError,
    DuplicateError,
    ForeignKeyError,
    ImageTooLargeError,
    ImportUndoError,
    InvalidQueryError,
    NotFoundError,
    UnsupportedImageError,
    ValidationError,
    VaultBusyError,
    VaultClosedError,
    VaultError,
    VaultFullError,
    VaultInUseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["STATUS_CODES", "error_handlers"]

STATUS_CODES: Final[dict[type[Exception], int]] = {
    NotFoundError: 404,
    DuplicateError: 409,
    ForeignKeyError: 409,
    CurrencyChangeError: 409,
    ImportUndoError: 409,
    ImageTooLargeError: 413,
    UnsupportedImageError: 415,
    CorruptImageError: 422,
    InvalidQueryError: 422,
    ValidationError: 422,
    VaultBusyError: 503,
    VaultClosedError: 503,
    VaultInUseError: 503,
    VaultFullError: 507,
}
"""Status codes of RFC 9110, and 507 of RFC 4918. Other errors of the library are the server's fault and stay 500."""

_TEMPORARY: Final = 503
_RETRY_AFTER_S: Final = "1"


def error_handlers() -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """Return handlers for the library's errors: ``Starlette(exception_handlers=error_handlers())``.

    The body is ``{"error": "NotFoundError", "detail": ...}``. The body and the headers contain no value, key or path of
    the server. For FastAPI, use ``error_handlers`` of ``zorivest_async.integrations.web.fastapi``.
    """
    return dict.fromkeys(STATUS_CODES, _respond)


async def _respond(_request: Request, error: Exception) -> Response:
    kind = next(kind for kind in type(error).__mro__ if kind in STATUS_CODES)
    status = STATUS_CODES[kind]
    # The text of an error about a vault begins with the path of its file.
    detail = error.problem if isinstance(error, VaultError) else str(error)
    headers = {"Retry-After": _RETRY_AFTER_S} if status == _TEMPORARY else None
    return JSONResponse({"error": kind.__name__, "detail": detail}, status, headers)
