"""Enums. Their members are strings: ``TradeAction.BOT == "BOT"``."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AccountType",
    "AssetClass",
    "ConvictionLevel",
    "ImageOwnerType",
    "PlanStatus",
    "SearchKind",
    "TradeAction",
    "UndoObstacle",
]


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


class UndoObstacle(StrEnum):
    """Why an import cannot be undone."""

    LATER_IMPORT = "later import"
    """Later imports changed what it stored, or found it stored already."""

    EDITED = "edited"
    """Executions differ from what it left."""

    IN_USE = "in use"
    """Executions that it inserted have images, a report or a plan."""

    REFERENCED = "referenced"
    """A row of a table of your own refers to an execution that it inserted."""

    STORED_AGAIN = "stored again"
    """Executions that it deleted are stored again."""

    ACCOUNT = "account"
    """The account of an execution is gone, or has another currency."""

    CANCELLATION = "cancellation"
    """A remembered cancellation differs from what it left."""
