"""Entities are made of rows without holding up the event loop."""

from __future__ import annotations

import asyncio

import pytest

from factories import make_trades
from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.repositories import SqlAlchemyTradeRepository
from zorivest_async.database.repositories.base import decoded


@pytest.mark.asyncio
@pytest.mark.parametrize("slices", [1, 2, 4])
async def test_others_run_between_the_slices_of_a_long_list(slices: int) -> None:
    """And not before the first one, which would only cost time."""
    mapper = SqlAlchemyTradeRepository.mapper
    trades = make_trades(slices * SLICE_ROWS)
    codec = mapper.for_backend[BACKENDS["sqlite"]]
    rows = codec.to_rows(trades, mapper.fields)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    try:
        assert await decoded(codec, rows) == trades
        assert turns == slices - 1
    finally:
        other.cancel()
        await asyncio.wait({other})
