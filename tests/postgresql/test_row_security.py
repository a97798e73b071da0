"""Row security from every side: rows of another journal are never seen, and never written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from servers import database_of
from zorivest_async.database.postgresql.upgrading import journal_tables

if TYPE_CHECKING:
    from journal_databases import JournalDatabase

pytestmark = pytest.mark.asyncio

INSERT = "INSERT INTO accounts (account_id, name, account_type, created_at) VALUES ($1, '\\x00', 'bank', now())"
COUNT = "SELECT count(*) FROM accounts"
OPENING = "SELECT zorivest_open_journal($1, $2)"


@pytest.fixture
def journals(any_journal_database: JournalDatabase) -> tuple[int, int]:
    """Two new journals, each with an account under the same identifier."""
    numbers = any_journal_database.new_journal()[1], any_journal_database.new_journal()[1]
    for number in numbers:
        inserting = INSERT.replace("$1", "'same'")
        any_journal_database.sql(
            f"BEGIN; SET LOCAL zorivest.journal = '{number}'; {inserting}; COMMIT;", any_journal_database.runtime
        )
    return numbers


async def in_journal(connection: asyncpg.Connection[Any], number: int, sql: str, *values: object) -> Any:
    """Return the first value of a statement in a transaction of its own in a journal."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL zorivest.journal = '{number}'")
        return await connection.fetchval(sql, *values)


async def test_a_journal_sees_its_own_rows(any_journal_database: JournalDatabase, journals: tuple[int, int]) -> None:
    """The same key is in both journals; each sees, changes and deletes its own row."""
    first, second = journals
    async with any_journal_database.connected() as connection:
        for number in journals:
            assert await in_journal(connection, number, COUNT) == 1
        assert await in_journal(connection, first, "SELECT count(*) FROM journals") == 1
        await in_journal(connection, first, "UPDATE accounts SET currency = 'CHF'")
        assert await in_journal(connection, second, "SELECT currency FROM accounts") is None
        await in_journal(connection, first, "DELETE FROM accounts")
        assert await in_journal(connection, second, COUNT) == 1


async def test_without_the_setting_nothing_is_seen_or_written(
    any_journal_database: JournalDatabase, journals: tuple[int, int]
) -> None:
    """Neither in a fresh session, nor after an error, nor after a transaction, which leaves the setting empty."""
    first, _ = journals
    async with any_journal_database.connected() as connection:
        for _ in range(2):
            for table in ("journals", *journal_tables()):
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.NotNullViolationError)):
                await connection.execute(INSERT, "lost")
            assert await in_journal(connection, first, COUNT) == 1
            assert await connection.fetchval("SELECT current_setting('zorivest.journal', true)") == ""
            with pytest.raises(asyncpg.UniqueViolationError):
                await in_journal(connection, first, INSERT, "same")
            assert await connection.fetchval(COUNT) == 0


@pytest.mark.parametrize("value", ["", "x", "1; DROP TABLE accounts", "99999999999999999999", "-1", "1e0"])
async def test_another_setting_sees_nothing(any_journal_database: JournalDatabase, value: str) -> None:
    """What is no number of a journal is an error, or sees no row."""
    async with any_journal_database.connected() as connection, connection.transaction():
        await connection.execute("SELECT set_config('zorivest.journal', $1, true)", value)
        try:
            assert await connection.fetchval(COUNT) == 0
        except asyncpg.DataError:
            return


async def test_rows_of_another_journal_cannot_be_written(
    any_journal_database: JournalDatabase, journals: tuple[int, int]
) -> None:
    """Neither inserted, nor moved there, nor changed, nor referred to."""
    first, second = journals
    inserting = f"INSERT INTO settings (journal_id, key) VALUES ({second}, 'theirs')"
    moving = f"UPDATE accounts SET journal_id = {second}"
    renumbering = f"UPDATE journals SET id = {second} + 100000"
    changing = f"WITH changed AS (UPDATE accounts SET currency = 'X' WHERE journal_id = {second} RETURNING 1) "
    referring = "INSERT INTO balance_snapshots (account_id, datetime, balance) VALUES ('other', now(), 1)"
    async with any_journal_database.connected() as connection:
        for sql in (inserting, moving):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await in_journal(connection, first, sql)
        with pytest.raises(asyncpg.GeneratedAlwaysError):
            await in_journal(connection, first, renumbering)
        assert await in_journal(connection, first, f"{changing} SELECT count(*) FROM changed") == 0
        await in_journal(connection, second, INSERT, "other")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await in_journal(connection, first, referring)


async def test_row_security_binds_every_table(any_journal_database: JournalDatabase) -> None:
    """It is on and forced, with one policy each; that of the journals is not forced, as a function sees all of them."""
    rows = await asyncio.to_thread(
        any_journal_database.sql,
        "SELECT relname, relrowsecurity, relforcerowsecurity, "
        "(SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'zorivest_version'",
    )
    assert sorted(rows) == sorted(["journals|t|f|1", *(f"{table}|t|t|1" for table in journal_tables())])


async def test_the_owner_is_bound_too(any_journal_database: JournalDatabase, journals: tuple[int, int]) -> None:
    """A data migration by the owner that forgets row security changes no row; it sees which journals there are."""
    async with any_journal_database.connected(any_journal_database.owner) as connection:
        assert await connection.execute("UPDATE accounts SET currency = 'X'") == "UPDATE 0"
        found = await connection.fetch("SELECT id FROM journals WHERE id = ANY($1::bigint[])", list(journals))
        assert len(found) == 2
        assert await in_journal(connection, journals[0], COUNT) == 1


async def test_the_role_of_applications_owns_nothing(any_journal_database: JournalDatabase) -> None:
    """It may not change the schema, truncate past row security, make journals without the function or read past it."""
    async with any_journal_database.connected() as connection:
        for sql in (
            "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
            "DROP POLICY zorivest_journal ON accounts",
            "TRUNCATE image_chunks",
            "CREATE TABLE mine (n int)",
            "INSERT INTO journals (name) VALUES ('mine')",
            "DELETE FROM journals",
            "UPDATE zorivest_version SET version_num = '0005'",
            f"SET ROLE {any_journal_database.owner}",
            "CREATE OR REPLACE FUNCTION zorivest_next_id(text, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
        await connection.execute("SET row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(COUNT)


def dump(database: JournalDatabase, role: str, *options: str, name: str | None = None) -> str:
    """Return what pg_dump prints, without a random key that newer versions print."""
    where = ["-h", str(database.cluster.socket_folder), "-p", str(database.cluster.port), "-d", name or database.name]
    printed = database.cluster.run("pg_dump", *where, "-U", role, *options)
    random = ("\\restrict", "\\unrestrict")
    return "".join(line for line in printed.splitlines(keepends=True) if not line.startswith(random))


def dump_of_restored(database: JournalDatabase) -> str:
    """Restore a dump into another database, and dump that one."""
    name = f"{database.name}_restored"
    with database_of(database.cluster, name):
        database.cluster.sql(dump(database, database.dump), name)
        return dump(database, database.dump, name=name)


async def test_a_dump_has_all_journals(any_journal_database: JournalDatabase, journals: tuple[int, int]) -> None:
    """The role for dumps reads past row security, and writes nothing; pg_dump as the owner fails, not in silence."""
    database, options = any_journal_database, ("--data-only", "-t", "accounts")
    dumped = await asyncio.to_thread(dump, database, database.dump, *options)
    rows = {tuple(line.split("\t")[:2]) for line in dumped.splitlines() if line.count("\t") > 5}
    assert {(str(number), "same") for number in journals} <= rows
    with pytest.raises(AssertionError, match="row-level security"):
        await asyncio.to_thread(dump, database, database.owner, *options)
    async with database.connected(database.dump) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE accounts SET currency = 'X'")


@pytest.mark.usefixtures("journals")
async def test_a_restored_dump_is_the_same_database(any_journal_database: JournalDatabase) -> None:
    """With row security, functions, counters and rights."""
    restored = await asyncio.to_thread(dump_of_restored, any_journal_database)
    assert restored == await asyncio.to_thread(dump, any_journal_database, any_journal_database.dump)


async def test_a_journal_is_found_by_its_name(any_journal_database: JournalDatabase) -> None:
    """Names are exact; a missing one is created on request only, once if two ask at the same time."""
    name, number = await asyncio.to_thread(any_journal_database.new_journal)
    async with any_journal_database.connected() as connection, any_journal_database.connected() as other:
        assert await connection.fetchval(OPENING, name, False) == number
        assert await connection.fetchval(OPENING, name.upper(), False) is None
        assert await connection.fetchval(OPENING, f"{name} ", False) is None
        async with connection.transaction():
            made = await connection.fetchval(OPENING, f"{name} 2", True)
            waiting = asyncio.ensure_future(other.fetchval(OPENING, f"{name} 2", True))
            done, _ = await asyncio.wait([waiting], timeout=0.2)
            assert not done
        assert await waiting == made != number
        for invalid in ("", "é" * 513):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.fetchval(OPENING, invalid, True)


async def test_a_function_does_not_use_the_tables_of_its_caller(any_journal_database: JournalDatabase) -> None:
    """A temporary table in the place of the journals is not found."""
    name, number = await asyncio.to_thread(any_journal_database.new_journal)
    async with any_journal_database.connected() as connection:
        await connection.execute("CREATE TEMP TABLE journals (id bigint, name text)")
        await connection.execute("INSERT INTO pg_temp.journals VALUES (-7, $1)", name)
        assert await connection.fetchval(OPENING, name, False) == number
