"""Trade plans."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import bindparam, func, select

from zorivest_async.database.repositories.base import NumberedRepository, window
from zorivest_async.database.repositories.images import delete_images_of
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADE_PLANS
from zorivest_async.domain.entities import TradePlan
from zorivest_async.domain.enums import ImageOwnerType, PlanStatus
from zorivest_async.errors import InvalidQueryError

__all__ = ["SqlAlchemyTradePlanRepository"]


_COUNT = Statement(
    select(func.count()).select_from(TRADE_PLANS).where(TRADE_PLANS.c.account_id == bindparam("account_id"))
)
_DELETE_IMAGES = Statement(delete_images_of(ImageOwnerType.PLAN))
_WANTED = tuple(
    (bindparam(column.name, type_=column.type) == None) | (column == bindparam(column.name))  # noqa: E711 - is SQL
    for column in (TRADE_PLANS.c.status, TRADE_PLANS.c.ticker)
)


class SqlAlchemyTradePlanRepository(NumberedRepository[TradePlan]):
    """Stores :class:`~zorivest_async.TradePlan` entities."""

    mapper: ClassVar = RowMapper(TradePlan, TRADE_PLANS, fixed=frozenset({"created_at"}))
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
            limit: At most so many; ``None`` for all.
            offset: After so many.
            status: Only those.
            ticker: Only those for exactly this one.

        Raises:
            InvalidQueryError: There is no such status, or ``limit`` or ``offset`` is negative.
        """
        if status is not None:
            try:
                status = PlanStatus(status)
            except ValueError:
                raise InvalidQueryError(
                    "TradePlan", problem=f"status must be one of: {', '.join(PlanStatus)}"
                ) from None
        wanted = {"status": status, "ticker": ticker}
        return await self._fetch(self._newest_first, **wanted, **self._window(limit, offset))

    async def count_for_account(self, account_id: str) -> int:
        """Return how many plans are meant for an account."""
        return int(await self._scalar(_COUNT, account_id=account_id))

    async def delete(self, plan_id: int, /) -> bool:
        """Delete a plan with its images and return whether there was one."""
        await self._execute(_DELETE_IMAGES, owner_id=str(plan_id))
        return await super().delete(plan_id)
