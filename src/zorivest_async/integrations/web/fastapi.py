"""FastAPI dependencies: the vault, and units of work that end before the response is sent. They need ``fastapi``.

FastAPI runs the code after the ``yield`` of a dependency after the response was sent, unless the dependency is declared
with ``scope="function"``. A client could then read before its own write is committed. The aliases here are declared
with that scope; use them unchanged.

Example:
    >>> from zorivest_async.integrations.web.fastapi import WritingUnit
    >>> async def delete_trade(exec_id: str, uow: WritingUnit) -> bool:
    ...     return await uow.trades.delete(exec_id)
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from zorivest_async.errors import MissingDependencyError

try:
    import_module("fastapi")
except ImportError as error:
    raise MissingDependencyError(
        'zorivest_async.integrations.web.fastapi needs an extra: pip install "zorivest-async[fastapi]"'
    ) from error

from fastapi import Depends, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads it when the program runs

from zorivest_async.integrations.web import failures, unit_of_work, vault_of
from zorivest_async.ports import UnitOfWork
from zorivest_async.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from starlette.requests import Request

__all__ = ["OpenVault", "ReadingUnit", "WritingUnit", "error_handlers"]


def error_handlers() -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """Return FastAPI's ``exception_handlers``, for the library's errors and for invalid requests.

    FastAPI's own response to an invalid request (422) repeats its values, and becomes a 500 if JSON cannot contain
    them: bytes of an image, ``NaN``, half a surrogate pair. This one gives the place and the kind of each error, and no
    value.
    """
    return {**failures.error_handlers(), RequestValidationError: _refuse}


async def _refuse(_request: Request, error: RequestValidationError) -> Response:
    detail = [{name: part[name] for name in ("type", "loc", "msg")} for part in error.errors()]
    # Names of fields come from the client, and UTF-8 may not be able to encode them, so they are escaped.
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


async def _writing_unit(connection: HTTPConnection) -> AsyncGenerator[UnitOfWork]:
    async with unit_of_work(connection) as uow:
        yield uow


async def _reading_unit(connection: HTTPConnection) -> AsyncGenerator[UnitOfWork]:
    async with unit_of_work(connection, read_only=True) as uow:
        yield uow


async def _open_vault(connection: HTTPConnection) -> Vault:
    return vault_of(connection)


WritingUnit: TypeAlias = Annotated[UnitOfWork, Depends(_writing_unit, scope="function")]
"""Unit of work that commits when the path function returns, before the response is sent, and rolls back when it raises.
Use it only within an ``async def`` path function, not in a background task or a stream."""

ReadingUnit: TypeAlias = Annotated[UnitOfWork, Depends(_reading_unit, scope="function")]
"""Read-only unit of work, which sees the last committed state and ends before the response is sent."""

OpenVault: TypeAlias = Annotated[Vault, Depends(_open_vault)]
"""The application's vault."""
