"""A package that is too old is named when the library is imported, with what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zorivest_async

SOURCES = Path(zorivest_async.__file__).parents[1]


@pytest.mark.parametrize(
    ("module", "release", "words"),
    [
        ("sqlalchemy", "2.0.44", "SQLAlchemy 2.1 or newer is needed, and 2.0.44 is installed"),
        ("sqlalchemy", "1.4", "SQLAlchemy 2.1 or newer is needed, and 1.4 is installed"),
        ("aiosqlite", "0.20.0", "aiosqlite 0.22 or newer is needed, and 0.20.0 is installed"),
    ],
)
def test_a_package_that_is_too_old_is_named(tmp_path: Path, module: str, release: str, words: str) -> None:
    """With a typed error that is an ``ImportError``, and the command that helps."""
    (tmp_path / f"{module}.py").write_text(f"__version__ = {release!r}\n")
    program = """
from importlib import import_module
import sys
try:
    import_module("zorivest_async")
except ImportError as error:
    print(type(error).__name__, error.name, error)
"""
    paths = os.pathsep.join([str(tmp_path), str(SOURCES)])
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert finished.stdout.startswith(f"MissingDependencyError {module} {words}")
    assert f'pip install -U "{module}>=' in finished.stdout
