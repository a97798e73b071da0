"""Dependencies for FastAPI: the vault, and units of work that end before the response is sent. Needs ``fastapi``.

FastAPI runs what follows the ``yield`` of a dependency after the response was sent, unless the dependency is declared
with ``scope="function"``: a client could ask for what it has just written before it is committed. The aliases here are
declared so; use them as they are.

Example:
    >>> from zorivest_async.integrations.web.fastapi import WritingUnit
    >>> async def delete_trade(exec_id: str, uow: WritingUnit) -> bool:
    ...     return await uow.trades.delete(exec_id)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, TypeAlias

from zorivest_async.errors import MissingDependencyError

try:
    import_module("fastapi")
except ImportError as error:
    raise MissingDependencyError(
        'zorivest_async.integrations.web.fastapi needs an extra: pip install "zorivest-async[fastapi]"'
    ) from error

from fastapi import Depends
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads it when the program runs

from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
from zorivest_async.integrations.web import unit_of_work, vault_of
from zorivest_async.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["OpenVault", "ReadingUnit", "WritingUnit"]


async def _writing_unit(connection: HTTPConnection) -> AsyncGenerator[SqlAlchemyUnitOfWork]:
    async with unit_of_work(connection) as uow:
        yield uow


async def _reading_unit(connection: HTTPConnection) -> AsyncGenerator[SqlAlchemyUnitOfWork]:
    async with unit_of_work(connection, read_only=True) as uow:
        yield uow


async def _open_vault(connection: HTTPConnection) -> Vault:
    return vault_of(connection)


WritingUnit: TypeAlias = Annotated[SqlAlchemyUnitOfWork, Depends(_writing_unit, scope="function")]
"""A unit of work that commits when the path function returns, before the response is sent, and rolls back when it
raises. It is for ``async def`` functions; leave it there, and use nothing of it in a background task or a stream."""

ReadingUnit: TypeAlias = Annotated[SqlAlchemyUnitOfWork, Depends(_reading_unit, scope="function")]
"""A read-only unit of work, which sees the last committed state and lets go of it before the response is sent."""

OpenVault: TypeAlias = Annotated[Vault, Depends(_open_vault)]
"""The application's vault."""
