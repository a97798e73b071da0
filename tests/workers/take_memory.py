"""Take memory in one input of a fuzzing run, in a process whose peak is still low, and print what the run says of it.

Usage: ``python -m workers.take_memory FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import strategies as st

from fuzzing.target import Target
from workers import fuzz

TAKEN_BYTES = 250_000_000


def main() -> None:
    """Take more than a target may, and let go of it."""
    kept = []

    def take_memory(_: object) -> str:
        kept.append(b"x" * TAKEN_BYTES)
        return "taken"

    fuzzing = fuzz.Fuzzing(Target(st.none(), take_memory), Path(sys.argv[1]))
    try:
        fuzzing.one(None)
    except AssertionError as error:
        print(error)


if __name__ == "__main__":
    main()
