"""Both applications, each as a server of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attacked import serving
from web_apps import APPLICATIONS, Application

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=APPLICATIONS)
def application(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Either application; the tests of a module share it."""
    with serving(request.param, tmp_path_factory.mktemp("attacked")) as served:
        yield served


@pytest.fixture(params=APPLICATIONS)
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Either application, for one test alone."""
    with serving(request.param, tmp_path_factory.mktemp("attacked")) as served:
        yield served
