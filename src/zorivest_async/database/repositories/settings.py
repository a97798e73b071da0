"""Typed settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from anyio import to_thread
from sqlalchemy import BindParameter, Text, bindparam, func, literal_column, select

from zorivest_async.database.aggregates import SETTING
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import SETTINGS
from zorivest_async.domain.settings import Setting, SettingValue, decode_setting, encode_setting
from zorivest_async.domain.validation import identifier, utc_now
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SqlAlchemySettingRepository"]

_VALUE = Statement(select(SETTINGS.c.value, SETTINGS.c.value_type).where(SETTINGS.c.key == bindparam("key")))
_PREFIX: BindParameter[str] = bindparam("prefix", type_=Text)
_HAS_PREFIX = func.substr(SETTINGS.c.key, literal_column("1"), func.length(_PREFIX)) == _PREFIX

_LARGE_TEXT = 20_000
"""Length of a JSON text from which it is parsed in a thread, not on the event loop."""


class SqlAlchemySettingRepository(Repository[Setting]):
    """Repository of settings: small values under a key, which are read with the type that was stored."""

    mapper: ClassVar = SETTING.mapper
    _all = Statement(mapper.select.order_by(SETTINGS.c.key))
    _prefixed = Statement(mapper.select.where(_HAS_PREFIX).order_by(SETTINGS.c.key))

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a setting's value as the type it was stored with, or ``default``."""
        rows = await self._fetch_rows(_VALUE, key=key)
        return await _decode(*rows[0]) if rows else default

    async def set(self, key: str, value: SettingValue) -> None:
        """Insert or replace a setting.

        Args:
            key: Its name.
            value: A string, an integer, a finite float, a bool, ``None``, or a list or dict that JSON preserves (string
                keys).

        Raises:
            ValidationError: The key is empty, or the value that is read would not be equal.
        """
        await self.bulk_upsert({identifier("Setting", "key", key): value})

    async def bulk_upsert(self, settings: Mapping[str, SettingValue]) -> int:
        """Insert or replace settings, all or none, and return their number.

        Raises:
            ValidationError: As :meth:`set`; nothing was stored.
        """
        encode = self._codec.encode
        now = encode("updated_at", utc_now())
        rows: list[tuple[Any, ...]] = []
        for key, value in settings.items():
            rows.append((encode("key", identifier("Setting", "key", key)), *await _encode(value), now))
            if not len(rows) % SLICE_ROWS:
                await asyncio.sleep(0)  # let the event loop run other tasks
        if len(rows) == 1:
            await self._execute_row(self.mapper.upsert, rows[0], rows[0][0])
        elif rows:
            async with self._all_or_nothing():
                for start in range(0, len(rows), SLICE_ROWS):
                    await self._execute_rows(self.mapper.upsert, rows[start : start + SLICE_ROWS])
        return len(rows)

    async def get_all(self) -> list[Setting]:
        """Return all settings, by key."""
        return await self._decode(await self._fetch_rows(self._all))

    async def list_prefixed(self, prefix: str) -> list[Setting]:
        """Return the settings whose keys begin with a prefix, by key."""
        return await self._decode(await self._fetch_rows(self._prefixed, prefix=prefix))

    async def _decode(self, rows: list[tuple[Any, ...]]) -> list[Setting]:
        return self._codec.to_entities(rows, value=[await _decode(row[1], row[2]) for row in rows])

    async def delete(self, key: str) -> bool:
        """Delete a setting and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, key=key)).rowcount)


async def _encode(value: SettingValue) -> tuple[str, str]:
    if isinstance(value, dict | list):  # of any size
        return await to_thread.run_sync(hidden_call(encode_setting, value))
    return encode_setting(value)


async def _decode(stored: str | None, value_type: str | None) -> Any:
    if stored is None:
        return None
    if len(stored) > _LARGE_TEXT:
        return await to_thread.run_sync(hidden_call(decode_setting, stored, value_type or "str"))
    return decode_setting(stored, value_type or "str")
