"""Summary of a vault that ``zorivest info`` prints, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal
from sqlalchemy import func, select, text

from zorivest_async import KdfProfile
from zorivest_async.database.aggregates import AGGREGATES
from zorivest_async.database.error_mapping import translated
from zorivest_async.database.sqlcipher.backend import BACKEND
from zorivest_async.database.tables import IMAGES, SCHEMA_VERSION, TRADES

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from zorivest_async import Vault
    from zorivest_async.database.backend import Backend

__all__ = ["VaultSummary", "backend_of", "summarize"]


@dataclass(frozen=True, slots=True)
class VaultSummary:
    """Summary of a vault.

    Attributes:
        size_bytes: Size of all pages, used and free, without the WAL; ``None`` on a server.
        profile: Name of the key derivation profile, for example ``"default"``; ``None`` on a server.
        schema_version: Version of the schema.
        rows: Number of rows by table.
        oldest_trade: Time of the first execution; ``None`` without executions.
        newest_trade: Time of the last execution; ``None`` without executions.
        images_bytes: Total size of the original images.
    """

    size_bytes: int | None
    profile: str | None
    schema_version: int
    rows: dict[str, int]
    oldest_trade: datetime | None
    newest_trade: datetime | None
    images_bytes: int

    def values(self) -> dict[str, Any]:
        """Return the values by name."""
        return asdict(self)

    def lines(self, zone: tzinfo) -> list[tuple[str, str]]:
        """Return the lines for a person to read, with times in a time zone."""
        return [
            ("size", "" if self.size_bytes is None else decimal(self.size_bytes)),
            ("key derivation profile", self.profile or ""),
            ("schema version", str(self.schema_version)),
            ("oldest trade", _shown(self.oldest_trade, zone)),
            ("newest trade", _shown(self.newest_trade, zone)),
            ("original images", decimal(self.images_bytes)),
            *((name, f"{count:,}") for name, count in self.rows.items()),
        ]


async def summarize(vault: Vault) -> VaultSummary:
    """Return the summary of a vault, from one snapshot.

    Raises:
        VaultError: The vault is damaged.
    """
    rows: dict[str, int] = {}
    size_bytes: int | None = None
    profile: str | None = None
    async with vault.unit_of_work(read_only=True) as uow:
        for name, aggregate in sorted(AGGREGATES.by_name.items()):
            rows[name] = await uow.rows.count(aggregate.entity)
        with translated(backend_of(vault)):
            session = uow.session
            if vault.path is not None:
                page_count = (await session.execute(text("PRAGMA page_count"))).scalar_one()
                # SQLCipher answers in text.
                size_bytes = page_count * int((await session.execute(text("PRAGMA page_size"))).scalar_one())
                salt = (await session.execute(text("PRAGMA cipher_salt"))).scalar_one()
                profile = KdfProfile.of_salt(bytes.fromhex(salt)).name.lower()
            oldest, newest = (await session.execute(select(func.min(TRADES.c.time), func.max(TRADES.c.time)))).one()
            images_bytes = int((await session.execute(select(func.sum(IMAGES.c.file_size)))).scalar_one() or 0)
    return VaultSummary(
        size_bytes=size_bytes,
        profile=profile,
        schema_version=SCHEMA_VERSION,
        rows=rows,
        oldest_trade=oldest,
        newest_trade=newest,
        images_bytes=images_bytes,
    )


def backend_of(vault: Vault) -> Backend:
    """Return the backend of a vault, which knows the errors of its driver."""
    if vault.path is not None:
        return BACKEND
    from zorivest_async.database.postgresql.backend import BACKEND as POSTGRESQL

    return POSTGRESQL


def _shown(time: datetime | None, zone: tzinfo) -> str:
    return "none" if time is None else f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
