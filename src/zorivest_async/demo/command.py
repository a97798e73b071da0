"""The demo as a command: where its vault is, what opens it, and what is printed."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from zorivest_async import ConfigurationError
from zorivest_async.demo.journal import run_demo
from zorivest_async.demo.progress import Progress
from zorivest_async.demo.report import format_report

__all__ = ["PASSPHRASE_VARIABLE", "demo"]

PASSPHRASE_VARIABLE = "ZORIVEST_PASSPHRASE"  # noqa: S105 - a name
"""The environment variable that a passphrase is taken from: arguments show in lists of processes."""


def demo(vault: Path | None, executions: Path | None, images: Path | None) -> int:
    """Run the demo, print its report, and return the exit code: 0 where everything came back equal, else 1.

    Args:
        vault: Where to keep the vault; ``None`` for a temporary folder.
        executions: A CSV file of executions; ``None`` for the bundled sample.
        images: A folder of images; ``None`` to draw charts.

    Raises:
        ZorivestError: Something that was given cannot be used.
        OSError: A file cannot be read or written.
    """
    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if not passphrase:
        if vault is not None:
            raise ConfigurationError(
                f"set {PASSPHRASE_VARIABLE}: a vault that is kept needs a passphrase that its owner knows"
            )
        passphrase = secrets.token_urlsafe()
    with TemporaryDirectory(prefix="zorivest-demo-") as folder, Progress(sys.stderr) as progress:
        temporary = Path(folder)
        result = asyncio.run(
            run_demo(
                vault if vault is not None else temporary / "demo.vault",
                passphrase,
                executions=executions,
                images=images,
                charts_folder=temporary,
                progress=progress,
            )
        )
    sys.stdout.write(format_report(result))
    for problem in result.problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if result.problems else 0
