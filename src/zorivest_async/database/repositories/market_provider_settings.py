"""Repository of market-data providers' credentials and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select

from zorivest_async.database.aggregates import MARKET_PROVIDER_SETTING
from zorivest_async.database.repositories.base import NamedRepository, window
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import MARKET_PROVIDER_SETTINGS
from zorivest_async.domain.settings import MarketProviderSetting
from zorivest_async.errors import ConfigurationError, NotFoundError
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.repositories.base import Source
    from zorivest_async.security import ApiKeyCipher

__all__ = ["SqlAlchemyMarketProviderSettingRepository"]

_API_KEY = Statement(
    select(MARKET_PROVIDER_SETTINGS.c.encrypted_api_key).where(
        MARKET_PROVIDER_SETTINGS.c.provider_name == bindparam("provider_name")
    )
)


class SqlAlchemyMarketProviderSettingRepository(NamedRepository[MarketProviderSetting]):
    """Repository of :class:`~zorivest_async.MarketProviderSetting` entities.

    API keys are encrypted a second time, and bound to the provider's name: a key is not revealed from another
    provider's row.

    Args:
        source: As for every repository.
        cipher: Encrypts API keys. A vault's unit of work passes it. Without a cipher, storing or revealing an API key
            raises :class:`~zorivest_async.ConfigurationError`; settings without an API key can be stored.
    """

    mapper: ClassVar = MARKET_PROVIDER_SETTING.mapper
    _newest_first = window(
        mapper.select.order_by(
            MARKET_PROVIDER_SETTINGS.c.created_at.desc(), MARKET_PROVIDER_SETTINGS.c.provider_name.desc()
        )
    )
    _mapper_keeping_key: ClassVar = mapper.without(mapper.secrets)

    def __init__(self, source: Source, cipher: ApiKeyCipher | None = None) -> None:
        super().__init__(source)
        self._cipher = cipher

    def _row(self, entity: MarketProviderSetting, names: Sequence[str]) -> tuple[Any, ...]:
        return self.mapper.sealed(
            super()._row(entity, names),
            names,
            lambda api_key: self._require_cipher().encrypt(api_key.reveal(), provider_name=entity.provider_name),
        )

    def _require_cipher(self) -> ApiKeyCipher:
        if self._cipher is None:
            raise ConfigurationError("API keys are only stored in a vault: use vault.unit_of_work()")
        return self._cipher

    async def update(self, setting: MarketProviderSetting, /) -> None:
        """Write a stored provider's settings; a masked ``api_key``, as it was read, does not change the stored key.

        Raises:
            NotFoundError: The provider is not stored.
            ConfigurationError: There is a new API key, but no cipher.
        """
        masked = isinstance(setting.api_key, MaskedSecret) and not setting.api_key.is_known
        await self._update(setting, self._mapper_keeping_key if masked else self.mapper)

    async def reveal_api_key(self, provider_name: str) -> str:
        """Return a provider's API key in plaintext.

        Raises:
            NotFoundError: The provider is not stored, or has no API key.
            VaultDamagedError: The stored key fails authentication, or belongs to another provider.
            ConfigurationError: There is no cipher.
        """
        stored = await self._scalar(_API_KEY, provider_name=provider_name)
        if stored is None:
            raise NotFoundError("MarketProviderSetting", provider_name, "the provider is not stored, or has no API key")
        return self._require_cipher().decrypt(stored, provider_name=provider_name)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[MarketProviderSetting]:
        """Return providers, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))
