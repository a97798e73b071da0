"""One empty journal for each implementation, which all contracts start from; and the contracts that one cannot keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from factories import make_account, make_trade
from implementations import IMPLEMENTATIONS, LIMITS, LONG_FORMS, SAMPLED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from implementations import Journal


TENTH = 10

PARAMETERS = [
    pytest.param(name, marks=[pytest.mark.soak] if name in LONG_FORMS else [], id=name) for name in IMPLEMENTATIONS
]


@pytest_asyncio.fixture(params=PARAMETERS)
async def empty_journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Journal]:
    """A journal without a row, of one implementation after the other."""
    async with IMPLEMENTATIONS[request.param](tmp_path) as journal:
        yield journal


@pytest_asyncio.fixture
async def journal(empty_journal: Journal) -> Journal:
    """A journal with account ``U1`` and its trade ``0001``."""
    async with empty_journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.commit()
    return empty_journal


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the limits to hold, strictly, and refuse a test that does not run over the implementations."""
    sampled = 0
    limits = {(limit.implementation, limit.test): limit for limit in LIMITS}
    for item in items:
        if item.path.parent != Path(__file__).parent or not isinstance(item, pytest.Function):
            continue
        callspec = getattr(item, "callspec", None)
        if callspec is None or "empty_journal" not in callspec.params:
            raise pytest.UsageError(f"{item.nodeid} is no contract: it uses neither empty_journal nor journal")
        name = callspec.params["empty_journal"]
        if name in SAMPLED:
            sampled += 1
            if sampled % TENTH:
                item.add_marker(pytest.mark.soak)
        case = item.name.replace(f"[{name}-", "[")
        limit = limits.get((name, f"{item.path.name}::{item.originalname}"))
        limit = limit or limits.get((name, f"{item.path.name}::{case}"))
        if limit is not None:
            item.add_marker(pytest.mark.xfail(reason=limit.reason, raises=limit.raises, strict=limit.is_sure))
