"""Copy of a whole journal from one vault into another, between files, memory and servers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from zorivest_async.database.sqlcipher.long_operation import Operation, ProgressCallback, require_callback
from zorivest_async.domain.settings import MarketProviderSetting
from zorivest_async.errors import ConfigurationError, RepositoryError
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine
from zorivest_async.transfer.journal_tables import JournalTable, journal_tables

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zorivest_async.ports import UnitOfWork
    from zorivest_async.vault import Vault

__all__ = ["copy_journal"]

_SAME: Final = "the source and the target are the same vault; open the one to copy into"
_DIFFERS: Final = "the target has stored other rows than the source has, and so keeps none; verify both vaults"
_NOT_EMPTY: Final = "the target already has rows; copy into a new vault, or one from which everything was deleted"


@sealed_coroutine
async def copy_journal(source: Vault, target: Vault, *, progress: ProgressCallback | None = None) -> dict[str, int]:
    """Copy everything in a vault into an empty one, API keys included, and return the number of rows by table.

    Both may be files, in memory or on a server. The copy has equal entities with the same row numbers and times, and
    images byte for byte. It is one snapshot of the source, which stays as it is, and one transaction of the target.
    Before that is committed, each table is read back, and its rows are counted and compared by a hash. An error, a
    cancellation and the end of the process leave the target as it was; if its commit fails, the error says whether it
    is stored.

    Pages of 200 rows, or 4 images, are in memory at a time. It holds a reading connection of the source and the writing
    one of the target until it ends.

    Args:
        source: The vault to read.
        target: The vault to write; its transaction waits for other writers, which then wait for it.
        progress: Called on the event loop with the phases ``"copy"`` and ``"compare"``, in rows.

    Raises:
        ConfigurationError: The target has rows, is the source itself, or cannot store the source's API keys: a journal
            on a server must be opened with a passphrase.
        RepositoryError: The target has stored something else than the source has; nothing is kept.
        ValidationError: The target cannot store a value, for example an identifier that is too long for a server.
        VaultDamagedError: A row or an API key of the source fails authentication.

    Example:
        >>> from zorivest_async import Vault
        >>> async with Vault.in_memory() as vault, Vault.in_memory() as other:
        ...     async with vault.unit_of_work() as uow:
        ...         await uow.settings.set("theme", "dark")
        ...         await uow.commit()
        ...     (await copy_journal(vault, other))["settings"]
        1
    """
    require_callback(progress)
    if source is target:
        raise ConfigurationError(_SAME)
    reporting, tables = Operation(progress), journal_tables()
    async with source.unit_of_work(read_only=True) as old, target.unit_of_work() as new:
        for table in tables:
            if await new.rows.count(table.entity):
                raise ConfigurationError(_NOT_EMPTY)
        counts = {table.name: await old.rows.count(table.entity) for table in tables}
        total, done = sum(counts.values()), 0
        hashes: dict[str, _TableHash] = {}
        for table in tables:
            hashes[table.name] = copied = _TableHash(table)
            async for page in _pages(old, table):
                await copied.add(old, page)
                await _insert(old, new, page)
                done += len(page)
                reporting.report("copy", done, total)
        done = 0
        for table in tables:
            stored = _TableHash(table)
            async for page in _pages(new, table):
                await stored.add(new, page)
                done += len(page)
                reporting.report("compare", done, total)
            if stored.rows != counts[table.name] or stored.digest() != hashes[table.name].digest():
                raise RepositoryError(table.aggregate.entity.__name__, problem=_DIFFERS)
        await new.commit()
    return counts


async def _pages(uow: UnitOfWork, table: JournalTable) -> AsyncGenerator[list[Any]]:
    """Yield the whole rows of a table, in the order of their keys."""
    after = None
    while page := await uow.rows.page(table.entity, after):
        after = table.aggregate.key_of(page[-1])
        yield page


async def _insert(old: UnitOfWork, new: UnitOfWork, page: list[Any]) -> None:
    if not isinstance(page[0], MarketProviderSetting):
        await new.rows.insert(page)
        return
    for provider in page:  # each vault encrypts API keys under its own key
        api_key = await _api_key(old, provider.provider_name)
        await new.market_provider_settings.save(replace(provider, api_key=api_key))


async def _api_key(uow: UnitOfWork, provider_name: str) -> str | None:
    provider = await uow.market_provider_settings.get_one(provider_name)
    return None if provider.api_key is None else await uow.market_provider_settings.reveal_api_key(provider_name)


class _TableHash:
    """SHA-256 of the rows of a table, with API keys and originals of images.

    Args:
        table: The table.

    Attributes:
        rows: How many rows were added.
    """

    def __init__(self, table: JournalTable) -> None:
        self._table = table
        self._hash = hashlib.sha256()
        self.rows = 0

    async def add(self, uow: UnitOfWork, page: list[Any]) -> None:
        """Add a page of rows."""
        secrets = [
            await _api_key(uow, row.provider_name) if isinstance(row, MarketProviderSetting) else None for row in page
        ]
        await to_thread.run_sync(hidden_call(self._add, page, secrets))
        self.rows += len(page)

    def digest(self) -> bytes:
        """Return the hash of the rows so far."""
        return self._hash.digest()

    def _add(self, page: list[Any], secrets: list[str | None]) -> None:
        original = self._table.aggregate.original
        for row, secret in zip(page, secrets, strict=True):
            for part in (self._table.to_json(row), secret or ""):
                self._update(part.encode())
            if original is not None:
                self._update(getattr(row, original))

    def _update(self, part: bytes) -> None:
        self._hash.update(len(part).to_bytes(8, "big"))  # so that no two lists of parts are the same bytes
        self._hash.update(part)
