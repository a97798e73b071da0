"""What the tests of integrations need: their packages, and a server that runs for the length of a test."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, started
from zorivest_async.integrations.pytest_plugin import VaultFile

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

NEEDS = {
    "bots": ("aiogram", "discord", "telegram"),
    "notebooks": ("ipykernel", "nbclient", "playwright"),
    "test_site.py": ("fastapi", "furo", "myst_parser", "sphinx"),
    "attacks": ("fastapi", "httpx", "jinja2", "playwright", "schemathesis", "uvicorn"),
    "web": ("fastapi", "httpx", "jinja2", "uvicorn"),
}
"""Packages, by the tests that need them."""

# They are in the dependency group "integrations", which tox -e integrations installs.
collect_ignore = [name for name, packages in NEEDS.items() if not all(find_spec(package) for package in packages)]


Server = Callable[[str], AbstractContextManager[str]]


@pytest.fixture
def serve(zorivest_vault_file: VaultFile) -> Server:
    """A real server over the vault file of the test, by the name of its framework."""
    return partial(served, zorivest_vault_file)


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A real server, each over a vault file of its own, for as long as a module wants it."""
    return lambda kind: served(VaultFile.create(tmp_path_factory.mktemp("served") / "journal.vault"), kind)


@contextmanager
def served(file: VaultFile, kind: str) -> Iterator[str]:
    """Start a server and give its address; it must end in peace, with nothing said."""
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"ZORIVEST_TEST_KEY": file.key.hex(), "PYTHONPATH": os.pathsep.join(paths)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with started("web", kind, file.path) as process:
            port = read_line(process)
            if not port:
                pytest.fail(process.communicate(timeout=20)[1])
            yield f"http://127.0.0.1:{port}"
            _, complaints = process.communicate(timeout=20)  # which ends its input, and so the server
            assert (process.returncode, complaints) == (0, "")
