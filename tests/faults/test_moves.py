"""A vault is a file, not a name: moved, deleted, replaced, linked and mounted files."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from contextlib import closing
from shutil import which
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from journals import settings_in
from workers.launch import command, environment, read_line, say, started
from workers.ledger import KEY
from zorivest_async import (
    KdfProfile,
    Vault,
    VaultError,
    VaultInUseError,
    VaultReplacedError,
    create_encrypted_connection,
    create_vault_engine,
)
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.security import VaultKey
from zorivest_async.vault.held import HeldConnection
from zorivest_async.vault.identity import FileWatch, held_elsewhere, is_mounted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no database that is open")


async def put(vault: Vault, name: str) -> None:
    """Commit a setting."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set(name, value=True)
        await uow.commit()


def require_no_wal(path: Path) -> None:
    """Check that nothing is left under a name that a new file of that name would take for its own."""
    wal = path.with_name(f"{path.name}-wal")
    assert not wal.exists() or not wal.stat().st_size


async def make(path: Path, name: str) -> None:
    """Make a vault with one setting."""
    async with Vault.open(path, key=KEY) as vault:
        await put(vault, name)


async def move(path: Path, how: str) -> Path | None:
    """Take a file its name, and return where it is now."""
    moved = path.with_name("moved.vault")
    match how:
        case "delete":
            await asyncio.to_thread(path.unlink)
            return None
        case "rename":
            await asyncio.to_thread(path.rename, moved)
        case "link":
            await asyncio.to_thread(path.rename, moved)
            await asyncio.to_thread(path.symlink_to, moved)
        case _:
            await make(path.with_name("new.vault"), "theirs")
            await asyncio.to_thread(path.rename, moved)
            await asyncio.to_thread(path.with_name("new.vault").rename, path)
    return moved


HOW = ["rename", "replace", "delete", "link"]


@pytest.mark.asyncio
@pytest.mark.parametrize("how", HOW)
async def test_a_vault_whose_file_is_gone_refuses_everything_but_closing(vault_path: Path, how: str) -> None:
    """What was committed before is in the moved file, and nothing is left under the name."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await put(vault, "before")
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("before")
        moved = await move(vault_path, how)
        with pytest.raises(VaultReplacedError):
            async with vault.unit_of_work(read_only=True) as uow:
                await uow.settings.get("before")
        for refused in (
            lambda: put(vault, "after"),
            lambda: vault.backup(vault_path.with_name("backup")),
            lambda: vault.rekey("new", profile=KdfProfile.CHEAPEST),
            vault.verify,
        ):
            with pytest.raises(VaultReplacedError):
                await refused()
        with pytest.raises(VaultReplacedError):
            _ = vault.engine
    await asyncio.to_thread(require_no_wal, vault_path)
    if moved is not None:
        assert await settings_in(moved, KEY) == ["before"]
    if how == "replace":
        assert await settings_in(vault_path, KEY) == ["theirs"]


@pytest.mark.asyncio
@pytest.mark.parametrize("how", HOW)
async def test_closing_writes_what_was_committed_into_the_moved_file(vault_path: Path, how: str) -> None:
    """Where nothing was begun since it was moved, closing finds out."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await put(vault, "before")
        moved = await move(vault_path, how)
    await asyncio.to_thread(require_no_wal, vault_path)
    if moved is not None:
        assert await settings_in(moved, KEY) == ["before"]


@pytest.mark.asyncio
async def test_the_outcome_of_a_commit_into_a_moved_file_is_unknown(vault_path: Path) -> None:
    """It is in that file, but nobody who reads the name will find it."""
    async with Vault.open(vault_path, key=KEY) as vault:
        uow = vault.unit_of_work()
        async with uow:
            await uow.settings.set("during", value=True)
            moved = await move(vault_path, "rename")
            with pytest.raises(VaultReplacedError):
                await uow.commit()
        assert uow.outcome == "unknown"
    assert moved is not None
    assert await settings_in(moved, KEY) == ["during"]
    await asyncio.to_thread(require_no_wal, vault_path)


@pytest.mark.asyncio
async def test_a_new_file_is_not_opened_beside_one_that_had_its_name(vault_path: Path) -> None:
    """They would share a WAL; once the old one is closed, the new one opens, with all that is in it."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await put(vault, "before")
        moved = await move(vault_path, "replace")
        with pytest.raises(VaultInUseError, match="earlier file"):
            await Vault.open(vault_path, key=KEY, busy_timeout_s=0.1)
        engine = create_vault_engine(vault_path, KEY, busy_timeout_s=0.1)
        with pytest.raises(VaultInUseError, match="earlier file"):
            async with engine.connect():
                pass
    assert await settings_in(vault_path, KEY) == ["theirs"]
    assert moved is not None
    assert await settings_in(moved, KEY) == ["before"]


@pytest.mark.asyncio
async def test_a_new_file_is_opened_once_the_one_that_had_its_name_is_closed(vault_path: Path) -> None:
    """Opening waits for that, as for a lock; the wait can be cancelled at any time."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await put(vault, "before")
        await move(vault_path, "replace")
        cancelled, opening = (asyncio.ensure_future(Vault.open(vault_path, key=KEY)) for _ in range(2))
        await asyncio.wait({cancelled, opening}, timeout=0.2)
        cancelled.cancel()
        await asyncio.wait({cancelled}, timeout=5)
        assert cancelled.cancelled()
        assert not opening.done()
    async with await opening as new, new.unit_of_work(read_only=True) as uow:
        assert [setting.key for setting in await uow.settings.get_all()] == ["theirs"]


@pytest.mark.asyncio
async def test_engines_and_connections_watch_their_file(vault_path: Path) -> None:
    """Those of the user's own raise before they begin, and on commit."""
    await make(vault_path, "made")
    notes = vault_path.with_name("notes.db")
    connection = await create_encrypted_connection(notes, "notes", profile=KdfProfile.CHEAPEST)
    await connection.execute("CREATE TABLE t (x)")
    await connection.execute("INSERT INTO t VALUES (1)")
    engine = create_vault_engine(vault_path, KEY)
    async with engine.connect() as open_one:
        await open_one.execute(text("UPDATE settings SET value = 'false'"))
        await asyncio.to_thread(vault_path.rename, moved := vault_path.with_name("moved.vault"))
        await asyncio.to_thread(notes.rename, vault_path.with_name("moved.db"))
        with pytest.raises(VaultReplacedError):
            await open_one.commit()
    with pytest.raises(VaultReplacedError):
        async with engine.connect() as again:
            await again.execute(text("SELECT 1"))
    await engine.dispose()
    with pytest.raises(VaultReplacedError):
        await connection.commit()
    with pytest.raises(VaultReplacedError):
        await connection.execute("SELECT x FROM t")
    await connection.close()
    for path in (vault_path, notes):
        await asyncio.to_thread(require_no_wal, path)
    async with Vault.open(moved, key=KEY) as vault, vault.unit_of_work(read_only=True) as uow:
        assert await uow.settings.get("made") is False
    reopened = await create_encrypted_connection(vault_path.with_name("moved.db"), "notes")
    assert list(await reopened.execute_fetchall("SELECT x FROM t")) == [(1,)]
    await reopened.close()


@pytest.mark.asyncio
async def test_a_file_with_two_names_is_refused(vault_path: Path) -> None:
    """Until the other name is deleted."""
    await make(vault_path, "made")
    other = vault_path.with_name("other.vault")
    await asyncio.to_thread(other.hardlink_to, vault_path)
    for path in (vault_path, other):
        with pytest.raises(VaultError, match="more than one name"):
            await Vault.open(path, key=KEY)
        with pytest.raises(VaultError, match="more than one name"):
            async with create_vault_engine(path, KEY).connect():
                pass
    await asyncio.to_thread(other.unlink)
    assert await settings_in(vault_path, KEY) == ["made"]


@pytest.mark.asyncio
async def test_a_name_that_a_killed_publication_left_does_not_lock_the_owner_out(vault_path: Path) -> None:
    """It is removed."""
    await make(vault_path, "made")
    finished = await asyncio.to_thread(
        subprocess.run, command("moving", "link", vault_path), env=environment(), check=False
    )
    assert finished.returncode == -9
    assert (await asyncio.to_thread(vault_path.stat)).st_nlink == 2
    assert await settings_in(vault_path, KEY) == ["made"]
    assert (await asyncio.to_thread(vault_path.stat)).st_nlink == 1


@pytest.mark.parametrize("manner", ["exit", "exit-busy"])
def test_a_process_that_ends_writes_what_was_committed_into_the_moved_file(vault_path: Path, manner: str) -> None:
    """Also where it does not close the vault, and in the middle of a statement."""
    moved = vault_path.with_name("moved.vault")
    with started("moving", manner, vault_path) as process:
        assert read_line(process) == "ready"
        vault_path.rename(moved)
        say(process)
        process.wait()
    require_no_wal(vault_path)
    assert asyncio.run(settings_in(moved, KEY)) == ["last"]


@pytest.mark.asyncio
@pytest.mark.parametrize("busy", [False, True])
async def test_a_process_that_ends_interrupts_only_what_takes_long(
    vault_path: Path, monkeypatch: pytest.MonkeyPatch, *, busy: bool
) -> None:
    """A commit that is under way has time to end; the WAL of the moved file is written back in both cases."""
    interrupted = list[HeldConnection]()

    def interrupt(raw: HeldConnection) -> None:
        interrupted.append(raw)
        assert raw.gate is not None
        raw.gate.release()

    def write_back() -> int:
        known = [raw for handle in current().connections.values() if isinstance(raw := handle(), HeldConnection)]
        for raw in known:
            assert raw.gate is not None
            if busy:
                raw.gate.acquire()
            raw.write_back_at_exit()
        return len(known)

    monkeypatch.setattr(HeldConnection, "interrupt", interrupt, raising=False)
    if busy:
        monkeypatch.setattr("zorivest_async.vault.held.EXIT_PATIENCE_S", 0.05)
    async with Vault.open(vault_path, key=KEY) as vault:
        await put(vault, "before")
        moved = await move(vault_path, "rename")
        count = await asyncio.to_thread(write_back)
        assert len(interrupted) == (count if busy else 0)
        await asyncio.to_thread(require_no_wal, vault_path)
    assert moved is not None
    assert await settings_in(moved, KEY) == ["before"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which locks others hold")
def test_a_file_that_another_process_has_open_by_another_name_is_not_opened(vault_path: Path) -> None:
    """It has a WAL under that name."""
    moved = vault_path.with_name("moved.vault")
    with started("moving", "exit", vault_path) as process:
        assert read_line(process) == "ready"
        vault_path.rename(moved)
        with pytest.raises(VaultInUseError, match="another name"):
            asyncio.run(settings_in(moved, KEY))
        say(process)
        process.wait()
    assert asyncio.run(settings_in(moved, KEY)) == ["last"]


@pytest.mark.parametrize("how", ["rename", "replace"])
@pytest.mark.parametrize(
    "turns", [pytest.param(4), pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_moves_at_random_times_lose_no_commit(
    tmp_path: Path, how: str, turns: int, tell: Callable[[str], None]
) -> None:
    """Every acknowledged commit is in the file that was moved away, and the new one is sound."""
    choice, commits, unknown = random.Random(turns), 0, 0
    with started("moving", "write") as process:
        for turn in range(turns):
            path, moved, new = tmp_path / f"{turn}.vault", tmp_path / f"{turn}.moved", tmp_path / f"{turn}.new"
            if how == "replace":
                asyncio.run(make(new, "theirs"))
            say(process, str(path))
            assert read_line(process) == "open"
            time.sleep(choice.uniform(0, 0.1))
            if how == "replace":
                moved.hardlink_to(path)
                new.replace(path)
            else:
                path.rename(moved)
            told = json.loads(read_line(process))
            require_no_wal(path)
            found = asyncio.run(settings_in(moved, KEY))
            assert set(told["acknowledged"]) <= set(found) <= {*told["acknowledged"], *told["unknown"]}
            commits, unknown = commits + len(found), unknown + len(told["unknown"])
            if how == "replace":
                assert asyncio.run(settings_in(path, KEY)) == ["theirs"]
    tell(f"{turns} files moved ({how}), {commits} commits, {unknown} outcomes unknown")


MOUNTS = rb"""22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw
415 414 8:1 /srv/my\040journal.vault /data/my\040journal.vault rw,relatime master:1 - ext4 /dev/sda1 rw
416 414 8:1 /srv/a\134b.vault /data/a\134b.vault rw,relatime - ext4 /dev/sda1 rw
417 414 8:1 /srv /data/folder rw,relatime - ext4 /dev/sda1 rw
short line
"""


@pytest.mark.parametrize(
    ("name", "mounted"),
    [("my journal.vault", True), ("a\\b.vault", True), ("folder/journal.vault", False), ("journal.vault", False)],
)
def test_a_file_that_is_mounted_alone_is_told_from_one_in_a_mounted_folder(name: str, *, mounted: bool) -> None:
    """The table of mounts writes blanks and backslashes as octal numbers."""
    from pathlib import Path  # noqa: PLC0415 - elsewhere for annotations alone

    assert is_mounted(Path("/data") / name, MOUNTS) is mounted


MOUNT = """
import asyncio, subprocess, sys
from zorivest_async import Vault, VaultError
target = sys.argv[2]
open(target, "x").close()
if subprocess.run(["mount", "--bind", sys.argv[1], target], check=False, capture_output=True).returncode:
    sys.exit("cannot mount")
async def main():
    try:
        await Vault.open(target, key=bytes(range(32)))
    except VaultError as error:
        print(error.problem)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has bind mounts")
def test_a_mounted_file_is_refused(vault_path: Path) -> None:
    """The folder is to be mounted instead."""
    asyncio.run(make(vault_path, "made"))
    unshare = which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare here")
    finished = subprocess.run(
        [unshare, "-m", sys.executable, "-c", MOUNT, vault_path, vault_path.with_name("mounted.vault")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot mount" in finished.stderr or "unshare" in finished.stderr:
        pytest.skip("this user may not mount")
    assert "mount the folder" in finished.stdout, finished.stderr


LOCKS = b"""1: POSIX  ADVISORY  READ 4711 00:2f:1234 1073741826 1073742335
2: FLOCK  ADVISORY  WRITE 4711 00:2f:77 0 EOF
3: -> POSIX ADVISORY WRITE 99 00:2f:88 0 EOF
"""


@pytest.mark.parametrize(("inode", "held"), [(1234, True), (234, False), (77, False), (88, False)])
def test_locks_of_others_are_read_from_the_table_of_locks(inode: int, *, held: bool) -> None:
    """Only those that SQLite takes count, and only those that are held."""
    assert held_elsewhere(inode, LOCKS) is held


OTHER_PROGRAM = """
import sys
from sqlcipher3 import dbapi2
raw = dbapi2.connect(sys.argv[1], isolation_level=None)
raw.set_key(bytearray(b"x'" + bytes(range(32)).hex().encode() + b"'"))
raw.execute("PRAGMA journal_mode = DELETE")
raw.execute("BEGIN IMMEDIATE")
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which locks others hold")
def test_a_wal_that_another_program_shares_is_left_alone(vault_path: Path) -> None:
    """One that has opened the new file by the old name would lose what it wrote there."""
    new, moved = vault_path.with_name("new.vault"), vault_path.with_name("moved.vault")
    asyncio.run(make(vault_path, "made"))
    asyncio.run(make(new, "theirs"))
    wal = vault_path.with_name(f"{vault_path.name}-wal")
    with closing(open_cipher(vault_uri(vault_path), VaultKey(KEY), ConnectionSettings())) as raw:
        status = vault_path.stat()
        watch = FileWatch(vault_path, (status.st_dev, status.st_ino))
        raw.execute("UPDATE settings SET value = '1'")
        other = subprocess.Popen(
            [sys.executable, "-c", OTHER_PROGRAM, new], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with other:
            assert read_line(other) == "open"
            vault_path.rename(moved)
            new.rename(vault_path)
            watch.write_back(raw)
            assert wal.stat().st_size
            say(other)
        watch.write_back(raw)
        assert not wal.stat().st_size
