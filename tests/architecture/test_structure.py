"""The shape of the package: imports point down, names are what they say, errors are all accounted for."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import exc

import zorivest_async
from zorivest_async import (
    MissingDependencyError,
    ReadOnlyError,
    RepositoryError,
    VaultBusyError,
    VaultDamagedError,
    VaultError,
    VaultFullError,
    ZorivestError,
    errors,
)
from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.error_mapping import translation_of

ROOT = Path(__file__).parents[2]
PACKAGE = Path(zorivest_async.__file__).parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], "zorivest_async.")
    if not module.name.endswith(("__main__", ".env"))  # which run when they are imported
)


def test_imports_point_downwards() -> None:
    """The layers of the design hold; import-linter names the import that breaks them."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "4 kept, 0 broken" in finished.stdout


@pytest.mark.parametrize("name", MODULES)
def test_all_names_what_is_there(name: str) -> None:
    """A module's __all__ has no stranger and no repetition."""
    try:
        module = importlib.import_module(name)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    assert [missing for missing in exported if not hasattr(module, missing)] == []


PUBLIC = ["zorivest_async", "zorivest_async.analytics"]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_sorted_and_complete(name: str) -> None:
    """Everything that the package imports for its users is in __all__, which is in order; so is every error."""
    package = importlib.import_module(name)
    tree = ast.parse(Path(str(package.__file__)).read_text())
    imported = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert package.__all__ == sorted(imported)
    assert set(errors.__all__) <= set(zorivest_async.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_package_holds_no_logic_at_its_top(name: str) -> None:
    """__init__ imports and exports."""
    tree = ast.parse(Path(str(importlib.import_module(name).__file__)).read_text())
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.ImportFrom, ast.Assign}


def subclasses_of(kind: type[exc.SQLAlchemyError]) -> set[type[exc.SQLAlchemyError]]:
    """Return all descendants of a class, and the class."""
    return {kind}.union(*(subclasses_of(child) for child in kind.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(subclasses_of(exc.SQLAlchemyError), key=repr))
def test_every_sqlalchemy_error_has_a_translation(kind: type[exc.SQLAlchemyError]) -> None:
    """None of them reaches a caller of a repository."""
    if issubclass(kind, exc.DBAPIError):
        error: exc.SQLAlchemyError = kind("SELECT 1", {}, Exception("on purpose"))
    else:
        error = kind.__new__(kind)
        Exception.__init__(error, "on purpose")
    translation = translation_of(BACKENDS["sqlite"], error, "Trade", "key")
    assert isinstance(translation, ZorivestError)
    assert "SELECT" not in str(translation)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_BUSY, VaultBusyError),
        (sqlite3.SQLITE_LOCKED, VaultBusyError),
        (sqlite3.SQLITE_FULL, VaultFullError),
        (sqlite3.SQLITE_CORRUPT, VaultDamagedError),
        (sqlite3.SQLITE_NOTADB, VaultDamagedError),
        (sqlite3.SQLITE_CANTOPEN, VaultError),
        (sqlite3.SQLITE_READONLY, ReadOnlyError),
        (sqlite3.SQLITE_IOERR, VaultError),
        (sqlite3.SQLITE_ERROR, RepositoryError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, VaultBusyError),
        (None, RepositoryError),
    ],
)
def test_result_codes_say_what_happened(code: int | None, kind: type) -> None:
    """Extended codes count as the primary ones they extend."""
    original = Exception("on purpose")
    original.sqlite_errorcode = code  # type: ignore[attr-defined]  # as the drivers have it
    assert type(translation_of(BACKENDS["sqlite"], exc.OperationalError("SELECT 1", {}, original))) is kind


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_files_stay_small(path: Path) -> None:
    """A file holds one idea; one of more than 500 lines says in its docstring why it does."""
    text = path.read_text()
    assert len(text.splitlines()) <= 500 or "more than 500 lines" in (ast.get_docstring(ast.parse(text)) or "")


REPOSITORIES_ALONE = """
import asyncio
from zorivest_async import Account, TradeFilter, Vault, Watchlist, WatchlistItem
from zorivest_async.database.models import AccountModel

async def main():
    async with Vault.in_memory() as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(Account("U1", "a", "bank"))
        await uow.watchlists.save(Watchlist("w", items=(WatchlistItem("SPY"),)))
        await uow.settings.set("key", 1)
        await uow.trades.list_filtered(TradeFilter(search="x"))
        await uow.trades.delete("absent")
        await uow.images.list_for_owner("trade", "absent")
        await uow.accounts.delete("U1")
        await uow.commit()
    print(AccountModel.__mapper__.configured)

asyncio.run(main())
"""


def test_repositories_need_no_mapper() -> None:
    """Configuring the ORM's mappers takes tens of milliseconds, and would happen on the event loop."""
    finished = subprocess.run(
        [sys.executable, "-c", REPOSITORIES_ALONE], capture_output=True, text=True, check=True, timeout=30
    )
    assert finished.stdout == "False\n"
