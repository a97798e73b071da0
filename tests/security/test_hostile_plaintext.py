"""A plaintext journal that another person made: what is run when it is read, and what it costs."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import sys
import time
import tracemalloc
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from factories import make_png
from files import names_in
from plaintext_journal import NOON, make_plaintext
from special_files import make_pipe, make_socket, release_pipe
from zorivest_async import (
    AdoptionError,
    AdoptReport,
    KdfProfile,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultNotFoundError,
)
from zorivest_async.vault import plaintext_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

WAIT_S = 30
PROMPT_S = 2.0
"""Half a second is what is promised; a machine that runs other tests may take longer."""


async def adopt(folder: Path, *, skip_invalid: bool = False) -> AdoptReport:
    """Adopt ``journal.db`` in a folder as ``journal.vault``."""
    source, path = folder / "journal.db", folder / "journal.vault"
    return await Vault.adopt(source, path, passphrase="words", profile=KdfProfile.CHEAPEST, skip_invalid=skip_invalid)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a sound plaintext journal."""
    return make_plaintext(tmp_path / "journal.db")


def change(path: Path, *statements: str) -> None:
    """Change a plaintext file, its schema included."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            raw.execute(statement)


def instead(table: str, definition: str) -> list[str]:
    """Return statements that put something else in a table's place."""
    return ["PRAGMA foreign_keys = OFF", f"DROP TABLE {table}", definition]


ENDLESS = (
    "CREATE VIEW trades AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS exec_id FROM n"
)
GENERATED = "CREATE TABLE watchlists (id INTEGER, name TEXT AS (hex(zeroblob(300000000))))"
COMPUTED = {
    "a generated column": instead("watchlists", GENERATED),
    "a stored one": instead("watchlists", "CREATE TABLE watchlists (id INTEGER, name TEXT AS (upper(id)) STORED)"),
    "a view": instead("watchlists", "CREATE VIEW watchlists AS SELECT 1 AS id, hex(zeroblob(300000000)) AS name"),
    "an endless view": instead("trades", ENDLESS),
    "a virtual table": instead("watchlists", "CREATE VIRTUAL TABLE watchlists USING fts5(id, name)"),
    "a view that calls itself a table": [
        *instead("watchlists", "CREATE VIEW watchlists AS SELECT 1 AS id, 2 AS name"),
        "UPDATE sqlite_master SET type = 'table', rootpage = 2 WHERE name = 'watchlists'",
    ],
    "a view under a table's row": [
        "CREATE VIEW innocent AS SELECT 1 AS id, 2 AS name",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE elsewhere (id)' WHERE name = 'watchlists'",
        "UPDATE sqlite_master SET sql = 'CREATE VIEW watchlists AS SELECT 1 AS id' WHERE name = 'innocent'",
    ],
}


@pytest.mark.parametrize("kind", COMPUTED)
async def test_what_computes_is_not_run(tmp_path: Path, source: Path, kind: str) -> None:
    """A file whose journal is not stored in ordinary tables is refused in words, and nothing is made of it."""
    await asyncio.to_thread(change, source, *COMPUTED[kind])
    with pytest.raises(VaultError):
        await asyncio.wait_for(adopt(tmp_path, skip_invalid=True), WAIT_S)
    assert "journal.vault" not in await names_in(tmp_path)


async def test_what_computes_beside_a_journal_is_left_alone(tmp_path: Path, source: Path) -> None:
    """Other programs' views, virtual tables, triggers and generated columns keep no journal from being adopted."""
    await asyncio.to_thread(
        change,
        source,
        "ALTER TABLE trades ADD COLUMN value REAL AS (quantity * price) VIRTUAL",
        "ALTER TABLE trades ADD COLUMN huge TEXT AS (hex(zeroblob(300000000))) VIRTUAL",
        "CREATE VIEW totals AS SELECT sum(hex(zeroblob(300000000))) FROM trades",
        "CREATE VIRTUAL TABLE notes USING fts5(body)",
        "CREATE TRIGGER t AFTER INSERT ON trades BEGIN SELECT hex(zeroblob(300000000)); END",
        "CREATE INDEX i ON trades (abs(quantity)) WHERE price > 0",
    )
    report = await asyncio.wait_for(adopt(tmp_path), WAIT_S)
    assert report.tables["trades"].stored == 2
    noted = {(note.table, note.column) for note in report.problems}
    assert {("trades", "value"), ("trades", "huge"), ("notes", None)} <= noted


async def test_defaults_are_not_multiplied(tmp_path: Path, source: Path) -> None:
    """A default value stands once in a file, and in every row that is read: a small file does not make a huge vault."""

    def fill(column: str) -> None:
        rows = [(f"{column} {number}", NOON) for number in range(2_000)]
        with closing(sqlite3.connect(source)) as raw, raw:
            raw.executemany(
                "INSERT INTO trades (exec_id, time, instrument, action, quantity, price, account_id)"
                " VALUES (?, ?, 'SPY', 'BOT', 1, 1, 'U1')",
                rows,
            )
            raw.execute(f"ALTER TABLE trades DROP COLUMN {column}")
            raw.execute(f"ALTER TABLE trades ADD COLUMN {column} TEXT DEFAULT '{'x' * 40_000}'")

    await asyncio.to_thread(fill, "realized_pnl")
    with pytest.raises(VaultDamagedError, match="many times"):
        await asyncio.wait_for(adopt(tmp_path), WAIT_S)


def page_of_pages(children: int, child: int, size: int = 4096) -> bytes:
    """Return an interior page of a table whose every child is the same page."""
    cells = b"".join(struct.pack(">IB", child, number % 100) for number in range(children))
    start = size - len(cells)
    header = struct.pack(">BHHHBI", 5, 0, children, start, 0, child)
    pointers = b"".join(struct.pack(">H", start + 5 * number) for number in range(children))
    return (header + pointers).ljust(start, b"\0") + cells


async def test_pages_in_one_another_do_not_give_rows_without_an_end(tmp_path: Path, source: Path) -> None:
    """Eight pages of pages lead to one leaf a thousand million million times; the file has room for a few rows."""

    def fold() -> None:
        change(source, "INSERT INTO watchlists (id, name, created_at) VALUES (20, 'w', '2024-01-01')")
        with closing(sqlite3.connect(source)) as raw:
            (root,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'watchlists'").fetchone()
            (count,) = raw.execute("PRAGMA page_count").fetchone()
        data = bytearray(source.read_bytes())
        leaf = bytes(data[(root - 1) * 4096 : root * 4096])
        pages = [leaf] + [page_of_pages(200, count + number) for number in range(1, 8)]
        data[(root - 1) * 4096 : root * 4096] = page_of_pages(200, count + 8)
        data += b"".join(pages)
        data[28:32] = struct.pack(">I", count + 8)
        data[24:28] = data[92:96] = struct.pack(">I", 99)
        source.write_bytes(data)

    await asyncio.to_thread(fold)
    with pytest.raises(VaultDamagedError):
        await asyncio.wait_for(adopt(tmp_path, skip_invalid=True), WAIT_S)


def no_database(path: Path) -> None:
    """Make it a text."""
    path.write_bytes(b"not a database" * 1_000)


def cut(path: Path) -> None:
    """Cut it in the middle of a page."""
    path.write_bytes(path.read_bytes()[:10_000])


def overwritten(path: Path) -> None:
    """Overwrite what follows its first page."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def malformed(path: Path) -> None:
    """Give it a definition that is none."""
    change(path, "UPDATE sqlite_master SET sql = 'CREATE TABLE trades (' WHERE name = 'trades'")


def many_columns(path: Path) -> None:
    """Give it a table of more columns than are read."""
    columns = ", ".join(f"c{number}" for number in range(1_900))
    change(path, f"CREATE TABLE wide ({columns})")


def deep_expression(path: Path) -> None:
    """Give it a view of an expression that is deep."""
    change(path, f"CREATE VIEW deep AS SELECT 1{' + 1' * 800}")


def foreign_pages(path: Path) -> None:
    """Exchange two of its pages."""
    data = bytearray(path.read_bytes())
    data[4096:8192], data[8192:12288] = data[8192:12288], data[4096:8192]
    path.write_bytes(data)


def a_pipe(path: Path) -> None:
    """Make it a pipe that nothing is ever written to."""
    path.unlink()
    make_pipe(path)


def a_folder(path: Path) -> None:
    """Make it a folder."""
    path.unlink()
    path.mkdir()


def a_socket(path: Path) -> None:
    """Make it a socket."""
    path.unlink()
    make_socket(path)


def a_device(path: Path) -> None:
    """Make it a link to a device without an end."""
    path.unlink()
    path.symlink_to("/dev/zero")


def a_ring(path: Path) -> None:
    """Make it a link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def a_pipe_beside(suffix: str) -> Callable[[Path], None]:
    """Put a pipe in the place of a file that SQLite keeps beside a database."""

    def put(path: Path) -> None:
        make_pipe(path.with_name(f"{path.name}{suffix}"))

    return put


def release_pipes(folder: Path) -> None:
    """Let go of whoever waits for a pipe."""
    for path in folder.iterdir():
        if path.is_fifo():
            release_pipe(path)


posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes, sockets and devices have no names in folders")


@pytest.mark.parametrize(
    "become",
    [
        no_database,
        cut,
        overwritten,
        malformed,
        many_columns,
        deep_expression,
        foreign_pages,
        *(
            pytest.param(become, marks=posix)
            for become in (
                a_pipe,
                a_folder,
                a_socket,
                a_device,
                a_ring,
                *map(a_pipe_beside, ("-wal", "-shm", "-journal")),
            )
        ),
    ],
)
async def test_a_hostile_file_is_refused(tmp_path: Path, source: Path, become: Callable[[Path], None]) -> None:
    """With a typed error, at once, and nothing is made of it."""
    await asyncio.to_thread(become, source)
    task = asyncio.create_task(adopt(tmp_path))
    try:
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        assert done, "the adoption waits"
        with pytest.raises(VaultError) as caught:
            await task
        assert "journal.db" in str(caught.value)
        assert not isinstance(caught.value, VaultNotFoundError) or become is a_ring
    finally:
        await asyncio.to_thread(release_pipes, tmp_path)
    assert "journal.vault" not in await names_in(tmp_path)


async def test_a_sparse_row_takes_bounded_memory(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read in slices by their bytes as well as by their number, and a report keeps no long key."""
    monkeypatch.setattr(plaintext_source, "SLICE_BYTES", 1_000_000)

    def fill() -> None:
        with closing(sqlite3.connect(source)) as raw, raw:
            for number in range(100):
                key = f"{number:03}" + "k" * 500_000
                raw.execute("INSERT INTO trades VALUES (?, ?, 'SPY', 'HOLD', 1, 1, 'U1', 0, 0)", (key, NOON))

    await asyncio.to_thread(fill)
    tracemalloc.start()
    try:
        with pytest.raises(AdoptionError) as caught:
            await adopt(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    assert caught.value.report.tables["trades"].refused == 100


async def test_texts_of_many_values_are_not_parsed(tmp_path: Path, source: Path) -> None:
    """Tags and settings longer than a vault takes are refused before they become objects."""
    nested = "[" + "[]," * 1_000_000 + "[]]"

    def fill() -> None:
        with closing(sqlite3.connect(source)) as raw, raw:
            raw.execute("UPDATE trade_reports SET tags = ?", (nested,))
            raw.execute("UPDATE settings SET value = ?, value_type = 'json' WHERE key = 'panes'", (nested,))

    await asyncio.to_thread(fill)
    tracemalloc.start()
    try:
        report = await adopt(tmp_path, skip_invalid=True)
        assert tracemalloc.get_traced_memory()[1] < 32_000_000
    finally:
        tracemalloc.stop()
    assert {note.table for note in report.problems if note.what == "refused"} == {"trade_reports", "settings"}


def many_images(path: Path) -> None:
    """Give it images that take a while to decode."""
    picture = make_png(3_000, 2_000)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executemany(
            "INSERT INTO images (owner_type, owner_id, data, created_at) VALUES ('trade', 'T1', ?, ?)",
            [(picture, NOON)] * 60,
        )


def locked(path: Path) -> None:
    """Leave it as it is; the test locks it."""


@pytest.mark.parametrize("become", [many_images, locked])
async def test_it_is_cancelled_promptly(tmp_path: Path, source: Path, become: Callable[[Path], None]) -> None:
    """While images are decoded, and while another program keeps the file locked."""
    await asyncio.to_thread(become, source)
    holder = await asyncio.to_thread(sqlite3.connect, source, isolation_level=None, check_same_thread=False)
    with closing(holder):
        if become is locked:
            await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        task = asyncio.create_task(adopt(tmp_path))
        await asyncio.sleep(0.3)  # nothing tells when a statement has begun
        assert not task.done()
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < PROMPT_S
    assert [name for name in await names_in(tmp_path) if not name.startswith("journal.db")] in (
        [],
        ["journal.vault.lock"],
    )
