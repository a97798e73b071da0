"""Nothing of a sealed journal's texts, images and keys is anywhere on its server, or on the way to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest

from factories import (
    make_account,
    make_image_entity,
    make_item,
    make_noise_png,
    make_plan,
    make_provider,
    make_report,
    make_trade,
    make_watchlist,
)
from implementations import PASSPHRASE, sealed_journal
from journal_databases import journal_database_on
from servers import own_cluster
from zorivest_async import KdfProfile, TradeFilter, Vault
from zorivest_async.database.models import TradeReportModel
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from contextlib import AbstractAsyncContextManager

    from journal_databases import JournalDatabase

pytestmark = pytest.mark.asyncio

TALKATIVE: Final = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_parameter_max_length": "-1",
    "full_page_writes": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
}
"""Settings of a server that writes down all that it is told."""

PLAIN: Final = "CANARYINSTRUMENT"
"""What a server may read, so that a search that finds nothing has looked in the right places."""

API_KEY: Final = "canarykey0001"


@pytest.fixture
def talkative() -> Generator[JournalDatabase]:
    """A database on a server that writes down all that it is told."""
    with own_cluster(TALKATIVE) as cluster, journal_database_on(cluster) as database:
        database.sql("CREATE EXTENSION pg_stat_statements")
        yield database


class Planting:
    """Canaries, one word each, in the order in which they were planted.

    Args:
        kind: A letter that all of them begin with.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.words: list[str] = []

    def word(self) -> str:
        """Return a new canary."""
        self.words.append(f"{self.kind}canary{len(self.words):04}bird")
        return self.words[-1]

    async def plant(self, vault: Vault, picture: bytes) -> None:
        """Store a canary in each confidential column, and change and look for some."""
        word = self.word
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1", name=word(), institution=word(), notes=f"{word()} {word()}"))
            await uow.trades.save_many(
                [make_trade(f"{n}", instrument=PLAIN, notes=f"{word()}, {word()}", order_id=word()) for n in range(7)]
            )
            told = f"{word()} {word()}"
            report = make_report("1", emotional_state=word(), lessons_learned=told, tags=(word(), word()))
            number = await uow.trade_reports.save(report)
            plan = make_plan(
                strategy_name=word(), strategy_description=word(), entry_conditions=word(), exit_conditions=word(),
                linked_trade_id="1",
            )  # fmt: skip
            await uow.trade_plans.save(plan)
            name = word()
            listed = await uow.watchlists.save(make_watchlist(name, description=word()))
            await uow.watchlists.add_item(listed, make_item(notes=word()))
            await uow.settings.set("theme", word())
            await uow.settings.set("nested", {"a": [word()]})
            await uow.market_provider_settings.save(make_provider("P", api_key=MaskedSecret(API_KEY)))
            await uow.images.save("1", make_image_entity(picture, caption=word(), thumbnail=picture[200:400]))
            await uow.commit()
        async with vault.unit_of_work() as uow:
            await uow.trades.update(make_trade("0", instrument=PLAIN, notes=word()))
            (await uow.session.get_one(TradeReportModel, number)).lessons_learned = word()
            await uow.commit()
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.search.find(f"{report.lessons_learned} ") == []
            assert await uow.watchlists.exists_by_name(name)
            assert await uow.trades.count_filtered(TradeFilter(tag=report.tags[0], strategy=plan.strategy_name)) == 1


@asynccontextmanager
async def listening(port: int) -> AsyncGenerator[tuple[int, bytearray]]:
    """Listen to the traffic with a server, through a port of one's own."""
    heard = bytearray()
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(65_536):
                heard.extend(part)
                writer.write(part)
                await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, to_server = await asyncio.open_connection("127.0.0.1", port)
        tasks.update({asyncio.create_task(pass_on(reader, to_server)), asyncio.create_task(pass_on(answers, writer))})

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def remains(database: JournalDatabase) -> dict[str, bytes]:
    """Return all that a server has kept: its dump, its WAL, its statistics, its log."""
    cluster = database.cluster
    database.sql("CHECKPOINT")
    dump = cluster.run(
        "pg_dump", "-h", str(cluster.socket_folder), "-p", str(cluster.port), "-U", "postgres", database.name
    )
    statistics = database.sql("SELECT query FROM pg_stat_statements")
    files = [path for path in (cluster.data / "pg_wal").rglob("*") if path.is_file()]
    return {
        "dump": dump.encode(),
        "wal": b"".join(path.read_bytes() for path in files),
        "statistics": "\n".join(statistics).encode(),
        "log": cluster.log.read_bytes(),
        "tables": b"".join(path.read_bytes() for path in (cluster.data / "base").rglob("*") if path.is_file()),
    }


def is_in(canary: bytes, kept: bytes) -> bool:
    """Return whether bytes are somewhere, as they are or as a server writes them in text."""
    return canary in kept or canary.hex().encode() in kept


def opened(database: JournalDatabase, port: int, encryption: str) -> AbstractAsyncContextManager[Vault]:
    """Open a new journal through a port."""
    url = database.url.replace(f":{database.cluster.port}/", f":{port}/")
    if encryption == "sealed":
        return sealed_journal(url, "sealed")
    return Vault.connect(url, journal="clear", encryption="server", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)


@pytest.mark.parametrize("encryption", ["sealed", "server"])
async def test_nothing_is_found_of_what_was_planted(talkative: JournalDatabase, encryption: str) -> None:
    """Whatever the server kept, and what went over the network; the same search finds a journal in clear."""
    planting, picture = Planting(encryption[:2]), make_noise_png(700, 500)
    async with (
        listening(talkative.cluster.port) as (port, heard),
        opened(talkative, port, encryption) as vault,
    ):
        await planting.plant(vault, picture)
    kept = await asyncio.to_thread(remains, talkative) | {"traffic": bytes(heard)}
    canaries = {word: word.encode() for word in planting.words}
    places = (1_000, len(picture) // 2, len(picture) - 90)
    canaries |= {f"image at {place}": picture[place : place + 24] for place in places}
    assert len(canaries) >= 40
    assert all(is_in(PLAIN.encode(), bytes_) for name, bytes_ in kept.items() if name != "statistics")
    found = {
        name: {place for place, bytes_ in kept.items() if is_in(canary, bytes_)} for name, canary in canaries.items()
    }
    if encryption == "sealed":
        assert {name: places for name, places in found.items() if places} == {}
    else:
        assert [name for name, places in found.items() if not places >= {"wal", "traffic"}] == []
    assert not any(is_in(API_KEY.encode(), bytes_) for bytes_ in kept.values())
    assert not any(is_in(PASSPHRASE.encode(), bytes_) for bytes_ in kept.values())
