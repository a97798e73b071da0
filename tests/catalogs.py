"""What a PostgreSQL schema has, as the server's catalogs say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from servers import Cluster

__all__ = ["described"]

_QUERIES: Final = (
    """
    SELECT 'column ' || relname || '.' || attname AS object, format_type(atttypid, atttypmod), attnotnull,
        attcollation::regcollation, pg_get_expr(adbin, adrelid) AS filled, attstorage, attidentity
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
    """,
    # Newer versions have a constraint for NOT NULL, too, which columns have already.
    """
    SELECT 'constraint ' || conname AS object, conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    """,
    "SELECT 'index ' || indexname AS object, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT 'policy ' || tablename AS object, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies",
    "SELECT 'trigger ' || tgname AS object, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    """
    SELECT 'function ' || proname AS object, pg_get_functiondef(oid),
        EXISTS (SELECT 1 FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS is_public
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
    """
    SELECT 'table ' || relname AS object, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    """,
)


def described(cluster: Cluster, database: str) -> set[str]:
    """Return a line for every object in the schema ``public``, whoever owns it, except Alembic's table."""
    queries = (f"SELECT to_jsonb(found) FROM ({query}) AS found;" for query in _QUERIES)  # noqa: S608 - those above
    lines = (line for query in queries for line in cluster.sql(query, database))
    return {line for line in lines if "zorivest_version" not in line}
