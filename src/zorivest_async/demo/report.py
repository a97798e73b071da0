"""The demo's report, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zorivest_async.demo.journal import DemoResult

__all__ = ["format_report"]

_HEADINGS = ("", "stored", "read back", "equal")


def format_report(result: DemoResult) -> str:
    """Return a table of what came back, then how the vault was locked, and what it took."""
    counts = [(check.kind, *(f"{n:,}" for n in (check.stored, check.read, check.equal))) for check in result.checks]
    facts = [
        ("sqlite3 without the key", _refusal(result.sqlite3_refusal)),
        ("a wrong passphrase", _refusal(result.passphrase_refusal)),
        ("vault file", f"{result.file_bytes:,} bytes"),
        ("time", f"{result.elapsed_s:.2f} s"),
        ("longest event-loop stall", f"{result.longest_stall_ms:.1f} ms"),
    ]
    verdict = "NOT everything is as it was stored." if result.problems else "Everything came back equal."
    return "\n".join(
        (*_table((_HEADINGS, *counts)), "", *(f"{name:<25}{fact}" for name, fact in facts), "", verdict, "")
    )


def _refusal(said: str | None) -> str:
    return "NOT REFUSED" if said is None else f"refused: {said}"


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Align rows of cells: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join((f"{first:<{widths[0]}}", *cells)).rstrip()
