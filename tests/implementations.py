"""What the contract suite runs over: each implementation of a trading journal, opened empty.

Another one (PostgreSQL) is one more function here, one more line in ``IMPLEMENTATIONS``, and in ``LIMITS`` an entry for
each contract that it cannot keep.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol

from PIL import UnidentifiedImageError
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import create_async_engine

from journal_server import new_journal, runtime_url
from servers import SYSTEM
from zorivest_async import (
    InvalidQueryError,
    KdfProfile,
    SqlAlchemyUnitOfWork,
    UnitOfWorkError,
    ValidationError,
    Vault,
)
from zorivest_async.database.models import Base
from zorivest_async.images import ImagePolicy
from zorivest_async.security import ApiKeyCipher, Credentials
from zorivest_async.vault.server import ServerOpening

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "IMPLEMENTATIONS",
    "LIMITS",
    "LONG_FORMS",
    "PASSPHRASE",
    "SAMPLED",
    "Journal",
    "Limit",
    "PlainJournal",
    "sealed_journal",
]

PASSPHRASE = "correct horse battery staple"


class Journal(Protocol):
    """A trading journal in some database; a vault is one."""

    @property
    def engine(self) -> AsyncEngine:
        """The engine that writes, for sessions, connections and statements of a test's own."""

    def unit_of_work(self, *, read_only: bool = False) -> SqlAlchemyUnitOfWork:
        """Return a unit of work over the journal."""


@dataclass(frozen=True, slots=True)
class PlainJournal:
    """A journal in any database that SQLAlchemy has an async engine for, put together as a user of the library would.

    Args:
        engine: The engine that writes.
        read_engine: An engine whose connections refuse writes.
        api_key_cipher: Encrypts provider API keys.
    """

    engine: AsyncEngine
    read_engine: AsyncEngine
    api_key_cipher: ApiKeyCipher

    def unit_of_work(self, *, read_only: bool = False) -> SqlAlchemyUnitOfWork:
        """Return a unit of work over one of the engines."""
        engine = self.read_engine if read_only else self.engine
        return SqlAlchemyUnitOfWork(engine, api_key_cipher=self.api_key_cipher)


@asynccontextmanager
async def open_file(folder: Path) -> AsyncGenerator[Journal]:
    """Open a vault in a file, whose statements go to the driver directly."""
    async with Vault.open(folder / "journal.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        yield vault


@asynccontextmanager
async def open_heard_file(folder: Path) -> AsyncGenerator[Journal]:
    """Open a vault in a file with a listener on its engines, so that every statement goes through SQLAlchemy."""
    async with Vault.open(folder / "journal.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        await _hear(vault)
        yield vault


async def _hear(vault: Vault) -> None:
    """Listen to the statements of a vault's engines."""
    heard: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        heard.append(statement)

    for engine in (vault.engine, vault.read_engine):
        event.listen(engine.sync_engine, "before_cursor_execute", hear)
    for read_only in (False, True):
        heard.clear()
        async with vault.unit_of_work(read_only=read_only) as uow:
            await uow.settings.get("anything")
        assert heard, "the statements of this implementation do not go through SQLAlchemy"


@asynccontextmanager
async def open_memory(_folder: Path) -> AsyncGenerator[Journal]:
    """Open a vault in memory, where readers and the writer share one connection."""
    async with Vault.in_memory() as vault:
        yield vault


@asynccontextmanager
async def open_plain_sqlite(folder: Path) -> AsyncGenerator[Journal]:
    """Open a plaintext SQLite file with SQLAlchemy's own dialect and pools, and foreign keys on.

    It is not synced: these contracts are not about power failures.
    """
    path = folder / "journal.sqlite"
    await asyncio.to_thread(lambda: path.write_bytes(_plain_sqlite()))
    url = f"sqlite+aiosqlite:///{path}"
    engine, read_engine = [await asyncio.to_thread(create_async_engine, url) for _ in range(2)]
    _on_connect(engine, "PRAGMA foreign_keys = ON", "PRAGMA synchronous = OFF")
    _on_connect(read_engine, "PRAGMA foreign_keys = ON", "PRAGMA query_only = ON")
    try:
        yield PlainJournal(engine, read_engine, ApiKeyCipher(bytes(32)))
    finally:
        await read_engine.dispose()
        await engine.dispose()


@asynccontextmanager
async def open_server(_folder: Path) -> AsyncGenerator[Vault]:
    """Open a new journal on a PostgreSQL server, whose statements go to the driver directly."""
    url = await asyncio.to_thread(runtime_url)
    async with Vault.connect(
        url, journal=new_journal(), encryption="server", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST
    ) as vault:
        yield vault


@asynccontextmanager
async def open_older_server(_folder: Path) -> AsyncGenerator[Vault]:
    """Open a new journal on the server of the operating system, which is usually of an older version."""
    url = await asyncio.to_thread(runtime_url, SYSTEM)
    async with Vault.connect(
        url, journal=new_journal(), encryption="server", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST
    ) as vault:
        yield vault


@asynccontextmanager
async def open_sealed(_folder: Path, search: str = "prefixes") -> AsyncGenerator[Vault]:
    """Open a new sealed journal on a PostgreSQL server."""
    async with sealed_journal(await asyncio.to_thread(runtime_url), new_journal(), search=search) as vault:
        yield vault


@asynccontextmanager
async def sealed_journal(
    url: str, journal: str, *, passphrase: str = PASSPHRASE, search: str = "words"
) -> AsyncGenerator[Vault]:
    """Open a sealed journal, which ``Vault.connect`` does not offer yet."""
    opening = ServerOpening.of(
        url, journal=journal, encryption="server", credentials=Credentials(passphrase), create=True,
        profile=KdfProfile.CHEAPEST, has_pooler=False, durability="full", busy_timeout_s=30.0, insecure_tls=False,
    )  # fmt: skip
    store = await replace(opening, encryption="sealed", search=search).open()
    async with Vault(store, readers=4, busy_timeout_s=30.0, images=ImagePolicy()) as vault:
        yield vault


@asynccontextmanager
async def open_heard_server(folder: Path) -> AsyncGenerator[Journal]:
    """Open a new journal on a server with a listener on its engines, so that statements go through SQLAlchemy."""
    async with open_server(folder) as vault:
        await _hear(vault)
        yield vault


@cache
def _plain_sqlite() -> bytes:
    """Return an SQLite file with the schema and no rows; creating it costs more than most contracts do."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        engine = create_engine(f"sqlite:///{path}")
        Base.metadata.create_all(engine)
        engine.dispose()
        return path.read_bytes()


def _on_connect(engine: AsyncEngine, *statements: str) -> None:
    """Send statements on every connection that an engine opens."""

    def send(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    event.listen(engine.sync_engine, "connect", send)


IMPLEMENTATIONS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[Journal]]]] = {
    "file": open_file,
    "heard": open_heard_file,
    "memory": open_memory,
    "plain": open_plain_sqlite,
    "server": open_server,
    "sealed": open_sealed,
    "older server": open_older_server,
    "heard server": open_heard_server,
}

SAMPLED: Final = ("older server", "sealed")
"""Implementations that differ from another one in what few contracts are about: a tenth of them runs, and all of them
in the long form."""

LONG_FORMS: Final = ("heard server",)
"""Implementations that only the long forms of the tests run over."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A contract that an implementation cannot keep.

    Args:
        implementation: Its name in ``IMPLEMENTATIONS``.
        test: The file and the function, all of whose cases fail, or one case, in brackets.
        raises: The error that they fail with.
        reason: Why the implementation cannot keep it.
        is_sure: Whether it fails each time; a test of random values may also pass.
    """

    implementation: str
    test: str
    raises: type[Exception]
    reason: str
    is_sure: bool = True


LIMITS: Final = (
    Limit(
        "memory",
        "test_search.py::test_a_change_is_found_in_its_own_unit_of_work_alone",
        UnitOfWorkError,
        "a vault in memory has one connection, so that a reader waits until the writer has ended",
    ),
    Limit(
        "memory",
        "test_search.py::test_a_reader_searches_the_state_it_began_with",
        UnitOfWorkError,
        "a vault in memory has one connection, so that a writer waits until the reader has ended",
    ),
    Limit(
        "plain",
        "test_search.py::test_a_reader_searches_the_state_it_began_with",
        AssertionError,
        "Python's sqlite3 begins no transaction for a SELECT, so that each statement reads the state of its own time",
    ),
    *(
        Limit(name, test, error, reason)
        for name in ("server", "older server", "heard server", "sealed")
        for test, error, reason in (
            (
                "test_trade_paging.py::test_a_very_long_identifier_can_end_a_page",
                ValidationError,
                "an index row of a server has at most 2,704 bytes, so identifiers have at most 512 characters there",
            ),
            (
                "test_image_previews.py::test_a_preview_that_is_not_bytes_is_refused",
                DBAPIError,
                "no program can store text in a column of bytes there: the server refuses it",
            ),
            *(
                (
                    f"test_atomic.py::{test}",
                    DBAPIError,
                    "its rows are refused by triggers in SQLite's SQL; test_refusals.py refuses rows of a server",
                )
                for test in (
                    "test_a_read_writes_nothing",
                    "test_a_refused_write_leaves_nothing_of_itself",
                    "test_a_refused_write_leaves_the_rest_of_a_savepoint",
                    "test_a_refused_rebuild_leaves_the_index",
                    "test_a_refused_deletion_names_the_table_that_refers",
                )
            ),
        )
    ),
    *(
        Limit(
            "sealed",
            test,
            error,
            "a Core statement of the test reads or writes a confidential value, which it has as opaque bytes there",
        )
        for test, error in (
            ("test_image_previews.py::test_it_is_stored_with_the_image", UnidentifiedImageError),
            *(
                (f"test_image_previews.py::test_the_first_request_makes_one_for_an_older_image[{size}-True]", error)
                for size, error in ((201, UnidentifiedImageError), (400, UnidentifiedImageError))
            ),
            ("test_image_previews.py::test_smaller_pictures_are_made_from_it", StatementError),
            ("test_image_previews.py::test_what_is_no_preview_of_the_image_is_not_used", StatementError),
            (
                "test_market_provider_settings.py::test_an_api_key_is_stored_encrypted_and_revealed_exactly",
                TypeError,
            ),
            (
                "test_market_provider_settings.py::test_a_stored_key_that_was_tampered_with_is_damage",
                TypeError,
            ),
            (
                "test_transaction_ends.py::test_what_is_refused_loses_nothing_else[insert_duplicates_in_bulk]",
                StatementError,
            ),
        )
    ),
    *(
        Limit("sealed", test, InvalidQueryError, "a server cannot sort by a value that it cannot read")
        for test in (
            "test_trade_queries.py::test_every_combination_of_filters_finds_what_plain_python_finds",
            *(
                f"test_trade_queries.py::test_every_field_sorts_both_ways[{field}-{order}]"
                for field in ("notes", "order_id")
                for order in ("", "-")
            ),
        )
    ),
    Limit(
        "sealed",
        "test_search.py::test_any_text_in_the_world_is_safe",
        AssertionError,
        "beginnings of words of more than 8 letters are not in the index",
        is_sure=False,
    ),
)
"""Every contract that an implementation does not keep; conftest.py expects exactly these to fail."""
