"""What an update costs: SQLite rewrites each index of a column that an UPDATE names."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_trade

if TYPE_CHECKING:
    from zorivest_async import Trade, Vault

pytestmark = pytest.mark.asyncio

PAGE_BYTES = 4096
FRAME_BYTES = PAGE_BYTES + 24
"""A page in the WAL and its header (https://www.sqlite.org/fileformat2.html#walformat)."""


async def pages_written(vault: Vault, trade: Trade) -> int:
    """Update a trade and return how many pages its commit has appended to the WAL."""
    wal = f"{vault.path}-wal"
    before = await asyncio.to_thread(os.path.getsize, wal)
    async with vault.unit_of_work() as uow:
        await uow.trades.update(trade)
        await uow.commit()
    return (await asyncio.to_thread(os.path.getsize, wal) - before) // FRAME_BYTES


@pytest.mark.parametrize("currency", [None, "USD"])
async def test_an_update_that_keeps_the_indexed_fields_rewrites_no_index(vault: Vault, currency: str | None) -> None:
    """It writes the page of the row alone; one that moves the trade in time also writes those of three indexes."""
    trade = make_trade("0001", currency=currency)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(trade)
        await uow.commit()

    assert await pages_written(vault, replace(trade, commission=9.0)) == 1
    assert await pages_written(vault, replace(trade, time=trade.time + timedelta(hours=1))) == 4
