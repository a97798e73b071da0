"""Tasks that would wait for themselves, and calls in a task of another: told at once, or done."""

from __future__ import annotations

import asyncio
import inspect
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from factories import make_account, make_trade
from zorivest_async import (
    ConfigurationError,
    KdfProfile,
    SqlAlchemyUnitOfWork,
    TradeFilter,
    UnitOfWorkError,
    Vault,
    create_encrypted_connection,
    create_vault_engine,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from pathlib import Path

pytestmark = pytest.mark.asyncio

AT_ONCE_S: Final = 10.0
"""A third of the busy timeout, which a task would wait for that waits for itself."""


async def _connect(engine: Any) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def _begin(engine: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))


async def _query(engine: Any) -> None:
    async with AsyncSession(engine) as session:
        await session.execute(text("SELECT 1"))


async def _stream(engine: Any) -> None:
    async with AsyncSession(engine) as session:
        await session.stream(text("SELECT 1"))


async def _write(engine: Any) -> None:
    async with SqlAlchemyUnitOfWork(engine) as uow:
        await uow.settings.set("key", 2)


USES: Final[dict[str, Callable[[Any], Coroutine[Any, Any, None]]]] = {
    "connect": _connect,
    "begin": _begin,
    "session": _query,
    "streaming session": _stream,
    "unit of work": _write,
}


@asynccontextmanager
async def _engine_of(kind: str, path: Path) -> AsyncGenerator[Any]:
    if kind == "own":
        await (await Vault.open(path, key=bytes(32))).aclose()
        engine = create_vault_engine(path, bytes(32))
        yield engine
        await engine.dispose()
    else:
        async with Vault.in_memory() if kind == "memory" else Vault.open(path, key=bytes(32)) as vault:
            yield vault.engine


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["file", "memory", "own"])
async def test_an_engine_in_ones_own_unit_of_work_is_told_at_once(kind: str, use: str, vault_path: Path) -> None:
    """The error says what to use instead, and the unit of work commits what it wrote."""
    async with _engine_of(kind, vault_path) as engine:
        async with SqlAlchemyUnitOfWork(engine) as uow:
            await uow.settings.set("key", 1)
            async with asyncio.timeout(AT_ONCE_S):
                for _ in range(3):
                    with pytest.raises(UnitOfWorkError, match=r"'await uow\.connection\(\)' or 'uow\.session'"):
                        await USES[use](engine)
            connection = await uow.connection()
            assert (await connection.execute(text("SELECT count(*) FROM settings"))).scalar_one() == 1
            await uow.commit()
            await USES[use](engine)
        assert uow.outcome == "committed"
        await USES[use](engine)


@pytest.mark.parametrize("use", USES)
async def test_an_engine_in_a_connection_of_its_own_is_told_at_once(vault: Vault, use: str) -> None:
    """Whatever of one task holds the connection; afterwards it is free."""
    async with vault.engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        async with asyncio.timeout(AT_ONCE_S):
            with pytest.raises(UnitOfWorkError, match="holds the engine's only connection itself"):
                await USES[use](vault.engine)
    await USES[use](vault.engine)
    async with vault.unit_of_work() as uow:
        await uow.settings.set("key", 3)
        await uow.commit()


async def test_readers_that_one_task_holds_all_of_are_told_at_once(vault_path: Path) -> None:
    """The reading engine has some connections; a task that holds them all waits for none of its own."""
    async with Vault.open(vault_path, key=bytes(32), readers=2) as vault:
        async with vault.read_engine.connect(), vault.read_engine.connect():
            async with asyncio.timeout(AT_ONCE_S):
                with pytest.raises(UnitOfWorkError, match="would wait for it forever"):
                    await vault.read_engine.connect()
        async with vault.read_engine.connect():
            pass


@pytest.mark.parametrize("use", USES)
async def test_another_task_waits_for_the_connection(vault: Vault, use: str) -> None:
    """What another task holds comes back, so there is nothing to tell."""
    has_written = asyncio.Event()
    may_end = asyncio.Event()

    async def write() -> None:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("key", 1)
            has_written.set()
            await may_end.wait()
            await uow.commit()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        await has_written.wait()
        waiting = group.create_task(USES[use](vault.engine))
        await asyncio.sleep(0)
        assert not waiting.done()
        may_end.set()


async def _in_shield(call: Awaitable[Any]) -> Any:
    return await asyncio.shield(call)


async def _in_wait_for(call: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(call, 60)


async def _in_gather(call: Awaitable[Any]) -> Any:
    (result,) = await asyncio.gather(call)
    return result


WRAPPERS: Final[dict[str, Callable[[Awaitable[Any]], Awaitable[Any]]]] = {
    "shield": _in_shield,
    "wait_for": _in_wait_for,
    "gather": _in_gather,
}


def _calls() -> dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]]:
    """Every kind of call that a unit of work sends a statement for, or ends with."""
    return {
        "trades.get": lambda uow: uow.trades.get("0001"),
        "trades.list_all": lambda uow: uow.trades.list_all(),
        "trades.page": lambda uow: uow.trades.page(TradeFilter()),
        "trades.save": lambda uow: uow.trades.save(make_trade("0002")),
        "trades.save_many": lambda uow: uow.trades.save_many([make_trade("0003")]),
        "accounts.delete": lambda uow: uow.accounts.delete("nobody"),
        "settings.set": lambda uow: uow.settings.set("key", 1),
        "search.find": lambda uow: uow.search.find("word"),
        "connection": lambda uow: uow.connection(),
        "rollback": lambda uow: uow.rollback(),
        "commit": lambda uow: uow.commit(),
    }


@pytest.mark.parametrize("name", _calls())
@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_a_call_in_a_task_of_its_own_works_or_says_what_to_use(vault: Vault, wrapper: str, name: str) -> None:
    """``wait_for`` makes no task from Python 3.12 on; else the error names ``asyncio.timeout``, and nothing is done."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("0001"))
        call = _calls()[name]
        if wrapper == "wait_for" and sys.version_info >= (3, 12):
            await WRAPPERS[wrapper](call(uow))
        else:
            with pytest.raises(UnitOfWorkError, match=r"asyncio\.wait_for.*async with asyncio\.timeout"):
                await WRAPPERS[wrapper](call(uow))
            assert uow.outcome == "open"
            async with asyncio.timeout(60):
                await call(uow)
        await uow.settings.set("end", True)
        await uow.commit()
        ended: str = uow.outcome
    assert ended == "committed"


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_a_vaults_own_methods_work_in_any_task(vault_path: Path, tmp_path: Path, wrapper: str) -> None:
    """Opening, whole files, engines and the driver's connection belong to no task."""
    wrap = WRAPPERS[wrapper]
    vault = await wrap(Vault.open(vault_path, passphrase="one", profile=KdfProfile.CHEAPEST))
    assert (await wrap(vault.verify())).ok
    await wrap(vault.backup(tmp_path / "copy.vault"))
    await wrap(vault.rekey("two", profile=KdfProfile.CHEAPEST))
    connection = await wrap(vault.engine.connect().start())
    await wrap(connection.execute(text("SELECT 1")))
    await wrap(connection.close())
    await wrap(vault.aclose())
    await wrap(Vault.restore(tmp_path / "copy.vault", vault_path, passphrase="one"))
    memory = await wrap(Vault.in_memory())
    await wrap(memory.aclose())
    driver = await wrap(create_encrypted_connection(tmp_path / "notes.db", "one", profile=KdfProfile.CHEAPEST))
    assert await wrap(driver.execute_fetchall("SELECT 1")) == [(1,)]
    await wrap(driver.commit())
    await wrap(driver.close())


def _run_without_asyncio(call: Awaitable[Any]) -> None:
    """Start a call as another event loop would, which knows nothing of asyncio."""
    steps = call.__await__() if not inspect.iscoroutine(call) else call
    try:
        steps.send(None)
    finally:
        steps.close()


@pytest.mark.parametrize("name", ["open", "in_memory", "restore", "adopt", "connection", "unit of work"])
async def test_without_asyncios_event_loop_nothing_is_made(name: str, tmp_path: Path) -> None:
    """Under Trio, or without any loop, the error says what is needed, before there is a file."""
    path = tmp_path / "journal.vault"
    engine = create_vault_engine(path, bytes(32))
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "open": lambda: Vault.open(path, key=bytes(32)),
        "in_memory": Vault.in_memory,
        "restore": lambda: Vault.restore(path, tmp_path / "restored.vault", key=bytes(32)),
        "adopt": lambda: Vault.adopt(path, tmp_path / "adopted.vault", key=bytes(32)),
        "connection": lambda: create_encrypted_connection(path, "one", profile=KdfProfile.CHEAPEST),
        "unit of work": lambda: SqlAlchemyUnitOfWork(engine).__aenter__(),
    }

    def run() -> list[str]:
        with pytest.raises(ConfigurationError, match=r"asyncio event loop is needed.*under Trio"):
            _run_without_asyncio(calls[name]())
        return [entry.name for entry in tmp_path.iterdir()]

    assert await asyncio.to_thread(run) == []
