"""Connections to a server: its URL, how they are protected, and what is set on each of them."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION, vault_error_of
from zorivest_async.database.postgresql.times import set_codecs
from zorivest_async.errors import ConfigurationError
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Server"]

_SCHEMES: Final = ("postgresql", "postgres")

_WEAK: Final = ("disable", "require", "verify-ca")
"""Values of ``sslmode`` that do not check whose server it is."""

_MODES: Final = (*_WEAK, "verify-full")

_FILES: Final = ("sslrootcert", "sslcert", "sslkey")

SHORTEST_TIMEOUT_S: Final = 1.0
"""Minimum time to connect: with a busy timeout of 0 nothing is waited for but the network."""

_KEEPALIVES: Final = {"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
"""The server rolls back half a minute after the machine of a client has gone, which locks the journal until then.

By default that takes two hours (https://www.postgresql.org/docs/current/runtime-config-connection.html).
"""

INSECURE: Final = (
    "sslmode={!r} does not check whose server it is; leave it out, as verify-full is the default, or pass "
    "insecure_tls=True if the network is trusted"
)


NO_HOST: Final = (
    "the URL of the server must name its host, such as localhost, or the folder of its socket: ?host=/run/postgresql"
)


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a vault, from its URL, which is in no repr, error or log.

    Attributes:
        name: Its hosts and its database, without the role and the password.
        url: The URL for asyncpg, which may have a password.
        mode: What protects connections: ``"verify-full"``, or another ``sslmode``.
        files: Paths of certificates and keys by the name of their option: ``sslrootcert``, ``sslcert`` and ``sslkey``.
        timeout_s: Maximum time to connect, in seconds.
        has_pooler: Whether a connection pooler such as pgbouncer is between, in transaction mode.
    """

    name: str
    url: str = field(repr=False)
    mode: str
    files: Mapping[str, str] = field(repr=False)
    timeout_s: float
    has_pooler: bool

    @classmethod
    def read(cls, url: str, *, timeout_s: float, insecure_tls: bool, has_pooler: bool) -> Server:
        """Read a URL.

        Args:
            url: ``postgresql://role:password@host:port,host:port/database?options``.
            timeout_s: Maximum time to connect, in seconds.
            insecure_tls: Whether an ``sslmode`` that does not check the server is allowed.
            has_pooler: Whether a pooler is between.

        Raises:
            ConfigurationError: It is not such a URL, or its ``sslmode`` is insecure.
        """
        if not isinstance(url, str):
            raise ConfigurationError(f"the URL of the server must be text, not {type(url).__name__}")
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            raise ConfigurationError("the URL of the server cannot be read") from None
        if parts.scheme not in _SCHEMES:
            raise ConfigurationError("the URL of the server must begin with postgresql://")
        if parts.netloc.count("@") > 1:
            raise ConfigurationError("the URL of the server has more than one @; write that of a password as %40")
        hosts = _hosts_of(parts.netloc.rpartition("@")[2], options)
        mode = options.pop("sslmode", None)
        if mode is not None and mode not in _MODES:
            raise ConfigurationError(f"sslmode must be one of: {', '.join(_MODES)}, as others fall back to plaintext")
        is_here = all(map(_is_here, hosts))
        if mode is None:
            mode = "disable" if is_here else "verify-full"
        if mode in _WEAK and not is_here and not insecure_tls:
            raise ConfigurationError(INSECURE.format(mode))
        files: dict[str, str] = {name: options.pop(name) for name in _FILES if name in options}
        rest = urlunsplit(parts._replace(query=urlencode(options)))
        name = f"{','.join(hosts)}/{parts.path.removeprefix('/')}"
        return cls(name, rest, mode, files, timeout_s, has_pooler)

    async def connect(self) -> asyncpg.Connection[Any]:
        """Open a connection.

        Raises:
            VaultUnreachableError: No server answers in time.
            VaultAccessError: The server refuses the role or its password.
            VaultBusyError: It has no free connection.
            VaultNotFoundError: It has no such database.
            ConfigurationError: An option of the URL, or a file that it names, is invalid.
        """
        try:
            connection = await self._connect()
            try:
                await set_codecs(connection)
            except BaseException:
                connection.terminate()
                raise
        except ConfigurationError as error:
            forget_locals(error)
            raise
        except ssl.SSLError as error:  # before ValueError, which some are, too
            forget_locals(error)
            raise vault_error_of(error) from None
        except ValueError as error:  # asyncpg's, and Python's for a port or a host
            forget_locals(error)
            raise ConfigurationError("an option of the server's URL is invalid") from None
        except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
            forget_locals(error)  # the frames down to the driver have the password as a local variable
            raise vault_error_of(error) from None
        return connection

    async def _connect(self) -> asyncpg.Connection[Any]:
        # asyncpg itself would read the files of certificates on the event loop.
        protection = False if self.mode == "disable" else await asyncio.to_thread(self._protection)
        options: dict[str, Any] = {"statement_cache_size": 0} if self.has_pooler else {}
        keepalives = {} if self.has_pooler else _KEEPALIVES  # a pooler refuses settings that it does not know
        return await asyncpg.connect(
            self.url,
            ssl=protection,
            timeout=max(self.timeout_s, SHORTEST_TIMEOUT_S),
            server_settings={"application_name": "zorivest-async", **keepalives},
            **options,
        )

    def _protection(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.files.get("sslrootcert"))
            if "sslcert" in self.files:
                context.load_cert_chain(self.files["sslcert"], self.files.get("sslkey"))
        except OSError:
            raise ConfigurationError(
                "a certificate or key that the server's URL names does not exist, or cannot be read"
            ) from None
        context.check_hostname = self.mode == "verify-full"
        if self.mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context


def _hosts_of(netloc: str, options: dict[str, str]) -> Sequence[str]:
    """Return the hosts of a URL, without their ports; a path is the folder of a socket.

    Raises:
        ConfigurationError: It has none, and asyncpg would take one from the environment, or it has them in two places.
    """
    if netloc and "host" in options:
        raise ConfigurationError("the URL of the server has hosts in two places; leave out the option host")
    hosts = [host.strip() for host in (netloc or options.get("host", "")).split(",") if host.strip()]
    if not hosts:
        raise ConfigurationError(NO_HOST)
    return [host if host.startswith(("/", "%2F", "%2f")) else _without_port(host) for host in hosts]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_here(host: str) -> bool:
    """Return whether a host is this machine, by a socket or a loopback address."""
    if host.startswith(("/", "%2F", "%2f")) or host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
