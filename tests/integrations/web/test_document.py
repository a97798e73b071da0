"""What docs/web.md shows, works as printed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from documents import ROOT, blocks_of
from factories import make_account, make_noise_png, make_png
from web_apps import running
from zorivest_async import Vault
from zorivest_async.integrations.web.failures import STATUS_CODES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integrations

TRADE = {
    "exec_id": "0001",
    "time": "2024-03-08T14:31:00Z",
    "instrument": "SPY",
    "action": "BOT",
    "quantity": 100,
    "price": 513.07,
    "account_id": "U1",
}

DOCUMENT = (ROOT / "docs/web.md").read_text(encoding="utf-8")
APPLICATION, CLIENT = blocks_of(DOCUMENT, "python")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The document's application, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", "correct horse")
    names: dict[str, Any] = {}
    exec(compile(APPLICATION.text, "web.md", "exec"), names)
    return names["app"]


@pytest.mark.asyncio
async def test_its_application_works(app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It keeps a chart, shows it, and forgets it with its trade."""
    async with Vault.open("journal.vault", passphrase="correct horse") as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(_with_state(app, state))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/login", headers={"Accept": "text/html"})
            code = capsys.readouterr().out.partition("#")[2].strip()
            assert (await client.post("/login", data={"code": code})).headers["location"] == "/trades"
            sent = await client.post("/trades", json=TRADE)
            assert sent.status_code == 201
            assert (await client.get("/trades")).json() == [sent.json()]
            assert (await client.get("/trades/0001")).json() == 513.07
            number = (await client.post("/trades/0001/images", content=make_png())).json()
            assert (await client.get(f"/images/{number}")).content == make_png()
            assert (await client.get(f"/images/{number}/thumbnail")).status_code == 200
            assert (await client.delete("/trades/0001")).json() is True
            assert (await client.get(f"/images/{number}")).status_code == 404


def test_its_client_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It logs in with the code that was printed, and uploads a chart."""
    chart = make_noise_png()
    (tmp_path / "entry.png").write_bytes(chart)
    monkeypatch.chdir(tmp_path)
    with running("document", tmp_path) as app:
        monkeypatch.setattr("getpass.getpass", lambda _prompt: app.code())
        exec(compile(CLIENT.text.replace("http://127.0.0.1:8000", app.address), "web.md", "exec"), {})
        with app.new_user() as client:
            assert client.get("/images/2").content == chart


def _with_state(app: Any, state: dict[str, Any]) -> Any:
    async def with_state(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return with_state


def test_its_table_is_the_codes() -> None:
    """Every error, and its status."""
    rows = re.findall(r"^\| (\d+)[^|]*\| (.*) \|$", DOCUMENT, re.MULTILINE)
    told = {name: int(status) for status, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {kind.__name__: status for kind, status in STATUS_CODES.items()}
