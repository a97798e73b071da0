"""A real kernel, which runs cells as a notebook does."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel

from kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: the kernel's client runs an event loop of its own under the test, which waits for its files and pipes."""


@pytest.fixture(scope="session", autouse=True)
def _fonts() -> None:
    """Have matplotlib look for the machine's fonts once, which it would report in the notebook that draws first."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, timeout=120)


@pytest.fixture(autouse=True)
def _nobodys_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the kernels' profile, history and connection files out of the user's folders."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A fresh kernel in a folder of its own."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path), startup_timeout=60)
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
