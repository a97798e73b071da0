"""A small vault with something in every table, and everything that a program may do with one."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fuzzing.target import run
from workers.ledger import KEY
from workers.truth import fill, read_all
from zorivest_async import (
    ImageOwnerType,
    ImagePolicy,
    KdfProfile,
    TradeFilter,
    Vault,
    VaultError,
    ZorivestError,
)
from zorivest_async.analytics import performance
from zorivest_async.transfer.journal import export_journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from zorivest_async import SqlAlchemyUnitOfWork

__all__ = ["KEY", "Seed", "folder", "left_beside", "seed", "use", "work_with"]

SIDECARS: Final = ("-wal", "-shm", "-journal", ".lock")


class Seed(NamedTuple):
    """A vault's files, read while it was open.

    Attributes:
        vault: The vault.
        wal: Its WAL, which holds one more setting.
        before: What can be read without the WAL.
        after: What can be read with it.
    """

    vault: bytes
    wal: bytes
    before: dict[str, Any]
    after: dict[str, Any]


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for the block."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:
        yield Path(made)


@cache
def seed() -> Seed:
    """Make the vault, once."""
    return run(_make_seed())


async def _make_seed() -> Seed:
    with folder() as place:
        path = place / "seed.vault"
        async with Vault.open(path, key=KEY, profile=KdfProfile.CHEAPEST) as vault:
            await fill(vault, 5, 9_000)
        async with Vault.open(path, key=KEY) as vault:
            data, before = path.read_bytes(), await read_all(vault)
            async with vault.unit_of_work() as uow:
                await uow.settings.set("in the WAL", 1)
                await uow.commit()
            return Seed(data, Path(f"{path}-wal").read_bytes(), before, await read_all(vault))


def left_beside(*vaults: Path) -> list[str]:
    """Return what lies in their folder that neither a vault nor SQLite keeps."""
    expected = {name for path in vaults for name in (path.name, *(path.name + suffix for suffix in SIDECARS))}
    return sorted({entry.name for entry in vaults[0].parent.iterdir()} - expected)


async def _read_stream(uow: SqlAlchemyUnitOfWork) -> bytes:
    return b"".join([chunk async for chunk in uow.images.stream(2, 4_096)])


_READINGS: Final[dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]]] = {
    "accounts": lambda uow: uow.accounts.list_all(limit=None),
    "trades": lambda uow: uow.trades.list_all(limit=None),
    "filtered": lambda uow: uow.trades.list_filtered(TradeFilter(account_id="U1", instrument="SPY")),
    "page": lambda uow: uow.trades.page(TradeFilter()),
    "plans": lambda uow: uow.trade_plans.list_all(limit=None),
    "watchlists": lambda uow: uow.watchlists.list_all(limit=None),
    "providers": lambda uow: uow.market_provider_settings.list_all(limit=None),
    "API key": lambda uow: uow.market_provider_settings.reveal_api_key("Alpha Vantage"),
    "report": lambda uow: uow.trade_reports.get_for_trade("00001"),
    "balances": lambda uow: uow.balance_snapshots.list_for_account("U1"),
    "settings": lambda uow: uow.settings.get_all(),
    "images": lambda uow: uow.images.get_for_trade("00001"),
    "infos": lambda uow: uow.images.list_for_owner(ImageOwnerType.TRADE, "00002"),
    "thumbnail": lambda uow: uow.images.get_thumbnail(1),
    "other thumbnail": lambda uow: uow.images.get_thumbnail(1, 90),
    "original": lambda uow: uow.images.get_full_data(2),
    "stream": _read_stream,
    "search": lambda uow: uow.search.find("patience"),
    "performance": lambda uow: performance(uow, TradeFilter()),
}

_WRITINGS: Final[dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]]] = {
    "setting": lambda uow: uow.settings.set("written", 1),
    "trade": lambda uow: uow.trades.delete("00001"),
    "watchlist": lambda uow: uow.watchlists.delete(1),
    "index": lambda uow: uow.search.rebuild(),
}


async def use(path: Path) -> bool:
    """Open a vault and do everything with it, each part with the errors that it may raise; return whether it opened."""
    policy = ImagePolicy(max_pixels=1_000_000)
    try:
        async with Vault.open(path, key=KEY, create=False, images=policy) as vault:
            await work_with(vault, path)
    except VaultError:
        return False
    return True


async def work_with(vault: Vault, path: Path) -> None:
    """Read, write, check, copy and export a vault."""
    for read in _READINGS.values():
        try:
            async with vault.unit_of_work(read_only=True) as uow:
                await read(uow)
        except ZorivestError:
            continue
    for write in _WRITINGS.values():
        uow = vault.unit_of_work()
        try:
            async with uow:
                await write(uow)
                await uow.commit()
        except ZorivestError:
            assert uow.outcome != "committed"
    report = await vault.verify()
    assert all("\n" not in problem for problem in report.problems)
    more = path.with_name("more")
    more.mkdir()
    copy = more / "copy"
    for work in (lambda: vault.backup(copy), lambda: export_journal(vault, more / "exported")):
        try:
            await work()
        except ZorivestError:
            continue
    assert {entry.name for entry in more.iterdir()} <= {"copy", "exported"}
    if copy.exists():
        async with Vault.open(copy, key=KEY, create=False) as opened:
            assert opened.path is not None
    shutil.rmtree(more)
