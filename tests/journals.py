"""The least that can be written to a vault and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factories import make_account

if TYPE_CHECKING:
    from zorivest_async import Vault


async def write_account(vault: Vault) -> None:
    """Store something."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()


async def count_accounts(vault: Vault) -> int:
    """Read it back."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.accounts.count_all()
