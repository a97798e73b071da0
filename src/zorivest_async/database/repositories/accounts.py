"""Accounts."""

from __future__ import annotations

from typing import ClassVar, Final

from sqlalchemy import BindParameter, bindparam, delete, exists, func, select, update

from zorivest_async.database.aggregates import ACCOUNT
from zorivest_async.database.repositories.base import NamedRepository, window
from zorivest_async.database.repositories.currencies import KEEPS_CURRENCY_OF_TRADES, REASSIGNMENT
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import ACCOUNTS, BALANCE_SNAPSHOTS, TRADE_PLANS, TRADES
from zorivest_async.domain.entities import Account
from zorivest_async.errors import CurrencyChangeError, ForeignKeyError, NotFoundError

__all__ = ["SqlAlchemyAccountRepository"]


_OF_ACCOUNT: BindParameter[str] = bindparam("owner")
_HAS_TRADES = Statement(select(exists().where(TRADES.c.account_id == _OF_ACCOUNT)))
_DELETE_SNAPSHOTS = Statement(delete(BALANCE_SNAPSHOTS).where(BALANCE_SNAPSHOTS.c.account_id == _OF_ACCOUNT))
_UNLINK_PLANS = Statement(update(TRADE_PLANS).where(TRADE_PLANS.c.account_id == _OF_ACCOUNT).values(account_id=None))
_COUNT = Statement(select(func.count()).select_from(ACCOUNTS))
_REASSIGN = Statement(
    update(TRADES).where(TRADES.c.account_id == bindparam("source")).values(account_id=bindparam("target"))
)
_UPDATE: Final = ACCOUNT.mapper.update_if(KEEPS_CURRENCY_OF_TRADES)


class SqlAlchemyAccountRepository(NamedRepository[Account]):
    """Repository of :class:`~zorivest_async.Account` entities."""

    mapper: ClassVar = ACCOUNT.mapper
    _newest_first = window(mapper.select.order_by(ACCOUNTS.c.created_at.desc(), ACCOUNTS.c.account_id.desc()))

    async def update(self, account: Account, /) -> None:
        """Write all fields of a stored account, except its identifier and the time of its creation.

        Raises:
            NotFoundError: It is not stored.
            CurrencyChangeError: It gets another currency while it has trades without a currency of their own; give
                these trades theirs first.
        """
        if not await self._updates(account, self.mapper, _UPDATE, getattr(account, "currency", None)):
            if await self.exists(account.account_id):
                raise CurrencyChangeError("Account", account.account_id)
            raise NotFoundError("Account", account.account_id)

    async def delete(self, account_id: str, /) -> bool:
        """Delete an account with its balance snapshots, unlink its plans, and return whether there was one.

        Raises:
            ForeignKeyError: It still has trades; call :meth:`reassign_trades_to` first.
        """
        if await self._scalar(_HAS_TRADES, owner=account_id):
            raise ForeignKeyError("Account", account_id, "the account still has trades; reassign them first")
        async with self._all_or_nothing():
            await self._execute(_DELETE_SNAPSHOTS, account_id, owner=account_id)
            await self._execute(_UNLINK_PLANS, account_id, owner=account_id)
            return await super().delete(account_id)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[Account]:
        """Return accounts, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))

    async def count_all(self) -> int:
        """Return the number of accounts."""
        return int(await self._scalar(_COUNT))

    async def reassign_trades_to(self, source_id: str, target_id: str) -> int:
        """Move all trades of one account to another and return their number.

        Raises:
            NotFoundError: There is no account ``source_id``.
            ForeignKeyError: There is no account ``target_id``.
            CurrencyChangeError: The accounts have different currencies, and some of the trades have none of their own;
                give these trades theirs first.
        """
        ((has_source, has_target, changes),) = await self._fetch_rows(REASSIGNMENT, source=source_id, target=target_id)
        if not has_source:
            raise NotFoundError("Account", source_id)
        if not has_target:
            raise ForeignKeyError("Account", target_id, "the target account is not stored; save it first")
        if changes:
            raise CurrencyChangeError("Account", source_id)
        return (await self._execute(_REASSIGN, source=source_id, target=target_id)).rowcount
