"""Versions of one execution in a vault: a broker corrects an execution under another identifier, or cancels it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import BindParameter, bindparam, delete, exists, func, or_, select, update

from zorivest_async.database.tables import IMAGES, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.enums import ImageOwnerType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork

__all__ = ["LONGEST_REVISION", "find_families", "is_in_use", "move_attachments"]

LONGEST_REVISION: Final = 18
"""Digits; Python turns only so many into a number."""

_families = func.json_each(bindparam("families")).table_valued("value", name="families")
_FIND: Final = select(_families.c.value, TRADES.c.exec_id).where(
    # A range of the primary key: '/' follows '.', so that what begins with the family and a period is in it.
    TRADES.c.exec_id >= _families.c.value + ".",
    TRADES.c.exec_id < _families.c.value + "/",
)
_OF_TRADE: BindParameter[str] = bindparam("exec_id")
_IS_IN_USE: Final = select(
    or_(
        exists().where(IMAGES.c.owner_type == ImageOwnerType.TRADE, IMAGES.c.owner_id == _OF_TRADE),
        exists().where(TRADE_REPORTS.c.trade_id == _OF_TRADE),
        exists().where(TRADE_PLANS.c.linked_trade_id == _OF_TRADE),
    )
)
_OLD: BindParameter[str] = bindparam("old")
_NEW: BindParameter[str] = bindparam("new")
_MOVES: Final = (
    update(IMAGES).where(IMAGES.c.owner_type == ImageOwnerType.TRADE, IMAGES.c.owner_id == _OLD).values(owner_id=_NEW),
    update(TRADE_REPORTS).where(TRADE_REPORTS.c.trade_id == _OLD).values(trade_id=_NEW),
    update(TRADE_PLANS).where(TRADE_PLANS.c.linked_trade_id == _OLD).values(linked_trade_id=_NEW),
    delete(TRADES).where(TRADES.c.exec_id == _OLD),
)


async def find_families(uow: SqlAlchemyUnitOfWork, families: Iterable[str]) -> dict[str, list[str]]:
    """Return the stored identifiers that are a family's name, a period and a revision's digits."""
    found: dict[str, list[str]] = {}
    connection = await uow.connection()
    for family, exec_id in await connection.execute(_FIND, {"families": json.dumps([*families])}):
        revision = exec_id[len(family) + 1 :]
        if revision.isdecimal() and len(revision) <= LONGEST_REVISION:
            found.setdefault(family, []).append(exec_id)
    return found


async def is_in_use(uow: SqlAlchemyUnitOfWork, exec_id: str) -> bool:
    """Return whether deleting a trade would take something of the user's with it, or leave a plan without its trade."""
    connection = await uow.connection()
    return bool((await connection.execute(_IS_IN_USE, {"exec_id": exec_id})).scalar())


async def move_attachments(uow: SqlAlchemyUnitOfWork, old: str, new: str) -> None:
    """Give images, report and plans of one stored trade to another, and delete the first."""
    connection = await uow.connection()
    for statement in _MOVES:
        await connection.execute(statement, {"old": old, "new": new})
