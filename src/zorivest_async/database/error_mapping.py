"""Mapping of errors of SQLAlchemy and the drivers to the library's, as far as it is the same for every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc

from zorivest_async.errors import RepositoryError, VaultBusyError, ZorivestError
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    from types import TracebackType

    from zorivest_async.database.backend import Backend

__all__ = ["LOST", "translated", "translation_of"]

LOST: Final = "the transaction was lost when an earlier statement was cancelled or met damage; roll back to go on"
"""Message for every later statement and commit."""

_POOL_EXHAUSTED: Final = "every connection of the engine was in use for the whole busy timeout; try again"
"""Message for a timeout of SQLAlchemy's pool."""


class translated:  # noqa: N801 - used like a function; a generator would take longer than some statements do
    """Raise the library's error for any error of SQLAlchemy or the driver; ``CancelledError`` passes unchanged.

    Args:
        backend: The backend of the driver.
        entity: The entity of the block.
        key: The identifier of the entity.
    """

    __slots__ = ("_backend", "_entity", "_key")

    def __init__(self, backend: Backend, entity: str | None = None, key: Any = None) -> None:
        self._backend = backend
        self._entity = entity
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, self._backend.errors):
            raise translation_of(self._backend, error, self._entity, self._key) from error


def translation_of(backend: Backend, error: Exception, entity: str | None = None, key: Any = None) -> ZorivestError:
    """Return the library's error for one of SQLAlchemy or the driver, which loses its parameters and local variables.

    Args:
        backend: The backend of the driver.
        error: An error of SQLAlchemy or of the driver.
        entity: The entity of the statement.
        key: The identifier of the entity.
    """
    if isinstance(error, exc.StatementError):
        error.params, error.hide_parameters = None, True  # a traceback must not show rows
    forget_locals(error)  # the frames down to the driver have the parameters as local variables
    cause: BaseException | None = error
    if isinstance(error, exc.SQLAlchemyError):
        if not isinstance(error, exc.DBAPIError):
            return _translation_of_sqlalchemys_own(error, entity, key)
        cause = error.orig
    found = backend.translation_of(cause, entity, key)
    if found is not None:
        return found
    return RepositoryError(entity, key, f"the database refused the statement ({type(error).__name__}: {cause})")


def _translation_of_sqlalchemys_own(error: exc.SQLAlchemyError, entity: str | None, key: Any) -> ZorivestError:
    if isinstance(error, exc.TimeoutError):  # of the pool
        return VaultBusyError(problem=_POOL_EXHAUSTED)
    if isinstance(error, exc.PendingRollbackError):
        return RepositoryError(entity, key, LOST)
    return RepositoryError(entity, key, f"SQLAlchemy refused the statement ({type(error).__name__})")
