"""Full-text search over the texts of all tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.channel import BorrowedChannel
from zorivest_async.database.error_mapping import translated
from zorivest_async.database.repositories.base import window_values
from zorivest_async.database.repositories.search_query import SearchQuery
from zorivest_async.domain.enums import SearchKind
from zorivest_async.errors import InvalidQueryError
from zorivest_async.security.tracebacks import sealed_coroutine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.database.backend import Channel
    from zorivest_async.domain.queries import SearchHit

__all__ = ["SqlAlchemySearchRepository"]


class SqlAlchemySearchRepository:
    """Full-text search over the texts of all tables, in its transaction.

    It is not safe to share between tasks, because it uses one connection, in one transaction.

    Args:
        source: An ``AsyncSession`` or ``AsyncConnection`` whose database has the schema. A
            :class:`~zorivest_async.SqlAlchemyUnitOfWork` makes its own.
    """

    def __init__(self, source: AsyncSession | AsyncConnection | Channel) -> None:
        self._channel = BorrowedChannel(source) if isinstance(source, AsyncSession | AsyncConnection) else source

    @sealed_coroutine
    async def find(
        self, query: str, *, kinds: Iterable[SearchKind] | None = None, limit: int | None = 100, offset: int = 0
    ) -> list[SearchHit]:
        """Return the rows whose texts contain all words of a query, the best first (BM25).

        The texts are the lessons of reports; name, description and conditions of plans; captions of images; notes of
        accounts and watchlists' items; descriptions of watchlists. A word is a run of letters and digits; case and
        accents do not matter. Words between quotes must follow one another. The last word may be a prefix, unless a
        space or a quote follows it. There are no operators.

        Args:
            query: At most 1,000 characters and 32 words; a query without any word finds nothing.
            kinds: Kinds of hits; by default all.
            limit: Maximum number of hits; ``None`` for all.
            offset: Number of hits to skip.

        Raises:
            InvalidQueryError: The query is too long or has NUL characters or lone surrogates, a kind does not exist, or
                the limit or the offset is not a whole number from 0 to 2**63 - 1.
            ValidationError: An image has an owner of an unknown kind, which another program has stored.
        """
        channel, wanted, words = self._channel, _kinds(kinds), SearchQuery.read(query)
        rows = window_values(channel.backend, "Search", limit, offset)
        if words is None:
            return []
        with translated(channel.backend, "Search"):
            return await channel.backend.search.find(channel, words, wanted, rows["limit"], offset)

    async def rebuild(self) -> None:
        """Rebuild the index from the tables, all of it or nothing; use it if ``verify`` reports problems of the index.

        Raises:
            ReadOnlyError: The unit of work is read-only.
        """
        with translated(self._channel.backend, "Search"):
            await self._channel.backend.search.rebuild(self._channel)


def _kinds(kinds: Iterable[SearchKind] | None) -> list[SearchKind]:
    try:
        return [SearchKind(kind) for kind in (SearchKind if kinds is None else kinds)]
    except (TypeError, ValueError):
        raise InvalidQueryError(
            "Search", problem="kinds must be members of SearchKind, such as [SearchKind.PLAN]"
        ) from None
