"""The journal that a command works on: a vault in a file, or a journal on a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from zorivest_async.cli.configuration import Configuration
from zorivest_async.cli.exits import PROGRAM, MisuseError, warn
from zorivest_async.errors import VaultNotFoundError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime, tzinfo

    from zorivest_async import Vault
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.security.secret import MaskedSecret

__all__ = ["Journal"]

_ResultT = TypeVar("_ResultT")


@dataclass(eq=False)
class Journal:
    """The journal of a command; the passphrase is asked for once, when it is first needed.

    Attributes:
        vault: The vault as it was typed, or ``None``.
        name: The journal on a server, or ``None``.
        encryption: What a server may see, or ``None``.
        passphrase_file: A file with the passphrase, or ``None``.
        passphrase_command: A command that prints the passphrase, or ``None``.
        zone: The time zone as it was typed, or ``None``.
        prints_text: Whether the output is for a person.
        configuration: What else may say each of them.
    """

    vault: str | None = None
    name: str | None = None
    encryption: str | None = None
    passphrase_file: str | None = None
    passphrase_command: str | None = None
    zone: str | None = None
    prints_text: bool = True
    configuration: Configuration = field(default_factory=Configuration)

    @cached_property
    def place(self) -> str:
        """The vault, as it was typed or configured: a path, or the address of a server.

        Raises:
            MisuseError: It is named nowhere.
        """
        found = self.vault or self.configuration.text("vault")
        if found is None:
            raise MisuseError(f"no vault: pass --vault, set ZORIVEST_VAULT, or see {PROGRAM} config")
        if self.vault is not None and self.is_server and urlsplit(found).password is not None:
            warn("other users can see a password in a command; set PGPASSWORD or ZORIVEST_VAULT, or use ~/.pgpass")
        return found

    @property
    def is_named(self) -> bool:
        """Whether the vault is named anywhere."""
        return (self.vault or self.configuration.text("vault")) is not None

    @property
    def is_server(self) -> bool:
        """Whether it is a journal on a server."""
        return "://" in (self.vault or self.configuration.text("vault") or "")

    @property
    def label(self) -> str:
        """The vault without a password, for messages and for the keyring."""
        if not self.is_server:
            return self.place
        address = urlsplit(self.place)
        return f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}#{self._journal}"

    @property
    def _journal(self) -> str:
        return self.name or self.configuration.text("journal") or "main"

    @cached_property
    def passphrase(self) -> MaskedSecret:
        """The passphrase; a vault that does not exist is not asked for it.

        Raises:
            VaultNotFoundError: There is no such file.
            ConfigurationError: No source provides it.
        """
        from zorivest_async.cli.passphrases import CURRENT
        from zorivest_async.database.sqlcipher.paths import is_there, resolved

        if not self.is_server and not is_there(resolved(Path(self.place))):
            raise VaultNotFoundError(self.place, f"there is no vault here; create one with {PROGRAM} create")
        return CURRENT.read(
            self.passphrase_file, self.label, command=self.passphrase_command, configuration=self.configuration
        )

    def new_passphrase(self, path: Path) -> MaskedSecret:
        """Return the passphrase of a new vault, which a prompt asks for twice.

        Raises:
            ConfigurationError: No source provides it.
        """
        from zorivest_async.cli.passphrases import CURRENT

        return CURRENT.read(
            self.passphrase_file,
            path,
            command=self.passphrase_command,
            configuration=self.configuration,
            twice=True,
        )

    @cached_property
    def time_zone(self) -> tzinfo:
        """The time zone of times that are shown and typed.

        Raises:
            InvalidQueryError: There is no such zone.
        """
        from zorivest_async.domain.zones import load_zone

        return load_zone(self.zone_name)

    @property
    def zone_name(self) -> str:
        """The name of the time zone, ``"UTC"`` by default."""
        return self.zone or self.configuration.text("zone") or "UTC"

    def time(self, text: str) -> datetime:
        """Return the time that was typed; without an offset it is in the time zone.

        Raises:
            MisuseError: It is not a date or time in ISO 8601, or it is ambiguous or does not exist in the time zone.
            InvalidQueryError: There is no such time zone.
        """
        from datetime import UTC, datetime

        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise MisuseError(
                "a time must be in ISO 8601, such as 2024-03-08, '2024-03-08 14:30' or 2024-03-08T14:30:00+01:00"
            ) from None
        if found.tzinfo is not None:
            return found
        first, second = (found.replace(tzinfo=self.time_zone, fold=fold) for fold in (0, 1))
        if first.astimezone(UTC) != second.astimezone(UTC):
            raise MisuseError("this time is ambiguous or does not exist in the time zone; add its offset, as in +01:00")
        return first

    def use(self, work: Callable[[Vault], Awaitable[_ResultT]]) -> _ResultT:
        """Open the vault, and return the result of the work on it.

        Raises:
            ZorivestError: The vault cannot be opened, or the work has failed.
        """
        from zorivest_async.cli.running import run_to_end

        opening = self.opening()

        async def open_and_work() -> _ResultT:
            async with opening() as vault:
                return await work(vault)

        return run_to_end(open_and_work())

    def read(self, work: Callable[[UnitOfWork], Awaitable[_ResultT]]) -> _ResultT:
        """Return the result of the work in a unit of work that only reads."""

        async def reading(vault: Vault) -> _ResultT:
            async with vault.unit_of_work(read_only=True) as uow:
                return await work(uow)

        return self.use(reading)

    def write(self, work: Callable[[UnitOfWork], Awaitable[_ResultT]]) -> _ResultT:
        """Return the result of the work in a unit of work, after its commit."""

        async def writing(vault: Vault) -> _ResultT:
            async with vault.unit_of_work() as uow:
                result = await work(uow)
                await uow.commit()
                return result

        return self.use(writing)

    def opening(self) -> Callable[[], Any]:
        """Return what opens the vault, on an event loop.

        Raises:
            VaultNotFoundError: There is no such file.
            ConfigurationError: No source provides the passphrase.
        """
        from zorivest_async import Vault

        place = self.place
        if not self.is_server:
            passphrase = self.passphrase
            return lambda: Vault.open(place, passphrase=passphrase, create=False)
        encryption: Any = self.encryption or self.configuration.text("encryption") or "sealed"
        secret = None if encryption == "server" else self.passphrase
        return lambda: Vault.connect(
            place, journal=self._journal, passphrase=secret, encryption=encryption, create=False
        )
