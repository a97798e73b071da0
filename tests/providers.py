"""Provider API keys as the table has them, past the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from zorivest_async.database.tables import MARKET_PROVIDER_SETTINGS as PROVIDERS

if TYPE_CHECKING:
    from implementations import Journal
    from zorivest_async import MarketProviderSetting, SqlAlchemyUnitOfWork


async def stored_key(uow: SqlAlchemyUnitOfWork, provider_name: str) -> str | None:
    """Return what the table has for a provider's API key."""
    query = select(PROVIDERS.c.encrypted_api_key).where(PROVIDERS.c.provider_name == provider_name)
    stored: str | None = (await (await uow.connection()).execute(query)).scalar_one()
    return stored


async def overwrite_key(journal: Journal, provider_name: str, stored: str) -> None:
    """Put something else into the table for a provider's API key."""
    query = update(PROVIDERS).where(PROVIDERS.c.provider_name == provider_name).values(encrypted_api_key=stored)
    async with journal.engine.begin() as connection:
        await connection.execute(query)


async def save_providers(journal: Journal, *settings: MarketProviderSetting) -> None:
    """Store settings and commit."""
    async with journal.unit_of_work() as uow:
        for setting in settings:
            await uow.market_provider_settings.save(setting)
        await uow.commit()
