"""Outcome of a COMMIT without an answer, by its token in the journal's row, on a new connection.

The server's own ``pg_xact_status`` cannot be asked: after a crash it tells of another transaction, to which the same
number was given again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION
from zorivest_async.errors import CommitOutcomeUnknownError, VaultError, VaultUnreachableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    import asyncpg

__all__ = ["TOKENS", "Commit", "settle"]

TOKENS: Final = 32
"""Number of tokens of the last commits in a journal's row."""

PAUSE_S: Final = 0.1
"""Time between two attempts to connect."""

UNKNOWN: Final = (
    "the answer to the commit was lost, and the server did not tell in time whether it is stored: open the vault again "
    "and check before you repeat it"
)
NOT_COMMITTED: Final = (
    "the connection was lost before the commit; everything was rolled back: run the unit of work again"
)


class Commit:
    """The last commit of a vault that is known to be stored.

    Attributes:
        token: Its token; ``None`` before the first one.
    """

    __slots__ = ("token",)

    def __init__(self) -> None:
        self.token: UUID | None = None


async def settle(
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    journal: int,
    token: UUID,
    earlier: Commit,
    deadline: float,
) -> None:
    """Return if a commit is stored, and raise an error if it is not, or if that cannot be determined.

    Args:
        connect: Opens a connection to the primary server.
        journal: The number of the journal.
        token: The token of the commit.
        earlier: A commit before it. While its token is still among the last ones, so would be a later one's.
        deadline: When to stop, in the time of the event loop.

    Raises:
        VaultUnreachableError: The commit is not stored.
        CommitOutcomeUnknownError: It is unknown whether it is stored.
    """
    loop = asyncio.get_running_loop()
    while (left := deadline - loop.time()) > 0:
        try:
            async with asyncio.timeout(left):
                recent = await _recent(connect, journal, left)
        except (*DRIVER_ERRORS, *LOST_CONNECTION, VaultError):
            await asyncio.sleep(min(PAUSE_S, max(deadline - loop.time(), 0)))
            continue
        if recent is None:
            break
        if token in recent:
            return
        if len(recent) < TOKENS or earlier.token in recent:
            raise VaultUnreachableError(problem=NOT_COMMITTED)
        break
    raise CommitOutcomeUnknownError(problem=UNKNOWN)


async def _recent(
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]], journal: int, left_s: float
) -> list[UUID] | None:
    connection = await connect()
    try:
        await connection.execute(
            f"BEGIN; SET LOCAL zorivest.journal = '{journal:d}'; "
            f"SET LOCAL lock_timeout = {max(int(left_s * 1_000), 1):d}"
        )
        # The lock waits for a transaction that has not ended yet, which may be this very commit.
        found = await connection.fetchval("SELECT recent FROM journals WHERE id = $1 FOR SHARE", journal)
        return None if found is None else list(found)
    finally:
        connection.terminate()
