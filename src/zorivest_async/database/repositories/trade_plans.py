"""Trade plans."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import bindparam, func, select

from zorivest_async.database.repositories.base import NumberedRepository
from zorivest_async.database.repositories.images import delete_images_of
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.tables import TRADE_PLANS
from zorivest_async.domain.entities import TradePlan
from zorivest_async.domain.enums import ImageOwnerType, PlanStatus
from zorivest_async.errors import InvalidQueryError

__all__ = ["SqlAlchemyTradePlanRepository"]


class SqlAlchemyTradePlanRepository(NumberedRepository[TradePlan]):
    """Stores :class:`~zorivest_async.TradePlan` entities."""

    mapper: ClassVar = RowMapper(TradePlan, TRADE_PLANS, fixed=frozenset({"created_at"}))

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
            limit: At most so many; ``None`` for all.
            offset: After so many.
            status: Only those.
            ticker: Only those for exactly this one.

        Raises:
            InvalidQueryError: There is no such status, or ``limit`` or ``offset`` is negative.
        """
        statement = self.mapper.select.order_by(TRADE_PLANS.c.created_at.desc(), TRADE_PLANS.c.id.desc())
        if status is not None:
            try:
                statement = statement.where(TRADE_PLANS.c.status == PlanStatus(status))
            except ValueError:
                raise InvalidQueryError(
                    "TradePlan", problem=f"status must be one of: {', '.join(PlanStatus)}"
                ) from None
        if ticker is not None:
            statement = statement.where(TRADE_PLANS.c.ticker == ticker)
        return await self._fetch(self._window(statement, limit, offset))

    async def count_for_account(self, account_id: str) -> int:
        """Return how many plans are meant for an account."""
        statement = select(func.count()).select_from(TRADE_PLANS)
        return int(await self._scalar(statement.where(TRADE_PLANS.c.account_id == bindparam("id")), id=account_id))

    async def delete(self, plan_id: int, /) -> bool:
        """Delete a plan with its images and return whether there was one."""
        await self._execute(delete_images_of(ImageOwnerType.PLAN), owner_id=str(plan_id))
        return await super().delete(plan_id)
