"""The least that can be written to a vault and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factories import make_account
from zorivest_async import Vault

if TYPE_CHECKING:
    from pathlib import Path


async def write_account(vault: Vault) -> None:
    """Store something."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()


async def count_accounts(vault: Vault) -> int:
    """Read it back."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.accounts.count_all()


async def settings_in(path: Path, key: bytes) -> list[str]:
    """Return the keys of the settings in a vault, after checking all of it."""
    async with Vault.open(path, key=key, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return [setting.key for setting in await uow.settings.get_all()]
