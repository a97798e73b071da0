"""Reports and plans, by the executions that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zorivest_async.analytics.position import Review

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.entities import TradePlan, TradeReport

__all__ = ["Links", "PlanLink"]


class PlanLink(NamedTuple):
    """The parts of a plan that positions need."""

    strategy: str | None
    stop: float | None


class Links:
    """Reports and plans by ``exec_id``.

    Attributes:
        reviews: The report of an execution.
        plans: The plans that led to an execution, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.reviews: dict[str, Review] = {}
        self.plans: dict[str, list[PlanLink]] = {}

    def add_reports(self, reports: Iterable[TradeReport]) -> None:
        """Add reports; an execution has at most one."""
        for report in reports:
            self.reviews[report.trade_id] = Review(
                report.trade_id,
                report.setup_quality,
                report.execution_quality,
                report.followed_plan,
                report.emotional_state,
                report.tags,
            )

    def add_plans(self, plans: Iterable[TradePlan]) -> None:
        """Add plans; those without a linked trade are left out."""
        for plan in plans:
            if plan.linked_trade_id is not None:
                link = PlanLink(plan.strategy_name, plan.stop_loss)
                self.plans.setdefault(plan.linked_trade_id, []).append(link)
