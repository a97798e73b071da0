"""The example journal as its own program: addresses, captions, the program's words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from documents import ROOT
from factories import make_noise_png
from web_apps import CAPTION, PASSPHRASE, Application, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integrations


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """The example, for all tests of this module."""
    with running("example", tmp_path_factory.mktemp("example")) as started:
        yield started


@pytest.mark.parametrize(
    "exec_id", ["a?b", "a#b", "a%2Fb", "a b", "a/b", "a\\b", "\u682a", "//evil.example", ":@&=+$,;"]
)
def test_a_saved_report_leads_to_its_trade(app: Application, exec_id: str) -> None:
    """Whatever the broker's identifiers are made of; none leads to another site."""
    trade = {
        "exec_id": exec_id,
        "time": "2024-05-01T10:00:00Z",
        "instrument": "X",
        "action": "BOT",
        "quantity": 1,
        "price": 1,
        "account_id": "U1",
    }
    with app.new_user() as client:
        assert client.post("/api/trades", json=trade).status_code == 201
        saved = client.post(f"/trades/{quote(exec_id, safe='')}/report", data={"tags": "saved"})
        assert saved.status_code == 303
        assert saved.headers["location"].startswith("/trades/")
        page = client.get(saved.headers["location"])
        assert (page.status_code, str(page.url).startswith(app.address)) == (200, True)
        assert 'value="saved"' in page.text


def test_a_caption_is_a_header(app: Application) -> None:
    """Percent-encoded, cut to its greatest length, or none at all."""
    captions = {
        "a%20chart%20%E6%A0%AA.png": "a chart \u682a.png",
        "x" * 300: "x" * 200,
        "%3Cb%3E": "&lt;b&gt;",
        "": "chart",
    }
    with app.new_user() as client:
        assert f'alt="{CAPTION}"' in client.get("/trades/0001").text
        for number, (sent, shown) in enumerate(captions.items()):
            chart = make_noise_png(100 + number, 100)
            assert client.post("/trades/0001/images", content=chart, headers={"Caption": sent}).status_code == 201
            assert f'alt="{shown}"' in client.get("/trades/0001").text
        refused = client.post("/trades/0001/images", content=make_noise_png(99, 99), headers={"Caption": "a%00b"})
        assert refused.status_code == 422


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """In a line, without a traceback, and before a vault is opened."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = subprocess.run(
            [sys.executable, "-m", "examples.journal_web", tmp_path / "new.vault", "--port", port],
            cwd=ROOT,
            env=os.environ | {"ZORIVEST_PASSPHRASE": PASSPHRASE},
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"port {port} cannot be used: ")
    assert not (tmp_path / "new.vault").exists()
