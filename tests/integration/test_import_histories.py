"""Random histories of a broker, cut into files at random: the vault holds what is live, whatever is imported when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from statements import flex, trade
from zorivest_async import ImportUndoError, UndoObstacle, Vault
from zorivest_async.transfer.importers import FlexTrades, import_trades

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

FEW = 12
MANY = 500
STEPS = 14
"""Imports, undos and edits of a history."""


@dataclass(frozen=True)
class Event:
    """A line of the broker: a booking, or the cancellation of one."""

    order: int
    family: str
    revision: int
    trade_id: int
    price: int = 0
    cancels: bool = False

    @property
    def exec_id(self) -> str:
        """IBKR's identifier, whose last digits count versions."""
        return f"{self.family}.{self.revision:02}"

    def to_xml(self) -> str:
        """Return the line as a Flex statement has it."""
        changes = {"ibExecID": self.exec_id, "transactionID": str(self.order), "tradePrice": str(self.price or 1)}
        if not self.cancels:
            return trade(self.order, tradeID=str(self.trade_id), **changes)
        return trade(
            self.order,
            tradeID=f"9{self.order}",
            origTradeID=str(self.trade_id),
            buySell="BUY (Ca.)",
            transactionType="TradeCancel",
            **changes,
        )


@dataclass
class Broker:
    """A broker that books, corrects, cancels and books again."""

    chance: random.Random
    events: list[Event] = field(default_factory=list)

    def trade_on(self, count: int) -> None:
        """Add events."""
        booked: dict[str, Event] = {}
        cancelled: dict[str, Event] = {}
        for order in range(1, count + 1):
            draw = self.chance.random()
            if draw < 0.3 or not booked:
                event = Event(order, f"{order:04}.ab.01", 1, order, order)
                booked[event.family] = event
            elif draw < 0.55:
                last = self.chance.choice([*booked.values()])
                trade_id = last.trade_id if self.chance.random() < 0.5 else order
                event = replace(last, order=order, revision=last.revision + 1, trade_id=trade_id, price=order)
                booked[event.family] = event
            elif draw < 0.8 or not cancelled:
                last = booked.pop(self.chance.choice([*booked]))
                event = replace(last, order=order, cancels=True)
                cancelled[event.family] = event
            else:
                last = cancelled.pop(self.chance.choice([*cancelled]))
                trade_id = last.trade_id if self.chance.random() < 0.5 else order
                revision = last.revision + self.chance.randrange(2)
                event = Event(order, last.family, revision, trade_id, order)
                if self.chance.random() < 0.2:
                    event = replace(event, family=f"{order:04}.cd.01", revision=1)
                booked[event.family] = event
            self.events.append(event)

    def cut(self) -> frozenset[Event]:
        """Return the lines of a file: those of a period, or any."""
        if self.chance.random() < 0.7:
            first, last = sorted(self.chance.choices(range(len(self.events) + 1), k=2))
            return frozenset(self.events[first:last])
        return frozenset(event for event in self.events if self.chance.random() < 0.4)


def live(events: Iterable[Event]) -> dict[str, int]:
    """Return the price of each execution that is live after some events, by its identifier.

    A booking is live unless it was cancelled later, under its trade identifier or as a version, or there is a later
    version; of several bookings under one identifier, the last counts.
    """
    known = sorted(events, key=lambda event: event.order)
    found: dict[str, int] = {}
    for event in known:
        if event.cancels:
            continue
        others = [other for other in known if other is not event]
        same = [other for other in others if other.family == event.family and other.revision >= event.revision]
        is_cancelled = any(
            other.cancels and other.order > event.order and (other in same or other.trade_id == event.trade_id)
            for other in others
        )
        if not is_cancelled and not any(not other.cancels and other.revision > event.revision for other in same):
            found[event.exec_id] = event.price
    return found


async def stored(vault: Vault) -> dict[str, int]:
    """Return the same of a vault."""
    async with vault.unit_of_work(read_only=True) as uow:
        return {each.exec_id: int(each.price) for each in await uow.trades.list_all(limit=None)}


async def undo(vault: Vault, import_id: int) -> ImportUndoError | None:
    """Undo an import, or return why not."""
    async with vault.unit_of_work() as uow:
        try:
            await uow.imports.undo(import_id)
        except ImportUndoError as error:
            return error
        await uow.commit()
    return None


async def annotate(vault: Vault, chance: random.Random) -> None:
    """Edit an execution, as its user would."""
    async with vault.unit_of_work() as uow:
        trades = await uow.trades.list_all(limit=None)
        if trades:
            await uow.trades.update(replace(chance.choice(trades), notes=f"note {chance.random()}"))
        await uow.commit()


async def live_through(seed: int, folder: Path) -> None:
    """Live through a history, and compare after each step."""
    chance = random.Random(seed)  # noqa: S311 - seeded randomness makes a test repeatable
    broker = Broker(chance)
    broker.trade_on(chance.randrange(4, 20))
    imports: dict[int, frozenset[Event]] = {}
    files: list[frozenset[Event]] = []
    async with Vault.in_memory() as vault:
        for _ in range(STEPS):
            draw = chance.random()
            if draw < 0.25 and imports:
                import_id = chance.choice([*imports])
                error = await undo(vault, import_id)
                if error is None:
                    del imports[import_id]
                else:
                    assert error.obstacle in (UndoObstacle.LATER_IMPORT, UndoObstacle.EDITED)
                    assert set(error.imports) <= imports.keys()
            elif draw < 0.35:
                await annotate(vault, chance)
            else:
                file = chance.choice(files) if files and chance.random() < 0.3 else broker.cut()
                lines = [event.to_xml() for event in sorted(file, key=lambda event: event.order)]
                path = await flex(folder / "statement.xml", *lines)
                report = await import_trades(vault, FlexTrades(path), accounts="create")
                assert not report.failed, [str(entry) for entry in report.failed]
                assert (report.import_id is None) <= (report.repeats is not None)
                files.append(file)
                if report.import_id is not None:
                    imports[report.import_id] = file
            assert await stored(vault) == live(set().union(*imports.values())), f"history {seed}"
        for import_id in sorted(imports, reverse=True):
            while (error := await undo(vault, import_id)) is not None:
                assert error.obstacle is UndoObstacle.EDITED
                async with vault.unit_of_work() as uow:
                    for exec_id in error.executions:
                        await uow.trades.delete(exec_id)
                    await uow.commit()
        assert await stored(vault) == {}
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get_all() == []
            assert await uow.accounts.count_all() == 0
            assert await uow.imports.count_all() == 0


@pytest.mark.parametrize("seed", range(FEW))
async def test_a_history_ends_with_the_live_set(seed: int, tmp_path: Path) -> None:
    """After each import, undo and edit; and when all is undone, nothing is left."""
    await live_through(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_many_histories_end_with_the_live_set(tmp_path: Path) -> None:
    """The same, for many more."""
    for seed in range(FEW, MANY):
        await live_through(seed, tmp_path)
