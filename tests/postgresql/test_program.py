"""The program on a journal that is on a server: its address goes where a file goes."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from command_line import PASSPHRASE, call
from zorivest_async import Vault
from zorivest_async.cli.demo.samples import DATA

if TYPE_CHECKING:
    from pathlib import Path

    from journal_databases import JournalDatabase


@pytest.fixture
def where(journal_database: JournalDatabase) -> dict[str, Any]:
    """The variables that name an empty journal; there is no passphrase."""
    name = f"program {uuid4()}"

    async def make() -> None:
        async with Vault.connect(journal_database.url, journal=name, encryption="server"):
            pass

    asyncio.run(make())
    return {"vault": journal_database.url, "journal": name, "encryption": "server", "passphrase": ""}


def test_commands_work_on_a_server(journal_database: JournalDatabase, where: dict[str, Any], tmp_path: Path) -> None:
    """They print what they print of a file; no passphrase is asked for, and the password is not shown."""
    for line in (
        "accounts add U1 --name Margin --type broker",
        "trades add 1 --time 2024-03-08T14:30 --instrument SPY --action BOT --quantity 100 --price 513 --account U1",
        "trades add 2 --time 2024-03-08T15:30 --instrument SPY --action SLD --quantity 100 --price 514.5 --account U1",
        f"images add 1 {DATA / '3-entry.png'}",
        "reports write 1 --setup-quality 4 --lessons-learned retest",
        "search retest",
        "positions",
        "stats --by month --zone Europe/Berlin",
        f"export journal {tmp_path / 'everything'}",
        "info",
    ):
        ended = call(*line.split(" "), **where)
        assert ended.code == 0, (line, ended)
        assert journal_database.password not in ended.out + ended.err
    assert call("stats", "--json", **where).json[0]["realized_pnl"] == 150
    assert call("sql", "SELECT 1 AS n", "--json", **where).json == [{"n": 1}]
    summary = call("info", "--json", **where).json
    assert (summary["rows"]["trades"], summary["profile"]) == (2, None)
    assert summary["images_bytes"] == (DATA / "3-entry.png").stat().st_size


def test_errors_on_a_server_reach_their_codes(
    journal_database: JournalDatabase, where: dict[str, Any], tmp_path: Path
) -> None:
    """Each is one line without the password."""
    wrong = journal_database.url.replace(journal_database.password, "wrong")
    cases: tuple[tuple[int, tuple[Any, ...], dict[str, str]], ...] = (
        (1, ("backup", tmp_path / "b.vault"), {}),
        (1, ("trades", "list"), {"encryption": "sealed", "passphrase": PASSPHRASE}),
        (3, ("trades", "list"), {"vault": wrong}),
        (4, ("trades", "list"), {"vault": "postgresql://a:b@127.0.0.1:1/x"}),
        (5, ("trades", "list"), {"journal": "nothing here"}),
        (6, ("sql", "SELEC"), {}),
    )
    for code, arguments, more in cases:
        ended = call(*arguments, **(where | more))
        assert (ended.code, ended.out) == (code, ""), ended
        assert re.fullmatch(r"zorivest: error: [^\n]+\n", ended.err)
        assert journal_database.password not in ended.err
