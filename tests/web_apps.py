"""The two web applications that people copy, as processes of their own: the example journal and docs/web.md's."""

from __future__ import annotations

import asyncio
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from sqlalchemy import text

from documents import ROOT, blocks_of
from factories import make_account, make_png, make_trade
from zorivest_async import ImageOwnerType, KdfProfile, Vault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from zorivest_async import SqlAlchemyUnitOfWork

__all__ = ["APPLICATIONS", "CAPTION", "PASSPHRASE", "Application", "document", "running"]

APPLICATIONS: Final = ("example", "document")
"""``examples/journal_web``, and the application of ``docs/web.md``."""

PASSPHRASE: Final = "correct horse battery staple"
CAPTION: Final = "what I owe.png"

_CODE: Final = r"/login#(\S+)"
_ADDRESSES: Final = {"example": r"(http://[^\s/]+)/login#", "document": r"running on (http://[^\s/]+)"}
"""What tells where an application is: the document's is not told, so it prints no address at its start."""

_START_S: Final = 60.0


@dataclass(frozen=True)
class Application:
    """A running application: ``with running("example", tmp_path) as app, app.new_user() as user: user.get("/")``.

    To log in, post the code that is printed to ``/login``, as :meth:`login` does, or open :meth:`login_address` in a
    browser. Each works once; asked for another, the server prints a new one, as it does for a browser that is not
    logged in.

    Attributes:
        kind: One of ``APPLICATIONS``.
        process: The server.
        vault: Its journal.
        temporary: Where it may put temporary files, and nothing else does.
        log: What it prints, standard error included.
    """

    kind: str
    process: subprocess.Popen[bytes]
    vault: Path
    temporary: Path
    log: Path
    _codes_used: list[int] = field(default_factory=lambda: [0], repr=False)

    def end(self) -> None:
        """End the server as Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)

    def printed(self) -> str:
        """Return what the server has printed until now."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def address(self) -> str:
        """The address, without a slash at its end."""
        return self._wait_for(_ADDRESSES[self.kind])

    @cached_property
    def port(self) -> int:
        """The port."""
        return int(self.address.rpartition(":")[2])

    def client(self, **options: Any) -> httpx.Client:
        """Return a client that has not logged in."""
        return httpx.Client(base_url=self.address, timeout=30, **options)

    def code(self) -> str:
        """Return a code that logs in, once: the last one printed that no test has had, or another one."""
        codes = re.findall(_CODE, self.printed())
        if len(codes) <= self._codes_used[0]:
            with self.client(headers={"Accept": "text/html"}) as browser:
                browser.get("/login").raise_for_status()
            codes = re.findall(_CODE, self.printed())
        self._codes_used[0] = len(codes)
        return str(codes[-1])

    def login_address(self) -> str:
        """Return an address that logs a browser in, once."""
        return f"{self.address}/login#{self.code()}"

    def login(self) -> httpx.Response:
        """Log in, and return the answer with the cookie."""
        with self.client() as browser:
            return browser.post("/login", data={"code": self.code()})

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies of a user who has logged in."""
        return dict(self.login().cookies)

    def user(self, **options: Any) -> httpx.Client:
        """Return a client that has logged in."""
        return self.client(cookies=self.cookies, **options)

    def new_user(self) -> httpx.Client:
        """Return a client that has logged in by itself."""
        answer = self.login()
        assert answer.status_code == 303
        return self.client(cookies=answer.cookies)  # which know the host, so that a logout removes them

    def rows(self) -> dict[str, list[str]]:
        """Return all that is stored."""
        with ThreadPoolExecutor(1) as thread:  # Playwright's loop may be running in this one
            return thread.submit(asyncio.run, _rows(self.vault)).result()

    def spooled_bytes(self) -> int:
        """Return the size of the server's temporary files, those without a name included where Linux tells."""
        size = sum(file.stat().st_size for file in self.temporary.rglob("*") if file.is_file())
        for name in Path(f"/proc/{self.process.pid}/fd").glob("*"):
            try:
                if "(deleted)" in str(name.readlink()):
                    size += name.stat().st_size
            except FileNotFoundError:
                continue  # closed meanwhile
        return size

    def memory_bytes(self) -> int:
        """Return the resident memory of the server."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * mmap.PAGESIZE

    def exchange(self, request: bytes, *, timeout_s: float = 10) -> bytes:
        """Send bytes as they are, and return what comes back until the server closes or says nothing more."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(request)
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except TimeoutError:
                pass
        return answer

    def _wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + _START_S
        while (found := re.search(pattern, self.printed())) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.printed()}")
            time.sleep(0.05)
        return found[1]


def document() -> str:
    """Return the program of ``docs/web.md``."""
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    return next(block.text for block in blocks_of(page, "python") if "app = FastAPI" in block.text)


async def fill(uow: SqlAlchemyUnitOfWork) -> None:
    """Store the account ``U1``, the trade ``0001`` and its image 1, captioned ``CAPTION``."""
    await uow.accounts.save(make_account())
    await uow.trades.save(make_trade())
    await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(), caption=CAPTION)


async def _make_vault(path: Path, content: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]]) -> None:
    async with (
        Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault,
        vault.unit_of_work() as uow,
    ):
        await content(uow)
        await uow.commit()


async def _rows(path: Path) -> dict[str, list[str]]:
    async with Vault.open(path, passphrase=PASSPHRASE, create=False) as vault, vault.engine.connect() as connection:
        names = await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return {
            name: sorted(map(repr, await connection.execute(text(f'SELECT * FROM "{name}"'))))  # noqa: S608 - its own
            for name in names.scalars().all()
            if not name.startswith(("sqlite_", "zorivest_"))
        }


@contextmanager
def running(
    kind: str, folder: Path, content: Callable[[SqlAlchemyUnitOfWork], Awaitable[None]] = fill
) -> Iterator[Application]:
    """Serve a journal on a free port as users do, in a real uvicorn; the server must end without a traceback.

    Args:
        kind: One of ``APPLICATIONS``.
        folder: Where the journal, temporary files and the log go.
        content: Stores what the journal has.
    """
    vault, log, temporary = folder / "journal.vault", folder / "printed.log", folder / "tmp"
    temporary.mkdir()
    with ThreadPoolExecutor(1) as thread:  # Playwright's loop may be running in this one
        thread.submit(asyncio.run, _make_vault(vault, content)).result()
    program = ["examples.journal_web", str(vault)]
    if kind == "document":
        (folder / "journal.py").write_text(document(), encoding="utf-8")
        program = ["uvicorn", "journal:app"]
    command = [sys.executable, "-W", "error", "-m", *program, "--port", "0"]
    paths = (str(ROOT), os.environ.get("PYTHONPATH"))
    environment = os.environ | {
        "ZORIVEST_PASSPHRASE": PASSPHRASE,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(temporary),
    }
    with log.open("wb") as printed:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
    with process:
        try:
            application = Application(kind, process, vault, temporary, log)
            assert application.address
            yield application
            application.end()
            assert "Traceback" not in application.printed()
        finally:
            process.kill()
