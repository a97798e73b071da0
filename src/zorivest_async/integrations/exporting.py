"""Data out: trades into files that other programs read."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.errors import ConfigurationError
from zorivest_async.integrations.columns import Kind, columns_of, to_columns
from zorivest_async.integrations.extras import import_extra
from zorivest_async.integrations.frames import to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from os import PathLike

    from zorivest_async.domain.entity import Entity
    from zorivest_async.vault import Vault

__all__ = ["export_trades", "write_csv", "write_parquet"]


async def export_trades(vault: Vault, path: str | PathLike[str], trade_filter: TradeFilter | None = None) -> int:
    """Write trades to a Parquet or CSV file, oldest first, and return how many there are.

    The file appears complete or not at all; it replaces one of its name. It is not encrypted.

    May be called by many tasks at once. It holds a reading connection while it reads; writing is done in a thread.

    Args:
        vault: Where from.
        path: Where to; its suffix, ``.parquet`` or ``.csv``, says what is written.
        trade_filter: Which ones; all by default.

    Raises:
        ConfigurationError: It has another suffix.
        MissingDependencyError: Parquet needs ``pip install "zorivest-async[parquet]"``.
        OSError: The file cannot be written.
    """
    try:
        write = _WRITERS[Path(path).suffix.lower()]
    except KeyError:
        raise ConfigurationError("trades are exported to a .parquet or a .csv file") from None
    async with vault.unit_of_work(read_only=True) as uow:
        trades = await uow.trades.list_filtered(trade_filter or TradeFilter(), sort="time", limit=None)
    await to_thread.run_sync(write, path, trades)
    return len(trades)


def write_parquet(path: str | PathLike[str], entities: Iterable[Entity], entity: type[Entity] = Trade) -> None:
    """Write entities to a Parquet file, in a thread; moments are in UTC, and an empty file has all columns.

    Args:
        path: The file; it appears complete or not at all.
        entities: All of one class.
        entity: The class.

    Raises:
        MissingDependencyError: pyarrow is not installed (``pip install "zorivest-async[parquet]"``).
        ValidationError: One of the entities is of another class.
    """
    parquet: Any = import_extra("parquet", "pyarrow.parquet")
    table = to_arrow(entities, entity)
    with _replacing(path) as part:
        parquet.write_table(table, part)


def write_csv(path: str | PathLike[str], entities: Iterable[Entity], entity: type[Entity] = Trade) -> None:
    """Write entities to a CSV file in UTF-8, in a thread.

    Text is in quotes and nothing else is, so that ``"0001"`` stays text and an absent value is not an empty one.
    Moments are in ISO 8601 with their offset, numbers have all their digits, bytes are in Base64, several texts are a
    JSON array. Trades are read back by the profile :data:`~zorivest_async.integrations.importers.ZORIVEST`.

    Args:
        path: The file; it appears complete or not at all.
        entities: All of one class.
        entity: The class.

    Raises:
        ValidationError: One of the entities is of another class.
    """
    columns = columns_of(entity)
    values = to_columns(entities, entity)
    cells = [map(_FORMATS[column.kind], values[column.name]) for column in columns]
    with _replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(column.name for column in columns) + "\r\n")
        file.writelines(",".join(row) + "\r\n" for row in zip(*cells, strict=True))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _or_nothing(format_value: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else format_value(value)


_FORMATS: Final[dict[Kind, Callable[[Any], str]]] = {
    "text": _or_nothing(_quoted),
    "moment": _or_nothing(lambda moment: str(moment.isoformat())),
    "number": _or_nothing(repr),
    "integer": _or_nothing(str),
    "flag": _or_nothing(lambda flag: "true" if flag else "false"),
    "bytes": _or_nothing(lambda data: b64encode(data).decode()),
    "texts": _or_nothing(lambda texts: _quoted(json.dumps(texts, ensure_ascii=False))),
}

_WRITERS: Final = {".csv": write_csv, ".parquet": write_parquet}


@contextmanager
def _replacing(path: str | PathLike[str]) -> Generator[Path]:
    """Give the name of a file that becomes ``path`` when the block ends well, and nothing otherwise."""
    part = Path(f"{os.fspath(path)}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
