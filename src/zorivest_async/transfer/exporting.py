"""Export of trades and other entities to Parquet and CSV files."""

from __future__ import annotations

import json
import stat
from base64 import b64encode
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from zorivest_async._extras import import_extra
from zorivest_async.database.sqlcipher.os_errors import type_name
from zorivest_async.domain.entities import Trade
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.errors import ConfigurationError, ExportError
from zorivest_async.security.tracebacks import hidden_call, sealed, sealed_coroutine
from zorivest_async.transfer.columns import Kind, columns_of, to_columns
from zorivest_async.transfer.export_errors import export_errors
from zorivest_async.transfer.frames import to_arrow
from zorivest_async.vault.files import publish, replace
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from os import PathLike

    from zorivest_async.domain.entity import Entity
    from zorivest_async.vault import Vault

__all__ = ["export_trades", "published", "write_csv", "write_parquet"]


@sealed_coroutine
async def export_trades(
    vault: Vault,
    path: str | PathLike[str],
    trade_filter: TradeFilter | None = None,
    *,
    overwrite: bool = True,
    guard_formulas: bool = False,
    byte_order_mark: bool = False,
) -> int:
    """Write trades to a Parquet or CSV file, oldest first, and return their number.

    The file appears complete or not at all, and is synced to the disk. It is not encrypted; only its owner can read it.

    Many tasks may call it at once, even with the same path: each writes a complete file, and the last one stays. It
    holds a reading connection while it reads, and writes in a thread. A cancelled export leaves the old file, unless
    its thread has begun to write; the thread then finishes the new one.

    Args:
        vault: The vault to read.
        path: The file to write; its suffix, ``.parquet`` or ``.csv``, selects the format.
        trade_filter: Filter of the trades; all by default.
        overwrite: Replace an existing file. A symbolic link is replaced itself; its target is not touched.
        guard_formulas: For CSV, see :func:`write_csv`.
        byte_order_mark: For CSV, see :func:`write_csv`.

    Raises:
        ConfigurationError: The suffix is another one, the path exists and ``overwrite`` is false, or an option for CSV
            is given for Parquet.
        MissingDependencyError: Parquet needs ``pip install "zorivest-async[parquet]"``.
        ExportError: The file cannot be written, or the path is not a regular file; it is an ``OSError``.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ConfigurationError("the path must end in .parquet or .csv")
    if suffix == ".parquet" and (guard_formulas or byte_order_mark):
        raise ConfigurationError("guard_formulas and byte_order_mark are for CSV; a Parquet file has neither")
    csv_writer = partial(write_csv, guard_formulas=guard_formulas, byte_order_mark=byte_order_mark)
    write: Callable[..., None] = write_parquet if suffix == ".parquet" else csv_writer
    async with vault.unit_of_work(read_only=True) as uow:
        trades = await uow.trades.list_filtered(trade_filter or TradeFilter(), sort="time", limit=None)
    await to_thread.run_sync(hidden_call(write, path, trades, overwrite=overwrite))
    return len(trades)


@sealed
def write_parquet(
    path: str | PathLike[str], entities: Iterable[Entity], entity: type[Entity] = Trade, *, overwrite: bool = True
) -> None:
    """Write entities to a Parquet file. Times are in UTC, and a file without rows has all columns.

    It is synchronous: in a coroutine, call it in a thread.

    Args:
        path: The file; it appears complete or not at all, and only its owner can read it.
        entities: Entities of one class.
        entity: The class.
        overwrite: Replace an existing file. A symbolic link is replaced itself; its target is not touched.

    Raises:
        ConfigurationError: The path exists and ``overwrite`` is false.
        ExportError: The file cannot be written, or the path is not a regular file; it is an ``OSError``.
        MissingDependencyError: pyarrow is not installed (``pip install "zorivest-async[parquet]"``).
        ValidationError: One of the entities is of another class.
    """
    parquet: Any = import_extra("parquet", "pyarrow.parquet")
    table = to_arrow(entities, entity)
    with published(path, overwrite=overwrite) as part:
        parquet.write_table(table, part)


@sealed
def write_csv(
    path: str | PathLike[str],
    entities: Iterable[Entity],
    entity: type[Entity] = Trade,
    *,
    overwrite: bool = True,
    guard_formulas: bool = False,
    byte_order_mark: bool = False,
) -> None:
    """Write entities to a CSV file in UTF-8.

    Only text is quoted, so that ``"0001"`` stays text and ``None`` differs from an empty text. Times are in ISO 8601
    with their offset, numbers have all their digits, bytes are in Base64, tuples of texts are a JSON array. The profile
    :data:`~zorivest_async.transfer.importers.ZORIVEST` reads trades back.

    It is synchronous: in a coroutine, call it in a thread.

    Args:
        path: The file; it appears complete or not at all, and only its owner can read it.
        entities: Entities of one class.
        entity: The class.
        overwrite: Replace an existing file. A symbolic link is replaced itself; its target is not touched.
        guard_formulas: Write an apostrophe before text that a spreadsheet may take for a formula: that begins with
            ``=``, ``+``, ``-``, ``@``, a tab or a carriage return, also after blanks. Such text is not read back as it
            was stored.
        byte_order_mark: Begin the file with the mark by which spreadsheets recognise UTF-8.

    Raises:
        ConfigurationError: The path exists and ``overwrite`` is false.
        ExportError: The file cannot be written, or the path is not a regular file; it is an ``OSError``.
        ValidationError: One of the entities is of another class.
    """
    columns = columns_of(entity)
    values = to_columns(entities, entity)
    formats = {**_FORMATS, **_GUARDED_FORMATS} if guard_formulas else _FORMATS
    cells = [map(formats[column.kind], values[column.name]) for column in columns]
    encoding = "utf-8-sig" if byte_order_mark else "utf-8"
    with published(path, overwrite=overwrite) as part, part.open("w", encoding=encoding, newline="") as file:
        file.write(",".join(column.name for column in columns) + "\r\n")
        file.writelines(",".join(row) + "\r\n" for row in zip(*cells, strict=True))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _or_nothing(format_value: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else format_value(value)


_FORMATS: Final[dict[Kind, Callable[[Any], str]]] = {
    "text": _or_nothing(_quoted),
    "time": _or_nothing(lambda time: str(time.isoformat())),
    "number": _or_nothing(repr),
    "integer": _or_nothing(str),
    "flag": _or_nothing(lambda flag: "true" if flag else "false"),
    "bytes": _or_nothing(lambda data: b64encode(data).decode()),
    "texts": _or_nothing(lambda texts: _quoted(json.dumps(texts, ensure_ascii=False))),
    "json": _quoted,
}


def _guarded(text: str) -> str:
    return _quoted(f"'{text}" if text.lstrip(" ").startswith(_FORMULA_BEGINNINGS) else text)


_FORMULA_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the beginning of a formula; the last four are the full-width forms."""

_GUARDED_FORMATS: Final[dict[Kind, Callable[[Any], str]]] = {"text": _or_nothing(_guarded), "json": _guarded}


@contextmanager
def published(path: str | PathLike[str], *, overwrite: bool) -> Generator[Path]:
    """Yield a temporary file that becomes ``path`` if the block succeeds, and is deleted otherwise.

    Args:
        path: The file, which only its owner can read.
        overwrite: Replace an existing file. A symbolic link is replaced itself; its target is not touched.

    Raises:
        ConfigurationError: The path exists and ``overwrite`` is false.
        ExportError: The file cannot be written, or the path is not a regular file.
    """
    target = Path(path).absolute()
    with export_errors(target), new_file(target) as part:
        yield part
        if overwrite:
            _require_file(target)
            replace(part, target)
            return
        try:
            publish(part, target)
        except FileExistsError:
            raise ConfigurationError("the path already exists; choose another name, or pass overwrite=True") from None


def _require_file(target: Path) -> None:
    """Check that an export replaces only a file or a symbolic link.

    A rename would replace a pipe or a device, which the user meant to write into.

    Raises:
        ExportError: The path is neither.
    """
    with suppress(FileNotFoundError):
        mode = target.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise ExportError(target, f"this is a {type_name(mode)}, not a file that can be replaced")
