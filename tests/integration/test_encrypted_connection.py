"""What is written for aiosqlite works with ``create_encrypted_connection``: the same programs over both connections."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiosqlite
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import KdfProfile, create_encrypted_connection
from zorivest_async.database.sqlcipher import driver_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PASSPHRASE: Final = "correct horse battery staple"

Connect: TypeAlias = "Callable[[str], Any]"

SCHEMA: Final = (
    "CREATE TABLE fills (id INTEGER PRIMARY KEY, ticker VARCHAR(10) UNIQUE NOT NULL, time DATETIME, price FLOAT)",
    "CREATE INDEX by_time ON fills (time)",
    "CREATE VIEW cheap AS SELECT ticker FROM fills WHERE price < 10",
)


@pytest.fixture(params=["aiosqlite", "encrypted"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    """What opens a connection to a file of some name: aiosqlite, or this library."""

    def open_it(name: str) -> Any:
        path = tmp_path / name
        return aiosqlite.connect(path) if request.param == "aiosqlite" else encrypted(path)

    return open_it


def encrypted(path: Path, passphrase: str = PASSPHRASE) -> Any:
    """Open an encrypted connection whose key costs nothing."""
    return create_encrypted_connection(path, passphrase, profile=KdfProfile.CHEAPEST)


async def filled(connection: Any) -> Any:
    """Make a table with three rows."""
    for statement in SCHEMA:
        await connection.execute(statement)
    rows = [("SPY", "2024-03-08 14:30:00", 511.25), ("O'R\"", None, 9.5), ("ÄÖ", "2024-03-09 14:30:00", None)]
    await connection.executemany("INSERT INTO fills (ticker, time, price) VALUES (?, ?, ?)", rows)
    await connection.commit()
    return connection


async def test_a_connection_is_entered_awaited_or_both(connect: Connect) -> None:
    """``async with connect()``, and ``async with`` on a connection that was opened in it; leaving closes it."""
    async with connect("1.db") as connection:
        assert await connection.execute_fetchall("SELECT 1") == [(1,)]
    with pytest.raises(ValueError, match=r"closed|no active connection"):
        await connection.execute("SELECT 1")
    opened = await connect("2.db")
    assert await opened.execute_fetchall("SELECT 2") == [(2,)]
    await opened.close()
    await opened.close()


async def test_an_open_connection_is_entered(tmp_path: Path) -> None:
    """``async with`` on what was awaited closes it on leaving; a closed one is not opened again."""
    connection = await encrypted(tmp_path / "notes.db")
    async with connection as same:
        assert same is connection
        assert await connection.execute_fetchall("SELECT 1") == [(1,)]
    with pytest.raises(ValueError, match="closed"):
        await connection
    with pytest.raises(ValueError, match="closed"):
        await connection.__aenter__()


async def test_an_opening_is_a_coroutine_too(tmp_path: Path) -> None:
    """It may be a task's, be limited in time, gathered and shielded; one that was given up leaves nothing open."""
    first = await asyncio.create_task(encrypted(tmp_path / "1.db"))
    second = await asyncio.wait_for(encrypted(tmp_path / "2.db"), 30)
    third = await asyncio.shield(encrypted(tmp_path / "3.db"))
    for connection in (first, second, third):
        await connection.close()
    encrypted(tmp_path / "4.db").close()
    assert not await asyncio.to_thread((tmp_path / "4.db").exists)


async def test_a_dump_makes_the_same_database(connect: Connect) -> None:
    """``iterdump()`` gives the SQL that a new file is made of, one statement a line."""
    async with connect("1.db") as connection:
        await filled(connection)
        dump = [line async for line in connection.iterdump()]
        rows = await connection.execute_fetchall("SELECT * FROM fills ORDER BY id")
    assert dump[0] == "BEGIN TRANSACTION;"
    assert dump[-1] == "COMMIT;"
    async with connect("2.db") as copy:
        await copy.executescript("\n".join(dump))
        assert await copy.execute_fetchall("SELECT * FROM fills ORDER BY id") == rows
        assert await copy.execute_fetchall("SELECT ticker FROM cheap") == [("O'R\"",)]


async def test_a_dump_of_many_rows_comes_in_slices(tmp_path: Path) -> None:
    """A dump may be broken off, and the connection goes on."""
    async with encrypted(tmp_path / "notes.db") as connection:
        await connection.execute("CREATE TABLE numbers (n)")
        await connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(1_000)])
        await connection.commit()
        assert len([line async for line in connection.iterdump()]) == 1_003
        dump = connection.iterdump()
        assert await anext(dump) == "BEGIN TRANSACTION;"
        await dump.aclose()
        await connection.execute("DROP TABLE numbers")
        await connection.commit()


@pytest.mark.parametrize("on_cursor", [False, True])
async def test_rows_have_names(connect: Connect, on_cursor: bool) -> None:
    """``aiosqlite.Row`` is a row factory of a connection and of a cursor."""
    async with connect("1.db") as connection:
        await filled(connection)
        async with connection.cursor() as cursor:
            (cursor if on_cursor else connection).row_factory = aiosqlite.Row
            async with connection.cursor() as another:
                chosen = cursor if on_cursor else another
                await chosen.execute("SELECT ticker, price FROM fills ORDER BY id")
                row = await chosen.fetchone()
        assert (row["ticker"], row[1], row.keys(), len(row)) == ("SPY", 511.25, ["ticker", "price"], 2)


async def test_descriptions_have_names_alone(connect: Connect) -> None:
    """Declared types are not those of values: pandas, polars and others take a description at its word."""
    async with connect("1.db") as connection:
        await filled(connection)
        cursor = await connection.execute("SELECT id, ticker, time, price AS amount, 1 FROM fills")
        assert cursor.description == tuple(
            (name, None, None, None, None, None, None) for name in ("id", "ticker", "time", "amount", "1")
        )
        assert (await connection.execute("CREATE TABLE more (n)")).description is None


FAILURES: Final[dict[str, tuple[str, type[Exception], str, tuple[Any, ...]]]] = {
    "unique": ("IntegrityError", sqlite3.IntegrityError, "INSERT INTO fills (ticker) VALUES ('SPY')", ()),
    "not null": ("IntegrityError", sqlite3.IntegrityError, "INSERT INTO fills (price) VALUES (1)", ()),
    "syntax": ("OperationalError", sqlite3.OperationalError, "SELEKT 1", ()),
    "no table": ("OperationalError", sqlite3.OperationalError, "SELECT * FROM nowhere", ()),
    "too few values": ("ProgrammingError", sqlite3.ProgrammingError, "SELECT ?, ?", (1,)),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_errors_are_those_of_aiosqlite(connect: Connect, name: str) -> None:
    """``except aiosqlite.IntegrityError`` catches what it is for, on a connection and on its cursors."""
    kind, of_sqlite3, sql, values = FAILURES[name]
    async with connect("1.db") as connection:
        await filled(connection)
        cursor = await connection.cursor()
        for execute in (connection.execute, cursor.execute, connection.execute_fetchall):
            with pytest.raises(getattr(aiosqlite, kind)) as caught:
                await execute(sql, values)
            assert isinstance(caught.value, of_sqlite3)
        with pytest.raises(aiosqlite.DatabaseError):
            await connection.executescript("SELEKT 1;")
        assert await connection.execute_fetchall("SELECT count(*) FROM fills") == [(3,)]


async def test_a_refused_commit_is_an_error_of_aiosqlite(connect: Connect) -> None:
    """A constraint that is deferred is looked at by ``commit()``."""
    async with connect("1.db") as connection:
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        await connection.execute("CREATE TABLE children (of INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
        await connection.commit()
        await connection.execute("INSERT INTO children VALUES (1)")
        with pytest.raises(aiosqlite.IntegrityError):
            await connection.commit()
        await connection.rollback()


async def test_every_error_of_the_driver_is_one_of_both_modules() -> None:
    """Each class of PEP 249 has its counterpart, with what it says, its attributes and its place; it can be pickled."""
    for name in (
        "DatabaseError", "DataError", "IntegrityError", "InterfaceError", "InternalError", "NotSupportedError",
        "OperationalError", "ProgrammingError", "Warning",
    ):  # fmt: skip
        error = getattr(sqlcipher, name)("on purpose")
        error.sqlite_errorcode = 19
        both = driver_errors.as_both(error)
        assert isinstance(both, getattr(sqlite3, name))
        assert isinstance(both, getattr(sqlcipher, name))
        assert (str(both), vars(both)) == ("on purpose", {"sqlite_errorcode": 19})
        assert type(pickle.loads(pickle.dumps(both))) is type(both)  # noqa: S301 - its own
        assert driver_errors.as_both(both) is both


@pytest.mark.parametrize("denied", ["SQLITE_PRAGMA", "SQLITE_SELECT", "SQLITE_TRANSACTION"])
async def test_an_authorizer_judges_the_users_statements_alone(connect: Connect, denied: str) -> None:
    """What it denies is refused before it is done; what was done does not raise."""
    asked: list[int] = []

    def authorize(action: int, *_about: object) -> int:
        asked.append(action)
        return sqlite3.SQLITE_DENY if action == getattr(sqlite3, denied) else sqlite3.SQLITE_OK

    async with connect("1.db") as connection:
        await filled(connection)
        await connection.execute("INSERT INTO fills (ticker) VALUES ('before')")
        await connection.set_authorizer(authorize)
        await connection.execute("INSERT INTO fills (ticker) VALUES ('QQQ')")
        assert asked[:1] == [sqlite3.SQLITE_INSERT]
        assert sqlite3.SQLITE_PRAGMA not in asked
        for statement in ("PRAGMA table_info(fills)", "SELECT * FROM fills", "COMMIT"):
            with suppress(aiosqlite.DatabaseError):  # where that is what is denied
                await connection.execute(statement)
        await connection.set_authorizer(None)
        await connection.commit()
        assert await connection.execute_fetchall("SELECT count(*) FROM fills WHERE ticker = 'QQQ'") == [(1,)]


async def test_a_trace_shows_the_users_statements_alone(connect: Connect) -> None:
    """Each of them, in order; ``None`` ends it."""
    seen: list[str] = []
    async with connect("1.db") as connection:
        await connection.set_trace_callback(seen.append)
        await connection.execute_fetchall("SELECT 10")
        await connection.execute_fetchall("SELECT 11")
        await connection.set_trace_callback(None)
        await connection.execute_fetchall("SELECT 12")
    assert seen == ["SELECT 10", "SELECT 11"]


async def test_a_progress_handler_interrupts_the_users_statements_alone(connect: Connect) -> None:
    """What it stops is not done; without it, everything goes on."""
    async with connect("1.db") as connection:
        await connection.set_progress_handler(lambda: 1, 1)
        with pytest.raises(aiosqlite.OperationalError, match="interrupted"):
            await connection.execute("CREATE TABLE numbers (n)")
        await connection.set_progress_handler(lambda: 0, 1)
        await connection.execute("CREATE TABLE numbers (n)")
        await connection.set_progress_handler(None, 0)
        await connection.execute("INSERT INTO numbers VALUES (1)")
        await connection.commit()


async def test_a_backup_is_a_copy_under_the_targets_key(connect: Connect) -> None:
    """The target has every row, also when it is opened again; progress is told."""
    told: list[tuple[int, int, int]] = []
    async with connect("1.db") as connection, connect("2.db") as target:
        await filled(connection)
        await connection.backup(target, pages=1, progress=lambda *numbers: told.append(numbers))
        await connection.backup(target)
        assert await target.execute_fetchall("SELECT count(*) FROM fills") == [(3,)]
    assert told[-1][1] == 0
    async with connect("2.db") as reopened:
        assert await reopened.execute_fetchall("SELECT count(*) FROM fills") == [(3,)]


async def test_a_backup_is_opened_by_the_passphrase_of_its_target(tmp_path: Path) -> None:
    """Each file keeps its own key."""
    async with encrypted(tmp_path / "1.db") as connection, encrypted(tmp_path / "2.db", "another one") as target:
        await filled(connection)
        await connection.backup(target)
    async with encrypted(tmp_path / "2.db", "another one") as reopened:
        assert await reopened.execute_fetchall("PRAGMA cipher_integrity_check") == []
        assert await reopened.execute_fetchall("PRAGMA integrity_check") == [("ok",)]


async def test_a_backup_into_a_plain_database_is_refused(tmp_path: Path) -> None:
    """The error says what to do, and nothing was written."""
    async with encrypted(tmp_path / "1.db") as connection, aiosqlite.connect(tmp_path / "2.db") as plain:
        await filled(connection)
        for target in (plain, plain._conn):
            with pytest.raises(aiosqlite.NotSupportedError, match=r"create_encrypted_connection.*iterdump\(\)"):
                await connection.backup(target)
        assert tuple(*await plain.execute_fetchall("SELECT count(*) FROM sqlite_master")) == (0,)


async def test_a_cancelled_backup_stops_and_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    """Cancellation ends it between two slices."""
    async with encrypted(tmp_path / "1.db") as connection, encrypted(tmp_path / "2.db") as target:
        await connection.execute("CREATE TABLE blobs (data)")
        await connection.executemany("INSERT INTO blobs VALUES (zeroblob(?))", [(100_000,)] * 20)
        await connection.commit()
        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        copying = asyncio.create_task(
            connection.backup(target, pages=1, progress=lambda *_: loop.call_soon_threadsafe(begun.set))
        )
        await begun.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert await target.execute_fetchall("SELECT count(*) FROM sqlite_master") == [(0,)]
        assert await connection.execute_fetchall("SELECT count(*) FROM blobs") == [(20,)]


async def test_functions_of_sql_are_used_in_statements(connect: Connect) -> None:
    """A function of Python's is called by statements, on the connection's thread."""
    async with connect("1.db") as connection:
        await filled(connection)
        await connection.create_function("twice", 1, lambda n: n * 2, deterministic=True)
        assert await connection.execute_fetchall("SELECT twice(21)") == [(42,)]
        assert await connection.execute_insert("INSERT INTO fills (ticker) VALUES ('IWM')") == (4,)
        assert connection.total_changes == 4


async def test_functions_in_the_schema_are_refused(tmp_path: Path) -> None:
    """The documented difference: an index of a function of one's own is refused, as the schema is not trusted."""
    async with encrypted(tmp_path / "1.db") as connection:
        await filled(connection)
        await connection.create_function("twice", 1, lambda n: n * 2, deterministic=True)
        with pytest.raises(aiosqlite.OperationalError, match="unsafe use of twice"):
            await connection.execute("CREATE INDEX doubled ON fills (twice(price))")
