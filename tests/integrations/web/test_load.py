"""The example journal under load: its event loop stays free while screenshots come in and the gallery is browsed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from workers.launch import command, environment
from workers.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zorivest_async.integrations.pytest_plugin import ChartMaker

pytestmark = pytest.mark.integrations

__all__ = ["tell"]  # a fixture

STALL_LIMIT_MS = 25.0
LAST = ["nice", "-n", "19"] if shutil.which("nice") else []


def sleep_until_ended(process: subprocess.Popen[str]) -> float:
    """Sleep for a millisecond at a time while a process runs; return the longest that one was late, in milliseconds."""
    longest_s = 0.0
    while process.poll() is None:
        due = time.perf_counter() + 0.001
        time.sleep(0.001)
        longest_s = max(longest_s, time.perf_counter() - due)
    return longest_s * 1000


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [1, pytest.param(10, marks=pytest.mark.soak)])
def test_the_event_loop_is_never_held(
    serve: Callable[[str], AbstractContextManager[str]],
    zorivest_make_chart: ChartMaker,
    tmp_path: Path,
    tell: Callable[[str], None],
    count: int,
) -> None:
    """Twenty clients upload 4K screenshots while twenty browse; all are answered, and no stall is above the limit.

    The clients, which would be on other machines, come last, and what other programs take of the processors is not
    counted: where even a process that only sleeps is woken late, the limit is twice as much. The best of three rounds
    counts, since what the server does wrong it does in each of them.
    """
    folder = tmp_path / "charts"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.png").write_bytes(zorivest_make_chart(width_px=3840, height_px=2160) + os.urandom(4_000_000))
    with serve("journal") as address:
        assert "Nothing" not in httpx.get(address).text  # what the first request alone costs is not measured
        excesses: list[float] = []
        while len(excesses) < 3 and (not excesses or min(excesses) > 0):
            httpx.post(f"{address}/stall").raise_for_status()
            visit = [*LAST, *command("visitors", address, folder, count)]
            with subprocess.Popen(visit, env=environment(), stdout=subprocess.PIPE, text=True) as visitors:
                idle_ms = sleep_until_ended(visitors)
                printed, _ = visitors.communicate()
            answers = json.loads(printed)
            assert (answers["failed"], answers["uploaded"]) == (0, 20 * count)
            measured = httpx.get(f"{address}/stall").json()
            excesses.append(measured["stall_ms"] - max(STALL_LIMIT_MS, 2 * idle_ms))
            late = f"{measured['late_ms']:.1f} ms with others' time"
            tell(f"{answers}, longest stall {measured['stall_ms']:.1f} ms, {late}; of an idle process {idle_ms:.1f} ms")
    assert min(excesses) <= 0
