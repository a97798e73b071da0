"""The commands that prepare a PostgreSQL server for journals, upgrade its schema and check it."""

import os
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import typer

from zorivest_async._extras import import_extra
from zorivest_async.cli.commands import area
from zorivest_async.cli.exits import ExitCode, printable, reported, warn
from zorivest_async.cli.running import run_to_end
from zorivest_async.errors import ConfigurationError

__all__ = ["app"]

_ResultT = TypeVar("_ResultT")
_Connection: TypeAlias = Any
"""asyncpg's, which the extra ``postgresql`` installs."""

_URL = "ZORIVEST_SERVER_URL"

ServerUrl = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        envvar=_URL,
        show_envvar=True,
        help="The database: postgresql://ROLE@HOST/DATABASE. The password comes from PGPASSWORD or ~/.pgpass.",
    ),
]
InsecureTls = Annotated[
    bool, typer.Option("--insecure-tls", help="Allow an sslmode in the URL that does not check whose server it is.")
]
Runtime = Annotated[str, typer.Option("--runtime", metavar="ROLE", help="The role of applications.")]
Schema = Annotated[str, typer.Option("--schema", help="The PostgreSQL schema of the tables.")]

app = area("server", "Prepare a PostgreSQL server for journals.")


@app.command()
def sql(
    owner: Annotated[
        str, typer.Option("--owner", metavar="ROLE", help="The role that owns the schema and upgrades it.")
    ] = "zorivest_owner",
    runtime: Runtime = "zorivest_app",
    dump: Annotated[str, typer.Option("--dump", metavar="ROLE", help="The role of pg_dump.")] = "zorivest_dump",
    schema: Schema = "public",
) -> None:
    """Print the SQL that a superuser runs once in a database: the roles, without passwords, and the schema."""
    with reported():
        from zorivest_async.database.postgresql.upgrading import install_script

        typer.echo(install_script(owner=owner, runtime=runtime, dump=dump, schema=schema), nl=False)


@app.command()
def init(url: ServerUrl, runtime: Runtime, insecure_tls: InsecureTls = False) -> None:
    """Create the schema as its owner, and let the role of applications use it."""
    with reported():
        _upgrade(url, [runtime], insecure_tls=insecure_tls)


@app.command()
def upgrade(
    url: ServerUrl,
    runtime: Annotated[
        list[str] | None, typer.Option("--runtime", metavar="ROLE", help="One more role of applications.")
    ] = None,
    insecure_tls: InsecureTls = False,
) -> None:
    """Upgrade the schema to this release's as its owner; roles that may use it still may."""
    with reported():
        _upgrade(url, runtime or [], insecure_tls=insecure_tls)


@app.command()
def check(url: ServerUrl, insecure_tls: InsecureTls = False) -> None:
    """Check what separates journals from each other, and print what is wrong; reads no journal."""
    with reported():
        from zorivest_async.database.postgresql.checking import problems_of

        problems = _use(url, problems_of, insecure_tls=insecure_tls)
        for problem in problems:
            typer.echo(printable(problem))
        if problems:
            raise typer.Exit(ExitCode.FAILED)
        typer.echo("nothing is wrong with the schema and its roles")


def _upgrade(url: str, runtime: list[str], *, insecure_tls: bool) -> None:
    from zorivest_async.database.postgresql.upgrading import upgrade as run

    done = _use(url, lambda connection: run(connection, runtime), insecure_tls=insecure_tls)
    what = "is up to date" if done.before == done.after else f"was upgraded from version {done.before}"
    typer.echo(f"the schema has version {done.after}: it {what if done.before else 'was created'}")
    typer.echo(printable(f"roles of applications: {', '.join(done.roles) or 'none; name one with --runtime'}"))


def _use(url: str, work: Callable[[_Connection], Awaitable[_ResultT]], *, insecure_tls: bool) -> _ResultT:
    """Connect to a server, and return the result of the work on the connection."""
    import_extra("postgresql", "asyncpg")
    from zorivest_async.database.postgresql.connecting import Server
    from zorivest_async.database.postgresql.failures import (
        DRIVER_ERRORS,
        LOST_CONNECTION,
        is_lost,
        vault_error_of,
    )

    server = Server.read(url, timeout_s=30.0, insecure_tls=insecure_tls, has_pooler=False)
    if urlsplit(url).password is not None and os.environ.get(_URL) != url:
        warn(f"other users can see a password in a command; set PGPASSWORD or {_URL}, or use ~/.pgpass")

    async def connect_and_work() -> _ResultT:
        connection = await server.connect()
        try:
            return await work(connection)
        except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
            if is_lost(error):
                raise vault_error_of(error) from None
            # What the server says of the schema has names of tables and roles in it, and no value of a row.
            raise ConfigurationError(f"the server has refused it, and nothing was changed: {error}") from None
        finally:
            connection.terminate()

    return run_to_end(connect_and_work())
