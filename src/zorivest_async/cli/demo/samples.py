"""Input of the demo: executions and images, the user's own or the bundled samples."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from zorivest_async import ImageError, ImagePolicy, ImportSourceError
from zorivest_async.images import process_image, read_image_file
from zorivest_async.transfer.importers import CsvProfile, CsvTrades, Screenshots

if TYPE_CHECKING:
    from collections.abc import Generator

    from zorivest_async import Trade
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.images import ProcessedImage

__all__ = [
    "ACCOUNT_ID",
    "CHARTS",
    "DATA",
    "EXECUTIONS",
    "INSTRUMENT",
    "PROFILE",
    "Picture",
    "read_executions",
    "read_pictures",
]

ACCOUNT_ID: Final = "DEMO"
"""The account that all executions belong to."""

INSTRUMENT: Final = "ETH/USDT"
"""The instrument of all executions, which the bundled file does not name."""

PROFILE: Final = CsvProfile(
    name="exchange feed",
    columns={"exec_id": "id", "time": "date", "action": "side", "quantity": "amount", "price": "price"},
    constants={
        "instrument": INSTRUMENT,
        "account_id": ACCOUNT_ID,
        "currency": "USDT",
        "asset_class": "crypto",
    },
    time_zone="UTC",
)
"""Profile of a file of executions."""

DATA: Final = Path(__file__).with_name("data")
"""The folder of the bundled samples."""

EXECUTIONS: Final = DATA / "executions.csv"
"""100 public executions of an exchange."""

CHARTS: Final = tuple(DATA / name for name in ("1-overview.png", "2-setup.png", "3-entry.png", "4-exit.png"))
"""Charts of one trade, drawn from public daily prices of AAPL."""


class Picture(NamedTuple):
    """An image file, with the details and the thumbnail that a vault should store for it."""

    path: Path
    expected: ProcessedImage


def read_executions(path: Path, operation: Operation) -> list[Trade]:
    """Return the executions of a file, at least one, in the file's order; call it in a thread.

    Raises:
        ImportSourceError: The file, or a row of it, cannot be imported.
        OSError: The file cannot be read.
    """
    with _named(path):
        rows = CsvTrades(path, PROFILE).read(operation)
        for entry in rows.failed:
            raise ImportSourceError(f"line {entry}")
        lines: dict[str, int] = {}
        trades: list[Trade] = []
        for execution in rows.executions:
            if execution.trade is not None:  # a CSV file has no cancellations
                first = lines.setdefault(execution.trade.exec_id, execution.row)
                if first != execution.row:
                    raise ImportSourceError(f"the id of this execution is already on line {first}", execution.row)
                trades.append(execution.trade)
        if not trades:
            raise ImportSourceError("this file contains no executions")
    return trades


def read_pictures(folder: Path, operation: Operation) -> list[Picture]:
    """Return the images of a folder, at least one, sorted by name and decoded as by a vault; call it in a thread.

    Raises:
        ImportSourceError: The folder contains no images, or an image is damaged.
        OSError: An image cannot be read.
    """
    with _named(folder):
        files = Screenshots(folder).files()
        if not files:
            raise ImportSourceError("this folder contains no PNG, JPEG, WebP or GIF files")
    policy, pictures = ImagePolicy(), list[Picture]()
    for path, _ in files:
        operation.check()
        operation.report("images", len(pictures), len(files))
        with _named(path):
            pictures.append(Picture(path, process_image(read_image_file(path, policy), policy)))
    return pictures


@contextmanager
def _named(path: Path) -> Generator[None]:
    """Add the path of a file or folder to its errors."""
    try:
        yield
    except (ImageError, ImportSourceError) as error:
        raise ImportSourceError(f"{path}: {error}") from error
