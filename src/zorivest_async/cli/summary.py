"""Summary of a vault that ``zorivest info`` prints, as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.table import Table
from sqlalchemy import func, select, text

from zorivest_async import KdfProfile
from zorivest_async.database.aggregates import AGGREGATES
from zorivest_async.database.error_mapping import translated
from zorivest_async.database.sqlcipher.backend import BACKEND
from zorivest_async.database.tables import IMAGES, TRADES

if TYPE_CHECKING:
    from datetime import datetime

    from zorivest_async import Vault

__all__ = ["VaultSummary", "summarize"]


@dataclass(frozen=True, slots=True)
class VaultSummary:
    """Summary of a vault.

    Attributes:
        size_bytes: Size of all pages, used and free, without the WAL.
        profile: Name of the key derivation profile, for example ``"default"``.
        schema_version: Version of the schema.
        rows: Number of rows by table.
        oldest_trade: Time of the first execution; ``None`` without executions.
        newest_trade: Time of the last execution; ``None`` without executions.
        images_bytes: Total size of the original images.
    """

    size_bytes: int
    profile: str
    schema_version: int
    rows: dict[str, int]
    oldest_trade: datetime | None
    newest_trade: datetime | None
    images_bytes: int

    def as_json(self) -> str:
        """Return one JSON object; times are ISO 8601 in UTC."""
        return json.dumps(asdict(self), indent=2, default=lambda time: time.isoformat())

    def as_table(self) -> Table:
        """Return a table for a person to read."""
        table = Table(show_header=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_row("size", decimal(self.size_bytes))
        table.add_row("key derivation profile", self.profile)
        table.add_row("schema version", str(self.schema_version))
        table.add_row("oldest trade", _shown(self.oldest_trade))
        table.add_row("newest trade", _shown(self.newest_trade))
        table.add_row("original images", decimal(self.images_bytes), end_section=True)
        for name, count in self.rows.items():
            table.add_row(name, f"{count:,}")
        return table


async def summarize(vault: Vault) -> VaultSummary:
    """Return the summary of a vault, from one snapshot.

    Raises:
        VaultError: The vault is damaged.
    """
    async with vault.unit_of_work(read_only=True) as uow:
        with translated(BACKEND):
            session = uow.session
            page_count = (await session.execute(text("PRAGMA page_count"))).scalar_one()
            # SQLCipher answers in text.
            page_bytes = int((await session.execute(text("PRAGMA page_size"))).scalar_one())
            salt = (await session.execute(text("PRAGMA cipher_salt"))).scalar_one()
            schema_version = (await session.execute(text("PRAGMA user_version"))).scalar_one()
            rows = {
                name: (await session.execute(select(func.count()).select_from(aggregate.mapper.table))).scalar_one()
                for name, aggregate in sorted(AGGREGATES.by_name.items())
            }
            oldest, newest = (await session.execute(select(func.min(TRADES.c.time), func.max(TRADES.c.time)))).one()
            images_bytes = (await session.execute(select(func.sum(func.length(IMAGES.c.data))))).scalar_one() or 0
    return VaultSummary(
        size_bytes=page_count * page_bytes,
        profile=KdfProfile.of_salt(bytes.fromhex(salt)).name.lower(),
        schema_version=schema_version,
        rows=rows,
        oldest_trade=oldest,
        newest_trade=newest,
        images_bytes=images_bytes,
    )


def _shown(time: datetime | None) -> str:
    return "none" if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"
