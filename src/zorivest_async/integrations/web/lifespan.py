"""Lifespan of an application's vault, and a unit of work for one request."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from zorivest_async.errors import ConfigurationError
from zorivest_async.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import HTTPConnection

    from zorivest_async.ports import UnitOfWork

__all__ = ["unit_of_work", "vault_lifespan", "vault_of"]

_STATE = "zorivest_vault"


def vault_lifespan(
    open_vault: Callable[[], AbstractAsyncContextManager[Vault]],
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return a lifespan that opens a vault before the first request and closes it after the last.

    The vault belongs to the event loop of the server, so it cannot be opened earlier. If your application has its own
    lifespan, enter this one inside it and yield its state, too: ``async with vault_lifespan(...)(app) as state``.

    Args:
        open_vault: Opens the vault, ``lambda: Vault.open(path, passphrase=...)``. If it raises, the server does not
            start.
    """

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncGenerator[dict[str, Any]]:
        async with open_vault() as vault:
            yield {_STATE: vault}

    return lifespan


def vault_of(connection: HTTPConnection) -> Vault:
    """Return the vault of the application that received a request or a WebSocket; this works in mounted ones, too.

    Raises:
        ConfigurationError: The application has no :func:`vault_lifespan`.
    """
    vault = getattr(connection.state, _STATE, None)
    if not isinstance(vault, Vault):
        raise ConfigurationError("this application has no vault; pass it lifespan=vault_lifespan(...)")
    return vault


@asynccontextmanager
async def unit_of_work(connection: HTTPConnection, *, read_only: bool = False) -> AsyncGenerator[UnitOfWork]:
    """Run a block in a unit of work: leaving the block commits, an exception rolls back.

    Leave the block before you return the response, so that a client that got the response finds its write, and a client
    that reads slowly does not block other writers.

    Args:
        connection: The request.
        read_only: Read the last committed state without waiting for a writer; nothing is committed.

    Raises:
        ConfigurationError: The application has no :func:`vault_lifespan`.
        VaultClosedError: The server is shutting down.
        VaultError: The vault could not be written; everything was rolled back.
    """
    async with vault_of(connection).unit_of_work(read_only=read_only) as uow:
        yield uow
        if not read_only:
            await uow.commit()
