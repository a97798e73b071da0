"""Store of a vault on a PostgreSQL server: the connections of one journal among the others of its database.

asyncpg is imported when the first vault on a server is opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self, TypeAlias

from anyio import to_thread

from zorivest_async.database.sqlcipher.cipher import ConnectionSettings
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.domain.validation import identifier
from zorivest_async.errors import (
    ConfigurationError,
    MissingDependencyError,
    NotOnThisBackendError,
    ValidationError,
    VaultClosedError,
    VaultForkedError,
)
from zorivest_async.security import require_profile
from zorivest_async.security.tracebacks import hidden_call
from zorivest_async.vault.passphrases import Passphrases, api_key_cipher, open_row

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from zorivest_async.database.postgresql.adapter import JournalSettings
    from zorivest_async.database.postgresql.connecting import Server
    from zorivest_async.database.postgresql.keys import JournalKeys
    from zorivest_async.database.sqlcipher.write_latch import WriteLatch
    from zorivest_async.security import ApiKeyCipher, Credentials, KdfProfile

__all__ = ["Encryption", "ServerOpening", "ServerStore"]

Encryption: TypeAlias = Literal["sealed", "server"]
"""Where texts and images are encrypted: before they are sent, or not at all but by the server itself."""

LONGEST_NAME: Final = 200

NOT_SEALED: Final = (
    "this release cannot encrypt what it sends; pass encryption='server' if you trust the server, its administrators "
    "and its backups with the texts and images of the journal, or keep the journal in a file with Vault.open()"
)

_NOT_HERE: Final = {
    "backup": "a journal on a server has no file; use the server's own backups, or transfer.export_journal()",
    "verify": "the server checks its own pages (data_checksums, amcheck); there is no file to check here",
}


@dataclass(frozen=True, slots=True)
class ServerOpening:
    """Checked arguments of a connection to a journal.

    Attributes:
        server: The server.
        journal: The name of the journal.
        create: Whether to create the journal if it does not exist.
        settings: Durability and busy timeout.
        credentials: The passphrase; ``None`` opens a journal in clear without its API keys.
        profile: What a guess at the first passphrase of a journal costs.
        encryption: Where texts and images are encrypted.
        search: What the search index of a new sealed journal has.
    """

    server: Server
    journal: str
    create: bool
    settings: ConnectionSettings
    credentials: Credentials | None
    profile: KdfProfile
    encryption: Encryption = "server"
    search: str = "words"

    @classmethod
    def of(
        cls,
        url: str,
        *,
        journal: str,
        encryption: str,
        credentials: Credentials | None,
        profile: KdfProfile,
        create: bool,
        has_pooler: bool,
        durability: Any,
        busy_timeout_s: float,
        insecure_tls: bool,
    ) -> ServerOpening:
        """Check the arguments of :meth:`~zorivest_async.Vault.connect`.

        Raises:
            ConfigurationError: One is invalid.
            NotOnThisBackendError: The encryption is not in this release.
            MissingDependencyError: asyncpg is not installed.
        """
        if encryption not in ("sealed", "server"):
            raise ConfigurationError('encryption must be "sealed" or "server"')
        if encryption == "sealed":
            raise NotOnThisBackendError("encryption='sealed'", NOT_SEALED)
        if credentials is not None:
            credentials.require_one()
        require_profile(profile)
        try:
            name = identifier("Vault", "journal", journal)
        except ValidationError as error:
            raise ConfigurationError(f"journal {error.problem}") from None
        if len(name) > LONGEST_NAME:
            raise ConfigurationError(f"journal must have at most {LONGEST_NAME} characters")
        settings = ConnectionSettings(durability=durability, busy_timeout_s=busy_timeout_s)
        if find_spec("asyncpg") is None:
            raise MissingDependencyError(
                "a vault on a server needs asyncpg: pip install 'zorivest-async[postgresql]'", name="asyncpg"
            )
        from zorivest_async.database.postgresql.connecting import Server  # noqa: PLC0415 - it needs asyncpg

        server = Server.read(url, timeout_s=busy_timeout_s, insecure_tls=insecure_tls, has_pooler=has_pooler)
        return cls(server, name, create, settings, credentials, profile)

    async def open(self) -> ServerStore:
        """Find the journal, or create it.

        Raises:
            VaultNotFoundError: It does not exist, and is not to be created.
            WrongPassphraseError: The passphrase does not open it.
            VaultError: As :meth:`~zorivest_async.Vault.connect`.
        """
        from zorivest_async.database.postgresql.adapter import JournalSettings  # noqa: PLC0415 - they need asyncpg
        from zorivest_async.database.postgresql.keys import ClearKeys  # noqa: PLC0415
        from zorivest_async.database.postgresql.outcome import Commits  # noqa: PLC0415
        from zorivest_async.database.postgresql.sealing import SealedKeys  # noqa: PLC0415

        row, unwrapped = await open_row(
            self.server,
            self.journal,
            encryption=self.encryption,
            search=self.search,
            create=self.create,
            credentials=self.credentials,
            profile=self.profile,
        )
        keys = unwrapped.keys
        is_sealed = self.encryption == "sealed"
        settings = JournalSettings(
            self.server.connect,
            row.number,
            reads_only=False,
            busy_timeout_s=self.settings.busy_timeout_s,
            is_synced=self.settings.durability == "full",
            has_pooler=self.server.has_pooler,
            commits=Commits(),
            keys=SealedKeys(row.number, keys, row.search) if is_sealed else ClearKeys(row.hash_key or b""),
        )
        cipher = await to_thread.run_sync(hidden_call(api_key_cipher, keys[max(keys)])) if keys else None
        return ServerStore(
            f"{self.server.name} {self.journal}", settings, cipher, Passphrases(self.server, row, unwrapped)
        )


class ServerStore:
    """A journal on a server.

    Args:
        name: The name for messages: the hosts, the database and the journal.
        settings: What its connections need to know.
        cipher: Encrypts API keys; ``None`` without a passphrase, as there is no key that the server does not have.

        passphrases: Its passphrases.

    Attributes:
        path: ``None``, as there is no file.
        name: The name for messages.
        api_key_cipher: The cipher.
        passphrases: The passphrases.
    """

    path = None

    def __init__(
        self, name: str, settings: JournalSettings, cipher: ApiKeyCipher | None, passphrases: Passphrases
    ) -> None:
        self.name = name
        self.passphrases = passphrases
        self.api_key_cipher = cipher
        self._settings = settings
        self._process = current()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def create_engines(self, readers: int, _write_latch: WriteLatch) -> tuple[AsyncEngine, AsyncEngine]:
        """Return the engine that writes, with one connection, as one unit of work writes, and the one that reads."""
        from zorivest_async.database.postgresql.engine import create_journal_engine  # noqa: PLC0415 - it needs asyncpg

        settings = replace(self._settings, connect=self._connect)
        return create_journal_engine(settings, 1), create_journal_engine(replace(settings, reads_only=True), readers)

    async def _connect(self) -> Any:
        self.require_process()
        return await self._settings.connect()

    def close(self) -> None:
        """Refuse further units of work.

        Raises:
            VaultForkedError: The vault was opened before the process forked, and belongs to the parent.
        """
        self.require_process()
        self._closed = True

    def require_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            VaultForkedError: It was opened before the process forked.
            VaultClosedError: It is closed.
        """
        if self._process.left_behind:
            raise VaultForkedError
        if self._closed:
            raise VaultClosedError("the vault is closed")

    def require_process(self) -> None:
        """Raise in a child.

        Raises:
            VaultForkedError: The store was opened before the process forked.
        """
        if current() is not self._process:
            raise VaultForkedError

    @property
    def keys(self) -> JournalKeys:
        """The keys of the journal."""
        return self._settings.keys

    def of_server(self, _operation: str) -> Self:
        """Return the store, for an operation on a journal of a server."""
        return self

    def of_file(self, operation: str) -> NoReturn:
        """Refuse an operation on a file.

        Raises:
            NotOnThisBackendError: Always.
        """
        self.require_open()
        raise NotOnThisBackendError(operation, _NOT_HERE[operation])

    of_database = of_file
