"""Reviews of trades."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import bindparam

from zorivest_async.database.repositories.base import NumberedRepository
from zorivest_async.database.repositories.images import delete_images_of
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADE_REPORTS
from zorivest_async.domain.entities import TradeReport
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.errors import DuplicateError

__all__ = ["SqlAlchemyTradeReportRepository"]


_DELETE_IMAGES = Statement(delete_images_of(ImageOwnerType.REPORT))


class SqlAlchemyTradeReportRepository(NumberedRepository[TradeReport]):
    """Stores :class:`~zorivest_async.TradeReport` entities, at most one for a trade."""

    mapper: ClassVar = RowMapper(TradeReport, TRADE_REPORTS, fixed=frozenset({"created_at"}))
    _of_trade = Statement(mapper.select.where(TRADE_REPORTS.c.trade_id == bindparam("trade_id")))

    async def save(self, report: TradeReport, /) -> int:
        """Insert a report and return its row number: the one it has, or where that is ``None``, a new one.

        Raises:
            DuplicateError: The trade has a report already, or the row number is taken; ``key`` is the trade's.
            ForeignKeyError: There is no such trade.
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

    async def delete(self, report_id: int, /) -> bool:
        """Delete a report with its images and return whether there was one."""
        await self._execute(_DELETE_IMAGES, owner_id=str(report_id))
        return await super().delete(report_id)
