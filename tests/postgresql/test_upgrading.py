"""Creation, upgrade and check of a server's schema."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from catalogs import described
from journal_databases import JournalDatabase, connected, journal_database_on
from zorivest_async import ConfigurationError
from zorivest_async.database.models import SCHEMA_VERSION
from zorivest_async.database.postgresql import upgrading
from zorivest_async.database.postgresql.checking import problems_of
from zorivest_async.database.postgresql.roles import role_statements
from zorivest_async.database.postgresql.upgrading import install_script, upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from servers import Cluster

HEAD = SCHEMA_VERSION


@pytest.fixture
def empty(postgresql_server: Cluster) -> Iterator[JournalDatabase]:
    """A database whose owner may create tables, and has none yet."""
    with journal_database_on(postgresql_server, script="") as made:
        roles = role_statements(owner=made.owner, runtime=made.runtime, dump=made.dump)
        made.sql(";\n".join(roles) + ";")
        yield made


@pytest.fixture
def own(postgresql_server: Cluster) -> Iterator[JournalDatabase]:
    """A database with the schema, for this test alone."""
    with journal_database_on(postgresql_server) as made:
        yield made


@pytest_asyncio.fixture
async def superuser(own: JournalDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the superuser to that database."""
    async with connected(own.cluster.url(own.name)) as connection:
        yield connection


@pytest.mark.asyncio
async def test_an_owner_creates_what_a_dba_does(empty: JournalDatabase, journal_database: JournalDatabase) -> None:
    """Step by step or as one script: the same schema. Doing it again changes nothing and forgets no role."""
    async with empty.connected(empty.owner) as connection:
        first = await upgrade(connection, [empty.runtime])
        again = await upgrade(connection)
    assert (first.before, first.after, first.roles) == (0, HEAD, (empty.runtime,))
    assert (again.before, again.after, again.roles) == (HEAD, HEAD, (empty.runtime,))
    found = await asyncio.to_thread(described, empty.cluster, empty.name)
    assert found == await asyncio.to_thread(described, journal_database.cluster, journal_database.name)
    async with empty.connected() as connection:
        assert await problems_of(connection) == []
        assert await connection.fetchval("SELECT zorivest_open_journal('main', true)") == 1


def test_the_script_may_be_run_again_before_it_has_succeeded(empty: JournalDatabase) -> None:
    """It is one transaction, so that a failed one leaves nothing; roles that exist are kept."""
    script = install_script(owner=empty.owner, runtime=empty.runtime, dump=empty.dump)
    with pytest.raises(AssertionError, match="division"):
        empty.sql(script.removesuffix("COMMIT;\n") + "SELECT 1 / 0; COMMIT;")
    assert described(empty.cluster, empty.name) == set()
    empty.sql(script)
    assert described(empty.cluster, empty.name)


@pytest.mark.asyncio
async def test_upgrades_at_the_same_time_wait_for_each_other(empty: JournalDatabase) -> None:
    """One of them creates the schema, and the others find it."""

    async def one() -> int:
        async with empty.connected(empty.owner) as connection:
            return (await upgrade(connection)).before

    assert sorted(await asyncio.gather(*(one() for _ in range(4)))) == [0, HEAD, HEAD, HEAD]


@pytest.mark.asyncio
async def test_only_the_owner_upgrades(empty: JournalDatabase, journal_database: JournalDatabase) -> None:
    """An application's role may neither create the schema nor upgrade it, and is told so."""
    for database in (empty, journal_database):
        async with database.connected() as connection:
            with pytest.raises(ConfigurationError, match=f"{database.runtime}.*connect as the owner"):
                await upgrade(connection)


@pytest.mark.asyncio
async def test_an_older_release_does_not_touch_a_newer_schema(own: JournalDatabase) -> None:
    """It says which versions there are."""
    async with own.connected(own.owner) as connection:
        await connection.execute("UPDATE zorivest_version SET version_num = '0099'")
        with pytest.raises(ConfigurationError, match="version 99"):
            await upgrade(connection)
        assert any("version 99" in problem for problem in await problems_of(connection))


def pretend_revision(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Let the next release have one more revision."""
    noting = f"UPDATE zorivest_version SET version_num = '{HEAD + 1:04}'"
    monkeypatch.setattr(upgrading, "SCHEMA_VERSION", HEAD + 1)
    monkeypatch.setattr(upgrading, "_revisions_after", lambda _version: f"{sql}; {noting};")


@pytest.mark.asyncio
async def test_a_revision_changes_the_rows_of_all_journals(
    own: JournalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row security, which binds the owner too, would let it change none, in silence; afterwards it is forced again."""
    for _ in range(2):
        _, number = await asyncio.to_thread(own.new_journal)
        async with own.journal(number) as connection:
            await connection.execute("INSERT INTO settings (key) VALUES ('theme')")
    pretend_revision(monkeypatch, "UPDATE settings SET value_type = 'str'")
    async with own.connected(own.owner) as connection:
        assert (await upgrade(connection)).after == HEAD + 1
        assert await connection.fetchval("SELECT count(*) FROM settings") == 0
    assert await asyncio.to_thread(own.sql, "SELECT count(*) FROM settings WHERE value_type = 'str'") == ["2"]
    forced = "SELECT count(*) FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND relname <> 'journals'"
    assert await asyncio.to_thread(own.sql, forced) == ["0"]


@pytest.mark.asyncio
async def test_a_superuser_upgrades_as_the_owner(
    own: JournalDatabase, superuser: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a revision creates belongs to the owner, whichever role runs it."""
    pretend_revision(monkeypatch, "CREATE TABLE hypotheses (id bigint)")
    await upgrade(superuser)
    owner = "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE relname = 'hypotheses'"
    assert await superuser.fetchval(owner) == own.owner


@pytest.mark.asyncio
async def test_a_failed_revision_leaves_everything_as_it_was(
    own: JournalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also row security, which is lifted first."""
    before = await asyncio.to_thread(described, own.cluster, own.name)
    pretend_revision(monkeypatch, "ALTER TABLE trades ADD COLUMN mood text; SELECT 1 / 0")
    async with own.connected(own.owner) as connection:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await upgrade(connection)
        assert await connection.fetchval("SELECT version_num FROM zorivest_version") == f"{HEAD:04}"
    assert await asyncio.to_thread(described, own.cluster, own.name) == before


@pytest.mark.asyncio
async def test_a_new_table_is_granted_to_the_roles_that_there_are(
    own: JournalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade does not ask for their names again."""
    pretend_revision(monkeypatch, "CREATE TABLE hypotheses (journal_id bigint, id bigint)")
    tables = upgrading.journal_tables()
    monkeypatch.setattr(upgrading, "journal_tables", lambda: [*tables, "hypotheses"])
    async with own.connected(own.owner) as connection:
        await upgrade(connection)
    async with own.connected() as connection:
        assert await connection.fetch("SELECT * FROM hypotheses") == []


@pytest.mark.asyncio
async def test_a_schema_of_another_name(empty: JournalDatabase) -> None:
    """The functions find their tables there, for roles whose search_path begins with it."""
    roles = {"owner": empty.owner, "runtime": empty.runtime, "dump": empty.dump}
    setting = f'ALTER ROLE {empty.runtime} SET search_path = "My journals"'
    script = await asyncio.to_thread(lambda: install_script(**roles, schema="My journals"))
    await asyncio.to_thread(empty.sql, f"{script}{setting};")
    async with empty.connected() as connection:
        assert await problems_of(connection) == []
        number = await connection.fetchval("SELECT zorivest_open_journal('main', true)")
    async with empty.journal(number) as connection:
        assert await connection.fetchval("SELECT zorivest_next_id('images')") == 1


def test_a_name_that_postgresql_would_cut_off_is_refused() -> None:
    """So is an empty one, and one that ends the statement's quotes; a quotation mark is only a letter."""
    for name in ("", "x" * 64, "é" * 32, "a\0b", "a\nb", "a$$b"):
        with pytest.raises(ConfigurationError):
            install_script(owner=name, runtime="r", dump="d")
    assert '"o""; DROP"' in install_script(owner='o"; DROP', runtime="r", dump="d")


@pytest.mark.asyncio
async def test_nothing_is_wrong_with_a_new_schema(any_journal_database: JournalDatabase) -> None:
    """For each role that asks: the owner, applications, dumps."""
    database = any_journal_database
    for role in (database.owner, database.runtime, database.dump):
        async with database.connected(role) as connection:
            assert await problems_of(connection) == []


@pytest.mark.asyncio
async def test_an_empty_database_has_no_schema(empty: JournalDatabase) -> None:
    """It says how to create it."""
    async with empty.connected() as connection:
        (problem,) = await problems_of(connection)
    assert "zorivest server init" in problem


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("ALTER TABLE trades NO FORCE ROW LEVEL SECURITY", "row security of the table trades is off"),
        ("ALTER TABLE journals DISABLE ROW LEVEL SECURITY", "row security of the table journals is off"),
        ("DROP POLICY zorivest_journal ON images", "the table images has other policies"),
        ("CREATE POLICY mine ON images USING (true)", "the table images has other policies"),
        ("ALTER POLICY zorivest_journal ON images USING (true)", "the table images has other policies"),
        ("DROP TABLE search_words CASCADE", "the table search_words is missing"),
        ('ALTER TABLE trades ALTER instrument TYPE text COLLATE "POSIX"', "the column trades.instrument"),
        ("ALTER FUNCTION zorivest_next_id(text, bigint) RESET search_path", "the function zorivest_next_id"),
        (
            "ALTER FUNCTION zorivest_open_journal SET search_path = pg_temp, public",
            "the function zorivest_open_journal",
        ),
        ("ALTER ROLE {runtime} BYPASSRLS", "row security does not bind the role {runtime}"),
        ("ALTER ROLE {runtime} SUPERUSER", "row security does not bind the role {runtime}"),
        ("GRANT {owner} TO {runtime}", "the role {runtime} may act as the owner"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "the role {runtime} may create objects"),
        ("GRANT TRUNCATE ON trades TO {runtime}", "the role {runtime} has rights on the table trades"),
        ("GRANT INSERT ON journals TO {runtime}", "the role {runtime} may insert or delete journals"),
        ("REVOKE DELETE ON trades FROM {runtime}", "the role {runtime} may not read and write the table trades"),
        (
            "GRANT CREATE ON SCHEMA public TO {runtime}; CREATE TABLE t (); ALTER TABLE t OWNER TO {runtime}",
            "owns tables",
        ),
        ("REVOKE ALL ON FUNCTION zorivest_open_journal FROM {runtime}", "no role may open journals"),
        ("UPDATE zorivest_version SET version_num = '0001'", "the schema has version 1"),
    ],
)
async def test_what_no_longer_separates_journals_is_found(
    own: JournalDatabase, superuser: asyncpg.Connection, sql: str, problem: str
) -> None:
    """Each by its own name."""
    names = {"runtime": own.runtime, "owner": own.owner}
    await superuser.execute(sql.format(**names))
    found = await problems_of(superuser)
    assert any(problem.format(**names) in each for each in found), found
