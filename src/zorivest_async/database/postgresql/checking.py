"""Check of a server's schema and roles: what separates journals from each other is there, and who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.models import SCHEMA_VERSION
from zorivest_async.database.postgresql.schema import JOURNAL_ID
from zorivest_async.database.postgresql.schema_objects import POLICY
from zorivest_async.database.postgresql.upgrading import RUNTIME_ROLES, journal_tables, schema_version

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

__all__ = ["problems_of"]

_TABLES: Final = """
SELECT wanted.name, found.oid IS NOT NULL AS is_there, found.relrowsecurity, found.relforcerowsecurity,
    ARRAY(
        SELECT concat_ws(' ', polname, polcmd, polroles::text, pg_get_expr(polqual, polrelid),
            pg_get_expr(polwithcheck, polrelid))
        FROM pg_policy WHERE polrelid = found.oid
    ) AS policies
FROM unnest($1::text[]) AS wanted(name) LEFT JOIN pg_class AS found ON found.oid = to_regclass(quote_ident(wanted.name))
ORDER BY wanted.name
"""

_COLLATED: Final = """
SELECT attrelid::regclass::text || '.' || attname AS name FROM pg_attribute
WHERE attrelid = ANY(ARRAY(SELECT to_regclass(quote_ident(name)) FROM unnest($1::text[]) AS wanted(name)))
    AND attnum > 0 AND NOT attisdropped AND attcollation NOT IN (0, '"C"'::regcollation)
ORDER BY name
"""

_FUNCTIONS: Final = """
SELECT proname::text AS name FROM pg_proc
WHERE pronamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'journals'::regclass)
    AND starts_with(proname, 'zorivest_')
    AND NOT EXISTS (SELECT 1 FROM unnest(proconfig) AS option WHERE option LIKE 'search_path=%, pg_temp')
ORDER BY proname
"""

_ROLE: Final = """
SELECT rolsuper, rolbypassrls, pg_has_role(rolname, owner, 'MEMBER') AS is_owner,
    has_schema_privilege(rolname, relnamespace, 'CREATE') AS may_create,
    has_table_privilege(rolname, 'journals', 'INSERT, DELETE') AS may_insert,
    ARRAY(
        SELECT name FROM unnest($2::text[]) AS wanted(name)
        WHERE NOT (has_table_privilege(rolname, to_regclass(quote_ident(name)), 'SELECT')
            AND has_table_privilege(rolname, to_regclass(quote_ident(name)), 'INSERT')
            AND has_table_privilege(rolname, to_regclass(quote_ident(name)), 'UPDATE')
            AND has_table_privilege(rolname, to_regclass(quote_ident(name)), 'DELETE'))
    ) AS not_granted,
    ARRAY(
        SELECT name FROM unnest($2::text[] || 'journals'::text) AS wanted(name)
        WHERE has_table_privilege(rolname, to_regclass(quote_ident(name)), 'TRUNCATE, TRIGGER, REFERENCES')
    ) AS past_security,
    EXISTS (SELECT 1 FROM pg_class WHERE relowner = pg_roles.oid) AS owns
FROM pg_roles
CROSS JOIN (
    SELECT relnamespace, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE oid = 'journals'::regclass
) AS own
WHERE rolname = $1
"""


async def problems_of(connection: asyncpg.Connection[Any]) -> list[str]:
    """Return what is wrong with the schema that a connection finds, and with the roles that may use it.

    It reads the server's catalogs alone, which every role may, and no row of a journal.

    Args:
        connection: A connection of any role whose ``search_path`` begins with the schema.
    """
    version = await schema_version(connection)
    if not version:
        return ["there is no schema of journals in the role's search_path; create it with zorivest server init"]
    found = []
    if version != SCHEMA_VERSION:
        use = "zorivest server upgrade" if version < SCHEMA_VERSION else "a newer release of zorivest-async"
        found.append(f"the schema has version {version}, and this release needs {SCHEMA_VERSION}; use {use}")
    tables = ["journals", *journal_tables()]
    found += [problem async for problem in _problems_of_tables(connection, tables)]
    roles = [row["rolname"] for row in await connection.fetch(RUNTIME_ROLES)]
    if not roles:
        found.append("no role may open journals; name one with zorivest server upgrade --runtime")
    for role in roles:
        found += [problem async for problem in _problems_of_role(connection, role)]
    return found


def _policy_of(table: str) -> str:
    """Return the policy of a table as the catalogs have it: for every command and every role, without a second rule."""
    column = "id" if table == "journals" else JOURNAL_ID
    setting = "(NULLIF(current_setting('zorivest.journal'::text, true), ''::text))::bigint"
    return f"{POLICY} * {{0}} ({column} = {setting})"


async def _problems_of_tables(connection: asyncpg.Connection[Any], tables: list[str]) -> AsyncIterator[str]:
    for row in await connection.fetch(_TABLES, tables):
        name = row["name"]
        if not row["is_there"]:
            yield f"the table {name} is missing"
        elif not row["relrowsecurity"] or not (row["relforcerowsecurity"] or name == "journals"):
            yield f"row security of the table {name} is off, so that journals see each other's rows"
        elif row["policies"] != [_policy_of(name)]:
            yield f"the table {name} has other policies than {POLICY}, so that journals may see each other's rows"
    for row in await connection.fetch(_COLLATED, tables):
        yield f'the column {row["name"]} does not have the collation "C", so that its order differs'
    for row in await connection.fetch(_FUNCTIONS):
        yield f"the function {row['name']} finds tables by the caller's search_path"


async def _problems_of_role(connection: asyncpg.Connection[Any], role: str) -> AsyncIterator[str]:
    tables = journal_tables()
    row = await connection.fetchrow(_ROLE, role, tables)
    if row is None:  # dropped meanwhile
        return
    if row["rolsuper"] or row["rolbypassrls"]:
        yield f"row security does not bind the role {role}, which is a superuser or has BYPASSRLS"
    if row["rolsuper"]:
        return
    if row["is_owner"]:
        yield f"the role {role} may act as the owner of the schema"
        return
    if row["owns"]:
        yield f"the role {role} owns tables; it should own nothing"
    if row["may_create"]:
        yield f"the role {role} may create objects in the schema"
    if row["may_insert"]:
        yield f"the role {role} may insert or delete journals without zorivest_open_journal"
    for table in row["past_security"]:
        yield f"the role {role} has rights on the table {table} that row security does not bind: TRUNCATE, or others"
    for table in row["not_granted"]:
        yield f"the role {role} may not read and write the table {table}"
