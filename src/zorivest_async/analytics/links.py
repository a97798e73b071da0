"""Reviews and plans, by the executions that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.domain.queries import PlanLink, Review

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.entities import TradePlan, TradeReport

__all__ = ["Links"]


class Links:
    """Reviews and plans by ``exec_id``.

    Attributes:
        reviews: The review of an execution.
        plans: The plans that led to an execution, in the order in which they were added.
    """

    def __init__(self) -> None:
        self.reviews: dict[str, Review] = {}
        self.plans: dict[str, list[PlanLink]] = {}

    def add_reviews(self, reviews: Iterable[Review]) -> None:
        """Add reviews; an execution has at most one."""
        self.reviews |= {review.trade_id: review for review in reviews}

    def add_links(self, links: Iterable[PlanLink]) -> None:
        """Add plans."""
        for link in links:
            self.plans.setdefault(link.trade_id, []).append(link)

    def add_reports(self, reports: Iterable[TradeReport]) -> None:
        """Add the reviews of reports."""
        self.add_reviews(
            Review(
                report.trade_id,
                report.setup_quality,
                report.execution_quality,
                report.followed_plan,
                report.emotional_state,
                report.tags,
            )
            for report in reports
        )

    def add_plans(self, plans: Iterable[TradePlan]) -> None:
        """Add plans; those without a linked trade are left out."""
        self.add_links(
            PlanLink(plan.linked_trade_id, plan.strategy_name, plan.stop_loss)
            for plan in plans
            if plan.linked_trade_id is not None
        )
