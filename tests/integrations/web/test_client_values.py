"""Values of a client's in a web service: 404 and 422, and never 500."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it when the program runs

from zorivest_async import ImageInfo, KdfProfile, Page, SaveResult, Trade, TradeFilter, TradePlan, Vault
from zorivest_async.analytics import performance
from zorivest_async.integrations.web import error_handlers, image_response, thumbnail_response, vault_lifespan
from zorivest_async.integrations.web.fastapi import ReadingUnit, WritingUnit  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.integrations, pytest.mark.asyncio]

LARGEST = 2**63 - 1


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A service that passes on what a client sends."""
    path = tmp_path / "journal.vault"
    app = FastAPI(
        lifespan=vault_lifespan(lambda: Vault.open(path, passphrase="an example only", profile=KdfProfile.CHEAPEST)),
        exception_handlers=error_handlers(),
    )

    @app.get("/summary")
    async def summary(uow: ReadingUnit, by: str = "month", tz: str | None = None) -> list[Any]:
        asked: Any = by
        return [*await performance(uow, by=asked, time_zone=tz)]

    @app.get("/trades")
    async def trades(uow: ReadingUnit, limit: int = 10, sort: str = "-time") -> list[Trade]:
        return await uow.trades.list_filtered(TradeFilter(), sort, limit)

    @app.get("/trades/page")
    async def page(uow: ReadingUnit) -> Page[Trade]:
        return await uow.trades.page(TradeFilter())

    @app.post("/trades")
    async def save_trades(uow: WritingUnit) -> SaveResult:
        return await uow.trades.save_many([])

    @app.get("/plans/{number}")
    async def plan(uow: ReadingUnit, number: int) -> TradePlan:
        return await uow.trade_plans.get_one(number)

    @app.delete("/plans/{number}")
    async def delete_plan(uow: WritingUnit, number: int) -> bool:
        return await uow.trade_plans.delete(number)

    @app.get("/images")
    async def images(uow: ReadingUnit, kind: str, owner: str) -> list[ImageInfo]:
        of: Any = kind
        return await uow.images.list_for_owner(of, owner)

    @app.get("/images/{number}")
    async def image(request: Request, number: int) -> Any:
        return await image_response(request, number)

    @app.get("/images/{number}/thumbnail")
    async def thumbnail(request: Request, number: int, size: int = 200) -> Any:
        return await thumbnail_response(request, number, size)

    async with app.router.lifespan_context(app) as state:

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(serve, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as opened:
            yield opened


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/summary?tz=UTC", 200),
        ("/summary?tz=Mars", 422),
        ("/summary?tz=../../etc/passwd", 422),
        ("/summary?tz=Europe", 422),
        ("/summary?tz=", 422),
        ("/summary?by=day", 422),
        ("/summary?by=moon&tz=UTC", 422),
        (f"/trades?limit={LARGEST}", 200),
        (f"/trades?limit={LARGEST + 1}", 422),
        ("/trades?limit=-1", 422),
        ("/trades?sort=password", 422),
        (f"/plans/{LARGEST}", 404),
        (f"/plans/{LARGEST + 1}", 404),
        (f"/plans/{-LARGEST - 2}", 404),
        (f"/images/{LARGEST + 1}", 404),
        (f"/images/{LARGEST + 1}/thumbnail", 404),
        ("/images/1/thumbnail?size=0", 422),
        (f"/images/1/thumbnail?size={LARGEST + 1}", 422),
        ("/images?kind=trade&owner=0001", 200),
        ("/images?kind=stranger&owner=0001", 422),
        ("/images?kind=trade&owner=%00", 200),
    ],
)
async def test_a_value_of_a_client_is_no_server_error(client: httpx.AsyncClient, address: str, status: int) -> None:
    """The answer says what is wrong, and does not repeat what was sent."""
    response = await client.get(address)
    assert response.status_code == status, response.text
    assert "passwd" not in response.text
    if status == 422:
        assert response.json()["error"] == "InvalidQueryError"


async def test_a_row_number_that_no_row_can_have_is_not_deleted(client: httpx.AsyncClient) -> None:
    """``False``, as for any other that is not there."""
    for number in (999, LARGEST + 1, 10**30):
        assert (await client.delete(f"/plans/{number}")).json() is False


async def test_a_page_and_a_bulk_save_are_json_with_names(client: httpx.AsyncClient) -> None:
    """A client reads fields, not the places of values in an array."""
    assert (await client.post("/trades")).json() == {"inserted": 0, "skipped": 0, "updated": 0}
    assert (await client.get("/trades/page")).json() == {"items": [], "next": None}
