"""Undoing an import: first every check, then every change, in one savepoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Integer, String, and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy import cast as sql_cast

from zorivest_async.database.repositories.accounts import SqlAlchemyAccountRepository
from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.repositories.foreign_keys import find_refusing_table
from zorivest_async.database.repositories.import_rows import (
    ImportRowRepository,
    is_of_execution,
    parsed_before,
)
from zorivest_async.database.repositories.settings import SqlAlchemySettingRepository
from zorivest_async.database.repositories.trades import SqlAlchemyTradeRepository
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import (
    ACCOUNTS,
    BALANCE_SNAPSHOTS,
    IMAGES,
    IMPORT_ROWS,
    IMPORTS,
    TRADE_PLANS,
    TRADE_REPORTS,
    TRADES,
)
from zorivest_async.domain.enums import ImageOwnerType, UndoObstacle
from zorivest_async.domain.imports import ImportKind, fingerprint, hash_of, trade_from_json
from zorivest_async.domain.queries import UndoResult
from zorivest_async.domain.settings import encode_setting
from zorivest_async.errors import ForeignKeyError, ImportUndoError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from zorivest_async.domain.entities import SequencedTrade
    from zorivest_async.domain.imports import ImportRow

__all__ = ["referenced", "undo_import"]

MAX_NAMES: Final = 100
"""Maximum number of executions that an error names."""

_LATER: Final = "later imports changed what it stored, or found it stored already: undo these first, the newest first"
_EDITED: Final = (
    "executions differ from what it left: delete them, or give them the values that it left, and undo it again"
)
_IN_USE: Final = "executions that it inserted have images, a report or a plan: delete or move these first"
_STORED_AGAIN: Final = "executions that it deleted are stored again: delete them first"
_ACCOUNT_GONE: Final = "the account of an execution that it changed or deleted is not stored: save that first"
_ACCOUNT_CHANGED: Final = (
    "executions that it changed or deleted are in the currency of their account, which has another one since: "
    "give the account its currency back first"
)
_CANCELLATION: Final = (
    "a cancellation that it remembers was changed since: delete the setting that begins with zorivest.cancelled/"
)

_ROWS: Final = IMPORT_ROWS.c
_OTHER: Final = IMPORT_ROWS.alias("other")
_OF_IMPORT: Final = _ROWS.import_id == bindparam("import_id")
_LATER_IMPORTS = Statement(
    select(_OTHER.c.import_id)
    .distinct()
    .where(
        _OTHER.c.import_id > bindparam("import_id"),
        or_(
            and_(_OTHER.c.kind == ImportKind.MET.value, _OTHER.c.key == bindparam("met")),
            and_(
                is_of_execution(_OTHER.c.kind),
                exists().where(_OF_IMPORT, is_of_execution(_ROWS.kind), _ROWS.key == _OTHER.c.key),
            ),
            and_(
                _OTHER.c.kind == ImportKind.CANCELLATION.value,
                exists().where(_OF_IMPORT, _ROWS.kind == ImportKind.CANCELLATION.value, _ROWS.key == _OTHER.c.key),
            ),
        ),
    )
    .order_by(_OTHER.c.import_id.desc())
)


def _moved(kind: ImportKind, number: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that the import has moved what has a row number."""
    moved = IMPORT_ROWS.alias(f"moved_{kind.value}")
    return exists().where(
        moved.c.import_id == bindparam("import_id"), moved.c.kind == kind.value, moved.c.key == sql_cast(number, String)
    )


_OF_IMAGE: Final = (IMAGES.c.owner_type == ImageOwnerType.TRADE) & (IMAGES.c.owner_id == _ROWS.key)
_IN_USE_NAMES = Statement(
    select(_ROWS.key)
    .where(
        _OF_IMPORT,
        _ROWS.kind == ImportKind.INSERTED.value,
        or_(
            exists().where(_OF_IMAGE, ~_moved(ImportKind.IMAGE, IMAGES.c.id)),
            exists().where(TRADE_REPORTS.c.trade_id == _ROWS.key, ~_moved(ImportKind.REPORT, TRADE_REPORTS.c.id)),
            exists().where(TRADE_PLANS.c.linked_trade_id == _ROWS.key, ~_moved(ImportKind.PLAN, TRADE_PLANS.c.id)),
        ),
    )
    .order_by(_ROWS.key)
    .limit(MAX_NAMES)
)
_FROM, _TO = bindparam("old", type_=String), bindparam("new", type_=String)
_NUMBER: Final = bindparam("number", type_=Integer)
_MOVES_BACK: Final = {
    ImportKind.IMAGE: Statement(
        update(IMAGES)
        .where(IMAGES.c.id == _NUMBER, IMAGES.c.owner_type == ImageOwnerType.TRADE, IMAGES.c.owner_id == _TO)
        .values(owner_id=_FROM)
    ),
    ImportKind.REPORT: Statement(
        update(TRADE_REPORTS)
        .where(TRADE_REPORTS.c.id == _NUMBER, TRADE_REPORTS.c.trade_id == _TO)
        .values(trade_id=_FROM)
    ),
    ImportKind.PLAN: Statement(
        update(TRADE_PLANS)
        .where(TRADE_PLANS.c.id == _NUMBER, TRADE_PLANS.c.linked_trade_id == _TO)
        .values(linked_trade_id=_FROM)
    ),
}
# One statement: in a savepoint, SQLite keeps each page that a statement changes in memory, once for each statement.
_DELETE = Statement(
    delete(TRADES).where(
        TRADES.c.exec_id.in_(select(_ROWS.key).where(_OF_IMPORT, _ROWS.kind == ImportKind.INSERTED.value))
    )
)
_ACCOUNT: Final = bindparam("account_id", type_=String)
_OF_ACCOUNT: Final = ACCOUNTS.c.account_id == _ACCOUNT
_ACCOUNT_IS_USED = Statement(
    select(
        or_(
            exists().where(TRADES.c.account_id == _ACCOUNT),
            exists().where(TRADE_PLANS.c.account_id == _ACCOUNT),
            exists().where(BALANCE_SNAPSHOTS.c.account_id == _ACCOUNT),
        )
    )
)

_HEIR = Statement(
    select(func.min(_ROWS.import_id)).where(
        _ROWS.import_id != bindparam("import_id"),
        _ROWS.kind == ImportKind.INSERTED.value,
        _ROWS.key.in_(select(TRADES.c.exec_id).where(TRADES.c.account_id == _ACCOUNT)),
    )
)

_DELETERS = Statement(
    select(_ROWS.import_id)
    .distinct()
    .where(_ROWS.import_id != bindparam("import_id"), _ROWS.kind == ImportKind.DELETED.value)
    .order_by(_ROWS.import_id)
)

_FORGET_IMPORT = Statement(delete(IMPORTS).where(IMPORTS.c.id == bindparam("import_id")))


async def undo_import(source: Repository[Any], import_id: int) -> UndoResult:
    """Undo an import; what it has written stays if it raises, so call it in a block that undoes that.

    Raises:
        ImportUndoError: Something of the user's, or of a later import, would be lost.
    """
    undoing = _Undoing(source, import_id)
    await undoing.check()
    return await undoing.run()


async def referenced(source: Repository[Any], import_id: int) -> tuple[str, ...]:
    """Return executions that an import has inserted and a row of a table of the user's refers to, some of them."""
    rows, trades = ImportRowRepository(source), SqlAlchemyTradeRepository(source)
    after = ""
    while page := await rows.page(import_id, ImportKind.INSERTED, after):
        after = page[-1].key
        if await trades.find_reference(row.key for row in page):
            return tuple([row.key for row in page if await trades.find_reference([row.key])])
    return ()


class _Undoing(Repository[Any]):
    def __init__(self, source: Repository[Any], import_id: int) -> None:
        super().__init__(source)
        self._import_id = import_id
        self._rows = ImportRowRepository(source)
        self._trades = SqlAlchemyTradeRepository(source)
        self._accounts = SqlAlchemyAccountRepository(source)
        self._settings = SqlAlchemySettingRepository(source)
        self.mapper = self._rows.mapper  # type: ignore[misc]

    async def check(self) -> None:
        """Check that nothing prevents it.

        Raises:
            ImportUndoError: Something does.
        """
        import_id = self._import_id
        later = await self._fetch_rows(_LATER_IMPORTS, import_id=import_id, met=str(import_id))
        if later:
            raise self._error(UndoObstacle.LATER_IMPORT, _LATER, imports=[number for (number,) in later])
        if edited := await self._edited():
            raise self._error(UndoObstacle.EDITED, _EDITED, edited)
        if in_use := [exec_id for (exec_id,) in await self._fetch_rows(_IN_USE_NAMES, import_id=import_id)]:
            raise self._error(UndoObstacle.IN_USE, _IN_USE, in_use)
        async for rows in self._pages(ImportKind.DELETED):
            if stored := await self._rows.whole_trades(row.key for row in rows):
                raise self._error(UndoObstacle.STORED_AGAIN, _STORED_AGAIN, sorted(stored))
        async for rows in self._pages(ImportKind.CANCELLATION):
            for row in rows:
                value = await self._settings.get(row.key)
                if value is not None and hash_of(encode_setting(value)[0]) != row.hash_after:
                    raise self._error(UndoObstacle.CANCELLATION, _CANCELLATION)

    async def run(self) -> UndoResult:
        """Undo everything, in an order in which each step finds what it needs."""
        brought_back = await self._bring_back()
        for kind in _MOVES_BACK:
            await self._move_back(kind)
        restored = await self._restore()
        deleted = await self._delete()
        await self._restore_cancellations()
        accounts = await self._delete_accounts()
        await self._rows.forget_all(self._import_id)
        await self._execute(_FORGET_IMPORT, import_id=self._import_id)
        return UndoResult(deleted=deleted, restored=restored, brought_back=brought_back, accounts_deleted=accounts)

    async def _pages(self, kind: ImportKind, import_id: int | None = None) -> AsyncGenerator[list[ImportRow]]:
        after = ""
        while rows := await self._rows.page(import_id or self._import_id, kind, after):
            after = rows[-1].key
            yield rows

    async def _edited(self) -> list[str]:
        edited: list[str] = []
        for kind in (ImportKind.INSERTED, ImportKind.CHANGED):
            async for rows in self._pages(kind):
                stored = await self._rows.whole_trades(row.key for row in rows)
                for row in rows:
                    found = stored.get(row.key)
                    # What its user has deleted since stays deleted.
                    if found is not None and fingerprint(found) != row.hash_after:
                        edited.append(row.key)
                if len(edited) >= MAX_NAMES:
                    return edited[:MAX_NAMES]
        return edited

    async def _before(self, rows: Iterable[ImportRow]) -> list[SequencedTrade]:
        """Return the executions as they were before.

        Raises:
            ImportUndoError: Their account is gone, or would give them another currency.
        """
        images = [parsed_before(row) for row in rows]
        trades = [trade_from_json(image.get("trade", {})) for image in images]
        currencies = await self._rows.currencies({trade.account_id for trade in trades})
        for image, trade in zip(images, trades, strict=True):
            if trade.account_id not in currencies:
                raise self._error(UndoObstacle.ACCOUNT, _ACCOUNT_GONE, [trade.exec_id])
            if trade.currency is None and currencies[trade.account_id] != image.get("account_currency"):
                raise self._error(UndoObstacle.ACCOUNT, _ACCOUNT_CHANGED, [trade.exec_id])
        return trades

    async def _bring_back(self) -> int:
        count = 0
        async for rows in self._pages(ImportKind.DELETED):
            await self._trades.save_many(await self._before(rows))
            count += len(rows)
        return count

    async def _move_back(self, kind: ImportKind) -> None:
        async for rows in self._pages(kind):
            for row in rows:
                places = parsed_before(row)
                # What was moved elsewhere since, or deleted, is not found, and stays so.
                await self._execute(
                    _MOVES_BACK[kind], number=int(row.key), old=places.get("from"), new=places.get("to")
                )

    async def _restore(self) -> int:
        count = 0
        async for rows in self._pages(ImportKind.CHANGED):
            stored = await self._rows.whole_trades(row.key for row in rows)
            before = await self._before(row for row in rows if row.key in stored)
            await self._trades.save_many(before, on_duplicate="update")
            count += len(before)
        return count

    async def _delete(self) -> int:
        try:
            return (await self._execute(_DELETE, import_id=self._import_id)).rowcount
        except ForeignKeyError as error:
            raise self._error(UndoObstacle.REFERENCED, error.problem) from None

    async def _restore_cancellations(self) -> None:
        async for rows in self._pages(ImportKind.CANCELLATION):
            for row in rows:
                before = parsed_before(row)
                if "value" in before:
                    await self._settings.bulk_upsert({row.key: before["value"]})
                else:
                    await self._settings.delete(row.key)

    async def _delete_accounts(self) -> int:
        """Delete the accounts that the import created, unless something uses them or their user has changed them."""
        count = 0
        async for rows in self._pages(ImportKind.ACCOUNT):
            for row in rows:
                account = await self._accounts.get(row.key)
                if account is None or fingerprint(account) != row.hash_after:
                    continue
                heir = await self._heir_of(row.key)
                if heir is not None or await self._scalar(_ACCOUNT_IS_USED, account_id=row.key):
                    await self._hand_over(row, heir)
                    continue
                ours = {TRADES.name, TRADE_PLANS.name, BALANCE_SNAPSHOTS.name}
                channel = self._channel
                values: Mapping[str, Any] = {"account_id": row.key}
                if await find_refusing_table(channel, ACCOUNTS, _OF_ACCOUNT, values, besides=ours):
                    continue
                count += await self._accounts.delete(row.key)
        return count

    async def _heir_of(self, account_id: str) -> int | None:
        """Return another import that has inserted executions of an account, or could bring some back."""
        heir: int | None = await self._scalar(_HEIR, account_id=account_id, import_id=self._import_id)
        if heir is not None:
            return heir
        for (other,) in await self._fetch_rows(_DELETERS, import_id=self._import_id):
            async for rows in self._pages(ImportKind.DELETED, other):
                if any(parsed_before(row).get("trade", {}).get("account_id") == account_id for row in rows):
                    return int(other)
        return None

    async def _hand_over(self, row: ImportRow, heir: int | None) -> None:
        """Let another import that uses an account be the one that has created it."""
        if heir is not None and not await self._rows.own(heir, [ImportKind.ACCOUNT], [row.key]):
            await self._rows.add([replace(row, import_id=heir)])

    def _error(
        self,
        obstacle: UndoObstacle,
        problem: str,
        executions: Sequence[str] = (),
        *,
        imports: Sequence[int] = (),
    ) -> ImportUndoError:
        error = ImportUndoError("Import", self._import_id, f"it cannot be undone; {problem}")
        error.obstacle, error.executions, error.imports = obstacle, tuple(executions[:MAX_NAMES]), tuple(imports)
        return error
