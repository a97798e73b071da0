"""Numbers worth quoting: recorded with every run, and printed by the long forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["tell"]


@pytest.fixture
def tell(
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> Callable[[str], None]:
    """Tell what a test measured."""

    def record_and_print(line: str) -> None:
        record_testsuite_property(request.node.name, line)
        if request.node.get_closest_marker("soak") is not None:
            with capsys.disabled():
                print(f"\n{request.node.name}: {line}")

    return record_and_print
