"""The example journal under load: its event loop stays free while screenshots come in and the gallery is browsed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
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

    What other programs take of the processors is not counted; the clients, which would be on other machines, come last.
    The best of three rounds counts, since what the server does wrong it does in each of them.
    """
    folder = tmp_path / "charts"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.png").write_bytes(zorivest_make_chart(width_px=3840, height_px=2160) + os.urandom(4_000_000))
    with serve("journal") as address:
        assert "Nothing" not in httpx.get(address).text  # what the first request alone costs is not measured
        stalls: list[float] = []
        while len(stalls) < 3 and (not stalls or min(stalls) > STALL_LIMIT_MS):
            httpx.post(f"{address}/stall").raise_for_status()
            finished = subprocess.run(
                [*LAST, *command("visitors", address, folder, count)],
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert finished.returncode == 0, finished.stderr
            answers = json.loads(finished.stdout)
            assert (answers["failed"], answers["uploaded"]) == (0, 20 * count)
            measured = httpx.get(f"{address}/stall").json()
            stalls.append(measured["stall_ms"])
            tell(
                f"{answers}, longest stall {stalls[-1]:.1f} ms, {measured['late_ms']:.1f} ms with other programs' time"
            )
    assert min(stalls) <= STALL_LIMIT_MS
