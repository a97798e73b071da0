"""Repository of reviews of trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from anyio import to_thread
from sqlalchemy import bindparam

from zorivest_async.database.aggregates import TRADE_REPORT
from zorivest_async.database.repositories.base import NumberedRepository
from zorivest_async.database.repositories.trade_links import REVIEWS, decode_reviews
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADE_REPORTS
from zorivest_async.domain.entities import TradeReport
from zorivest_async.errors import DuplicateError
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zorivest_async.domain.queries import Review

__all__ = ["SqlAlchemyTradeReportRepository"]


class SqlAlchemyTradeReportRepository(NumberedRepository[TradeReport]):
    """Repository of :class:`~zorivest_async.TradeReport` entities, at most one for each trade.

    Deleting a report deletes its images.
    """

    mapper: ClassVar = TRADE_REPORT.mapper
    _of_trade = Statement(mapper.select.where(TRADE_REPORTS.c.trade_id == bindparam("trade_id")))

    async def save(self, report: TradeReport, /) -> int:
        """Insert a report and return its row number: its own, or a new one if that is ``None``.

        Raises:
            DuplicateError: The trade already has a report, or the row number is taken; ``key`` is the trade's.
            ForeignKeyError: The trade is not stored.
        """
        try:
            return await super().save(report)
        except DuplicateError as error:
            error.key = report.trade_id
            raise

    async def get_for_trade(self, trade_id: str) -> TradeReport | None:
        """Return the report of a trade, or ``None``."""
        found = await self._fetch(self._of_trade, trade_id=trade_id)
        return found[0] if found else None

    async def stream_reviews(self) -> AsyncGenerator[list[Review]]:
        """Yield what positions need of all reports, in slices that a thread decodes.

        It holds no cursor open, so you may send other statements, or stop, at any point.

        Raises:
            ValidationError: Another program has stored a value that no release writes.
        """
        after = 0
        while rows := await self._fetch_rows(REVIEWS, after=after):
            after = rows[-1][0]
            yield await to_thread.run_sync(hidden_call(decode_reviews, rows))  # a report may have any number of tags
