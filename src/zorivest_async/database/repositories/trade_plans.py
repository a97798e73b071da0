"""Trade plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, func, select

from zorivest_async.database.aggregates import TRADE_PLAN
from zorivest_async.database.repositories.base import NumberedRepository, window
from zorivest_async.database.repositories.trade_links import LINKS, decode_links
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADE_PLANS
from zorivest_async.domain.entities import TradePlan
from zorivest_async.domain.enums import PlanStatus
from zorivest_async.domain.validation import text
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zorivest_async.domain.queries import PlanLink

__all__ = ["SqlAlchemyTradePlanRepository"]


_COUNT = Statement(
    select(func.count()).select_from(TRADE_PLANS).where(TRADE_PLANS.c.account_id == bindparam("account_id"))
)
_WANTED = tuple(
    (bindparam(column.name, type_=column.type) == None) | (column == bindparam(column.name))  # noqa: E711 - is SQL
    for column in (TRADE_PLANS.c.status, TRADE_PLANS.c.ticker)
)


class SqlAlchemyTradePlanRepository(NumberedRepository[TradePlan]):
    """Repository of :class:`~zorivest_async.TradePlan` entities; deleting a plan deletes its images."""

    mapper: ClassVar = TRADE_PLAN.mapper
    _newest_first = window(
        mapper.select.where(*_WANTED).order_by(TRADE_PLANS.c.created_at.desc(), TRADE_PLANS.c.id.desc())
    )

    async def list_all(
        self,
        limit: int | None = 100,
        offset: int = 0,
        *,
        status: PlanStatus | None = None,
        ticker: str | None = None,
    ) -> list[TradePlan]:
        """Return plans, newest first.

        Args:
            limit: Maximum number of plans; ``None`` for all.
            offset: Number of plans to skip.
            status: Only plans with this status.
            ticker: Only plans for exactly this ticker.

        Raises:
            InvalidQueryError: There is no such status, or ``limit`` or ``offset`` is not a whole number from 0 to
                2**63 - 1.
            ValidationError: ``ticker`` is not text.
        """
        if status is not None:
            try:
                status = PlanStatus(status)
            except ValueError:
                raise InvalidQueryError(
                    "TradePlan", problem=f"status must be one of: {', '.join(PlanStatus)}"
                ) from None
        if ticker is not None:
            text("TradePlan", "ticker", ticker)
        wanted = {"status": status, "ticker": ticker}
        return await self._fetch(self._newest_first, **wanted, **self._window(limit, offset))

    async def stream_links(self) -> AsyncGenerator[list[PlanLink]]:
        """Yield what positions need of the plans that are linked to a trade, in slices.

        It holds no cursor open, so you may send other statements, or stop, at any point.

        Raises:
            ValidationError: Another program has stored a value that no release writes.
        """
        after = 0
        while rows := await self._fetch_rows(LINKS, after=after):
            after = rows[-1][0]
            yield decode_links(rows)

    async def count_for_account(self, account_id: str) -> int:
        """Return the number of an account's plans."""
        return int(await self._scalar(_COUNT, account_id=account_id))
