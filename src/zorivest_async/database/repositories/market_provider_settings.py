"""Credentials and limits of market-data providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select

from zorivest_async.database.repositories.base import NamedRepository, window
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import MARKET_PROVIDER_SETTINGS
from zorivest_async.domain.secret import MaskedSecret
from zorivest_async.domain.settings import MarketProviderSetting
from zorivest_async.errors import ConfigurationError, NotFoundError, ValidationError

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
_NEW = frozenset({"created_at"})


class SqlAlchemyMarketProviderSettingRepository(NamedRepository[MarketProviderSetting]):
    """Stores :class:`~zorivest_async.MarketProviderSetting` entities, their API keys encrypted once more.

    Args:
        source: As for every repository.
        cipher: Encrypts API keys. A vault's unit of work brings it; without one, storing or revealing an API key is a
            :class:`~zorivest_async.ConfigurationError`, and settings without one are stored.
    """

    mapper: ClassVar = RowMapper(
        MarketProviderSetting,
        MARKET_PROVIDER_SETTINGS,
        renamed={"api_key": "encrypted_api_key"},
        fixed=_NEW,
    )
    _newest_first = window(
        mapper.select.order_by(
            MARKET_PROVIDER_SETTINGS.c.created_at.desc(), MARKET_PROVIDER_SETTINGS.c.provider_name.desc()
        )
    )
    _mapper_keeping_key: ClassVar = RowMapper(
        MarketProviderSetting, MARKET_PROVIDER_SETTINGS, elsewhere=frozenset({"api_key"}), fixed=_NEW
    )

    def __init__(self, source: Source, cipher: ApiKeyCipher | None = None) -> None:
        super().__init__(source)
        self._cipher = cipher

    def _row(self, entity: MarketProviderSetting, names: Sequence[str]) -> tuple[Any, ...]:
        row = super()._row(entity, names)
        return tuple(
            self._encrypt(entity) if name == "api_key" else value for name, value in zip(names, row, strict=True)
        )

    def _encrypt(self, setting: MarketProviderSetting) -> str | None:
        if setting.api_key is None:
            return None
        if not isinstance(setting.api_key, MaskedSecret) or not setting.api_key.is_known:
            raise ValidationError(
                "MarketProviderSetting", "api_key", "is only a mask, and there is no stored key behind it"
            )
        return self._require_cipher().encrypt(setting.api_key.reveal())

    def _require_cipher(self) -> ApiKeyCipher:
        if self._cipher is None:
            raise ConfigurationError("API keys are only stored in a vault: use vault.unit_of_work()")
        return self._cipher

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[MarketProviderSetting]:
        position = self.mapper.fields.index("api_key")
        masks = [None if row[position] is None else MaskedSecret() for row in rows]
        return self.mapper.to_entities(rows, api_key=masks)

    async def update(self, setting: MarketProviderSetting, /) -> None:
        """Write a stored provider's settings; a masked ``api_key``, as it was read, leaves the stored key as it is.

        Raises:
            NotFoundError: The provider is not stored.
            ConfigurationError: There is a new API key and nothing to encrypt it with.
        """
        masked = isinstance(setting.api_key, MaskedSecret) and not setting.api_key.is_known
        await self._update(setting, self._mapper_keeping_key if masked else self.mapper)

    async def reveal_api_key(self, provider_name: str) -> str:
        """Return a provider's API key in the clear.

        Raises:
            NotFoundError: The provider is not stored, or has no API key.
            VaultDamagedError: The stored key does not authenticate.
            ConfigurationError: There is nothing to decrypt it with.
        """
        stored = await self._scalar(_API_KEY, provider_name=provider_name)
        if stored is None:
            raise NotFoundError("MarketProviderSetting", provider_name, "the provider is not stored, or has no API key")
        return self._require_cipher().decrypt(stored)

    async def list_all(self, limit: int | None = 100, offset: int = 0) -> list[MarketProviderSetting]:
        """Return providers, newest first; ``limit=None`` for all of them."""
        return await self._fetch(self._newest_first, **self._window(limit, offset))
