"""A journal with texts to look for, served by the two web applications that people copy."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from examples.journal_web.app import create_app
from factories import make_account, make_noise_png, make_trade
from web_apps import Application, document, running
from zorivest_async import ImageOwnerType, TradeReport
from zorivest_async.integrations.web import Login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork, Vault

__all__ = ["CANARY", "CHART", "EXEC_ID", "FORGED_TRADE", "routes_of", "serving", "status_of"]

CANARY = "canary"
"""Every text of the journal has it, in capitals or not."""

EXEC_ID = "canary-1"
FORGED_TRADE = {
    "exec_id": "forged",
    "time": "2024-03-08T14:30:00Z",
    "instrument": "SPY",
    "action": "BOT",
    "quantity": 1,
    "price": 1,
    "account_id": "U1",
}
"""One that both applications take from a user."""

CHART = make_noise_png(320, 200)
"""The chart of that trade, image 1, which no compression makes shorter."""

_PLACES = {"exec_id": EXEC_ID, "number": "1", "image_id": "1"}


def status_of(answer: bytes) -> int:
    """Return the status of an answer, 0 where the connection was closed without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def routes_of(kind: str) -> list[tuple[str, str]]:
    """Return the methods and paths that an application has, each path with what the journal holds."""
    app: Any
    if kind == "example":
        app = create_app(_open_nothing, Login())
    else:
        names: dict[str, Any] = {}
        exec(compile(document(), "web.md", "exec"), names)
        app = names["app"]
    found = [(method, route.path) for route in app.routes for method in getattr(route, "methods", None) or ()]
    assert len(found) > 8
    return [(method, re.sub(r"\{(\w+)[^}]*\}", lambda name: _PLACES[name[1]], path)) for method, path in sorted(found)]


def _open_nothing() -> AbstractAsyncContextManager[Vault]:
    raise AssertionError("no server is started")


async def _plant(uow: SqlAlchemyUnitOfWork) -> None:
    """Store an account, two trades, a report and a chart."""
    await uow.accounts.save(make_account("U1", name="canary account"))
    await uow.trades.save(make_trade(EXEC_ID, instrument="CANARYX"))
    await uow.trades.save(make_trade("canary-a?b#c%2f&d", instrument="CANARYX"))
    await uow.trade_reports.save(TradeReport(EXEC_ID, 5, 4, True, "canary mood", "canary lesson", ("canary tag",)))
    await uow.images.attach(ImageOwnerType.TRADE, EXEC_ID, CHART, caption="canary caption")


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[Application]:
    """Serve the planted journal; see :func:`web_apps.running`."""
    with running(kind, folder, _plant) as application:
        yield application
