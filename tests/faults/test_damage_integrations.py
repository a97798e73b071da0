"""A damaged vault under whatever reads or writes it: errors of the library, never the driver's or SQLAlchemy's."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from workers.launch import command, environment
from workers.ledger import KEY
from workers.truth import fill
from zorivest_async import TradeFilter, Vault, ZorivestError
from zorivest_async.analytics import performance
from zorivest_async.transfer.importers import FlexTrades, import_trades
from zorivest_async.transfer.journal import export_journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

PAGE_BYTES = 4096

FLEX = (
    "<FlexQueryResponse><FlexStatements><FlexStatement><Trades>"
    '<Trade accountId="U1" symbol="SPY" buySell="BUY" quantity="1" tradePrice="1" ibExecID="a.1.02" tradeID="7"'
    ' transactionID="2" dateTime="20240102;093000"/>'
    '<Trade accountId="U1" symbol="SPY" buySell="BUY (Ca.)" quantity="-1" tradePrice="1" ibExecID="00001"'
    ' origTradeID="8" transactionID="3" dateTime="20240102;093000"/>'
    "</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
)


async def _write(vault: Vault, write: Callable[[SqlAlchemyUnitOfWork], Awaitable[object]]) -> None:
    uow = vault.unit_of_work()
    try:
        async with uow:
            await write(uow)
            await uow.commit()
    except ZorivestError:
        assert uow.outcome == "rolled_back"
        raise


@contextmanager
def _no_damage() -> Iterator[None]:
    try:
        yield
    except ZorivestError as error:
        raise AssertionError("a connection that met damage was used again") from error


async def _write_one_after_another(vault: Vault, _folder: Path) -> None:
    """Write in units of work of their own, and a setting after each: no connection that met damage is used again."""
    await _write(vault, lambda uow: uow.settings.set("written", 1))
    errors: list[ZorivestError] = []
    for write in (
        lambda uow: uow.trades.delete("00001"),
        lambda uow: uow.watchlists.delete(1),
        lambda uow: uow.search.rebuild(),
    ):
        try:
            await _write(vault, write)
        except ZorivestError as error:
            errors.append(error)
        with _no_damage():
            await _write(vault, lambda uow: uow.settings.set("written", 1))
    if errors:
        raise errors[0]


USES: dict[str, Callable[[Vault, Path], Awaitable[Any]]] = {
    "export": lambda vault, folder: export_journal(vault, folder / "journal"),
    "import": lambda vault, folder: import_trades(vault, FlexTrades(folder / "flex.xml")),
    "write": _write_one_after_another,
    "performance": lambda vault, _: _read(vault, performance),
}


async def _read(vault: Vault, read: Callable[..., Awaitable[object]]) -> None:
    async with vault.unit_of_work(read_only=True) as uow:
        await read(uow, TradeFilter())


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield a vault with one page after another overwritten by the first, which authenticates only in its place."""
    page = data[:PAGE_BYTES]
    for start in range(2 * PAGE_BYTES, len(data), PAGE_BYTES):
        yield data[:start] + page + data[start + PAGE_BYTES :]


async def use_damaged(path: Path, folder: Path, use: str) -> str:
    """Use a vault in one way, and return what came of it; what follows in another unit of work works or is typed."""
    try:
        async with Vault.open(path, key=KEY, create=False) as vault:
            try:
                await USES[use](vault, folder)
            except ZorivestError as error:
                async with vault.unit_of_work(read_only=True) as uow:  # on a connection that is of use
                    await uow.settings.get("theme")
                return type(error).__name__
    except ZorivestError as error:
        return f"opening: {type(error).__name__}"
    return "nothing"


@pytest.mark.parametrize("use", USES)
def test_a_damaged_page_is_an_error_of_the_library_wherever_it_is_met(
    use: str, vault_path: Path, tmp_path: Path
) -> None:
    """Each page in turn, by whatever reads it first, a commit among them."""
    asyncio.run(_make(vault_path))
    met: set[str] = set()
    for number, data in enumerate(damaged(vault_path.read_bytes())):
        folder = tmp_path / f"{use} {number}"
        folder.mkdir()
        (folder / "flex.xml").write_text(FLEX, encoding="utf-8")
        path = folder / vault_path.name
        path.write_bytes(data)
        met.add(asyncio.run(use_damaged(path, folder, use)))
    assert "nothing" in met
    assert "VaultDamagedError" in met


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_a_statement_that_needs_too_much_memory_is_a_typed_error(vault_path: Path) -> None:
    """SQLite's answer for it is no bare MemoryError either, and the unit of work goes on."""
    result = subprocess.run(
        command("large_statement", vault_path), env=environment(), capture_output=True, text=True, check=False
    )
    assert result.stdout.splitlines()[:1] == ["OperationalError"], result.stderr[-2_000:]
    assert "there is not enough memory for the statement" in result.stdout
    assert result.stdout.splitlines()[-1] == "committed"


async def _make(path: Path) -> None:
    async with Vault.open(path, key=KEY) as vault:
        await fill(vault, 5, 9_000)
