"""The demo's watch over the event loop."""

from __future__ import annotations

from time import perf_counter

import pytest

from zorivest_async.cli.demo.loop_watch import watched_loop


@pytest.mark.asyncio
async def test_the_longest_stall_is_measured() -> None:
    """A callback that keeps the event loop for 50 ms is seen, also as the last thing before the end."""
    async with watched_loop() as late_s:
        end = perf_counter() + 0.05
        while perf_counter() < end:
            pass
    assert max(late_s) >= 0.04
