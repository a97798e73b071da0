"""Units of work whose contents follow from their number, so that any process can write them and any other check them.

Unit ``n`` stores three trades, an image and a setting. A vault that holds one of these holds all of them, or was torn.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from zorivest_async import Account, AccountType, ImageAttachment, ImageOwnerType, Trade, TradeAction, Vault

if TYPE_CHECKING:
    from zorivest_async import SqlAlchemyUnitOfWork

__all__ = ["KEY", "STEPS_PER_UNIT", "data_of", "present_units", "trades_of", "write_account", "write_unit"]

KEY = bytes(range(32))
"""The raw key of a test's vault: no key derivation slows a process down."""

ACCOUNT = "U1"
STEPS_PER_UNIT = 3
"""Trades in a unit."""

ATTACHED_EVERY = 5
"""Every fifth image is a real one, which goes through the decoding threads."""

_BELL = datetime(2024, 3, 8, 14, 30, tzinfo=UTC)


def trades_of(unit: int) -> list[Trade]:
    """Return the trades of a unit."""
    return [
        Trade(
            f"{unit:06}-{step}",
            _BELL + timedelta(seconds=unit, milliseconds=step),
            "SPY",
            TradeAction.BOT if step % 2 else TradeAction.SLD,
            unit + 1,
            unit * 1.01 + step,
            ACCOUNT,
        )
        for step in range(STEPS_PER_UNIT)
    ]


def data_of(unit: int, image_bytes: int) -> bytes:
    """Return the bytes of a unit's image: a small PNG for every fifth, noise of a given size for the others."""
    if unit % ATTACHED_EVERY == 0:
        buffer = BytesIO()
        Image.new("RGB", (24, 16), (unit % 256, unit // 256 % 256, 7)).save(buffer, "PNG")
        return buffer.getvalue()
    return random.Random(unit).randbytes(image_bytes)


async def write_account(vault: Vault) -> None:
    """Store the account that every trade belongs to."""
    async with vault.unit_of_work() as uow:
        if not await uow.accounts.exists(ACCOUNT):
            await uow.accounts.save(Account(ACCOUNT, "Margin", AccountType.BROKER))
            await uow.commit()


async def write_unit(uow: SqlAlchemyUnitOfWork, unit: int, image_bytes: int) -> None:
    """Send a unit's statements, without committing them."""
    first, *others = trades_of(unit)
    await uow.trades.save(first)
    data = data_of(unit, image_bytes)
    if unit % ATTACHED_EVERY == 0:
        await uow.images.attach(ImageOwnerType.TRADE, first.exec_id, data)
    else:
        await uow.images.save(first.exec_id, ImageAttachment(data))
    await uow.trades.save_many(others)
    await uow.settings.set(f"unit {unit}", unit)


async def present_units(vault: Vault, image_bytes: int) -> list[int]:
    """Return the numbers of the units in a vault, in order.

    Raises:
        AssertionError: A unit is there in part, or holds anything but what was written.
    """
    async with vault.unit_of_work(read_only=True) as uow:
        trades = {trade.exec_id: trade for trade in await uow.trades.list_all(limit=None)}
        settings = {setting.key: setting.value for setting in await uow.settings.get_all()}
        units = sorted(int(key.removeprefix("unit ")) for key in settings)
        for unit in units:
            expected = trades_of(unit)
            assert settings[f"unit {unit}"] == unit
            assert [trades.pop(trade.exec_id) for trade in expected] == expected
            images = await uow.images.get_for_trade(expected[0].exec_id)
            assert [image.data for image in images] == [data_of(unit, image_bytes)]
        assert not trades, "trades of a unit that is not there"
    return units
