"""The closed vocabularies. Members are strings: ``TradeAction.BOT == "BOT"``."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AccountType", "ConvictionLevel", "ImageOwnerType", "PlanStatus", "SearchKind", "TradeAction"]


class TradeAction(StrEnum):
    """The side of an execution, in Interactive Brokers' words: bought or sold."""

    BOT = "BOT"
    SLD = "SLD"


class AccountType(StrEnum):
    """What kind of account holds the money."""

    BROKER = "broker"
    BANK = "bank"
    REVOLVING = "revolving"
    INSTALLMENT = "installment"
    IRA = "ira"
    K401 = "401k"


class ConvictionLevel(StrEnum):
    """How sure a trader is of a plan."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MAX = "max"


class PlanStatus(StrEnum):
    """Where a plan is in its life."""

    DRAFT = "draft"
    ACTIVE = "active"
    EXECUTED = "executed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ImageOwnerType(StrEnum):
    """What an image explains."""

    TRADE = "trade"
    REPORT = "report"
    PLAN = "plan"


class SearchKind(StrEnum):
    """What a search finds."""

    REPORT = "report"
    PLAN = "plan"
    IMAGE = "image"
    ACCOUNT = "account"
    WATCHLIST = "watchlist"
    WATCHLIST_ITEM = "watchlist_item"
