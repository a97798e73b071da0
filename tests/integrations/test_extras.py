"""Extras are extra: the core does without them, and who needs one is told its name."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import zorivest_async
import zorivest_async.integrations
try:
    import {module}
except zorivest_async.MissingDependencyError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "absent", "extra"),
    [
        ("zorivest_async.integrations.web", ["starlette", "fastapi"], "starlette"),
        ("zorivest_async.integrations.web.fastapi", ["starlette", "fastapi"], "starlette"),
        pytest.param("zorivest_async.integrations.web.fastapi", ["fastapi"], "fastapi", marks=pytest.mark.integrations),
        ("zorivest_async.integrations.charts", ["matplotlib"], "charts"),
    ],
)
def test_a_missing_extra_is_named(module: str, absent: list[str], extra: str) -> None:
    """The core imports without it; the integration says what to install, in words for pip."""
    program = WITHOUT.format(module=module, absent=absent)
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert f'pip install "zorivest-async[{extra}]"' in finished.stdout
