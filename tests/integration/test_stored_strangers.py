"""Values that no release stores, in the file all the same: something else wrote them, past the tables' constraints."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from factories import make_account, make_plan, make_png, make_report, make_trades
from zorivest_async import ImageOwnerType, RepositoryError, SearchKind, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zorivest_async import SqlAlchemyUnitOfWork, Vault

COUNT = 3
STRANGER = "canary-value"


async def fill(uow: SqlAlchemyUnitOfWork) -> None:
    """Store an account with trades, a plan and a report."""
    await uow.accounts.save(make_account())
    await uow.trades.save_many(make_trades(COUNT))
    await uow.trade_plans.save(make_plan())
    await uow.trade_reports.save(make_report("00000"))


async def read(uow: SqlAlchemyUnitOfWork, entity: str, how: str) -> object:
    """Read one of the entities, or all."""
    reading: dict[tuple[str, str], Callable[[], Awaitable[object]]] = {
        ("Account", "one"): lambda: uow.accounts.get("U1"),
        ("Account", "all"): uow.accounts.list_all,
        ("Trade", "one"): lambda: uow.trades.get("00001"),
        ("Trade", "all"): uow.trades.list_all,
        ("TradePlan", "one"): lambda: uow.trade_plans.get(1),
        ("TradePlan", "all"): uow.trade_plans.list_all,
        ("TradeReport", "one"): lambda: uow.trade_reports.get(1),
        ("TradeReport", "all"): lambda: uow.trade_reports.get_for_trade("00000"),
    }
    return await reading[entity, how]()


@pytest.mark.parametrize("how", ["one", "all"])
@pytest.mark.parametrize(
    ("entity", "field", "assignment"),
    [
        ("Trade", "action", "trades SET action"),
        ("Trade", "time", "trades SET time"),
        ("Account", "account_type", "accounts SET account_type"),
        ("TradePlan", "conviction", "trade_plans SET conviction"),
        ("TradePlan", "status", "trade_plans SET status"),
        ("TradeReport", "tags", "trade_reports SET tags"),
    ],
)
@pytest.mark.asyncio
async def test_a_value_that_no_release_stores_is_a_typed_error(
    vault: Vault, entity: str, field: str, assignment: str, how: str
) -> None:
    """It names the entity and its field, not the value, and the unit of work goes on."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
        connection = await uow.connection()
        await connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        await connection.execute(text(f"UPDATE {assignment} = '{STRANGER}'"))
        await connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await read(uow, entity, how)
        assert (caught.value.entity, caught.value.field) == (entity, field)
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        await uow.settings.set("still", "usable")
        await uow.commit()


@pytest.mark.parametrize("how", ["one", "all"])
@pytest.mark.parametrize("tags", ['"canary-value"', '{"canary-value": 1}', '["canary-value", 7]', "7", "[" * 100_000])
@pytest.mark.asyncio
async def test_tags_that_are_no_list_of_texts_are_a_typed_error(vault: Vault, tags: str, how: str) -> None:
    """JSON or not: they are not taken apart into letters."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
        await (await uow.connection()).execute(text("UPDATE trade_reports SET tags = :tags"), {"tags": tags})
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await read(uow, "TradeReport", how)
        assert (caught.value.entity, caught.value.field) == ("TradeReport", "tags")
        assert STRANGER not in "".join(traceback.format_exception(caught.value))


@pytest.mark.asyncio
async def test_a_hit_with_a_strange_owner_is_a_typed_error(vault: Vault) -> None:
    """Searching decodes one value, too; what does not come upon it finds what there is."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
        await uow.images.attach(ImageOwnerType.TRADE, "00000", make_png(), caption="needle")
        connection = await uow.connection()
        await connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        await connection.execute(text(f"UPDATE images SET owner_type = '{STRANGER}'"))  # noqa: S608 - a constant
        await connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await uow.search.find("needle")
        assert (caught.value.entity, caught.value.field) == ("SearchHit", "owner_type")
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        assert await uow.search.find("needle", kinds=[SearchKind.PLAN]) == []


LOOKS: dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[object]]] = {
    "stored thumbnail": lambda uow: uow.images.get_thumbnail(1),
    "smaller thumbnail": lambda uow: uow.images.get_thumbnail(1, 90),
    "larger thumbnail": lambda uow: uow.images.get_thumbnail(1, 450),
    "original": lambda uow: uow.images.get_full_data(1),
}


NO_BYTES = ["-1", "7", "1e9", "30000000000", "'canary-value'"]


@pytest.mark.parametrize(
    ("field", "value", "look"),
    [
        *(("data", value, look) for value in NO_BYTES for look in ("original", "larger thumbnail")),
        *(("thumbnail", value, look) for value in NO_BYTES for look in ("stored thumbnail", "smaller thumbnail")),
        *(("preview", value, "smaller thumbnail") for value in NO_BYTES),
        *((field, "'canary-value'", "stored thumbnail") for field in ("width", "height")),
    ],
)
@pytest.mark.asyncio
async def test_an_image_that_is_no_bytes_is_a_typed_error(vault: Vault, field: str, value: str, look: str) -> None:
    """Also a number, of which Python would make so many bytes, and a size that is a text."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
        await uow.images.attach(ImageOwnerType.TRADE, "00000", make_png(500, 300))
        connection = await uow.connection()
        await connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        await connection.execute(text(f"UPDATE images SET {field} = {value}"))  # noqa: S608 - constants
        await connection.execute(text("PRAGMA ignore_check_constraints = OFF"))
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await LOOKS[look](uow)
        assert (caught.value.entity, caught.value.field) == ("ImageAttachment", field)
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        await uow.settings.set("still", "usable")
        await uow.commit()


@pytest.mark.parametrize("through_sqlalchemy", [False, True])
@pytest.mark.parametrize("look", ["all", "search"])
@pytest.mark.asyncio
async def test_a_text_that_is_not_utf_8_is_not_shown(vault: Vault, look: str, *, through_sqlalchemy: bool) -> None:
    """SQLite stores any bytes as text: the error says what is wrong with it, and the unit of work goes on."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
        connection = await uow.connection()
        await connection.execute(text(f"UPDATE accounts SET notes = CAST('{STRANGER} ' || x'FF' AS TEXT)"))  # noqa: S608 - a constant
        await uow.commit()
        if through_sqlalchemy:
            await uow.connection()
        with pytest.raises(RepositoryError, match="a stored text is not valid UTF-8") as caught:
            await (uow.accounts.list_all() if look == "all" else uow.search.find("canary"))
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        await uow.settings.set("still", "usable")
        await uow.commit()
