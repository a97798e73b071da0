"""A request's unit of work, over a real server: committed before the answer, undone by an error, errors told apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from workers.launch import started
from zorivest_async.integrations.web.failures import STATUS_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.integrations

ASKED_FOR = {
    "NotFoundError": 404,
    "DuplicateError": 409,
    "ForeignKeyError": 409,
    "CurrencyChangeError": 409,
    "ImportUndoError": 409,
    "ImageTooLargeError": 413,
    "UnsupportedImageError": 415,
    "CorruptImageError": 422,
    "InvalidQueryError": 422,
    "ValidationError": 422,
    "VaultBusyError": 503,
    "VaultInUseError": 503,
    "VaultClosedError": 503,
    "VaultFullError": 507,
}


@pytest.fixture(params=["starlette", "fastapi"])
def client(
    request: pytest.FixtureRequest, serve: Callable[[str], AbstractContextManager[str]]
) -> Iterator[httpx.Client]:
    """A client of either framework's server."""
    with serve(request.param) as address, httpx.Client(base_url=address) as opened:
        yield opened


def test_what_was_answered_is_found(client: httpx.Client) -> None:
    """A write that was answered is committed: a POST followed at once by a GET never misses.

    They use two connections; on one, a server looks at a request only when it is through with the one before.
    """
    with httpx.Client(base_url=client.base_url) as other:
        other.get("/trades/0001")
        for n in range(1_000):
            assert client.post(f"/trades/n{n}").status_code == 201
            assert other.get(f"/trades/n{n}").status_code == 200, n


def test_an_error_undoes_the_request(client: httpx.Client) -> None:
    """What was written before the error is not there, and the next request works."""
    assert client.post("/trades/fail1").status_code == 422
    assert client.get("/trades/fail1").status_code == 404
    assert client.post("/trades/good").status_code == 201
    assert client.post("/trades/good").status_code == 409
    assert client.get("/trades/good").json() == {"exec_id": "good"}


def test_mounted_applications_have_the_vault(serve: Callable[[str], AbstractContextManager[str]]) -> None:
    """The lifespan is the outer application's; its state reaches the inner one."""
    with serve("starlette") as address:
        assert httpx.post(f"{address}/mounted/trades/inner").status_code == 201
        assert httpx.get(f"{address}/trades/inner").status_code == 200


def test_every_error_says_what_it_is_and_no_more(client: httpx.Client) -> None:
    """Statuses are the table's; nothing that came with the error, and no path, is told to a client."""
    assert {kind.__name__: status for kind, status in STATUS_CODES.items()} == ASKED_FOR
    for name, status in ASKED_FOR.items():
        response = client.get(f"/errors/{name}")
        assert response.status_code == status, name
        assert response.json()["error"] == name
        assert response.json()["detail"]
        assert "secret" not in response.text
        assert "secret" not in str(response.headers)
        assert ("retry-after" in response.headers) == (response.status_code == 503), name


def test_a_server_without_a_vault_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What opening raises is what the server says; the key is not in it."""
    key = "5a" * 32
    monkeypatch.setenv("ZORIVEST_TEST_KEY", key)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]), prepend=os.pathsep)
    with started("web", "starlette", tmp_path / "absent.vault") as process:
        _, complaints = process.communicate(timeout=20)
    assert process.returncode != 0
    assert "there is no vault here" in complaints
    assert key not in complaints
