"""Private names of SQLAlchemy, for what it has no public way to do.

Those that a class of the driver's has to override stand there: ``VaultPool`` makes the pool's records and hands them
out from a queue of its own, ``CipherAdapter`` and its cursors are a DB-API connection's. A release that lacks one of
them is refused here, when the library is imported, as the names would otherwise be missed in the middle of a
transaction.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection, AsyncAdapt_dbapi_cursor
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool
from sqlalchemy.util.queue import Empty, Full, QueueCommon

from zorivest_async._requirements import require_names

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["Empty", "Full", "IdleQueue", "RoutedSession", "is_heard"]

require_names(sqlalchemy, Session, "_connection_for_bind")
require_names(sqlalchemy, Pool, "_create_connection")
require_names(sqlalchemy, QueuePool, "_queue_class")
require_names(sqlalchemy, AsyncAdapt_dbapi_connection, "_handle_exception_no_connection")
require_names(sqlalchemy, AsyncAdapt_dbapi_cursor, "_async_soft_close")


class IdleQueue(QueueCommon[ConnectionPoolEntry]):
    """Base of a queue for the idle connections of a :class:`~sqlalchemy.pool.QueuePool`."""


def is_heard(engine: Engine) -> bool:
    """Return whether something listens to an engine's statements: a listener of events, or ``echo=True``.

    Where SQLAlchemy no longer tells, the answer is yes: statements then go through it, slower and always right.
    """
    has_events: bool = getattr(engine, "_has_events", True)
    return has_events or engine.logger.isEnabledFor(logging.INFO)


class RoutedSession(Session):
    """A session that asks :meth:`open_connection` for its connection, and never opens one of its engine's.

    It stays bound to the engine, which is what other libraries ask ``get_bind()`` for.
    """

    def open_connection(self) -> Connection:
        """Return the connection to use; in a greenlet."""
        raise NotImplementedError

    # This is the one place through which SQLAlchemy's session gets a connection.
    def _connection_for_bind(self, engine: Any, execution_options: Any = None, **options: Any) -> Connection:  # noqa: ARG002
        return super()._connection_for_bind(self.open_connection(), execution_options, **options)
