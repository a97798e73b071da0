"""The ORM session of a unit of work, on the transaction that its repositories share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import await_

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["JoinedSession"]


class JoinedSession(Session):
    """A session that finds the unit of work's connection when it first needs one, inside SQLAlchemy's greenlet."""

    def __init__(self, *, open_connection: Callable[[], Coroutine[Any, Any, AsyncConnection]], **options: Any) -> None:
        super().__init__(**options)
        self._open_connection = open_connection

    def get_bind(self, *_args: Any, **_options: Any) -> Connection:
        """Return the connection, borrowing it first."""
        return cast("Connection", await_(self._open_connection()).sync_connection)
