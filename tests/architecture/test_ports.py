"""The ports: what is above the database knows the repositories by them alone, and they are complete."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Final

import pytest

import zorivest_async
from zorivest_async import SqlAlchemyUnitOfWork, ports
from zorivest_async.database import repositories

PACKAGE = Path(zorivest_async.__file__).parent

ALLOWED: Final = {
    "zorivest_async.database.aggregates": "the registry says which tables a journal has",
    "zorivest_async.database.sqlcipher.long_operation": "progress and threads of long operations; nothing of SQL",
    "zorivest_async.database.sqlcipher.os_errors": "what the system says of files; nothing of SQL",
}
"""What transfer imports of the database, and why; the others import nothing of it."""


def imports_of(folder: str) -> set[str]:
    """Return the modules of the database that the modules of a folder import, for type checkers alone as well."""
    found: set[str] = set()
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
    return {name for name in found if name.startswith(("zorivest_async.database", "sqlalchemy", "sqlcipher3"))}


@pytest.mark.parametrize(
    ("folder", "allowed"), [("analytics", set[str]()), ("transfer", {*ALLOWED}), ("integrations/web", set[str]())]
)
def test_what_is_above_the_database_uses_the_ports(folder: str, allowed: set[str]) -> None:
    """No SQL class, no statement and no driver; an exception that is no longer needed leaves the list."""
    assert imports_of(folder) == allowed


def public(cls: type) -> dict[str, object]:
    """Return the public methods of a class, inherited ones included."""
    members = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    return {name: member for name, member in members.items() if inspect.isfunction(member)}


def repositories_of(unit_of_work: type) -> dict[str, str]:
    """Return the annotations of the properties that give repositories, by attribute."""
    return {
        name: str(value.fget.__annotations__["return"])
        for name, value in vars(unit_of_work).items()
        if isinstance(value, property) and value.fget.__annotations__["return"].endswith("Repository")
    }


def test_every_repository_has_a_port() -> None:
    """A unit of work brings the same ones by their ports and by their classes."""
    by_port, by_class = repositories_of(ports.UnitOfWork), repositories_of(SqlAlchemyUnitOfWork)
    assert {name: f"SqlAlchemy{port}" for name, port in by_port.items()} == by_class


@pytest.mark.parametrize("attribute", repositories_of(ports.UnitOfWork))
def test_a_port_has_every_method_of_its_repository(attribute: str) -> None:
    """With parameters of the same names where they may be given by name."""
    port = public(getattr(ports, repositories_of(ports.UnitOfWork)[attribute]))
    repository = public(getattr(repositories, repositories_of(SqlAlchemyUnitOfWork)[attribute]))
    assert {*port} == {*repository}
    assert {name: by_name(method) for name, method in port.items()} == {
        name: by_name(method) for name, method in repository.items()
    }


def by_name(method: object) -> list[str]:
    """Return the names of a method's parameters that may be given by name."""
    parameters = inspect.signature(method).parameters.values()  # type: ignore[arg-type]
    return [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY and p.name != "self"]
