"""URLs of servers: what protects a connection, and what they never show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zorivest_async import ConfigurationError, NotOnThisBackendError, Vault


def server(url: str, *, insecure_tls: bool = False) -> str:
    """Return the protection of the connections to a server."""
    pytest.importorskip("asyncpg")
    from zorivest_async.database.postgresql.connecting import Server  # noqa: PLC0415 - without asyncpg it is skipped

    return Server.read(url, timeout_s=1.0, insecure_tls=insecure_tls, has_pooler=False).mode


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://u:p@db1/x", "verify-full"),
        ("postgresql://u:p@db1,db2:5433/x?target_session_attrs=primary", "verify-full"),
        ("postgresql://u:p@localhost,db2/x", "verify-full"),
        ("postgresql://u:p@127.0.0.1.example.com/x", "verify-full"),
        ("postgresql://u:p@localhost:5433/x", "disable"),
        ("postgresql://u:p@127.0.0.1/x", "disable"),
        ("postgresql://u:p@[::1]:5432/x", "disable"),
        ("postgresql://u:p@%2Frun%2Fpostgresql/x", "disable"),
        ("postgresql:///x?host=/run/postgresql", "disable"),
        ("postgresql:///x?host=db1", "verify-full"),
        ("postgresql://u:p@localhost/x?sslmode=verify-full", "verify-full"),
    ],
)
def test_a_server_is_checked_unless_it_is_this_machine(url: str, mode: str) -> None:
    """A host of the network is never trusted by default."""
    assert server(url) == mode


@pytest.mark.parametrize("mode", ["disable", "require", "verify-ca"])
def test_an_insecure_mode_is_refused_unless_asked_for(mode: str) -> None:
    """The error says how to ask for it."""
    url = f"postgresql://u:p@db1/x?sslmode={mode}"
    with pytest.raises(ConfigurationError, match="insecure_tls=True"):
        server(url)
    assert server(url, insecure_tls=True) == mode


@pytest.mark.parametrize("url", ["mysql://u:p@db1/x", "postgresql://u:p@db1/x?sslmode=prefer", "db1", 7])
def test_another_url_is_refused_without_showing_it(url: str) -> None:
    """An error that shows it would show the password."""
    with pytest.raises(ConfigurationError) as caught:
        server(url)
    assert "u:p" not in str(caught.value)


def test_sealing_is_refused_and_says_so() -> None:
    """The default of the API is not in this release; nothing is sent in clear because of an omission."""
    with pytest.raises(NotOnThisBackendError, match="encryption='server'"):
        Vault.connect("postgresql://u:p@db1/x")


def test_an_empty_passphrase_is_refused() -> None:
    """As for a file, before anything is sent."""
    with pytest.raises(ConfigurationError, match="passphrase must not be empty"):
        Vault.connect("postgresql://u:p@db1/x", encryption="server", passphrase="")


def test_the_driver_is_imported_when_it_is_needed() -> None:
    """Users of files do not need it."""
    code = "import sys, zorivest_async; sys.exit('asyncpg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
