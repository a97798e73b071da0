"""The demo tells when something did not come back equal, and never blocks its event loop.

These tests run the command in their own process, where whatever blocks the event loop is an error.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zorivest_async import ImageInfo, ImageOwnerType, SaveResult, Setting, Trade, Watchlist
from zorivest_async.cli import main
from zorivest_async.cli.demo import command
from zorivest_async.database.repositories import (
    SqlAlchemyImageRepository,
    SqlAlchemyMarketProviderSettingRepository,
    SqlAlchemySettingRepository,
    SqlAlchemyTradeReportRepository,
    SqlAlchemyTradeRepository,
    SqlAlchemyWatchlistRepository,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

CHOSEN = "1206419188"

save_many = SqlAlchemyTradeRepository.save_many
stream = SqlAlchemyTradeRepository.stream
list_for_owner = SqlAlchemyImageRepository.list_for_owner
get_full_data = SqlAlchemyImageRepository.get_full_data
get_all = SqlAlchemySettingRepository.get_all
list_watchlists = SqlAlchemyWatchlistRepository.list_all


async def store_one_less(trades: SqlAlchemyTradeRepository, stored: Iterable[Trade], **options: Any) -> SaveResult:
    """Say that all were stored, and leave one execution out."""
    return await save_many(trades, (trade for trade in stored if trade.exec_id != CHOSEN), **options)


async def change_a_price(trades: SqlAlchemyTradeRepository) -> AsyncIterator[Trade]:
    """Change the last bits of one price."""
    async for trade in stream(trades):
        yield replace(trade, price=trade.price + 2**-40) if trade.exec_id == CHOSEN else trade


async def lose_an_execution(trades: SqlAlchemyTradeRepository) -> AsyncIterator[Trade]:
    """Leave one execution out."""
    async for trade in stream(trades):
        if trade.exec_id != CHOSEN:
            yield trade


async def invent_an_execution(trades: SqlAlchemyTradeRepository) -> AsyncIterator[Trade]:
    """Return one execution more than there are."""
    async for trade in stream(trades):
        yield trade
        if trade.exec_id == CHOSEN:
            yield replace(trade, exec_id="another")


async def lose_the_images_of_plans(
    images: SqlAlchemyImageRepository, owner_type: ImageOwnerType, *rest: Any, **options: Any
) -> list[ImageInfo]:
    """Find no image of a plan."""
    return [] if owner_type is ImageOwnerType.PLAN else await list_for_owner(images, owner_type, *rest, **options)


async def change_a_caption(images: SqlAlchemyImageRepository, *rest: Any, **options: Any) -> list[ImageInfo]:
    """Find another caption under the first image."""
    infos = await list_for_owner(images, *rest, **options)
    return [replace(info, caption="?") if info.id == 1 else info for info in infos]


async def change_a_byte(images: SqlAlchemyImageRepository, image_id: int) -> bytes:
    """Return another last byte of the first image."""
    data = await get_full_data(images, image_id)
    return data[:-1] + b"?" if image_id == 1 else data


async def change_thumbnails(_images: SqlAlchemyImageRepository, _image_id: int) -> bytes:
    """Return something that is no thumbnail."""
    return b"?"


async def find_no_report(_reports: SqlAlchemyTradeReportRepository, _trade_id: str) -> None:
    """Find no report of any trade."""


async def change_a_type(settings: SqlAlchemySettingRepository) -> list[Setting]:
    """Return 1 for a setting that is true."""
    found = await get_all(settings)
    return [replace(setting, value=1, value_type="int") if setting.value is True else setting for setting in found]


async def swap_items(watchlists: SqlAlchemyWatchlistRepository) -> list[Watchlist]:
    """Return the items of watchlists from the last to the first."""
    return [replace(found, items=found.items[::-1]) for found in await list_watchlists(watchlists)]


async def reveal_another_key(_providers: SqlAlchemyMarketProviderSettingRepository, _name: str) -> str:
    """Return a key that was never stored."""
    return "another"


@pytest.mark.parametrize(
    ("repository", "method", "fault", "problems"),
    [
        (
            SqlAlchemyTradeRepository,
            "save_many",
            store_one_less,
            ["executions: 100 stored, 99 read back, 99 of them equal"],
        ),
        (
            SqlAlchemyTradeRepository,
            "stream",
            change_a_price,
            ["executions: 100 stored, 100 read back, 99 of them equal"],
        ),
        (
            SqlAlchemyTradeRepository,
            "stream",
            lose_an_execution,
            ["executions: 100 stored, 99 read back, 99 of them equal"],
        ),
        (
            SqlAlchemyTradeRepository,
            "stream",
            invent_an_execution,
            ["executions: 100 stored, 101 read back, 100 of them equal"],
        ),
        (
            SqlAlchemyImageRepository,
            "list_for_owner",
            lose_the_images_of_plans,
            [
                "images of report and plan: 2 stored, 1 read back, 1 of them equal",
                "image details: 6 stored, 5 read back, 5 of them equal",
                "thumbnails: 6 stored, 5 read back, 5 of them equal",
            ],
        ),
        (
            SqlAlchemyImageRepository,
            "list_for_owner",
            change_a_caption,
            ["image details: 6 stored, 6 read back, 5 of them equal"],
        ),
        (
            SqlAlchemyImageRepository,
            "get_full_data",
            change_a_byte,
            ["images of executions: 4 stored, 4 read back, 3 of them equal"],
        ),
        (
            SqlAlchemyImageRepository,
            "get_thumbnail",
            change_thumbnails,
            ["thumbnails: 6 stored, 6 read back, 0 of them equal"],
        ),
        (
            SqlAlchemyTradeReportRepository,
            "get_for_trade",
            find_no_report,
            ["reports: 1 stored, 0 read back, 0 of them equal"],
        ),
        (SqlAlchemySettingRepository, "get_all", change_a_type, ["settings: 6 stored, 6 read back, 5 of them equal"]),
        (
            SqlAlchemyWatchlistRepository,
            "list_all",
            swap_items,
            [
                "watchlists: 1 stored, 1 read back, 0 of them equal",
                "watchlist items: 3 stored, 3 read back, 1 of them equal",
            ],
        ),
        (
            SqlAlchemyMarketProviderSettingRepository,
            "reveal_api_key",
            reveal_another_key,
            ["provider keys, revealed: 1 stored, 1 read back, 0 of them equal"],
        ),
    ],
)
def test_what_did_not_come_back_equal_is_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    repository: type,
    method: str,
    fault: object,
    problems: list[str],
) -> None:
    """A fault in what is stored or read, however small, makes the exit code 1 and is told."""
    monkeypatch.setattr(repository, method, fault)
    assert main(["demo"]) == 1
    output, error = capsys.readouterr()
    assert "NOT everything came back equal." in output
    assert error.splitlines() == problems


def test_a_vault_that_is_not_locked_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that sqlite3 can read, and a passphrase that should not open it but does, make the exit code 1."""
    monkeypatch.setattr(sqlite3, "SQLITE_NOTADB", sqlite3.SQLITE_CORRUPT)
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", "the only one")
    monkeypatch.setattr(secrets, "token_urlsafe", lambda: "the only one")
    assert main(["demo"]) == 1
    output, error = capsys.readouterr()
    assert "sqlite3 without the key  NOT REFUSED\n" in output
    assert "a wrong passphrase       NOT REFUSED\n" in output
    assert error.splitlines() == [
        "sqlite3 did not refuse the vault as a file that is not a database",
        "a wrong passphrase opened the vault",
    ]


def test_a_plaintext_database_does_not_pass_for_a_vault(tmp_path: Path) -> None:
    """What is tried on the vault does read a file that is not encrypted."""
    path = tmp_path / "plain & simple?.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE trades (exec_id TEXT)")
    assert command._try_sqlite3(path) is None


def test_passphrases_that_the_demo_makes_up_are_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The passphrases of a temporary vault, the right and the wrong one, are random and never shown."""
    made_up: list[str] = []

    def make_up() -> str:
        made_up.append(f"made-up-{len(made_up)}")
        return made_up[-1]

    monkeypatch.delenv("ZORIVEST_PASSPHRASE", raising=False)
    monkeypatch.setattr(secrets, "token_urlsafe", make_up)
    assert main(["demo"]) == 0
    printed = "".join(capsys.readouterr())
    assert len(made_up) == 2
    assert "made-up" not in printed


def test_an_interrupted_demo_leaves_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C gives the exit code that shells expect, and no other word."""

    async def interrupt(*_arguments: Any, **_options: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr(command, "keep", interrupt)
    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")
