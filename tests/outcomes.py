"""Outcomes of many units of work, compared with what a journal has stored."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from factories import make_account
from zorivest_async import ZorivestError

if TYPE_CHECKING:
    from zorivest_async import SqlAlchemyUnitOfWork, Vault

__all__ = ["Outcomes", "require_full_pools"]


class Outcomes:
    """Units of work that each write one account, under a name of its own.

    Attributes:
        acknowledged: The names of those whose ``commit()`` has returned.
    """

    def __init__(self) -> None:
        self.acknowledged = set[str]()
        self._units: Final[dict[str, SqlAlchemyUnitOfWork]] = {}

    async def write(self, vault: Vault, name: str, *, through_session: bool = False) -> None:
        """Write in a unit of work, whose error is left to its outcome.

        Args:
            vault: The journal.
            name: The name of the account.
            through_session: Whether SQLAlchemy sends its statements.
        """
        with suppress(ZorivestError):
            async with vault.unit_of_work() as uow:
                self._units[name] = uow
                if through_session:
                    await uow.connection()
                await uow.accounts.save(make_account(name))
                await uow.commit()
                self.acknowledged.add(name)

    @property
    def unknown(self) -> list[str]:
        """The names of those whose outcome is unknown."""
        return [name for name, unit in self._units.items() if unit.outcome == "unknown"]

    async def check(self, vault: Vault) -> Counter[str]:
        """Require that every outcome is what is stored, that nothing acknowledged is missing.

        Returns:
            How many units of work had each outcome.
        """
        async with vault.unit_of_work(read_only=True) as uow:
            stored = {account.account_id for account in await uow.accounts.list_all(limit=None)}
        assert stored <= self._units.keys()
        assert self.acknowledged <= stored
        told = {"committed": True, "rolled_back": False}
        untrue = {
            name: unit.outcome
            for name, unit in self._units.items()
            if unit.outcome != "unknown" and told[unit.outcome] != (name in stored)
        }
        assert not untrue
        return Counter(unit.outcome for unit in self._units.values())


async def require_full_pools(vault: Vault) -> None:
    """Require that no connection is missing, and that the next unit of work writes."""
    for engine in (vault.engine, vault.read_engine):
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    async with vault.unit_of_work() as uow:
        await uow.settings.set("after", True)
        await uow.commit()
        assert uow.outcome == "committed"
