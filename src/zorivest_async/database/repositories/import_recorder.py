"""Recorder of an import, which stores, changes and deletes executions and remembers how to undo it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.repositories.accounts import SqlAlchemyAccountRepository
from zorivest_async.database.repositories.import_rows import (
    EXECUTION_KINDS,
    ImportRowRepository,
    order_of,
    parsed_before,
)
from zorivest_async.database.repositories.settings import SqlAlchemySettingRepository
from zorivest_async.database.repositories.trades import SqlAlchemyTradeRepository
from zorivest_async.domain.imports import ImportKind, ImportRow, fingerprint, hash_of, trade_to_json
from zorivest_async.domain.settings import encode_setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zorivest_async.database.repositories.base import Repository
    from zorivest_async.domain.entities import Account, SequencedTrade, Trade
    from zorivest_async.domain.settings import SettingValue

__all__ = ["SqlAlchemyImportRecorder"]


_FEW: Final = 25
"""Number of executions that are changed at a time. With 100 and their before-images, the garbage collector promoted
them to its oldest generation; its full collections blocked the event loop for 40 ms."""


class SqlAlchemyImportRecorder:
    """Recorder of an import in the transaction of a unit of work.

    It keeps nothing in memory but a few identifiers: what an import changes again is looked up in what it has recorded.

    Args:
        source: The repository of imports.
        import_id: Row number of the import.
    """

    def __init__(self, source: Repository[Any], import_id: int) -> None:
        self.import_id = import_id
        self._rows = ImportRowRepository(source)
        self._trades = SqlAlchemyTradeRepository(source)
        self._accounts = SqlAlchemyAccountRepository(source)
        self._settings = SqlAlchemySettingRepository(source)
        self._deleted = set[str]()

    async def insert(self, trades: Sequence[Trade], orders: Mapping[str, int]) -> None:
        """Insert executions that are not stored.

        Args:
            trades: The executions.
            orders: Positions of their bookings among the broker's transactions, where they are known.

        Raises:
            RepositoryError: One is stored, or something of your own refuses it.
        """
        await self._trades.save_many(trades)
        again = [trade.exec_id for trade in trades if trade.exec_id in self._deleted]
        own = await self._take_out(again) if again else {}
        self._deleted.difference_update(again)
        rows = list[ImportRow]()
        for trade in trades:
            row = own.get(trade.exec_id)
            before = parsed_before(row) if row is not None else {}
            kind = ImportKind.INSERTED if row is None else ImportKind.CHANGED
            rows.append(self._left(kind, trade, _ordered(before, orders.get(trade.exec_id))))
        await self._rows.add(rows)

    async def change(self, trades: Sequence[Trade], orders: Mapping[str, int]) -> None:
        """Change stored executions; see :meth:`insert`."""
        for start in range(0, len(trades), _FEW):
            await self._change(trades[start : start + _FEW], orders)

    async def _change(self, trades: Sequence[Trade], orders: Mapping[str, int]) -> None:
        ids = [trade.exec_id for trade in trades]
        stored = await self._images_of(await self._rows.whole_trades(ids))
        await self._trades.save_many(trades, on_duplicate="update")
        own = await self._take_out(ids)
        rows = list[ImportRow]()
        for trade in {trade.exec_id: trade for trade in trades}.values():
            row = own.get(trade.exec_id)
            if row is None or row.kind is ImportKind.BOOKED:
                kind, before = ImportKind.CHANGED, stored[trade.exec_id]
            else:
                kind, before = row.kind, parsed_before(row)
            order = orders.get(trade.exec_id, None if row is None else order_of(parsed_before(row)))
            rows.append(self._left(kind, trade, _ordered(before, order)))
        await self._rows.add(rows)

    async def delete(self, exec_id: str) -> None:
        """Delete a stored execution that nothing depends on."""
        stored = await self._rows.whole_trades([exec_id])
        await self._trades.delete(exec_id)
        await self._note_deleted(stored)

    async def supersede(self, old: str, new: str) -> None:
        """Give the images, report and plans of one stored execution to another, and delete the first.

        Raises:
            RepositoryError: The other one has a report already, or something of your own refuses it.
        """
        stored = await self._rows.whole_trades([old])
        attached = await self._rows.attached(old)
        await self._trades.supersede(old, new)
        await self._note_deleted(stored)
        for kind in (ImportKind.IMAGE, ImportKind.REPORT, ImportKind.PLAN):
            if keys := [key for found, key in attached if found == kind]:
                own = await self._rows.own(self.import_id, [kind], keys)
                await self._rows.forget(self.import_id, [kind], own)
                first = {key: parsed_before(row).get("from", old) for key, row in own.items()}
                await self._rows.add(
                    [
                        ImportRow(self.import_id, kind, key, _dumped({"from": first.get(key, old), "to": new}))
                        for key in keys
                    ]
                )

    async def note_bookings(self, orders: Mapping[str, int]) -> None:
        """Remember that stored executions, which do not change, are booked later than any import has stated before."""
        own = await self._rows.own(self.import_id, EXECUTION_KINDS, orders)
        await self._rows.forget(self.import_id, EXECUTION_KINDS, own)
        rows = list[ImportRow]()
        for exec_id, order in orders.items():
            row = own.get(exec_id)
            kind, left = (ImportKind.BOOKED, None) if row is None else (row.kind, row.hash_after)
            before = {} if row is None else parsed_before(row)
            rows.append(ImportRow(self.import_id, kind, exec_id, _dumped(_ordered(before, order)), left))
        await self._rows.add(rows)

    async def create_account(self, account: Account) -> None:
        """Insert an account."""
        await self._accounts.save(account)
        row = ImportRow(self.import_id, ImportKind.ACCOUNT, account.account_id, None, fingerprint(account))
        await self._rows.add([row])

    async def save_cancellations(self, settings: Mapping[str, SettingValue]) -> None:
        """Insert or replace the settings of remembered cancellations."""
        rows = list[ImportRow]()
        for key, value in settings.items():
            stored = await self._settings.get(key)
            before = None if stored is None else _dumped({"value": stored})
            rows.append(
                ImportRow(self.import_id, ImportKind.CANCELLATION, key, before, hash_of(encode_setting(value)[0]))
            )
        await self._settings.bulk_upsert(settings)
        await self._rows.add(rows)

    async def rely_on(self, imports: Iterable[int]) -> None:
        """Remember that the import relies on what earlier imports have stored; call it once."""
        await self._rows.add([ImportRow(self.import_id, ImportKind.MET, str(each)) for each in sorted(imports)])

    async def _take_out(self, exec_ids: Iterable[str]) -> dict[str, ImportRow]:
        own = await self._rows.own(self.import_id, EXECUTION_KINDS, exec_ids)
        if own:
            await self._rows.forget(self.import_id, EXECUTION_KINDS, own)
        return own

    async def _note_deleted(self, stored: dict[str, SequencedTrade]) -> None:
        images = await self._images_of(stored)
        own = await self._take_out(stored)
        rows = list[ImportRow]()
        for exec_id in stored:
            row = own.get(exec_id)
            if row is None or row.kind is ImportKind.BOOKED:
                before = images[exec_id]
            elif row.kind is ImportKind.INSERTED:
                continue
            else:
                before = parsed_before(row)
            rows.append(ImportRow(self.import_id, ImportKind.DELETED, exec_id, _dumped(before)))
            self._deleted.add(exec_id)
        await self._rows.add(rows)

    async def _images_of(self, stored: Mapping[str, SequencedTrade]) -> dict[str, dict[str, Any]]:
        """Return the before-images of executions, with the currency of their account where they have none."""
        without = {trade.account_id for trade in stored.values() if trade.currency is None}
        currencies = await self._rows.currencies(without) if without else {}
        images: dict[str, dict[str, Any]] = {}
        for exec_id, trade in stored.items():
            image: dict[str, Any] = {"trade": trade_to_json(trade)}
            if trade.currency is None:
                image["account_currency"] = currencies.get(trade.account_id)
            images[exec_id] = image
        return images

    def _left(self, kind: ImportKind, trade: Trade, before: Mapping[str, Any]) -> ImportRow:
        return ImportRow(self.import_id, kind, trade.exec_id, _dumped(before) if before else None, fingerprint(trade))


def _ordered(before: Mapping[str, Any], order: int | None) -> dict[str, Any]:
    values = {name: value for name, value in before.items() if name != "order"}
    return values if order is None else {**values, "order": order}


def _dumped(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
