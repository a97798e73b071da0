"""Trade plans."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import bindparam, func, select

from zorivest_async.database.models import TradePlanModel
from zorivest_async.database.repositories.base import NumberedRepository
from zorivest_async.database.repositories.images import delete_images_of
from zorivest_async.database.rows import RowMapper
from zorivest_async.domain.entities import TradePlan
from zorivest_async.domain.enums import ImageOwnerType, PlanStatus
from zorivest_async.errors import InvalidQueryError

__all__ = ["SqlAlchemyTradePlanRepository"]


class SqlAlchemyTradePlanRepository(NumberedRepository[TradePlan]):
    """Stores :class:`~zorivest_async.TradePlan` entities."""

    mapper: ClassVar = RowMapper(TradePlan, TradePlanModel, fixed=frozenset({"created_at"}))

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
        statement = self.mapper.select.order_by(TradePlanModel.created_at.desc(), TradePlanModel.id.desc())
        if status is not None:
            try:
                statement = statement.where(TradePlanModel.status == PlanStatus(status))
            except ValueError:
                raise InvalidQueryError(
                    "TradePlan", problem=f"status must be one of: {', '.join(PlanStatus)}"
                ) from None
        if ticker is not None:
            statement = statement.where(TradePlanModel.ticker == ticker)
        return await self._fetch(self._window(statement, limit, offset))

    async def count_for_account(self, account_id: str) -> int:
        """Return how many plans are meant for an account."""
        statement = select(func.count()).select_from(TradePlanModel)
        return int(await self._scalar(statement.where(TradePlanModel.account_id == bindparam("id")), id=account_id))

    async def delete(self, plan_id: int, /) -> bool:
        """Delete a plan with its images and return whether there was one."""
        await self._execute(delete_images_of(ImageOwnerType.PLAN), owner_id=str(plan_id))
        return await super().delete(plan_id)
