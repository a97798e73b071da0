"""Typed settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from anyio import to_thread
from sqlalchemy import bindparam, select

from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import SETTINGS
from zorivest_async.database.types import UTCDateTime
from zorivest_async.domain.settings import Setting, SettingValue, decode_setting, encode_setting
from zorivest_async.domain.validation import identifier, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SqlAlchemySettingRepository"]

_VALUE = Statement(select(SETTINGS.c.value, SETTINGS.c.value_type).where(SETTINGS.c.key == bindparam("key")))

_LARGE_TEXT = 20_000
"""Characters of JSON that are parsed in a thread rather than on the event loop."""


class SqlAlchemySettingRepository(Repository[Setting]):
    """Stores settings: small values under a key, read back as the type they were stored with."""

    mapper: ClassVar = RowMapper(Setting, SETTINGS)
    _all = Statement(mapper.select.order_by(SETTINGS.c.key))

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a setting's value as the type it was stored with, or ``default``."""
        rows = await self._fetch_rows(_VALUE, key=key)
        return await _decode(*rows[0]) if rows else default

    async def set(self, key: str, value: SettingValue) -> None:
        """Insert or replace a setting.

        Args:
            key: Its name.
            value: A string, an integer, a finite float, a bool, or what JSON gives back: ``None``, lists, and dicts
                with string keys.

        Raises:
            ValidationError: The key is empty, or the value would not come back equal.
        """
        await self.bulk_upsert({key: value})

    async def bulk_upsert(self, settings: Mapping[str, SettingValue]) -> int:
        """Insert or replace settings, all or none, and return how many.

        Raises:
            ValidationError: As :meth:`set`; nothing was stored.
        """
        now = UTCDateTime.to_text(utc_now())
        rows = [(identifier("Setting", "key", key), *await _encode(value), now) for key, value in settings.items()]
        if rows:
            await self._execute_rows(self.mapper.upsert, rows)
        return len(rows)

    async def get_all(self) -> list[Setting]:
        """Return all settings, by key."""
        rows = await self._fetch_rows(self._all)
        return self.mapper.to_entities(rows, value=[await _decode(row[1], row[2]) for row in rows])

    async def delete(self, key: str) -> bool:
        """Delete a setting and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, key=key)).rowcount)


async def _encode(value: SettingValue) -> tuple[str, str]:
    if isinstance(value, dict | list):  # of any size
        return await to_thread.run_sync(encode_setting, value)
    return encode_setting(value)


async def _decode(stored: str | None, value_type: str | None) -> Any:
    if stored is None:
        return None
    if len(stored) > _LARGE_TEXT:
        return await to_thread.run_sync(decode_setting, stored, value_type or "str")
    return decode_setting(stored, value_type or "str")
