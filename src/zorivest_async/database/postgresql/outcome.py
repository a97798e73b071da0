"""Outcome of a COMMIT without an answer, by its token in the journal's row, on a new connection.

The server's own ``pg_xact_status`` cannot be asked: after a crash it tells of another transaction, to which the same
number was given again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION
from zorivest_async.errors import CommitOutcomeUnknownError, VaultUnreachableError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    import asyncpg

__all__ = ["RECENT", "Commits", "settle"]

TOKENS: Final = 64
"""Number of tokens in a journal's row: one for each of the vaults that have committed last."""

RECENT: Final = "SELECT recent FROM journals WHERE id = $1"
"""Query for the tokens of a journal, the last commit first."""

PAUSE_S: Final = 0.1
"""Time between two attempts to connect."""

UNKNOWN: Final = (
    "the answer to the commit was lost, and the server did not tell in time whether it is stored: open the vault again "
    "and check before you repeat it"
)
NOT_COMMITTED: Final = (
    "the connection was lost before the commit; everything was rolled back: run the unit of work again"
)


class Commits:
    """The commits of a vault, as far as it knows them.

    The row of the journal has the token of the last commit of each vault: a commit puts its own in front, and removes
    the earlier one of its vault. So if a token is not there while an older one is, it was never committed.
    """

    __slots__ = ("_last", "_older")

    def __init__(self) -> None:
        self._last: UUID | None = None
        self._older: frozenset[UUID] | None = None

    @property
    def are_noted(self) -> bool:
        """Whether tokens are known that are older than that of the next commit."""
        return self._older is not None

    def note(self, recent: Sequence[UUID]) -> None:
        """Note the tokens of the row, which the first transaction of the vault has locked."""
        self._older = frozenset(recent)

    def adding(self, token: UUID) -> str:
        """Return the SQL for the column of tokens with one more."""
        others = "recent" if self._last is None else f"array_remove(recent, '{self._last}'::uuid)"
        return f"('{token}'::uuid || {others})[1:{TOKENS}]"

    def has_stored(self, token: UUID) -> None:
        """Note a commit that is stored."""
        self._last, self._older = token, frozenset((token,))

    def may_have_stored(self, token: UUID) -> None:
        """Note a commit whose outcome is unknown; a later one would have its token in front of it."""
        self._older = (self._older or frozenset()) | {token}

    def exclude_later(self, recent: Sequence[UUID]) -> bool:
        """Return whether the tokens of the row show that a later commit, whose token is not there, is not stored."""
        return len(recent) < TOKENS or not (self._older or frozenset()).isdisjoint(recent)


async def settle(
    connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
    journal: int,
    token: UUID,
    commits: Commits,
    deadline: float,
) -> None:
    """Return if a commit is stored, and raise an error if it is not, or if that cannot be determined.

    Args:
        connect: Opens a connection to the primary server.
        journal: The number of the journal.
        token: The token of the commit.
        commits: The commits of the vault before it.
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
        except (*DRIVER_ERRORS, *LOST_CONNECTION, ZorivestError):
            await asyncio.sleep(min(PAUSE_S, max(deadline - loop.time(), 0)))
            continue
        if recent is None:
            break
        if token in recent:
            return
        if commits.exclude_later(recent):
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
        found = await connection.fetchval(f"{RECENT} FOR SHARE", journal)
        return None if found is None else list(found)
    finally:
        connection.terminate()
