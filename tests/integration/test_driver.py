"""The driver's connection: one thread that ends when it should, and says when nobody ended it."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
from typing import Any

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.driver import CipherConnection

pytestmark = pytest.mark.asyncio


def connect() -> sqlcipher.Connection:
    """Open a raw connection in memory."""
    return sqlcipher.connect(":memory:", isolation_level=None, check_same_thread=False)


async def thread_is_gone(connection: CipherConnection) -> bool:
    """Wait a moment for the connection's thread to end."""
    await asyncio.to_thread(connection._thread.join, 5)
    return not connection._thread.is_alive()


async def test_it_works_as_an_aiosqlite_connection() -> None:
    """Cursors, iteration and transactions are aiosqlite's."""
    async with CipherConnection(connect) as connection:
        await connection.execute("CREATE TABLE t (x)")
        await connection.execute("BEGIN")
        await connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        await connection.commit()
        await connection.execute("BEGIN")
        await connection.execute("DELETE FROM t")
        await connection.rollback()
        async with connection.execute("SELECT x FROM t ORDER BY x") as cursor:
            assert [row async for row in cursor] == [(1,), (2,)]


async def test_closing_twice_is_closing_once() -> None:
    """close() and stop() may be called again and again; the thread ends."""
    connection = await CipherConnection(connect)
    await connection.close()
    await connection.close()
    assert connection.stop() is connection.stop()
    assert await thread_is_gone(connection)


async def test_it_is_closed_where_no_event_loop_runs() -> None:
    """As SQLAlchemy does with connections that it throws away; to close it afterwards waits for nothing."""
    connection = await CipherConnection(connect)
    await asyncio.to_thread(connection.stop)
    assert await thread_is_gone(connection)
    assert connection._connection is None
    async with asyncio.timeout(5):
        await connection.close()


async def test_a_closed_connection_says_so() -> None:
    """A call on it raises instead of waiting for a thread that is gone."""
    connection = await CipherConnection(connect)
    await connection.close()
    with pytest.raises(ValueError, match=r"closed|no active"):
        await connection.execute("SELECT 1")
    with pytest.raises(ValueError, match="closed"):
        await connection.call(list)
    assert not connection.in_transaction


async def test_calls_queued_before_closing_are_answered() -> None:
    """Closing waits for its turn."""
    connection = await CipherConnection(connect)
    first = asyncio.create_task(connection.execute_fetchall("SELECT 1"))
    await asyncio.sleep(0)
    await connection.close()
    assert list(await first) == [(1,)]


async def test_a_connection_that_cannot_be_opened_leaves_no_thread() -> None:
    """The error of the connector is raised, and the thread ends."""

    def fail() -> sqlcipher.Connection:
        raise sqlcipher.OperationalError("unable to open database file")

    connection = CipherConnection(fail)
    with pytest.raises(sqlcipher.OperationalError):
        await connection
    assert await thread_is_gone(connection)


async def test_opening_can_be_cancelled() -> None:
    """The raw connection that arrives too late is closed by its thread."""
    proceed = threading.Event()

    def connect_slowly() -> sqlcipher.Connection:
        proceed.wait(5)
        return connect()

    connection = CipherConnection(connect_slowly)

    async def open_it() -> None:
        await connection

    task = asyncio.create_task(open_it())
    await asyncio.sleep(0.01)
    task.cancel()
    proceed.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await thread_is_gone(connection)
    assert connection._connection is None


async def test_a_forgotten_connection_is_reported_and_ends_its_thread() -> None:
    """Garbage collection warns, and stops the thread."""
    connection: Any = await CipherConnection(connect)
    thread = connection._thread
    with pytest.warns(ResourceWarning, match="not closed"):  # noqa: PT031 - deleting is not enough everywhere
        del connection
        gc.collect()
    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_an_interrupt_before_the_statement_begins_is_repeated() -> None:
    """Cancelling a call that still waits in the queue ends it all the same."""
    connection = await CipherConnection(connect)
    proceed = threading.Event()
    blocker = connection.finish(lambda: proceed.wait(5))
    await asyncio.sleep(0)
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    queued = asyncio.create_task(connection.execute_fetchall(endless))
    await asyncio.sleep(0.01)
    queued.cancel()
    proceed.set()
    async with asyncio.timeout(0.5):
        await asyncio.wait({queued})
        await blocker
    assert queued.cancelled()
    await connection.close()


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Statements and their parameters stay out of aiosqlite's debug log."""
    with caplog.at_level(logging.DEBUG):
        async with CipherConnection(connect) as connection:
            await connection.execute("SELECT ?", ("planted",))
    assert "planted" not in caplog.text


FORGETFUL = """
import asyncio
from zorivest_async.database.sqlcipher.driver import CipherConnection
from sqlcipher3 import dbapi2

async def main():
    global connection
    connection = await CipherConnection(lambda: dbapi2.connect(":memory:", check_same_thread=False))
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    asyncio.create_task(connection.execute_fetchall(endless))
    await asyncio.sleep(0.1)

asyncio.run(main())
print("done")
"""


async def test_a_statement_in_flight_does_not_keep_the_process_alive() -> None:
    """Leaving the loop cancels it, and a connection that nobody closed does not hold up the exit."""
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FORGETFUL],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "done\n", "")
