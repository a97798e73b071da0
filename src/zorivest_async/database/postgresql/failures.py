"""Mapping of PostgreSQL's errors to the library's, by SQLSTATE: one table, most specific first.

The server's messages are for its own log: they contain values, and their language is a setting of the server.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from zorivest_async.errors import (
    DuplicateError,
    ForeignKeyError,
    ReadOnlyError,
    RepositoryError,
    ValidationError,
    VaultAccessError,
    VaultBusyError,
    VaultDamagedError,
    VaultError,
    VaultFullError,
    VaultNotFoundError,
    VaultUnreachableError,
    VaultVersionError,
)

if TYPE_CHECKING:
    from zorivest_async.errors import ZorivestError

__all__ = ["DRIVER_ERRORS", "LOST_CONNECTION", "is_lost", "scrub", "sqlstate_of", "translation_of", "vault_error_of"]

DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Classes of asyncpg's errors; the last two are outside the tree of the first."""

LOST_CONNECTION: Final = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors that asyncpg raises where the server or the network has gone away, besides those with an SQLSTATE."""

_SCHEMA: Final = (
    "the database does not have the schema of this release: run 'zorivest server upgrade', or install the release that "
    "fits it"
)
_NO_DATABASE: Final = "there is no such database, or no journal schema in it: run 'zorivest server upgrade' first"
_NO_MEMORY: Final = "the server has not enough memory for the statement"
_AGAIN: Final = "the server ended this transaction in favour of another one; run the unit of work again"
_SLOW: Final = "the statement, or its wait for a lock, took longer than the timeout; try again"
_MANY: Final = "the server has no free connection; try again"

_REPOSITORY: Final[dict[str, type[RepositoryError]]] = {
    "23505": DuplicateError,
    "23503": ForeignKeyError,
    "23001": ForeignKeyError,
    "25006": ReadOnlyError,
}
"""Refusals of rows (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

_VAULT: Final[dict[str, tuple[type[VaultError], str | None]]] = {
    "40001": (VaultBusyError, _AGAIN),
    "40P01": (VaultBusyError, _AGAIN),
    "55P03": (VaultBusyError, None),
    "57014": (VaultBusyError, _SLOW),
    "53300": (VaultBusyError, _MANY),
    "53100": (VaultFullError, None),
    "53200": (VaultError, _NO_MEMORY),
    "28000": (VaultAccessError, None),
    "28P01": (VaultAccessError, None),
    "42501": (VaultAccessError, None),
    "3D000": (VaultNotFoundError, _NO_DATABASE),
    "XX001": (VaultDamagedError, None),
    "XX002": (VaultDamagedError, None),
    "42P01": (VaultVersionError, _SCHEMA),
    "42703": (VaultVersionError, _SCHEMA),
}
"""Errors about the server, and the database as a whole."""

_VALUES: Final = frozenset({"22021", "22001", "22003", "22P05", "54000"})
"""SQLSTATEs of values that no column takes, which the domain refuses before; here one got through."""

_NOT_TRUSTED: Final = (
    "the certificate of the server is not for the host of the URL, or not by an authority that this machine trusts; "
    "name its authority with sslrootcert"
)
_NO_TLS: Final = (
    "the server does not encrypt connections; switch TLS on there, or, if the network is trusted, pass "
    "insecure_tls=True and sslmode=disable"
)

_NAMES: Final = frozenset(
    {"sqlstate", "severity", "severity_en", "schema_name", "table_name", "column_name", "constraint_name"}
)
"""Attributes of asyncpg's errors that have no words of the server."""

_UNREACHABLE: Final = ("08", "57P")
"""Classes of SQLSTATEs after which the connection is of no use."""


def sqlstate_of(error: BaseException | None) -> str:
    """Return the SQLSTATE of a driver error; ``""`` if it has none, as one that the server did not send."""
    found = getattr(error, "sqlstate", None)
    return found if isinstance(found, str) else ""


def is_lost(error: BaseException | None) -> bool:
    """Return whether an error says that the connection is lost."""
    state = sqlstate_of(error)
    if state:
        return state.startswith(_UNREACHABLE)
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error) or "connection" in str(error)
    return isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError)


def scrub(error: BaseException | None) -> None:
    """Remove the server's words from an error and what it was raised from, as they contain values."""
    while error is not None:
        if isinstance(error, asyncpg.PostgresError):
            error.args = (f"SQLSTATE {error.sqlstate}",)
            for name in vars(error).keys() - _NAMES:
                setattr(error, name, None)
        elif isinstance(error, asyncpg.InterfaceError) and "argument" in str(error):
            error.args = ("a value does not fit the type of its parameter",)
        error = error.__cause__


def vault_error_of(error: BaseException) -> VaultError:
    """Return the library's error for a failure to connect, without the words of the server or the URL."""
    state = sqlstate_of(error)
    if state == "42883":  # the function that finds a journal
        return VaultVersionError(problem=_SCHEMA)
    if state in _VAULT:
        kind, problem = _VAULT[state]
        return kind(problem=problem)
    if isinstance(error, asyncpg.exceptions.TargetServerAttributeNotMatched):
        return VaultUnreachableError(problem="no host of the URL is the primary server now; try again")
    if isinstance(error, ssl.SSLCertVerificationError):
        return VaultUnreachableError(problem=_NOT_TRUSTED)
    if type(error) is ConnectionError and "SSL" in str(error):  # asyncpg's own
        return VaultUnreachableError(problem=_NO_TLS)
    return VaultUnreachableError(problem=f"the server cannot be reached ({type(error).__name__})")


def translation_of(error: BaseException | None, entity: str | None, key: Any) -> ZorivestError | None:
    """Return the library's error for a driver error; never ``None`` for one of asyncpg's, whose words are secret.

    Args:
        error: The error of asyncpg, or SQLAlchemy's error around it.
        entity: The entity of the statement.
        key: The identifier of the entity.
    """
    state = sqlstate_of(error)
    found = _translation(error, state, entity, key)
    scrub(error)
    return found


def _translation(error: BaseException | None, state: str, entity: str | None, key: Any) -> ZorivestError | None:
    if state in _REPOSITORY:
        return _REPOSITORY[state](entity, key)
    if state in _VAULT:
        kind, problem = _VAULT[state]
        return kind(problem=problem)
    if state in _VALUES:
        return ValidationError(entity or "entity", "self", f"has a value that the server does not take ({state})")
    if is_lost(error) or is_lost(getattr(error, "__cause__", None)):
        return VaultUnreachableError()
    if state:
        return RepositoryError(entity, key, f"the server refused the statement (SQLSTATE {state})")
    return RepositoryError(entity, key, f"the driver refused the statement ({type(error).__name__})")
