"""Private names of other packages: each stands in one place, and was looked at in the releases that are installed.

Only what has no public way is done by one. Users are safe from a release that lacks a name: the library refuses it with
words when it is imported, or does without the name. These tests are for who changes the code or its dependencies.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeGuard

import aiosqlite
import pytest
from sqlalchemy import Engine, create_engine
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import MissingDependencyError
from zorivest_async._requirements import require_names
from zorivest_async.database.sqlalchemy_internals import is_heard
from zorivest_async.database.sqlcipher.raw_connection import RawConnection

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "zorivest_async"
LOCKED = ROOT / "requirements-dev.txt"


class Uses(NamedTuple):
    """Where private names of a package are used.

    Attributes:
        checked: The newest release that they were checked with, without the part that counts patches.
        places: The names, by module.
        tests: What fails where one means something else.
    """

    checked: str
    places: dict[str, set[str]]
    tests: str


USES = {
    "aiosqlite": Uses(
        "0.22",
        {
            "database.sqlcipher.aiosqlite_internals": {"_conn", "_connection", "_connector", "_execute", "_running"},
            "database.sqlcipher.driver": {
                "_conn", "_connect", "_connection", "_connector", "_execute", "_running", "_thread",
            },
        },
        "tests/integration/test_driver.py tests/contract/test_images.py",
    ),
    "alembic": Uses(
        "1.20",
        {"database.migrations.user_objects": {"_alembic_tmp_"}},
        "tests/integration/test_migrations_user_objects.py",
    ),
    "anyio": Uses("4.16", {"database.sqlcipher.process": {"_run_vars"}}, "tests/faults/test_forks.py"),
    "pillow": Uses(
        "13.0",
        {"images.readers": {"_im", "_read_dpi_from_exif"}},
        "tests/unit/test_images_processing.py tests/unit/test_images_hostile.py",
    ),
    "sqlalchemy": Uses(
        "2.1",
        {
            "database.postgresql.dialect": {
                "_adapt_connection", "_backslash_escapes", "_buffer_rows", "_connection", "_cursor", "_description",
                "_execute_mutex", "_executemany", "_handle_exception", "_isolation_setting", "_on_conflict_target",
                "_prepare_and_execute", "_rowcount", "_rows", "_terminate_graceful_close",
            },
            "database.sqlalchemy_internals": {"_connection_for_bind", "_has_events"},
            "database.sqlcipher.dbapi": {"_async_soft_close", "_handle_exception_no_connection"},
            "database.sqlcipher.pool": {"_create_connection", "_invalidate_time", "_pool"},
        },
        "tests/integration tests/contract",
    ),
}  # fmt: skip

OF_PYTHON = {"database.sqlcipher.process": {"_exit"}, "database.sqlcipher.raw_connection": {"_iterdump"}}
"""Names of the standard library; ``os._exit`` is public."""

FOREIGN = {"PIL", "aiosqlite", "anyio", "alembic", "sqlalchemy"}

ALLOWED = [(module, names) for uses in USES.values() for module, names in uses.places.items()] + [*OF_PYTHON.items()]


def private(name: object) -> TypeGuard[str]:
    """Return whether something is a private name; those of named tuples are documented."""
    return isinstance(name, str) and re.fullmatch(r"_(?!(?:make|fields)$)[A-Za-z]\w*", name) is not None


def names_in(tree: ast.AST) -> set[str]:
    """Return the private attributes that a piece of code uses, and the private methods that it defines."""
    found = set[object]()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=value), *_]):
                found.add(value)
            case _:
                pass
    return {name for name in found if private(name)}


def own_names() -> set[str]:
    """Return every private name that the library itself gives to something."""
    own = set[str]()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(tree_of(str(path))):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    own.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                    own.add(name)
                case ast.Assign(targets=[ast.Name(id="__slots__")], value=ast.Tuple(elts=elements)):
                    constants = [element.value for element in elements if isinstance(element, ast.Constant)]
                    own |= {name for name in constants if private(name)}
                case _:
                    pass
    return own


@cache
def tree_of(path: str) -> ast.Module:
    """Return the code of a file."""
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def classes_in(path: str) -> dict[str, ast.ClassDef]:
    """Return the code of the classes at the top of a file, by name."""
    return {node.name: node for node in tree_of(path).body if isinstance(node, ast.ClassDef)}


def inherited_names(kind: type) -> set[str]:
    """Return the private names of the classes of other packages that a class inherits from."""
    found = set[str]()
    for base in kind.__mro__:
        path = inspect.getsourcefile(base) if base.__module__.partition(".")[0] in FOREIGN else None
        if path is not None and base.__name__ in classes_in(path):
            found |= names_in(classes_in(path)[base.__name__])
    return found


def test_each_stands_in_its_place() -> None:
    """A private name that the library gives to nothing, or overrides or inherits, is listed here, and none else is."""
    own, found, listed = own_names(), dict[str, set[str]](), dict[str, set[str]]()
    for module, names in ALLOWED:
        listed.setdefault(module, set()).update(names)
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        tree = tree_of(str(path))
        used = names_in(tree)
        constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        looked_up = {name for name in constants if private(name)}
        foreign = (used - own) | ((used | looked_up) & listed.get(module, set()))
        for name, code in classes_in(str(path)).items():
            if path.parent.name != "versions" and code.bases:
                with suppress(MissingDependencyError):  # where the tests run without the extra
                    kind = vars(importlib.import_module(f"zorivest_async.{module.removesuffix('.__init__')}"))[name]
                    foreign |= names_in(code) & inherited_names(kind)
        if foreign:
            found[module] = foreign
    assert found == listed


def minor(release: str) -> str:
    """Return a release without the part that counts patches."""
    return ".".join(release.split(".")[:2])


def as_numbers(release: str) -> list[int]:
    """Return the parts of a release, so that releases can be compared."""
    return [int(part) for part in re.findall(r"\d+", release)]


@pytest.mark.parametrize("package", USES)
def test_the_releases_are_those_that_were_checked(package: str) -> None:
    """The development environment has no newer one than was checked; where another one is installed, the run tells.

    A newer one that only this run has, because dependencies are not pinned, is an expected failure in its summary: no
    contributor need wait until it is looked at. An update of ``requirements-dev.txt`` does.
    """
    uses = USES[package]
    places = ", ".join(f"{module} ({', '.join(sorted(names))})" for module, names in sorted(uses.places.items()))
    what = (
        f"is newer than {uses.checked}, with which its private names were checked: compare what they mean in both "
        f"releases, in {places}; run {uses.tests}; then write the release into USES in {Path(__file__).name}"
    )
    locked = re.search(rf"^{package}==(\S+)", LOCKED.read_text(), re.MULTILINE)
    assert locked is not None
    assert as_numbers(minor(locked[1])) <= as_numbers(uses.checked), f"{package} {locked[1]} {what}"
    if as_numbers(minor(version(package))) > as_numbers(uses.checked):
        pytest.xfail(f"{package} {version(package)} {what}")


def test_a_release_without_a_name_is_refused() -> None:
    """With an ImportError that names the release, the name and what to install."""
    with pytest.raises(MissingDependencyError) as caught:
        require_names(aiosqlite, aiosqlite.Connection, "_conn", "_absent")
    installed = version("aiosqlite")
    assert f"aiosqlite {installed}, where Connection has no _absent" in str(caught.value)
    assert f'pip install "aiosqlite<{installed}"' in str(caught.value)
    assert caught.value.name == "aiosqlite"


def test_without_a_name_that_can_be_spared_things_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements go through SQLAlchemy where it no longer tells of listeners; a dump says that there is none."""
    engine = create_engine("sqlite://")
    assert not is_heard(engine)
    monkeypatch.delattr(Engine, "_has_events")
    assert is_heard(engine)
    raw = RawConnection(":memory:")
    assert [*raw.iterdump()] == ["BEGIN TRANSACTION;", "COMMIT;"]
    monkeypatch.delattr("sqlite3.dump._iterdump")
    with pytest.raises(sqlcipher.NotSupportedError, match=r"no iterdump\(\)"):
        raw.iterdump()
    raw.close()
