"""What the fixtures of the pytest plugin are made of: files that need no key derivation, entities, chart images.

The fixtures themselves are in ``zorivest_async_pytest``, a package of its own: pytest imports plugins in every project
of an environment, and importing anything from ``zorivest_async`` imports the database and the image libraries.
"""

from __future__ import annotations

import random
import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from PIL import Image, ImageDraw

from zorivest_async.database.vault_file import create_file, create_schema, new_vault_key
from zorivest_async.domain.entities import (
    Account,
    BalanceSnapshot,
    ImageAttachment,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.enums import AccountType, ConvictionLevel, TradeAction
from zorivest_async.domain.settings import MarketProviderSetting, Setting
from zorivest_async.security import Credentials, KdfProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["DEFAULTS", "ChartMaker", "EntityFactory", "VaultFile"]

_EntityT = TypeVar("_EntityT")

_OPENING_BELL = datetime(2024, 3, 8, 14, 30, tzinfo=UTC)
_PAPER, _GRID, _UP, _DOWN = "#ffffff", "#e9edf2", "#1a9b83", "#d9473f"
_BAR_PX = 12


@dataclass(frozen=True, slots=True)
class VaultFile:
    """A vault in a file, closed, and the key that opens it without Argon2: ``Vault.open(file.path, key=file.key)``.

    Attributes:
        path: The file.
        key: 32 raw bytes.
    """

    path: Path
    key: bytes = field(repr=False)

    @classmethod
    def create(cls, path: Path) -> VaultFile:
        """Create an empty vault under a random key; blocks for some 50 ms.

        Args:
            path: Where; nothing must be there.
        """
        key = secrets.token_bytes(32)
        create_file(path, new_vault_key(Credentials(key=key), KdfProfile.CHEAPEST), create_schema)
        return cls(path, key)

    def copy_to(self, path: Path) -> VaultFile:
        """Copy the file, which nobody may have open, in less than a millisecond.

        Args:
            path: Where to.
        """
        shutil.copyfile(self.path, path)
        return VaultFile(path, self.key)


class EntityFactory(Generic[_EntityT]):
    """Makes valid entities, each with an identifier of its own: ``make(price=513.07)``.

    Args:
        entity: The class.
        defaults: Returns the fields of the n-th entity, counted from 1.
    """

    def __init__(self, entity: Callable[..., _EntityT], defaults: Callable[[int], Mapping[str, Any]]) -> None:
        self._entity = entity
        self._defaults = defaults
        self._numbers = count(1)

    def __call__(self, **changes: Any) -> _EntityT:
        """Return the next entity.

        Args:
            **changes: Fields that should not have their default.

        Raises:
            ValidationError: A field cannot be right.
        """
        return self._entity(**{**self._defaults(next(self._numbers)), **changes})


class ChartMaker:
    """Draws candlestick charts, each different from the one before: ``make(width_px=3840, height_px=2160)``."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, *, width_px: int = 640, height_px: int = 360, image_format: str = "PNG") -> bytes:
        """Return the bytes of an image file; the n-th call with the same arguments always gives the same.

        Args:
            width_px: Width, in pixels, at least 1.
            height_px: Height, in pixels, at least 1.
            image_format: ``"PNG"``, ``"JPEG"``, ``"WEBP"`` or ``"GIF"``.
        """
        chance = random.Random(next(self._numbers))  # noqa: S311 - the same charts in every run
        chart = Image.new("RGB", (width_px, height_px), _PAPER)
        draw = ImageDraw.Draw(chart)
        for step in range(1, 6):
            draw.line([(0, height_px * step // 6), (width_px, height_px * step // 6)], _GRID)
        close = height_px * 0.5
        for left in range(0, width_px, _BAR_PX):
            start, close = close, min(max(close + chance.gauss(0, height_px / 20), 0), height_px - 1)
            top, bottom = sorted((start, close))
            color = _UP if close <= start else _DOWN
            middle = left + _BAR_PX // 3
            wick = height_px / 30 * chance.random()
            draw.line([(middle, top - wick), (middle, bottom + wick)], color)
            draw.rectangle([(left, top), (left + _BAR_PX * 2 // 3, bottom)], color)
        buffer = BytesIO()
        chart.save(buffer, image_format)
        return buffer.getvalue()


def _account(number: int) -> dict[str, Any]:
    return {"account_id": f"U{number}", "name": f"Account {number}", "account_type": AccountType.BROKER}


def _trade(number: int) -> dict[str, Any]:
    return {
        "exec_id": f"{number:04}",
        "time": _OPENING_BELL + timedelta(minutes=number),
        "instrument": "SPY",
        "action": TradeAction.BOT,
        "quantity": 100,
        "price": 513.07,
        "account_id": "U1",
    }


def _image(_number: int) -> dict[str, Any]:
    return {"data": ChartMaker()(), "owner_id": "0001", "width": 640, "height": 360}


def _report(number: int) -> dict[str, Any]:
    return {"trade_id": f"{number:04}", "setup_quality": 4, "execution_quality": 3, "tags": ("breakout",)}


def _plan(_number: int) -> dict[str, Any]:
    return {"ticker": "SPY", "direction": TradeAction.BOT, "conviction": ConvictionLevel.HIGH}


def _watchlist(number: int) -> dict[str, Any]:
    return {"name": f"Watchlist {number}"}


def _watchlist_item(number: int) -> dict[str, Any]:
    return {"ticker": f"TICK{number}"}


def _balance(number: int) -> dict[str, Any]:
    return {"account_id": "U1", "datetime": _OPENING_BELL + timedelta(days=number), "balance": 10_000.0}


def _setting(number: int) -> dict[str, Any]:
    return {"key": f"setting.{number}", "value": number, "value_type": "int", "updated_at": _OPENING_BELL}


def _provider(number: int) -> dict[str, Any]:
    return {"provider_name": f"Provider {number}"}


DEFAULTS: dict[type, Callable[[int], dict[str, Any]]] = {
    Account: _account,
    BalanceSnapshot: _balance,
    ImageAttachment: _image,
    MarketProviderSetting: _provider,
    Setting: _setting,
    Trade: _trade,
    TradePlan: _plan,
    TradeReport: _report,
    Watchlist: _watchlist,
    WatchlistItem: _watchlist_item,
}
"""The fields of the n-th entity of each class. Trades and balances belong to the first account, the n-th report to the
n-th trade."""
