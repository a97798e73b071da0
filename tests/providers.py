"""Provider API keys as the table has them, past the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from implementations import Journal
    from zorivest_async import MarketProviderSetting, SqlAlchemyUnitOfWork


async def stored_key(uow: SqlAlchemyUnitOfWork, provider_name: str) -> str | None:
    """Return what the table has for a provider's API key."""
    query = text("SELECT encrypted_api_key FROM market_provider_settings WHERE provider_name = :name")
    stored: str | None = (await (await uow.connection()).execute(query, {"name": provider_name})).scalar_one()
    return stored


async def overwrite_key(journal: Journal, provider_name: str, stored: str) -> None:
    """Put something else into the table for a provider's API key."""
    query = text("UPDATE market_provider_settings SET encrypted_api_key = :stored WHERE provider_name = :name")
    async with journal.engine.begin() as connection:
        await connection.execute(query, {"stored": stored, "name": provider_name})


async def save_providers(journal: Journal, *settings: MarketProviderSetting) -> None:
    """Store settings and commit."""
    async with journal.unit_of_work() as uow:
        for setting in settings:
            await uow.market_provider_settings.save(setting)
        await uow.commit()
