"""Engines over one journal of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from zorivest_async.database.postgresql.dialect import ServerDialect
from zorivest_async.database.sqlcipher.echo import QUIET
from zorivest_async.database.sqlcipher.pool import VaultPool

if TYPE_CHECKING:
    from zorivest_async.database.postgresql.adapter import JournalSettings

__all__ = ["create_journal_engine"]


def create_journal_engine(settings: JournalSettings, size: int) -> AsyncEngine:
    """Return an engine whose transactions see one journal, and no other.

    Args:
        settings: What its connections need to know.
        size: Maximum number of connections; the first is opened when it is needed.
    """
    engine = create_async_engine(
        f"{ServerDialect.name}+{ServerDialect.driver}://",
        connect_args={"journal_settings": settings},
        poolclass=VaultPool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.busy_timeout_s,
        pool_use_lifo=True,
        **QUIET,
    )
    cast("ServerDialect", engine.dialect).keys = settings.keys
    return engine
