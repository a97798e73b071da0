"""Roles of a server: who owns the schema, who uses it, who copies it.

The *owner* creates and upgrades the schema. The *runtime* role, which applications log in as, owns nothing; it reads
and writes rows, under row security. The *dump* role reads everything, past row security, for ``pg_dump``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["grant_statements", "quoted", "role_statements"]

_MAX_NAME_BYTES: Final = 63
"""Maximum length of a name, which is ``NAMEDATALEN - 1``."""

_ROLE: Final = """\
DO $$
BEGIN
    CREATE ROLE {name} LOGIN {attributes};
EXCEPTION WHEN duplicate_object THEN
    NULL;
END
$$"""


def quoted(name: str) -> str:
    """Return a name as PostgreSQL's SQL quotes it.

    Raises:
        ConfigurationError: PostgreSQL has no such names: it would cut a longer one off.
    """
    if not 1 <= len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES or not name.isprintable():
        raise ConfigurationError(f"a name in PostgreSQL has 1 to {_MAX_NAME_BYTES} bytes of printable characters")
    return '"' + name.replace('"', '""') + '"'


def role_statements(*, owner: str, runtime: str, dump: str, schema: str = "public") -> Iterator[str]:
    """Yield the statements that a superuser runs once in a database, before the schema is created.

    They create the roles that do not exist, without passwords, and may be run again.

    Args:
        owner: Creates and upgrades the schema.
        runtime: The role of applications.
        dump: The role of ``pg_dump``.
        schema: The PostgreSQL schema of the tables; an application's ``search_path`` must begin with it.

    Raises:
        ConfigurationError: A name is invalid.
    """
    for name, attributes in ((owner, "NOBYPASSRLS"), (runtime, "NOBYPASSRLS"), (dump, "BYPASSRLS")):
        if "$$" in name:
            raise ConfigurationError("the name of a role must not contain $$")
        yield _ROLE.format(name=quoted(name), attributes=f"NOSUPERUSER NOCREATEDB NOCREATEROLE {attributes}")
    yield f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}"
    # Who may create objects where functions of others look for them could have these functions call his.
    yield f"REVOKE CREATE ON SCHEMA {quoted(schema)} FROM PUBLIC"
    yield f"GRANT USAGE, CREATE ON SCHEMA {quoted(schema)} TO {quoted(owner)}"
    yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(runtime)}"
    yield f"GRANT pg_read_all_data TO {quoted(dump)}"


def grant_statements(role: str, tables: Sequence[str]) -> Iterator[str]:
    """Yield the statements by which the owner lets a role use the schema as applications do.

    Args:
        role: The runtime role, or one of several.
        tables: The names of all tables of journals, except ``journals`` itself.
    """
    to = quoted(role)
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(tables)} TO {to}"
    # Rows of journals are created by the function alone.
    yield f"GRANT SELECT, UPDATE ON journals TO {to}"
    yield f"GRANT SELECT ON zorivest_version TO {to}"
    yield f"GRANT EXECUTE ON FUNCTION zorivest_open_journal(text, boolean) TO {to}"
