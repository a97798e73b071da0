"""``docs/benchmarks.md``: the results with what is needed to judge them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.plot import draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.records import Run

__all__ = ["write"]

_DOCUMENT: Final = """\
# Benchmarks

What this library costs beside the driver alone, and beside what else a program could use. These are {count} runs of the
{form} form. All encrypted contenders use the same format: same key, 4,096-byte pages, WAL, `synchronous=FULL`. Each
round times every contender once, in changing order; a run has {rounds} rounds, 3 to 5 of what takes seconds. Ratios
compare the two times of a round. **Bold** is the median of the runs' medians, the range in brackets the lowest and the
highest of them. "Reached" is said of what each of the runs has reached.

Most of what an asynchronous call costs beside a plain one is that a thread is woken, and that differs from machine to
machine. So here it is, measured with a queue there and a queue back, for each run:

{machine}

![Times as long as this library, on a logarithmic scale](img/benchmarks.svg)

{skipped}## Ratios

Of "times ..." less is better, of "faster than ..." more.

{ratios}

Rows with "sync + 2 ms" run in a process whose `fsync()` and `fdatasync()` take 2 ms longer, as on a disk that really
waits: a small library is preloaded there (Linux, where there is a C compiler). A virtual disk that answers a sync from
its cache says little about how commits share syncs; these rows say the same on every machine.

## What must be reached

{musts}

## Cancelled writes

What a write does whose task is cancelled, and what becomes of the next one. The cancellation comes at a point that
moves from the write's beginning to its end, while a sync takes 20 ms longer (where it can be made to); writes that had
ended by then are not counted. A second connection counts the rows.

{cancellations}

- "Of these stored": the caller got `CancelledError`, and the write is in the file. That is no fault by itself (a COMMIT
  that has been sent cannot be taken back), but the caller has to learn of it. With this library, `uow.outcome` tells;
  "outcome unknown" counts those where nothing does.
- "Later than told": the rows came into the file after the task had ended, and no task waited for them.
- "Next write lost": it returned without an error, and is not in the file.

## Times

Wall time, and the part of it that the event loop's thread spent computing (`time.thread_time()`): what a second task
on the same loop has to wait for. Medians of the rounds, and the range of the runs.

{times}

## Event loop

How late a task wakes that asks for it every millisecond, in rounds of their own. A contender that blocks is late by as
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
| `objects` | as `bare`, plus the same entities of all their columns: made of the rows of a list, and turned into rows \
for a bulk save, column by column with loops in C |
| `one-by-one` | as `bare`, with writers one after another |
| `one-by-one-normal` | the same with `synchronous=NORMAL`, which syncs no commit: a power failure takes acknowledged \
commits |
| `stock` | SQLAlchemy's ORM over its `sqlite+aiosqlite`, with an `async_creator` that opens an encrypted connection, \
and an `AsyncSession` per unit of work: `get`, `add`, `add_all`, `commit`. Its pool keeps all 15 connections, where \
the default would close 10 of them after each use |
| `advanced` | `advanced-alchemy` repositories over the same engine and models: `get`, `add`, `add_many`, `get_many`; \
without the refresh after a save, which is on by default |
| `aiosqlite` | `aiosqlite` over `sqlcipher3`, as its README uses it: one connection, a cursor for each read (three \
hand-offs), a lock around transactions; its results are tuples |
| `aiosqlite-fetchall` | the same with `execute_fetchall()`, one hand-off: the limit by another name |
| `apsw` | apsw's asyncio connection over SQLite3 Multiple Ciphers, which reads SQLCipher's format \
(`apsw-sqlite3mc`): one connection, a lock around `BEGIN IMMEDIATE` and `COMMIT` (its own context manager holds the \
GIL while SQLite syncs); its results are tuples. It has a copy of the file, as two SQLite libraries in one process \
drop each other's locks |
| `tortoise` | Tortoise ORM over the standard library's SQLite, the only one that it supports: **its file is not \
encrypted**, and has the tables' indexes but not this library's triggers |
| `pillow` | thumbnails with Pillow on the event loop, stored through a bare hand-off |
| `pyvips` | thumbnails with `pyvips` in two threads, stored through a bare hand-off |
| `vacuum-into` | `VACUUM INTO` in a thread, which neither syncs the copy nor reads it back |
| `argon2id` | the derivation of the key alone, in a thread |
| `dependencies` | the import of those modules of its dependencies that `import zorivest_async` loads, and of nothing \
else |
| `library` | this library, with its defaults |

Inputs are made before the clock starts, in the form that each contender takes: rows, models or entities. "List" gives
entities or models, those of `bare`, `limit`, `aiosqlite` and `apsw` are tuples. Galleries leave the originals out
everywhere, by `defer()` in the ORM. "Keyed read beside 24 thumbnails" is the mean of 20 reads while 24 thumbnails are
made of a 4K screenshot; `limit` makes them with Pillow in as many threads.

Before each run garbage is collected, and what the modules of all contenders keep alive is left out of later
collections (`gc.freeze()`): in one process with so many contenders, it would make every collection a pause of its own.
That favours the ORMs, which make more work for the collector than the others.

## How to run it

```sh
pip install -e ".[bench]"                 # without it, the contenders whose packages are missing are left out
python -m benchmarks                      # everything, and 2 GB in the temporary folder
python -m benchmarks --short              # smaller amounts, a few minutes
python -m benchmarks --only read-fresh    # some of it; cancelled-writes is one of the names
python -m benchmarks --json one.json      # keep what a run found
python -m benchmarks --merge one.json two.json three.json --write-docs   # this document, of runs that were kept
python -m benchmarks --runs 3 --json runs.json --write-docs              # the same, with the runs
python -m benchmarks --short --runs 3 --write-baseline benchmarks/baseline.json
tox -e bench                              # the short form, which fails where a ratio is 30 % worse than the baseline
```
"""


def write(folder: Path, runs: Sequence[Run]) -> None:
    """Write the document and its plot into a folder."""
    results = [result for run in runs for result in run.results]
    skipped = report.skipped_list(runs)
    text = _DOCUMENT.format(
        count=len(runs),
        form=" and ".join(dict.fromkeys(run.form for run in runs)),
        rounds=max(len(result.measured.seconds["library"]) for result in results),
        machine=report.machine_table(runs),
        skipped=f"{skipped}\n\n" if skipped else "",
        ratios=report.ratio_table(runs),
        musts=report.musts_table(runs),
        cancellations=report.cancellation_table(runs),
        times=report.time_table(runs),
        stalls=report.stall_table(runs),
        memory=report.memory_table(runs),
    )
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
    draw(runs, folder / "img" / "benchmarks.svg")
