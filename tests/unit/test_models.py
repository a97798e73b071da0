"""ORM models, whose columns are declared apart from them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args, get_type_hints

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import Mapped

from zorivest_async.database import models
from zorivest_async.database.tables import METADATA
from zorivest_async.database.types import EnumText, TagList

MAPPERS = sorted(models.Base.registry.mappers, key=lambda mapper: mapper.class_.__name__)


@pytest.mark.parametrize("mapper", MAPPERS, ids=lambda mapper: mapper.class_.__name__)
def test_a_model_types_each_column_as_the_table_has_it(mapper: Any) -> None:
    """Same names, in the same order, and ``None`` where the column is nullable."""
    hints = {name: hint for name, hint in get_type_hints(mapper.class_).items() if name not in mapper.relationships}
    typed = {name: get_args(hint)[0] for name, hint in hints.items() if getattr(hint, "__origin__", None) is Mapped}
    columns = mapper.local_table.columns
    assert list(typed) == columns.keys()
    for column in columns:
        optional = typed[column.name] | None
        assert (typed[column.name] == optional) == column.nullable, column
        assert optional == python_type_of(column.type) | None, column


def python_type_of(stored: Any) -> Any:
    """Return the type in Python of a column's values."""
    if isinstance(stored, TagList):
        return tuple[str, ...]
    return stored.vocabulary if isinstance(stored, EnumText) else getattr(stored, "impl", stored).python_type


def test_each_table_has_a_model() -> None:
    """For queries with the ORM."""
    tables: dict[str, Any] = {mapper.class_.__tablename__: mapper.local_table for mapper in MAPPERS}
    assert tables == METADATA.tables


LAZY = """
import sys
import zorivest_async
unwanted = {
    "PIL", "cryptography", "alembic", "sqlalchemy.dialects.postgresql", "zorivest_async.database.models",
    "zorivest_async.database.migrations", "zorivest_async.database.sqlcipher.ddl", "zorivest_async.vault.adopt",
    "zorivest_async.vault.restoring", "zorivest_async.vault.upgrade", "zorivest_async.vault.verifying",
}
print(sorted(unwanted & set(sys.modules)))
"""

ALONE = """
from zorivest_async.database.models import Base, TradeModel
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session
engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    print(len(inspect(engine).get_table_names()) > 12, session.scalars(select(TradeModel)).all())
"""


@pytest.mark.parametrize(("program", "output"), [(LAZY, "[]"), (ALONE, "True []")], ids=["package", "models"])
def test_an_import_brings_what_it_needs_and_no_more(program: str, output: str) -> None:
    """Pillow, ciphers of API keys, the ORM's mapping and Alembic take as long to import as the library itself."""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (finished.stdout.strip(), finished.stderr) == (output, "")


DIALECTS: dict[str, Any] = {"default": lambda: None, "postgresql": postgresql.dialect, "mysql": mysql.dialect}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("mapper", MAPPERS, ids=lambda mapper: mapper.class_.__name__)
def test_statements_over_a_model_can_be_printed(mapper: Any, dialect: str) -> None:
    """In the SQL of every dialect, also of those that the library does not use."""
    *_, column = mapper.local_table.columns
    printed = str(select(mapper.class_).where(column.is_not(None)).compile(dialect=DIALECTS[dialect]()))
    assert column.name in printed
