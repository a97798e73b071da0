"""Progress bar on the terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from zorivest_async import Progress, ProgressCallback

__all__ = ["progress_bar"]


@contextmanager
def progress_bar() -> Generator[ProgressCallback]:
    """Show a progress bar on stderr while the block runs; yield the callback that updates it.

    There is no bar if stderr is not a terminal, or without the extra ``cli``, which the demo does not need.
    """
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as ProgressDisplay
    except ImportError:
        yield lambda _progress: None
        return
    display = ProgressDisplay(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not sys.stderr.isatty(),
    )
    with display:
        bar = display.add_task("", total=None)

        def show(progress: Progress) -> None:
            display.update(bar, description=progress.phase, completed=progress.done, total=progress.total or None)

        yield show
