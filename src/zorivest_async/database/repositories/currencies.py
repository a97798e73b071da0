"""Protection of the implicit currency of trades: a trade without a currency of its own is in its account's.

A change of the account's currency, or a move to an account with another one, would change the amounts of such trades
without a word. The conditions are in the statements that write, so that nothing can come between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BindParameter, bindparam, exists, or_, select

from zorivest_async.database.statements import Statement, each
from zorivest_async.database.tables import ACCOUNTS, TRADES

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = [
    "CURRENCIES",
    "HAS_IMPLICIT_CURRENCY",
    "KEEPS_CURRENCY_OF_TRADE",
    "KEEPS_CURRENCY_OF_TRADES",
    "REASSIGNMENT",
]

HAS_IMPLICIT_CURRENCY: Final = TRADES.c.currency.is_(None)
"""Condition for trades that have no currency of their own."""

_OLD, _NEW = ACCOUNTS.alias("old_account"), ACCOUNTS.alias("new_account")


def _differ(old_id: ColumnElement[str], new_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that two stored accounts have different currencies."""
    return exists().where(
        _OLD.c.account_id == old_id,
        _NEW.c.account_id == new_id,
        _OLD.c.currency.is_distinct_from(_NEW.c.currency),
    )


KEEPS_CURRENCY_OF_TRADES: Final = or_(
    ACCOUNTS.c.currency.is_not_distinct_from(bindparam("new_currency")),
    ~exists().where(TRADES.c.account_id == ACCOUNTS.c.account_id, HAS_IMPLICIT_CURRENCY),
)
"""Condition for an update of an account."""

KEEPS_CURRENCY_OF_TRADE: Final = or_(
    TRADES.c.currency.is_not(None), ~_differ(TRADES.c.account_id, bindparam("new_account_id"))
)
"""Condition for an update of a trade after which it has no currency of its own."""

_SOURCE: BindParameter[str] = bindparam("source", type_=ACCOUNTS.c.account_id.type)
_TARGET: BindParameter[str] = bindparam("target", type_=ACCOUNTS.c.account_id.type)
REASSIGNMENT: Final = Statement(
    select(
        exists().where(ACCOUNTS.c.account_id == _SOURCE),
        exists().where(ACCOUNTS.c.account_id == _TARGET),
        exists().where(TRADES.c.account_id == _SOURCE, HAS_IMPLICIT_CURRENCY, _differ(_SOURCE, _TARGET)),
    )
)
"""The query whether two accounts are stored, and whether moving trades from one to the other changes a currency."""

CURRENCIES: Final = Statement(
    select(ACCOUNTS.c.account_id, ACCOUNTS.c.currency).where(ACCOUNTS.c.account_id.in_(each("account_ids")))
)
"""The query for the currencies of ``account_ids``, a JSON array."""
