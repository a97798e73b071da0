"""What is collected: the same identifiers in every process, and contracts that run over every implementation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from implementations import IMPLEMENTATIONS, LIMITS, Limit

ROOT = Path(__file__).parents[2]
CONTRACTS = sorted((ROOT / "tests/contract").glob("test_*.py"))


def start_collecting(hash_seed: int) -> subprocess.Popen[str]:
    """Start a process that prints the identifiers of all tests, whatever their markers."""
    options = ["--collect-only", "-q", "-m", "", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, "tests"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def collections() -> list[list[str]]:
    """The identifiers of all tests in order, from two processes with different addresses and hashes."""
    processes = [start_collecting(hash_seed) for hash_seed in (1, 2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs[0][-2_000:]
    return [[line for line in output.splitlines() if "::" in line] for output in outputs]


@pytest.mark.timeout(300)  # the fixture collects everything twice
def test_every_process_collects_the_same_tests(collections: list[list[str]]) -> None:
    """In the same order and under the same identifiers, as pytest-xdist demands: no address, no order of a set."""
    first, second = collections
    assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]] == []
    assert len(set(first)) == len(first) > 1_000


@pytest.mark.timeout(300)  # the fixture collects everything twice
@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.implementation}-{limit.test}")
def test_every_limit_is_of_a_contract_that_is_there(collections: list[list[str]], limit: Limit) -> None:
    """Its implementation and its test exist; where the test passes, strict expectation fails it."""
    assert limit.implementation in IMPLEMENTATIONS
    test, _, case = limit.test.partition("[")  # of all cases, or of this one
    beginning = f"tests/contract/{test}[{limit.implementation}" + (f"-{case}" if case else "")
    assert [name for name in collections[0] if re.match(re.escape(beginning) + ("$" if case else r"[-\]]"), name)]


def test_limits_are_declared_once() -> None:
    """One entry for an implementation and a test."""
    named = [(limit.implementation, limit.test) for limit in LIMITS]
    assert sorted(set(named)) == sorted(named)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_contracts_are_skipped_by_the_table_alone(path: Path) -> None:
    """No file of the suite skips a test, or expects it to fail, on its own account."""
    assert re.findall(r"\b(?:skip|skipif|xfail|importorskip)\b\(", path.read_text("utf-8")) == []
