"""A vault with something in it, which most contracts start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from factories import make_account, make_trade

if TYPE_CHECKING:
    from zorivest_async import Vault


@pytest_asyncio.fixture
async def journal(vault: Vault) -> Vault:
    """A vault with account ``U1`` and its trade ``0001``."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.commit()
    return vault
