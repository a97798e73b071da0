"""The unit of work: one transaction, and the truth about how it ended."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from factories import make_account, make_png, make_trade
from zorivest_async import (
    ConfigurationError,
    DuplicateError,
    ForeignKeyError,
    ImageOwnerType,
    MarketProviderSetting,
    RepositoryError,
    SqlAlchemyUnitOfWork,
    UnitOfWorkError,
    Vault,
    VaultFullError,
)
from zorivest_async.database.models import AccountModel, Base, ImageModel, TradeModel
from zorivest_async.database.sqlcipher.driver import CipherConnection

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio


def make_account_model(account_id: str, account_type: str) -> AccountModel:
    """Make a row as an ORM user would."""
    created_at = make_account().created_at
    return AccountModel(account_id=account_id, name="orm", account_type=account_type, created_at=created_at)


def outcome_of(uow: SqlAlchemyUnitOfWork) -> str:
    """Return the outcome; a call, because a type checker takes an attribute that was compared for settled."""
    return uow.outcome


async def stored_accounts(vault: Vault) -> list[str]:
    """Return what another unit of work sees."""
    async with vault.unit_of_work(read_only=True) as uow:
        return sorted(account.account_id for account in await uow.accounts.list_all())


async def test_leaving_rolls_back_by_default(vault: Vault) -> None:
    """What was not committed is not there."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        assert outcome_of(uow) == "open"
    assert outcome_of(uow) == "rolled_back"
    assert await stored_accounts(vault) == []


async def test_commit_makes_it_last(vault: Vault) -> None:
    """What was committed is there, and leaving changes nothing."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
        assert outcome_of(uow) == "committed"
    assert outcome_of(uow) == "committed"
    assert await stored_accounts(vault) == ["U1"]


async def test_an_exception_rolls_back(vault: Vault) -> None:
    """It passes through, and nothing is stored."""
    with pytest.raises(KeyError):  # noqa: PT012 - the block is the subject
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            raise KeyError
    assert outcome_of(uow) == "rolled_back"
    assert await stored_accounts(vault) == []


async def test_it_goes_on_after_commit_and_rollback(vault: Vault) -> None:
    """Each begins a transaction of its own."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("committed"))
        await uow.commit()
        await uow.accounts.save(make_account("undone"))
        assert outcome_of(uow) == "open"
        await uow.rollback()
        assert outcome_of(uow) == "rolled_back"
        await uow.accounts.save(make_account("forgotten"))
    assert outcome_of(uow) == "rolled_back"
    assert await stored_accounts(vault) == ["committed"]


@pytest.mark.parametrize(("commit", "outcome"), [(True, "committed"), (False, "rolled_back")])
async def test_an_empty_block_needs_no_connection(vault: Vault, commit: bool, outcome: str) -> None:
    """It neither waits for the writer nor opens anything."""
    async with vault.unit_of_work() as writer:
        await writer.accounts.save(make_account())
        async with vault.unit_of_work() as empty:
            if commit:
                await empty.commit()
        assert outcome_of(empty) == outcome


async def test_it_is_entered_once_and_used_inside(vault: Vault) -> None:
    """Before, after and again are errors that say what to do."""
    uow = vault.unit_of_work()
    with pytest.raises(UnitOfWorkError, match="enter"):
        await uow.accounts.count_all()
    with pytest.raises(UnitOfWorkError, match="enter"):
        _ = uow.session
    async with uow:
        pass
    with pytest.raises(UnitOfWorkError, match="left"):
        await uow.accounts.count_all()
    with pytest.raises(UnitOfWorkError, match="left"):
        await uow.commit()
    with pytest.raises(UnitOfWorkError, match="once"):
        await uow.__aenter__()


async def test_errors_leave_it_usable(vault: Vault) -> None:
    """A refused row is refused alone: what came before and after it is committed."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        with pytest.raises(DuplicateError):
            await uow.accounts.save(make_account())
        with pytest.raises(ForeignKeyError):
            await uow.trades.save(make_trade(account_id="nobody"))
        await uow.trades.save(make_trade())
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.exists("0001")


async def test_the_session_is_on_the_same_transaction(vault: Vault) -> None:
    """ORM queries see what repositories wrote, and repositories see what was added to the session."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        model = (await uow.session.execute(select(TradeModel))).scalar_one()
        assert model.action == "BOT"
        uow.session.add(make_account_model("U2", "bank"))
        assert (await uow.accounts.get_one("U2")).currency == "USD"
        await uow.commit()
    assert await stored_accounts(vault) == ["U1", "U2"]


async def test_the_session_may_come_first(vault: Vault) -> None:
    """It begins the transaction, and committing it is the unit of work's to do."""
    async with vault.unit_of_work() as uow:
        uow.session.add(make_account_model("U1", "ira"))
        await uow.session.commit()
        assert outcome_of(uow) == "open"
    assert await stored_accounts(vault) == []
    async with vault.unit_of_work() as uow:
        uow.session.add(make_account_model("U1", "ira"))
        await uow.commit()
    assert await stored_accounts(vault) == ["U1"]


@pytest.mark.parametrize("read_first", [False, True])
async def test_a_session_that_was_kept_goes_on_after_a_commit_or_a_rollback(vault: Vault, *, read_first: bool) -> None:
    """What is added to it then belongs to the next transaction; what was rolled back does not."""
    async with vault.unit_of_work() as uow:
        session = uow.session
        for account_id in ("U1", "U2"):
            if read_first:
                assert (await session.execute(select(TradeModel))).all() == []
            session.add(make_account_model(account_id, "bank"))
            await uow.commit()
            session.add(make_account_model("lost", "bank"))
            await uow.rollback()
    assert await stored_accounts(vault) == ["U1", "U2"]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("in_memory", [False, True])
async def test_a_session_that_was_kept_ends_with_its_unit_of_work(
    vault: Vault, *, in_memory: bool, used: bool, read_only: bool
) -> None:
    """It would take a connection that nobody gives back, and a turn that every writer waits for."""
    async with Vault.in_memory(busy_timeout_s=1) if in_memory else nullcontext(vault) as opened:
        async with opened.unit_of_work(read_only=read_only) as uow:
            session = uow.session
            if used:
                await session.execute(select(TradeModel))
        with pytest.raises(UnitOfWorkError, match="left"):
            await session.execute(select(TradeModel))
        async with opened.unit_of_work() as writer:
            await writer.accounts.save(make_account())
            await writer.commit()


async def test_a_session_stays_in_its_task(vault: Vault) -> None:
    """As everything else of a unit of work does."""
    async with vault.unit_of_work() as uow:
        session = uow.session
        with pytest.raises(UnitOfWorkError, match="another task"):
            await asyncio.create_task(session.execute(select(TradeModel)))


async def test_a_row_the_session_cannot_flush_is_a_library_error(vault: Vault) -> None:
    """A bad row surfaces at commit, typed, and nothing is committed."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        uow.session.add(make_account_model("U2", "pawn"))
        with pytest.raises(RepositoryError, match="CHECK constraint failed"):
            await uow.commit()
    assert outcome_of(uow) == "rolled_back"
    assert await stored_accounts(vault) == []


async def test_relationships_load_what_repositories_stored(vault: Vault) -> None:
    """The declared models know the images and the account of a trade."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        model = (await uow.session.execute(select(TradeModel))).scalar_one()
        await uow.session.refresh(model, ["images", "account_rel", "report"])
        assert [image.mime_type for image in model.images] == ["image/png"]
        assert isinstance(model.images[0], ImageModel)
        assert model.account_rel.account_id == "U1"
        assert model.report is None


async def test_users_sql_joins_the_transaction(vault: Vault) -> None:
    """connection() gives the connection that the repositories use."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        connection = await uow.connection()
        assert (await connection.execute(text("SELECT count(*) FROM accounts"))).scalar() == 1
        with pytest.raises(SQLAlchemyError):
            await connection.execute(text("SELECT * FROM nothing"))
        await uow.commit()
    assert await stored_accounts(vault) == ["U1"]


async def test_a_read_waits_for_one_hand_off_and_a_write_for_two(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """BEGIN rides with the statement; nobody waits for the end of a transaction that only read."""
    calls: list[object] = []
    original = CipherConnection.hand_over

    def count_and_hand_over(
        self: CipherConnection, function: Callable[[], object], interrupt: Callable[[], None] | None, *more: object
    ) -> object:
        calls.append(function)
        return original(self, function, interrupt, *more)  # type: ignore[arg-type]

    await stored_accounts(vault)
    async with vault.unit_of_work() as uow:
        await uow.accounts.count_all()
    monkeypatch.setattr(CipherConnection, "hand_over", count_and_hand_over)
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.accounts.get("U1")
    assert len(calls) == 1
    calls.clear()
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
    assert len(calls) == 2


async def test_a_full_disk_rolls_back_and_says_so(vault: Vault) -> None:
    """What was acknowledged before stays; reading and, with space, writing go on."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("kept"))
        await uow.commit()
        connection = await uow.connection()
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        await uow.accounts.save(make_account("lost"))
        with pytest.raises(VaultFullError):
            await uow.settings.set("large", "x" * 900_000)
        with pytest.raises(VaultFullError):
            await uow.accounts.save(make_account("refused"))
        with pytest.raises(VaultFullError):
            await uow.commit()
        assert outcome_of(uow) == "rolled_back"
        connection = await uow.connection()
        await connection.execute(text("PRAGMA max_page_count = 4294967294"))
        await uow.accounts.save(make_account("later"))
        await uow.commit()
    assert await stored_accounts(vault) == ["kept", "later"]


async def test_it_works_over_a_plain_engine() -> None:
    """Any engine whose database has the schema will do, though API keys are only kept in a vault."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many([make_trade(str(number)) for number in range(600)])
        image_id = await uow.images.attach(ImageOwnerType.TRADE, "1", make_png())
        chunks = [chunk async for chunk in uow.images.stream(image_id, 100)]
        assert b"".join(chunks) == make_png()
        with pytest.raises(ConfigurationError):
            await uow.market_provider_settings.save(MarketProviderSetting("Alpha", "secret"))
        await uow.market_provider_settings.save(MarketProviderSetting("Beta"))
        await uow.commit()
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert len(await uow.trades.list_all(limit=None)) == 600
        with pytest.raises(DuplicateError):
            await uow.trades.save_many([make_trade("new"), make_trade("1")])
        assert not await uow.trades.exists("new")
        await uow.trades.save_many([make_trade("undone")])
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert not await uow.trades.exists("undone")
    await engine.dispose()


async def test_sql_parameters_stay_out_of_errors_on_a_users_engine() -> None:
    """An engine made without hide_parameters shows rows in its errors; the library's errors do not pass them on."""
    engine = create_async_engine("sqlite+aiosqlite://")
    async with SqlAlchemyUnitOfWork(engine) as uow:
        with pytest.raises(RepositoryError) as caught:
            await uow.trades.save(make_trade("planted-exec-id"))
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "planted" not in f"{seen} {seen!r}"
        seen = seen.__cause__
    await engine.dispose()


async def test_another_loops_vault_is_refused(vault: Vault) -> None:
    """A vault belongs to the event loop that opened it, and says so on another."""

    async def use() -> None:
        async with vault.unit_of_work() as uow:
            await uow.accounts.count_all()

    with pytest.raises(UnitOfWorkError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, use())
