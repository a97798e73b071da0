"""The application: pages, images, and a little JSON."""

import hashlib
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import Depends, FastAPI, Form, Header, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel

from examples.journal_web.equity import draw_line
from zorivest_async import (
    AssetClass,
    ImageInfo,
    ImageOwnerType,
    NotFoundError,
    Trade,
    TradeAction,
    TradeReport,
    Vault,
)
from zorivest_async.analytics import Position, equity_curve, positions
from zorivest_async.integrations.web import (
    GuardMiddleware,
    Login,
    image_response,
    read_image,
    thumbnail_response,
    vault_lifespan,
)
from zorivest_async.integrations.web.fastapi import OpenVault, ReadingUnit, WritingUnit, error_handlers
from zorivest_async.ports import UnitOfWork

__all__ = ["create_app"]

_HERE = Path(__file__).parent
_OF_TRADE = ImageOwnerType.TRADE
_PAGE_POSITIONS = 24
_MOST_EXECUTIONS = 50
_LONGEST_CAPTION = 200
_Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


class NewTrade(BaseModel):
    """An execution as a client sends it."""

    exec_id: str
    time: datetime
    instrument: str
    action: TradeAction
    quantity: float
    price: float
    account_id: str
    commission: float = 0.0
    realized_pnl: float | None = 0.0
    currency: str | None = None
    multiplier: float = 1.0
    asset_class: AssetClass | None = None
    fees: float = 0.0
    commission_currency: str | None = None
    notes: str | None = None
    order_id: str | None = None
    result_after_costs: bool | None = None


class ReportForm(BaseModel):
    """A report as the page's form sends it; a browser leaves out a box that is not ticked."""

    setup_quality: int | None = None
    execution_quality: int | None = None
    followed_plan: bool = False
    emotional_state: str | None = None
    lessons_learned: str | None = None
    tags: str = ""

    def to_report(self, exec_id: str, report_id: int | None = None) -> TradeReport:
        """Return the report of a trade, the stored one's successor where it has a number."""
        tags = tuple(tag.strip() for tag in self.tags.split(",") if tag.strip())
        fields = self.model_dump(exclude={"tags"})
        return TradeReport(exec_id, **fields, tags=tags, id=report_id)


def create_app(open_vault: Callable[[], AbstractAsyncContextManager[Vault]], login: Login) -> FastAPI:
    """Return the application, for one person at this machine.

    Args:
        open_vault: Opens the journal when the server starts.
        login: Lets that person in.
    """
    pages = _Pages()
    handlers = {error: _as_page(handler, pages) for error, handler in error_handlers().items()}
    app = FastAPI(
        title="Journal", lifespan=vault_lifespan(open_vault), exception_handlers=handlers, docs_url=None, redoc_url=None
    )
    app.add_middleware(GuardMiddleware, login=login)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    _add_pages(app, pages)
    _add_images(app)
    _add_api(app)
    return app


def _add_pages(app: FastAPI, pages: "_Pages") -> None:
    @app.get("/")
    async def show_gallery(uow: ReadingUnit, page: Annotated[int, Query(ge=0)] = 0) -> HTMLResponse:
        held = sorted(await positions(uow, open=True), key=_last_time, reverse=True)
        shown = held[page * _PAGE_POSITIONS : (page + 1) * _PAGE_POSITIONS]
        cards = [(position, await _charts_of(uow, position)) for position in shown]
        lines = [draw_line(curve) for curve in await equity_curve(uow)]
        older = page + 1 if len(held) > (page + 1) * _PAGE_POSITIONS else None
        return pages.render("gallery.html", cards=cards, lines=lines, older=older)

    @app.get("/favicon.ico")
    async def show_icon() -> RedirectResponse:  # which a browser asks for beside an image alone
        return RedirectResponse("/static/icon.svg")

    @app.get("/trades/{exec_id:path}")
    async def show_trade(exec_id: str, uow: ReadingUnit) -> HTMLResponse:
        trade = await uow.trades.get_one(exec_id)
        images = await uow.images.list_for_owner(_OF_TRADE, exec_id)
        report = await uow.trade_reports.get_for_trade(exec_id)
        return pages.render("trade.html", trade=trade, images=images, report=report)

    @app.post("/trades/{exec_id:path}/report", dependencies=[Depends(_require_form)])
    async def save_report(exec_id: str, form: Annotated[ReportForm, Form()], uow: WritingUnit) -> RedirectResponse:
        await uow.trades.get_one(exec_id)
        known = await uow.trade_reports.get_for_trade(exec_id)
        if known is None:
            await uow.trade_reports.save(form.to_report(exec_id))
        else:
            await uow.trade_reports.update(form.to_report(exec_id, known.id))
        return RedirectResponse(f"/trades/{quote(exec_id, safe='')}", status_code=303)


def _last_time(position: Position) -> datetime:
    return position.closed or position.opened or datetime.min.replace(tzinfo=UTC)  # one of the first two is known


async def _charts_of(uow: UnitOfWork, position: Position) -> list[ImageInfo]:
    """Return the charts of a position: those of its entry, its exit and the executions between."""
    charts: list[ImageInfo] = []
    for exec_id in position.exec_ids[:_MOST_EXECUTIONS]:
        charts += await uow.images.list_for_owner(_OF_TRADE, exec_id)
    return charts


async def _require_form(request: Request) -> None:
    """Refuse another body, in which the form's fields would all seem to be empty, and empty the report."""
    kind = request.headers.get("content-type", "").lower()
    if not kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")) and await request.body():
        raise HTTPException(415, "send a form")


def _add_images(app: FastAPI) -> None:
    @app.post("/trades/{exec_id:path}/images", status_code=201)
    async def upload_image(
        exec_id: str, request: Request, vault: OpenVault, caption: Annotated[str, Header()] = ""
    ) -> dict[str, int]:
        """The caption is a header, percent-encoded: what an address holds is written down in many places."""
        async with vault.unit_of_work(read_only=True) as uow:
            await uow.trades.get_one(exec_id)
        data = await read_image(request)
        async with vault.unit_of_work() as uow:  # begun only now: nobody waits for a slow upload
            image_id = await uow.images.attach(
                _OF_TRADE, exec_id, data, caption=unquote(caption)[:_LONGEST_CAPTION] or None
            )
            await uow.commit()
        return {"id": image_id}

    @app.get("/images/{image_id}")
    @app.head("/images/{image_id}", include_in_schema=False)
    async def show_image(image_id: int, request: Request) -> Response:
        return await image_response(request, image_id)

    @app.get("/images/{image_id}/thumbnail")
    async def show_thumbnail(image_id: int, request: Request) -> Response:
        return await thumbnail_response(request, image_id)


def _add_api(app: FastAPI) -> None:
    @app.post("/api/trades", status_code=201)
    async def add_trade(new: NewTrade, uow: WritingUnit) -> dict[str, str]:
        trade = Trade(**new.model_dump())
        await uow.trades.save(trade)
        return {"exec_id": trade.exec_id}

    @app.get("/api/trades/{exec_id:path}")
    async def read_trade(exec_id: str, uow: ReadingUnit) -> NewTrade:
        trade = await uow.trades.get_one(exec_id)
        return NewTrade(**{name: getattr(trade, name) for name in NewTrade.model_fields})


class _Pages:
    """The templates, read once, so that no request waits for a disk."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, auto_reload=False, trim_blocks=True
        )
        # A browser that has an older style sheet or script asks for the one that the page names.
        static = sorted((_HERE / "static").iterdir())
        environment.globals["release"] = hashlib.sha256(b"".join(p.read_bytes() for p in static)).hexdigest()[:12]
        self._templates = {name: environment.get_template(name) for name in environment.list_templates()}

    def render(self, name: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates[name].render(values), status_code)


def _as_page(handler: _Handler, pages: _Pages) -> _Handler:
    async def respond(request: Request, error: Exception) -> Response:
        response = await handler(request, error)
        if "text/html" not in request.headers.get("accept", ""):
            return response
        message = (
            "There is no such page." if isinstance(error, NotFoundError) else str(getattr(error, "problem", error))
        )
        page = pages.render("error.html", response.status_code, message=message)
        if "retry-after" in response.headers:
            page.headers["Retry-After"] = response.headers["retry-after"]
        return page

    return respond
