"""The house as it was planned: no circles, few loose modules, and a part of the database that knows no engine."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import zorivest_async

PACKAGE = Path(zorivest_async.__file__).parent
DATABASE = PACKAGE / "database"
ENGINES = ("sqlcipher", "postgresql", "migrations")
MOST_LOOSE_MODULES = 14
NEUTRAL = [path for path in sorted(DATABASE.rglob("*.py")) if path.relative_to(DATABASE).parts[0] not in ENGINES]
OF_SQLITE = re.compile(r"lastrowid|json_each|total_changes|\browid\b|PRAGMA|LIMIT -1|instr\(|isoformat|BEGIN\b")
LISTED = {("zorivest_async.domain.entity", "zorivest_async.rendering")}
"""Imports in a method that only notebooks run, which a layer contract lists too."""


def name_of(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = ["zorivest_async", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules of the library that a module imports, for types alone or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys() or {str(node.module)}
    return frozenset(found - {module})


def circle_from(module: str) -> list[str] | None:
    """Return a chain of imports that ends where it begins."""
    waiting = [[module]]
    seen: set[str] = set()
    while waiting:
        chain = waiting.pop()
        for imported in sorted(imports_of(chain[-1])):
            if (chain[-1], imported) in LISTED:
                continue
            if imported == module:
                return [*chain, module]
            if imported not in seen:
                seen.add(imported)
                waiting.append([*chain, imported])
    return None


def lines_of(paths: list[Path]) -> int:
    """Return how many lines some files have."""
    return sum(len(path.read_text("utf-8").splitlines()) for path in paths)


def test_imports_make_no_circle() -> None:
    """Not for types either: two modules that name each other are one."""
    assert [chain for module in MODULES if (chain := circle_from(module))] == []


def test_a_circle_would_be_found() -> None:
    """With the listed import it is one."""
    LISTED.clear()
    try:
        assert circle_from("zorivest_async.domain.entity") is not None
    finally:
        LISTED.add(("zorivest_async.domain.entity", "zorivest_async.rendering"))


def test_few_modules_are_loose_in_the_database() -> None:
    """What belongs together stands in a folder."""
    loose = [path.name for path in DATABASE.glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE_MODULES, loose


@pytest.mark.parametrize("path", NEUTRAL, ids=lambda path: path.name)
def test_what_knows_no_engine_speaks_no_dialect(path: Path) -> None:
    """SQLite's own functions, statements and forms of values are its backend's."""
    assert OF_SQLITE.findall(path.read_text("utf-8")) == []


def test_what_knows_no_engine_is_a_third_of_the_library_at_most() -> None:
    """The rest is engines, the life of a file, and what is built on repositories."""
    assert 3 * lines_of(NEUTRAL) <= lines_of(list(MODULES.values()))
