"""SQLite's SQL for the statement elements that differ between databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.ext.compiler import compiles

from zorivest_async.database.statements import Elements, contains_folded

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["DIALECT"]

DIALECT = SQLiteDialect()
"""The dialect that compiles the library's statements for every driver of SQLite."""


@compiles(Elements, "sqlite")
def _elements(element: Elements, compiler: SQLCompiler, **options: Any) -> str:
    # https://sqlite.org/json1.html#jeach: its rows have a column "value".
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(contains_folded, "sqlite")
def _contains_folded(element: contains_folded, compiler: SQLCompiler, **options: Any) -> str:
    # instr() has no wildcards, unlike LIKE with % and _; lower() only changes ASCII letters.
    text, part = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr(lower({text}), lower({part})) > 0"
