"""Tortoise ORM over the standard library's SQLite, the only one that it supports: its file is not encrypted."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from tortoise import Model, Tortoise, fields
from tortoise.transactions import in_transaction

from benchmarks.contenders.base import File
from benchmarks.trades import NEW_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zorivest_async import Trade

__all__ = ["TortoiseOrm"]


class Execution(Model):
    """A trade."""

    exec_id = fields.CharField(max_length=64, primary_key=True)
    time = fields.DatetimeField()
    instrument = fields.CharField(max_length=64)
    action = fields.CharField(max_length=3)
    quantity = fields.FloatField()
    price = fields.FloatField()
    account_id = fields.CharField(max_length=64)
    commission = fields.FloatField(null=True)
    realized_pnl = fields.FloatField(null=True)

    class Meta:
        """Where it is stored."""

        table = "trades"


class TortoiseOrm:
    """Its one connection to a file; its results are models."""

    file = File.PLAIN

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: ARG003
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        credentials = {"file_path": str(path), "journal_mode": "WAL", "synchronous": "FULL"}
        await Tortoise.init(
            {
                "connections": {"default": {"engine": "tortoise.backends.sqlite", "credentials": credentials}},
                "apps": {"journal": {"models": [__name__], "default_connection": "default"}},
            },
            _enable_global_fallback=True,
        )
        return cls()

    @staticmethod
    def observe(path: Path, key: bytes) -> sqlite3.Connection:  # noqa: ARG004, D102
        return sqlite3.connect(path, isolation_level=None)

    async def aclose(self) -> None:  # noqa: D102
        await Tortoise.close_connections()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return [
            Execution(
                exec_id=trade.exec_id,
                time=trade.time,
                instrument=trade.instrument,
                action=trade.action.value,
                quantity=trade.quantity,
                price=trade.price,
                account_id=trade.account_id,
                commission=trade.commission,
                realized_pnl=trade.realized_pnl,
            )
            for trade in trades
        ]

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        return await Execution.get(exec_id=exec_id)

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        await trade.save(force_create=True)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with in_transaction():
            trade = await Execution.get(exec_id=exec_id)
            trade.commission = (trade.commission or 0.0) + 0.01
            await trade.save(update_fields=["commission"])

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        await Execution.bulk_create(trades)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return await Execution.all().order_by("-time", "-exec_id").limit(count)

    async def remove_new(self, path: Path) -> None:  # noqa: D102
        await asyncio.to_thread(_remove_new, path)


def _remove_new(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM trades WHERE account_id = ?", (NEW_ACCOUNT.account_id,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
