"""The repositories against plain dictionaries: whatever is done in whatever order, they hold the same."""

from __future__ import annotations

import asyncio
import copy
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from factories import make_account, make_image_entity, make_report, make_trade, minutes_later
from workers.model import Journal, Unit, read
from zorivest_async import (
    DuplicateError,
    ForeignKeyError,
    KdfProfile,
    NotFoundError,
    RepositoryError,
    SaveResult,
    Vault,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zorivest_async import SqlAlchemyUnitOfWork

ACCOUNT_IDS = st.sampled_from(["U1", "U2"])
EXEC_IDS = st.sampled_from(["a", "b", "c", "d"])
PRICES = st.floats(0.01, 1e6)
SETTING_KEYS = st.sampled_from(["x", "y"])
SETTING_VALUES = st.one_of(
    st.integers(-5, 5), st.text("ab'\"%é", max_size=5), st.booleans(), st.lists(st.integers(0, 3))
)

_T = TypeVar("_T")


class VaultMachine(RuleBasedStateMachine):
    """Rules that do the same to a vault and to its model."""

    @initialize()
    def open_vault(self) -> None:
        """Begin with an empty vault."""
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.passphrase = "first"
        self.committed, self.pending = Journal(), Journal()
        self.backups = 0
        self.vault = self.run(self._open(self.folder / "journal.vault"))
        self.unit: Unit | None = None

    async def _open(self, path: Path) -> Vault:
        return await Vault.open(path, passphrase=self.passphrase, profile=KdfProfile.CHEAPEST)

    def run(self, work: Awaitable[_T]) -> _T:
        """Run a coroutine on the machine's event loop."""

        async def await_it() -> _T:
            return await work

        return self.runner.run(await_it())

    def call(self, function: Callable[[SqlAlchemyUnitOfWork], Awaitable[_T]]) -> _T:
        """Run a function in the open unit of work, and before that open one where none is."""

        async def run() -> _T:
            if self.unit is None:
                self.unit = Unit(self.vault)
            return await self.unit.call(function)

        return self.run(run())

    def expect(
        self, error: type[RepositoryError] | None, function: Callable[[SqlAlchemyUnitOfWork], Awaitable[_T]]
    ) -> _T | None:
        """Run a function that must raise, or must not; one that raises changes nothing, as the next check shows."""
        if error is None:
            return self.call(function)
        with pytest.raises(error):
            self.call(function)
        return None

    @rule(account_id=ACCOUNT_IDS, notes=st.text("ab", max_size=3))
    def save_account(self, account_id: str, notes: str) -> None:
        """An account is saved once."""
        account = make_account(account_id, notes=notes)
        self.expect(
            DuplicateError if account_id in self.pending.accounts else None, lambda uow: uow.accounts.save(account)
        )
        self.pending.accounts.setdefault(account_id, account)

    @rule(account_id=ACCOUNT_IDS)
    def delete_account(self, account_id: str) -> None:
        """An account with trades stays."""
        used = any(trade.account_id == account_id for trade in self.pending.trades.values())
        deleted = self.expect(ForeignKeyError if used else None, lambda uow: uow.accounts.delete(account_id))
        if not used:
            assert deleted == (self.pending.accounts.pop(account_id, None) is not None)

    @rule(exec_id=EXEC_IDS, account_id=ACCOUNT_IDS, price=PRICES)
    def save_trade(self, exec_id: str, account_id: str, price: float) -> None:
        """A trade is saved once, into an account."""
        trade = make_trade(exec_id, account_id=account_id, price=price)
        error = (
            DuplicateError
            if exec_id in self.pending.trades
            else (None if account_id in self.pending.accounts else ForeignKeyError)
        )
        self.expect(error, lambda uow: uow.trades.save(trade))
        if error is None:
            self.pending.trades[exec_id] = trade

    @rule(exec_id=EXEC_IDS, price=PRICES)
    def update_trade(self, exec_id: str, price: float) -> None:
        """Only a stored trade is updated."""
        trade = replace(self.pending.trades.get(exec_id) or make_trade(exec_id), price=price, time=minutes_later(5))
        stored = exec_id in self.pending.trades
        self.expect(None if stored else NotFoundError, lambda uow: uow.trades.update(trade))
        if stored:
            self.pending.trades[exec_id] = trade

    @rule(
        exec_ids=st.lists(EXEC_IDS, unique=True),
        price=PRICES,
        on_duplicate=st.sampled_from(["error", "skip", "update"]),
    )
    @precondition(lambda self: "U1" in self.pending.accounts)
    def save_many(self, exec_ids: list[str], price: float, on_duplicate: Any) -> None:
        """All or none, and duplicates as was asked."""
        trades = {exec_id: make_trade(exec_id, price=price) for exec_id in exec_ids}
        known = [exec_id for exec_id in exec_ids if exec_id in self.pending.trades]
        refused = on_duplicate == "error" and known
        result = self.expect(
            DuplicateError if refused else None, lambda uow: uow.trades.save_many(trades.values(), on_duplicate)
        )
        if refused:
            return
        skipped, updated = (len(known), 0) if on_duplicate == "skip" else (0, len(known))
        assert result == SaveResult(len(trades) - len(known), skipped, updated)
        self.pending.trades = trades | self.pending.trades if on_duplicate == "skip" else self.pending.trades | trades

    @rule(exec_id=EXEC_IDS)
    def delete_trade(self, exec_id: str) -> None:
        """Its report and images go with it."""
        stored = exec_id in self.pending.trades
        assert self.call(lambda uow: uow.trades.delete(exec_id)) == stored
        if stored:
            self.pending.delete_trade(exec_id)

    @rule(exec_id=EXEC_IDS, data=st.binary(min_size=1, max_size=6_000))
    def save_image(self, exec_id: str, data: bytes) -> None:
        """An image needs its trade; row numbers are new."""
        stored = exec_id in self.pending.trades
        number = self.expect(
            None if stored else ForeignKeyError, lambda uow: uow.images.save(exec_id, make_image_entity(data))
        )
        if number is not None:
            assert number not in self.pending.images
            self.pending.images[number] = (exec_id, data)

    @rule(exec_id=EXEC_IDS, quality=st.integers(1, 5))
    def save_report(self, exec_id: str, quality: int) -> None:
        """A trade has one report at most."""
        report = make_report(exec_id, setup_quality=quality)
        error = (
            DuplicateError
            if exec_id in self.pending.reports
            else (None if exec_id in self.pending.trades else ForeignKeyError)
        )
        self.expect(error, lambda uow: uow.trade_reports.save(report))
        if error is None:
            self.pending.reports[exec_id] = report

    @rule(key=SETTING_KEYS, value=SETTING_VALUES)
    def set_setting(self, key: str, value: Any) -> None:
        """A setting is what was set last."""
        self.call(lambda uow: uow.settings.set(key, value))
        self.pending.settings[key] = value

    @rule(key=SETTING_KEYS, keep=st.booleans())
    def set_within_a_savepoint(self, key: str, keep: bool) -> None:
        """A block that raises is undone alone."""

        async def set_and_maybe_raise(uow: SqlAlchemyUnitOfWork) -> None:
            async with uow.savepoint():
                await uow.settings.set(key, "within")
                if not keep:
                    raise NotFoundError

        self.expect(None if keep else NotFoundError, set_and_maybe_raise)
        if keep:
            self.pending.settings[key] = "within"

    @rule()
    def commit(self) -> None:
        """What was done lasts."""
        self.call(lambda uow: uow.commit())
        self.committed = copy.deepcopy(self.pending)

    @rule()
    def roll_back(self) -> None:
        """What was done since the last commit is undone."""
        self.call(lambda uow: uow.rollback())
        self.pending = copy.deepcopy(self.committed)

    @rule()
    def leave(self) -> None:
        """Leaving rolls back."""
        if self.unit is not None:
            self.run(self.unit.leave())
            self.unit = None
        self.pending = copy.deepcopy(self.committed)

    @rule()
    def reopen(self) -> None:
        """What was committed outlives the process, as it were."""
        self.leave()
        self.run(self.vault.aclose())
        self.vault = self.run(self._open(self.folder / "journal.vault"))

    @rule()
    def change_passphrase(self) -> None:
        """A copy under a new key holds the same."""
        self.leave()
        self.passphrase += "!"
        self.run(self.vault.rekey(self.passphrase, profile=KdfProfile.CHEAPEST))

    @rule()
    def back_up(self) -> None:
        """A copy holds what was committed, also in the middle of a unit of work."""
        self.backups += 1
        copy_path = self.folder / f"{self.backups}.vault"
        self.run(self.vault.backup(copy_path))

        async def read_copy() -> Journal:
            async with await self._open(copy_path) as vault, vault.unit_of_work(read_only=True) as uow:
                return await read(uow)

        assert self.run(read_copy()) == self.committed

    @rule()
    def read_what_was_committed(self) -> None:
        """Readers see the last commit, whatever the writer does."""

        async def read_it() -> Journal:
            async with self.vault.unit_of_work(read_only=True) as uow:
                return await read(uow)

        assert self.run(read_it()) == self.committed

    @invariant()
    def the_writer_sees_its_own_work(self) -> None:
        """The unit of work holds what the model holds."""
        if self.unit is not None:
            assert self.call(read) == self.pending

    def teardown(self) -> None:
        """Compare once more, verify, and close."""
        if not hasattr(self, "vault"):
            return
        self.leave()
        self.read_what_was_committed()
        assert self.run(self.vault.verify()).ok
        self.run(self.vault.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


# Hypothesis would call being timed out in the middle of an example a flaky test.
@pytest.mark.timeout(600)
def test_the_repositories_behave_as_dictionaries(tell: Callable[[str], None]) -> None:
    """Commits, rollbacks, errors, savepoints, backups, new passphrases and reopenings in random order."""
    run_state_machine_as_test(VaultMachine, settings=settings(SETTINGS, max_examples=20, stateful_step_count=25))
    tell("20 examples of up to 25 steps")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_repositories_behave_as_dictionaries_for_long(tell: Callable[[str], None]) -> None:
    """The same, with more and longer examples."""
    run_state_machine_as_test(VaultMachine, settings=settings(SETTINGS, max_examples=500, stateful_step_count=60))
    tell("500 examples of up to 60 steps: no difference")
