"""The work as plain calls of the driver, for the contenders that have nothing above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.trades import INSERT_TRADE, SELECT_TRADES, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlcipher3 import dbapi2 as sqlcipher

    from benchmarks.contenders.base import Position
    from zorivest_async import Trade

_PROBE: Final = "SELECT count(*) FROM accounts"

READ: Final = f"{SELECT_TRADES} WHERE exec_id = ?"
CHANGE: Final = "UPDATE trades SET commission = ? WHERE exec_id = ?"
NEWEST: Final = f"{SELECT_TRADES} ORDER BY time DESC, exec_id DESC LIMIT ?"
_FOLLOWING: Final = f"{SELECT_TRADES} WHERE (time, exec_id) < (?, ?) ORDER BY time DESC, exec_id DESC LIMIT ?"
_POSITION: Final = "SELECT time, exec_id FROM trades ORDER BY time DESC, exec_id DESC LIMIT 1 OFFSET ?"
_IMAGES: Final = (
    "SELECT id, owner_type, owner_id, thumbnail, mime_type, caption, width, height, file_size, created_at FROM images"
    " WHERE owner_type = 'trade' AND owner_id = ? ORDER BY id DESC"
)

COMMISSION_COLUMN: Final = 7


def prepare(trades: Sequence[Trade]) -> list[Any]:
    """Return the driver's rows."""
    return list(rows_of(trades))


def read(connection: sqlcipher.Connection, exec_id: str) -> Any:
    """Read one row by its key; SQLite needs no transaction for it."""
    return connection.execute(READ, (exec_id,)).fetchone()


def save_commit(connection: sqlcipher.Connection, row: Any) -> None:
    """Insert a row and commit."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(INSERT_TRADE, row)
    connection.execute("COMMIT")


def read_modify_write(connection: sqlcipher.Connection, exec_id: str) -> None:
    """Read a row, change it and commit."""
    connection.execute("BEGIN IMMEDIATE")
    commission = connection.execute(READ, (exec_id,)).fetchone()[COMMISSION_COLUMN]
    connection.execute(CHANGE, (commission + 0.01, exec_id))
    connection.execute("COMMIT")


def bulk_save(connection: sqlcipher.Connection, rows: list[Any], insert: str = INSERT_TRADE) -> None:
    """Insert rows and commit."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(insert, rows)
    connection.execute("COMMIT")


def list_trades(connection: sqlcipher.Connection, count: int) -> list[Any]:
    """Fetch the newest rows."""
    return connection.execute(NEWEST, (count,)).fetchall()


def stream_trades(connection: sqlcipher.Connection, count: int) -> int:
    """Step through the newest rows."""
    return sum(1 for _ in connection.execute(NEWEST, (count,)))


def page(connection: sqlcipher.Connection, size: int, after: Position) -> list[Any]:
    """Fetch the rows that follow a position."""
    if after is None:
        return list_trades(connection, size)
    return connection.execute(_FOLLOWING, (*after, size)).fetchall()


def position_after(connection: sqlcipher.Connection, count: int) -> Position:
    """Return time and key of a row, counted from the newest."""
    return connection.execute(_POSITION, (count - 1,)).fetchone()


def list_images(connection: sqlcipher.Connection, owner_id: str) -> list[Any]:
    """Fetch every column but the originals."""
    return connection.execute(_IMAGES, (owner_id,)).fetchall()


def probe(connection: sqlcipher.Connection) -> Any:
    """Read something, which a new connection has to decrypt."""
    return connection.execute(_PROBE).fetchone()
