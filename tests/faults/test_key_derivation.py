"""Deriving keys costs memory by design, so a process derives two at a time, and others wait until they give up."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from workers.launch import started
from zorivest_async import KdfProfile, Vault, create_encrypted_connection, derive_key
from zorivest_async.database.sqlcipher.places import Places
from zorivest_async.database.sqlcipher.process import KEY_DERIVATIONS, current

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

CHEAPEST = KdfProfile.CHEAPEST
PATIENCE_S = 20


@pytest.mark.skipif(sys.platform == "win32", reason="peaks of memory are told as on POSIX")
@pytest.mark.parametrize("way", ["open", "derive"])
def test_many_derivations_take_no_more_memory_than_two(way: str) -> None:
    """Each takes 64 MiB: a third at the same time would show."""
    with started("deriving", way, 12) as process:
        one, many = map(int, process.communicate(timeout=60)[0].split())
    memory = KdfProfile.DEFAULT.memory_kib // 1024
    assert many - one < (KEY_DERIVATIONS - 1) * memory + memory // 2


DOORS: dict[str, Callable[[Path], Awaitable[object]]] = {
    "open": lambda path: Vault.open(path, passphrase="passphrase", create=False).__aenter__(),
    "create": lambda path: Vault.open(path.with_name("new.vault"), passphrase="passphrase").__aenter__(),
    "connect": lambda path: create_encrypted_connection(path, "passphrase"),
    "connect anew": lambda path: create_encrypted_connection(path.with_name("new.vault"), "passphrase"),
    "restore": lambda path: Vault.restore(path, path.with_name("new.vault"), passphrase="passphrase"),
}


@pytest.mark.parametrize("door", DOORS)
def test_waiting_for_a_derivation_can_be_cancelled(tmp_path: Path, door: str) -> None:
    """The task ends while the others still derive, and nothing is left behind; a later one gets its turn."""
    path = tmp_path / "journal.vault"

    async def wait_and_leave() -> None:
        await (await Vault.open(path, passphrase="passphrase", profile=CHEAPEST)).aclose()
        before = await asyncio.to_thread(os.listdir, tmp_path)
        with ExitStack() as busy:
            for _ in range(KEY_DERIVATIONS):
                busy.enter_context(current().derivations.place())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await DOORS[door](path)
            assert sorted(await asyncio.to_thread(os.listdir, tmp_path)) == sorted(before)
        async with asyncio.timeout(PATIENCE_S), Vault.open(path, passphrase="passphrase", create=False):
            pass

    asyncio.run(asyncio.wait_for(wait_and_leave(), PATIENCE_S))


def test_a_rekey_that_waits_for_a_derivation_can_be_cancelled(tmp_path: Path) -> None:
    """The vault goes on with its old passphrase."""

    async def wait_and_leave() -> None:
        async with Vault.open(tmp_path / "journal.vault", passphrase="old", profile=CHEAPEST) as vault:
            with ExitStack() as busy:
                for _ in range(KEY_DERIVATIONS):
                    busy.enter_context(current().derivations.place())
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await vault.rekey("new", profile=CHEAPEST)
                async with vault.unit_of_work() as uow:
                    await uow.settings.set("n", 1)
                    await uow.commit()
        await (await Vault.open(tmp_path / "journal.vault", passphrase="old")).aclose()

    asyncio.run(asyncio.wait_for(wait_and_leave(), PATIENCE_S))


def test_places_are_given_in_order_of_arrival() -> None:
    """One who has left is passed over, and his place is not lost."""
    places, order = Places(1), list[int]()
    left = threading.Event()

    class LeftError(Exception):
        pass

    def check() -> None:
        if left.is_set():
            raise LeftError

    def take(number: int) -> None:
        try:
            with places.place(check if number == 2 else lambda: None):
                order.append(number)
        except LeftError:
            order.append(-number)

    threads = [threading.Thread(target=take, args=(number,)) for number in (1, 2, 3)]
    with places.place():
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(places._waiting) < waiting:
                pass
        left.set()
        threads[1].join(PATIENCE_S)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [-2, 1, 3]
    with places.place():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_derives_though_its_parent_was_deriving(tmp_path: Path) -> None:
    """The places of the parent's threads, which the child does not have, are not taken in the child."""
    stop = threading.Event()

    def derive() -> None:
        while not stop.is_set():
            derive_key("passphrase", bytes(16))

    threads = [threading.Thread(target=derive) for _ in range(2 * KEY_DERIVATIONS)]
    for thread in threads:
        thread.start()
    try:
        while len(current().derivations._waiting) < KEY_DERIVATIONS:
            pass
        child: int = getattr(os, "fork", lambda: 0)()  # which Windows has not
        if not child:
            status = 1
            try:
                worker = threading.Thread(target=derive_key, args=("passphrase", bytes(16), CHEAPEST), daemon=True)
                worker.start()
                worker.join(PATIENCE_S)
                status = int(worker.is_alive())
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert tmp_path.is_dir()
