"""Fork with vaults open, and report what the child and the parent could do.

Usage: ``python -m workers.forking SCENARIO FOLDER [COUNT]``; prints a line of JSON: what each attempt in the
child came to, by its name (the name of the error, or ``done``), and what the parent found afterwards.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import random
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from workers.ledger import KEY
from zorivest_async import KdfProfile, Vault, VaultForkedError, create_encrypted_connection, create_vault_engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

assert sys.platform != "win32", "no process forks on Windows"

warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")  # it is what this is about

PROMPT_S = 10.0
ENDLESS = text("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r")
Attempts = dict[str, str]


async def put(vault: Vault, name: str) -> str:
    """Commit a setting, and return the outcome."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set(name, value=True)
        await uow.commit()
        return uow.outcome


async def names_in(path: Path) -> list[str]:
    """Return the names of the settings in a vault, after checking all of it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return sorted(setting.key for setting in await uow.settings.get_all())


async def attempt(work: Callable[[], Awaitable[Any]]) -> str:
    """Return the name of the error that something raises at once, ``done``, or ``slow``."""
    start = time.monotonic()
    result = "done"
    try:
        async with asyncio.timeout(PROMPT_S):
            await work()
    except TimeoutError:
        return "hangs"
    except Exception as error:  # noqa: BLE001 - its name is what is asked for
        result = type(error).__name__
    return result if time.monotonic() - start < PROMPT_S / 2 else "slow"


def in_child(work: Callable[[], Attempts]) -> Attempts:
    """Fork, do the work in the child, and return what it reports; the child ends as a process usually does."""
    reading, writing = os.pipe()
    is_main = threading.current_thread() is threading.main_thread()
    child = os.fork()
    if not child:
        with os.fdopen(writing, "w") as report:
            try:
                json.dump(work(), report)
            except SystemExit:  # of a grandchild
                raise
            except BaseException as error:  # noqa: BLE001 - told to the parent
                json.dump({"child": repr(error)}, report)
        gc.collect()
        if not is_main:  # where the interpreter does not end with the thread
            os._exit(0)
        sys.exit(0)
    os.close(writing)
    with os.fdopen(reading) as report:
        found: Attempts = json.loads(report.read() or "{}")
    _, status = os.waitpid(child, 0)
    return found | {"child ended with": str(os.waitstatus_to_exitcode(status))}


class Opened:
    """A vault, an engine, and a connection, each used before the fork, and a unit of work under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.vault"

    async def open(self) -> None:
        """Open everything."""
        self.vault = await Vault.open(self.path, key=KEY)
        await put(self.vault, "before")
        async with self.vault.unit_of_work(read_only=True) as uow:
            await uow.settings.get_all()
        self.unused = await Vault.open(self.folder / "unused.vault", key=KEY)
        self.own = await Vault.open(self.folder / "own.vault", passphrase="own", profile=KdfProfile.CHEAPEST)
        await put(self.own, "own")
        await self.own.aclose()
        self.engine = create_vault_engine(self.path, KEY, read_only=True, pool_size=1)
        self.held = await self.engine.connect()  # so that the pool is exhausted
        await self.held.execute(text("SELECT 1"))
        self.idle = create_vault_engine(self.path, KEY, read_only=True, pool_size=1)
        self.notes = await create_encrypted_connection(self.folder / "notes.db", "notes", profile=KdfProfile.CHEAPEST)
        await self.notes.execute("CREATE TABLE notes (x)")
        await self.notes.commit()
        self.engine_of_vault, self.read_engine_of_vault = self.vault.engine, self.vault.read_engine
        self.uow = self.vault.unit_of_work()
        self.go_on, under_way = asyncio.Event(), asyncio.Event()
        self.writing = asyncio.create_task(self._write(under_way))
        await under_way.wait()
        self.reading = asyncio.create_task(_read_without_end(self.vault))
        while not self.vault.read_engine.pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110 - no Event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    async def _write(self, under_way: asyncio.Event) -> None:
        async with self.uow as uow:
            await uow.settings.set("under way", value=True)
            under_way.set()
            await self.go_on.wait()
            await uow.commit()

    async def close(self) -> None:
        """Commit, and close everything."""
        self.reading.cancel()
        with suppress(asyncio.CancelledError):
            await self.reading
        self.go_on.set()
        await self.writing
        await put(self.vault, "after")
        await self.held.close()
        await self.engine.dispose()
        await self.notes.execute("INSERT INTO notes VALUES (1)")
        await self.notes.commit()
        await self.notes.close()
        await self.unused.aclose()
        await self.vault.aclose()

    async def try_everything(self, *, same_loop: bool) -> Attempts:
        """Return what each thing comes to that was opened before the fork, or is opened after it."""

        async def waits() -> None:
            if not same_loop:
                raise VaultForkedError
            await self.reading

        async def use(engine: Any) -> None:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))

        async def enter() -> None:
            async with self.vault.unit_of_work() as uow:
                await uow.settings.get_all()

        async def engine_of(name: str) -> None:
            getattr(self.vault, name)

        async def open_again(path: Path, **options: Any) -> None:
            async with Vault.open(path, **({"key": KEY} | options)) as vault:
                await put(vault, "child")

        async def open_connection() -> None:
            await create_encrypted_connection(self.folder / "notes.db", "notes")

        new = create_vault_engine(self.path, KEY)
        attempts: dict[str, Callable[[], Awaitable[Any]]] = {
            "unit of work": enter,
            "inherited unit of work": lambda: self.uow.settings.set("child", value=True),
            "inherited commit": self.uow.commit,
            "inherited leaving": lambda: self.uow.__aexit__(None, None, None),
            "inherited session": lambda: self.uow.session.execute(text("SELECT 1")),
            "task that waits for an answer": waits,
            "vault.engine": lambda: engine_of("engine"),
            "vault.read_engine": lambda: engine_of("read_engine"),
            "engine of vault": lambda: use(self.engine_of_vault),
            "read engine of vault": lambda: use(self.read_engine_of_vault),
            "exhausted engine": lambda: use(self.engine),
            "idle engine": lambda: use(self.idle),
            "connection of engine": lambda: self.held.execute(text("SELECT 1")),
            "engine.dispose": self.engine.dispose,
            "engine.dispose(close=False)": lambda: self.engine.dispose(close=False),
            "connection.execute": lambda: self.notes.execute("SELECT 1"),
            "connection.commit": self.notes.commit,
            "connection.close": self.notes.close,
            "backup": lambda: self.vault.backup(self.folder / "child.backup"),
            "rekey": lambda: self.vault.rekey("child", profile=KdfProfile.CHEAPEST),
            "verify": self.vault.verify,
            "thumbnail": lambda: self.vault.unit_of_work().images.get_thumbnail(1),
            "thumbnail of the vault": lambda: self.vault.thumbnail(1),
            "aclose": self.vault.aclose,
            "aclose of an unused vault": self.unused.aclose,
            "opening the same file": lambda: open_again(self.path),
            "opening the same file by another name": lambda: open_again(self.folder / "link.vault"),
            "opening the same connection": open_connection,
            "a new engine of the same file": lambda: use(new),
            "opening a file that is new": lambda: open_again(self.folder / "child.vault"),
            "opening a file of one's own": lambda: open_again(self.folder / "own.vault", key=None, passphrase="own"),
        }
        return {name: await attempt(work) for name, work in attempts.items()}


def inherited(folder: Path, *, same_loop: bool) -> Attempts:
    """Fork outside the event loop, and use a fresh one in the child, or the one that it inherited."""
    opened = Opened(folder)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(opened.open())
    (folder / "link.vault").symlink_to(opened.path)

    def work() -> Attempts:
        if same_loop:
            return loop.run_until_complete(opened.try_everything(same_loop=same_loop))
        return asyncio.run(opened.try_everything(same_loop=same_loop))

    found = in_child(work)
    loop.run_until_complete(opened.close())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    for path in (opened.path, folder / "child.vault"):
        found[path.name] = " ".join(asyncio.run(names_in(path)))
    return found


def within(folder: Path) -> Attempts:
    """Fork inside the event loop, in a task that is writing; the child goes on there, and then in a loop of its own."""

    async def name_of_error(work: Callable[[], Awaitable[Any]]) -> str:
        try:  # there is no event loop here that asyncio would call running
            await work()
        except Exception as error:  # noqa: BLE001 - its name is what is asked for
            return type(error).__name__
        return "done"

    async def main() -> Attempts:
        vault = await Vault.open(folder / "journal.vault", key=KEY)
        await put(vault, "before")
        uow = vault.unit_of_work()
        reading, writing = os.pipe()
        async with uow:
            await uow.settings.set("under way", value=True)
            child = os.fork()
            if not child:
                found = {
                    "statement": await name_of_error(lambda: uow.settings.set("child", value=True)),
                    "commit": await name_of_error(uow.commit),
                    "leaving": await name_of_error(lambda: uow.__aexit__(None, None, None)),
                    "outcome": uow.outcome,
                    "same file": asyncio.run(attempt(lambda: _open_and_put(folder / "journal.vault"))),
                    "other file": asyncio.run(attempt(lambda: _open_and_put(folder / "child.vault"))),
                }
                os.write(writing, json.dumps(found).encode())
                os._exit(0)  # closing the loop would break the parent's
            os.close(writing)
            await uow.commit()
        with os.fdopen(reading) as report:
            told: Attempts = json.loads(await asyncio.to_thread(report.read))
        await asyncio.to_thread(os.waitpid, child, 0)
        await vault.aclose()
        return told | {"parent": uow.outcome}

    found = asyncio.run(main())
    found["journal.vault"] = " ".join(asyncio.run(names_in(folder / "journal.vault")))
    return found


async def _read_without_end(vault: Vault) -> None:
    async with vault.unit_of_work(read_only=True) as uow:
        await (await uow.connection()).execute(ENDLESS)


async def _open_and_put(path: Path, **options: Any) -> None:
    async with Vault.open(path, **(options or {"key": KEY})) as vault:
        await put(vault, "child")


def in_thread(folder: Path) -> Attempts:
    """Fork in one thread while others derive keys, open and close vaults, upgrade nothing, and read without end."""
    over = threading.Event()
    busy = [threading.Event() for _ in range(4)]

    async def derive(ready: threading.Event) -> None:
        while not over.is_set():
            ready.set()
            await _open_and_put(folder / "derived.vault", passphrase="x", profile=KdfProfile.DEFAULT)

    async def open_often(ready: threading.Event, name: str) -> None:
        while not over.is_set():
            await _open_and_put(folder / name)
            ready.set()

    async def read(ready: threading.Event) -> None:
        async with Vault.open(folder / "read.vault", key=KEY) as vault:
            reading = asyncio.create_task(_read_without_end(vault))
            while not over.is_set():
                await asyncio.sleep(0.02)
                if vault.read_engine.pool.checkedout():  # type: ignore[attr-defined]
                    ready.set()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    works = [derive(busy[0]), open_often(busy[1], "a.vault"), open_often(busy[2], "b.vault"), read(busy[3])]
    threads = [threading.Thread(target=asyncio.run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for event in busy:
        event.wait()
    found: Attempts = {}
    results: list[Attempts] = []

    def fork() -> None:
        for turn in range(10):
            time.sleep(0.01 * turn)

            def work(turn: int = turn) -> Attempts:
                async def child() -> Attempts:
                    return {
                        "read.vault": await attempt(lambda: _open_and_put(folder / "read.vault")),
                        "other": await attempt(lambda: _open_and_put(folder / f"child{turn}.vault")),
                    }

                return asyncio.run(child())

            results.append(in_child(work))

    forking = threading.Thread(target=fork)
    forking.start()
    forking.join()
    over.set()
    for thread in threads:
        thread.join()
    for key in sorted({key for result in results for key in result}):
        found[key] = " ".join(sorted({result.get(key, "nothing") for result in results}))
    for name in ("a.vault", "b.vault"):
        found[name] = " ".join(asyncio.run(names_in(folder / name)))
    return found


def busy(folder: Path, forks: int) -> Attempts:
    """Fork at random times while tasks of another thread commit and read; every child opens a file of its own."""
    path, acknowledged = folder / "journal.vault", set[str]()
    over, ready = threading.Event(), threading.Event()
    vaults: list[Vault] = []

    async def write(vault: Vault, writer: int) -> None:
        for turn in itertools.count():
            if over.is_set():
                return
            await put(vault, name := f"{writer}-{turn}")
            acknowledged.add(name)
            ready.set()

    async def read(vault: Vault) -> None:
        while not over.is_set():
            known = acknowledged.copy()
            async with vault.unit_of_work(read_only=True) as uow:
                assert {setting.key for setting in await uow.settings.get_all()} >= known

    async def work() -> None:
        async with Vault.open(path, key=KEY) as vault:
            vaults.append(vault)
            await asyncio.gather(*(write(vault, writer) for writer in range(3)), read(vault), read(vault))

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    ready.wait()
    results: list[Attempts] = []
    choice = random.Random(forks)
    for turn in range(forks):
        time.sleep(choice.uniform(0, 0.02))

        def in_the_child(turn: int = turn) -> Attempts:
            async def child() -> Attempts:
                own = folder / f"child{turn}.vault"
                return {
                    "inherited": await attempt(vaults[0].aclose),
                    "same": await attempt(lambda: _open_and_put(path)),
                    "other": await attempt(lambda: _open_and_put(own)),
                    "found": " ".join(await names_in(own)),
                }

            return asyncio.run(child())

        results.append(in_child(in_the_child))
    over.set()
    thread.join()
    found = {
        key: " ".join(sorted({result.get(key, "nothing") for result in results}))
        for key in sorted({key for result in results for key in result})
    }
    exact = set(asyncio.run(names_in(path))) == acknowledged
    return found | {"parent": "exact" if exact else "wrong", "commits": str(len(acknowledged))}


def grandchild(folder: Path) -> Attempts:
    """Fork twice: what the grandparent had open stays closed to the grandchild, too."""
    loop = asyncio.new_event_loop()
    path = folder / "journal.vault"
    vault: Vault = loop.run_until_complete(_opened(path))

    def work() -> Attempts:
        found = in_child(lambda: {"same": asyncio.run(attempt(lambda: _open_and_put(path)))})
        return found | {"other": asyncio.run(attempt(lambda: _open_and_put(folder / "child.vault")))}

    found = in_child(work)
    loop.run_until_complete(vault.aclose())
    found["parent"] = asyncio.run(attempt(lambda: _open_and_put(path)))
    loop.close()
    return found


async def _opened(path: Path) -> Vault:
    vault = await Vault.open(path, key=KEY)
    await put(vault, "before")
    return vault


def outlived(folder: Path) -> Attempts:
    """Let the child outlive its parent's vault: it keeps neither the lock nor anything else from the next one."""
    loop = asyncio.new_event_loop()
    path = folder / "journal.vault"
    vault: Vault = loop.run_until_complete(_opened(path))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        del vault
        gc.collect()
        os.read(reading, 1)
        sys.exit(0)
    os.close(reading)
    loop.run_until_complete(vault.aclose())
    loop.close()

    async def change() -> None:
        async with Vault.open(path, key=KEY) as again:
            await again.rekey("changed", profile=KdfProfile.CHEAPEST)

    found = {"rekey": asyncio.run(attempt(change))}
    os.close(writing)
    _, status = os.waitpid(child, 0)
    return found | {"child ended with": str(os.waitstatus_to_exitcode(status))}


SCENARIOS: dict[str, Callable[[Path], Attempts]] = {
    "inherited": lambda folder: inherited(folder, same_loop=False),
    "inherited-loop": lambda folder: inherited(folder, same_loop=True),
    "within": within,
    "in-thread": in_thread,
    "busy": lambda folder: busy(folder, int(sys.argv[3])),
    "grandchild": grandchild,
    "outlived": outlived,
}

if __name__ == "__main__":
    print(json.dumps(SCENARIOS[sys.argv[1]](Path(sys.argv[2]))), flush=True)
