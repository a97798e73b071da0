"""Serve a vault from Starlette, bare or guarded, from FastAPI or as the example journal, and print the port.

``python -m workers.web KIND PATH``, with the raw key, in hex, in the environment; it ends when its input does.
"""

# FastAPI reads annotations when the program runs, so they are not postponed.
import asyncio
import gc
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

import zorivest_async
from examples.journal_web.app import create_app
from zorivest_async import Account, AccountType, ImageOwnerType, Trade, TradeAction, Vault, errors
from zorivest_async.domain.validation import utc_now
from zorivest_async.integrations.web import (
    GuardMiddleware,
    Login,
    error_handlers,
    image_response,
    read_image,
    thumbnail_response,
    unit_of_work,
    vault_lifespan,
    vault_of,
)
from zorivest_async.integrations.web.fastapi import OpenVault, ReadingUnit, WritingUnit
from zorivest_async.ports import UnitOfWork

KEY = "ZORIVEST_TEST_KEY"
GUARDED_UPLOADS = 2
GUARDED_TIMEOUT_S = 1.0
LARGEST_UPLOAD_BYTES = 20 * 1024 * 1024


def make_trade(exec_id: str) -> Trade:
    """Return a trade of the account that there is."""
    return Trade(exec_id, utc_now(), "SPY", TradeAction.BOT, 1, 1, "U1")


async def save(uow: UnitOfWork, exec_id: str) -> dict[str, str]:
    """Save a trade, and raise afterwards where its name says so."""
    await uow.trades.save(make_trade(exec_id))
    if exec_id.startswith("fail"):
        raise errors.InvalidQueryError("Trade")
    return {"exec_id": exec_id}


async def read(uow: UnitOfWork, exec_id: str) -> dict[str, str]:
    """Return a trade."""
    return {"exec_id": (await uow.trades.get_one(exec_id)).exec_id}


async def attach(vault: Vault, request: Request) -> dict[str, int]:
    """Attach the body to trade ``0001``, or store it as it is under the type that it says it is."""
    data = await read_image(request, max_bytes=LARGEST_UPLOAD_BYTES)
    async with vault.unit_of_work() as uow:
        if (kind := request.query_params.get("stored_as")) is not None:
            number = await uow.images.save("0001", zorivest_async.ImageAttachment(data, mime_type=kind))
        else:
            number = await uow.images.attach(ImageOwnerType.TRADE, "0001", data)
        await uow.commit()
    return {"id": number}


def fail(name: str) -> None:
    """Raise an error of the library, about a file and with a secret in its attributes and its cause."""
    kind: Any = getattr(errors, name)
    if issubclass(kind, errors.VaultError):
        error = kind("/secret/journal.vault")
    elif issubclass(kind, errors.RepositoryError):
        error = kind("Trade", "secret")
    else:
        error = kind(*{"ValidationError": ("Trade", "price", "must be finite")}.get(name, ("bytes", 3, 2)))
    raise error from ValueError("secret")


async def show_image(request: Request) -> Response:
    """Return an original, for the browser to keep where the address says so."""
    cacheable = "cacheable" in request.query_params
    return await image_response(request, int(request.path_params["number"]), cacheable=cacheable)


async def show_thumbnail(request: Request) -> Response:
    """Return a thumbnail, for the browser to keep where the address says so."""
    cacheable = "cacheable" in request.query_params
    return await thumbnail_response(request, int(request.path_params["number"]), cacheable=cacheable)


def starlette_app(lifespan: Any) -> Starlette:
    """Return the application in Starlette's words."""

    async def post_trade(request: Request) -> Response:
        async with unit_of_work(request) as uow:
            saved = await save(uow, request.path_params["exec_id"])
        return JSONResponse(saved, 201)

    async def get_trade(request: Request) -> Response:
        async with unit_of_work(request, read_only=True) as uow:
            return JSONResponse(await read(uow, request.path_params["exec_id"]))

    async def post_image(request: Request) -> Response:
        return JSONResponse(await attach(vault_of(request), request), 201)

    async def raise_error(request: Request) -> Response:
        fail(request.path_params["name"])
        return Response()

    routes = [
        Route("/trades/{exec_id}", post_trade, methods=["POST"]),
        Route("/trades/{exec_id}", get_trade),
        Route("/images", post_image, methods=["POST"]),
        Route("/images/{number:int}", show_image),
        Route("/images/{number:int}/thumbnail", show_thumbnail),
        Route("/errors/{name}", raise_error),
    ]
    handlers: Any = error_handlers()
    return Starlette(routes=[Mount("/mounted", routes=routes), *routes], lifespan=lifespan, exception_handlers=handlers)


def fastapi_app(lifespan: Any) -> FastAPI:
    """Return the application in FastAPI's words."""
    app = FastAPI(lifespan=lifespan, exception_handlers=error_handlers())

    @app.post("/trades/{exec_id}", status_code=201)
    async def post_trade(exec_id: str, uow: WritingUnit) -> dict[str, str]:
        return await save(uow, exec_id)

    @app.get("/trades/{exec_id}")
    async def get_trade(exec_id: str, uow: ReadingUnit) -> dict[str, str]:
        return await read(uow, exec_id)

    @app.post("/images", status_code=201)
    async def post_image(request: Request, vault: OpenVault) -> dict[str, int]:
        return await attach(vault, request)

    @app.get("/errors/{name}")
    async def raise_error(name: str) -> None:
        fail(name)

    app.add_route("/images/{number:int}", show_image)
    app.add_route("/images/{number:int}/thumbnail", show_thumbnail)
    return app


class LoggedIn:
    """An application in which everyone is logged in, for tests that are about something else.

    Args:
        app: The application.
        login: Its login.
        port: Where it is served.
    """

    def __init__(self, app: ASGIApp, login: Login, port: int) -> None:
        session = login.exchange(login.new_address().partition("#")[2])
        self._app = app
        self._cookie = (b"cookie", f"zorivest_session_{port}={session}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with the cookie."""
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], self._cookie]
        await self._app(scope, receive, send)


class StallWatch:
    """The longest that the event loop kept a task waiting that asked to be woken after a millisecond.

    ``late_ms`` is all of it. ``stall_ms`` is without the time that the loop's thread was ready to run and had no
    processor, because other programs had them all (https://docs.kernel.org/scheduler/sched-stats.html).
    """

    def __init__(self) -> None:
        self._statistics: int | None = None
        self._task: asyncio.Task[None] | None = None
        self.stall_ms = self.late_ms = 0.0

    def start(self) -> None:
        """Begin, or begin anew."""
        self.stall_ms = self.late_ms = 0.0
        if self._task is None:
            with suppress(FileNotFoundError):  # it is Linux that tells
                self._statistics = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
            self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, waited_ms = clock() + 0.001, self._waited_ms()
            await asyncio.sleep(0.001)
            late_ms = (clock() - due) * 1000
            self.late_ms = max(self.late_ms, late_ms)
            self.stall_ms = max(self.stall_ms, late_ms - (self._waited_ms() - waited_ms))

    def _waited_ms(self) -> float:
        waited_ns = 0
        if sys.platform != "win32" and self._statistics is not None:
            waited_ns = int(os.pread(self._statistics, 100, 0).split()[1])
        return waited_ns / 1e6


async def serve(kind: str, path: str, listening: socket.socket) -> None:
    """Serve until the input ends."""
    watch = StallWatch()

    @asynccontextmanager
    async def open_vault() -> AsyncGenerator[Vault]:
        key = bytes.fromhex(os.environ[KEY])
        async with Vault.open(path, key=key, create=False, durability="normal") as vault:
            async with vault.unit_of_work() as uow:
                if not await uow.accounts.exists("U1"):
                    await uow.accounts.save(Account("U1", "Margin", AccountType.BROKER))
                    await uow.trades.save(make_trade("0001"))
                    await uow.commit()
            gc.collect()
            gc.freeze()  # as the example's own program does
            print(listening.getsockname()[1], flush=True)
            yield vault

    async def show_stall(_request: Request) -> Response:
        return JSONResponse({"stall_ms": watch.stall_ms, "late_ms": watch.late_ms})

    async def start_watching(_request: Request) -> Response:
        watch.start()
        return Response()

    app: Starlette
    login = Login()
    match kind:
        case "starlette":
            app = starlette_app(vault_lifespan(open_vault))
        case "fastapi":
            app = fastapi_app(vault_lifespan(open_vault))
        case "guarded":
            app = starlette_app(vault_lifespan(open_vault))
            app.add_middleware(
                GuardMiddleware, login=None, max_uploads=GUARDED_UPLOADS, body_timeout_s=GUARDED_TIMEOUT_S
            )
        case _:
            app = create_app(open_vault, login)
    app.router.routes.insert(0, Route("/stall", show_stall))
    app.router.routes.insert(0, Route("/stall", start_watching, methods=["POST"]))
    served = LoggedIn(app, login, listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(served, log_level="warning", timeout_keep_alive=300))
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ended.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await server.serve(sockets=[listening])


if __name__ == "__main__":
    # Named as TCP, as asyncio looks for before it sets TCP_NODELAY; without that each answer takes 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    asyncio.run(serve(sys.argv[1], sys.argv[2], listening))
