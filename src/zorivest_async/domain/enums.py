"""Enums. Their members are strings: ``TradeAction.BOT == "BOT"``."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AccountType", "AssetClass", "ConvictionLevel", "ImageOwnerType", "PlanStatus", "SearchKind", "TradeAction"]


class TradeAction(StrEnum):
    """Side of an execution, in Interactive Brokers' words: bought or sold."""

    BOT = "BOT"
    SLD = "SLD"


class AccountType(StrEnum):
    """Kind of an account."""

    BROKER = "broker"
    BANK = "bank"
    REVOLVING = "revolving"
    INSTALLMENT = "installment"
    IRA = "ira"
    K401 = "401k"


class AssetClass(StrEnum):
    """Kind of what was traded."""

    STOCK = "stock"
    ETF = "etf"
    OPTION = "option"
    FUTURE = "future"
    FOREX = "forex"
    CRYPTO = "crypto"
    CFD = "cfd"
    BOND = "bond"
    FUND = "fund"
    WARRANT = "warrant"
    OTHER = "other"


class ConvictionLevel(StrEnum):
    """How confident a trader is of a plan."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    MAX = "max"


class PlanStatus(StrEnum):
    """State of a plan."""

    DRAFT = "draft"
    ACTIVE = "active"
    EXECUTED = "executed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ImageOwnerType(StrEnum):
    """Kind of the owner of an image."""

    TRADE = "trade"
    REPORT = "report"
    PLAN = "plan"


class SearchKind(StrEnum):
    """Kind of a search hit."""

    TRADE = "trade"
    REPORT = "report"
    PLAN = "plan"
    IMAGE = "image"
    ACCOUNT = "account"
    WATCHLIST = "watchlist"
    WATCHLIST_ITEM = "watchlist_item"
