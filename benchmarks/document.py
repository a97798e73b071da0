"""``docs/benchmarks.md``: the results with what is needed to judge them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.plot import draw
from benchmarks.report import memory_table, musts_table, ratio_table, stall_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.figures import Result

__all__ = ["write"]

_DOCUMENT: Final = """\
# Benchmarks

What this library costs beside the driver alone, and beside what else there is. Everything runs in one process and one
run over the same encrypted files: same key, 4,096-byte pages, WAL, `synchronous=FULL`. Each round times every contender
once, in changing order; ratios compare the two times of a round. **Bold** is the median of {rounds} rounds, the range
in brackets the smallest and the largest. These are the numbers of the {form} form.

![Times as long as this library, on a logarithmic scale](img/benchmarks.svg)

## Ratios

{ratios}

## What must be reached

{musts}

## Event loop

How late a task wakes that asks for it every millisecond, in runs of their own. A contender that blocks is late by as
long as its call takes.

{stalls}

## Memory

The peak of a fresh process beyond what it used before, its input included in that; and what it read from files.

{memory}

## What each contender does

| Name | What it is |
|---|---|
| `limit` | `sqlcipher3` through a bare queue hand-off: one thread, one `SimpleQueue`, one future per operation. A \
keyed read is one hand-off that runs `SELECT` and `fetchone()`, without a transaction; a save and commit is one \
hand-off that runs `BEGIN IMMEDIATE`, `INSERT` and `COMMIT`. It has no pool, no cancellation, no errors of its own |
| `bare` | the same calls of `sqlcipher3`, made where the event loop runs, which they block; lists are of the \
driver's tuples |
| `stock` | SQLAlchemy's `sqlite+aiosqlite` with an `async_creator` that opens an encrypted connection, and an \
`AsyncSession` per unit of work: `get`, `add`, `add_all`, `commit`. Its pool keeps all 15 connections, where the \
default would close 10 of them after each use |
| `advanced` | `advanced-alchemy` repositories over the same engine and models: `get`, `add`, `add_many`, `get_many`; \
without the refresh after a save, which is on by default |
| `pillow` | thumbnails with Pillow on the event loop, stored through a bare hand-off |
| `pyvips` | thumbnails with `pyvips` in two threads, stored through a bare hand-off |
| `vacuum-into` | `VACUUM INTO` in a thread, which neither syncs the copy nor reads it back |
| `argon2id` | the derivation of the key alone, in a thread |
| `dependencies` | `import sqlalchemy.ext.asyncio, PIL.Image` |
| `library` | this library, with its defaults |

Inputs are made before the clock starts, in the form that each contender takes: rows, models or entities. "List" gives
entities or models, and the bare driver's are tuples. Galleries leave the originals out everywhere, by `defer()` in the
ORM.

Before each run garbage is collected, and what the modules of all contenders keep alive is left out of later
collections (`gc.freeze()`): in one process with five contenders, it would make every collection a pause of its own.
That favours the ORM, which makes more work for the collector than the others.

## Where these numbers come from

{machine}

They differ from machine to machine; the ratios differ less.

## How to run it

```sh
pip install -e ".[bench]"
python -m benchmarks                      # everything, half an hour, and 3 GB in the temporary folder
python -m benchmarks --short              # smaller amounts, under two minutes
python -m benchmarks --only read-fresh    # some of it
python -m benchmarks --write-docs         # this document
tox -e bench                              # the short form, which fails where a ratio is 30 % worse than the baseline
```
"""


def write(folder: Path, machine: dict[str, str], results: Sequence[Result], *, form: str) -> None:
    """Write the document and its plot into a folder; ``form`` is the name of the sizes."""
    rounds = max(len(next(iter(result.measured.seconds.values()))) for result in results)
    described = "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in machine.items())])
    text = _DOCUMENT.format(
        rounds=rounds,
        form=form,
        ratios=ratio_table(results),
        musts=musts_table(results),
        stalls=stall_table(results),
        memory=memory_table(results),
        machine=described,
    )
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
    draw(results, folder / "img" / "benchmarks.svg")
