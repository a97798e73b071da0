"""SQLite's SQL for the statement elements that differ between databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.ext.compiler import compiles

from zorivest_async.database.statements import Elements, contains_folded, has_element, has_value

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


@compiles(has_value, "sqlite")
def _has_value(element: has_value, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = {value}"


@compiles(has_element, "sqlite")
def _has_element(element: has_element, compiler: SQLCompiler, **options: Any) -> str:
    array, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({array}) AS element WHERE element.value = {value})"  # noqa: S608 - parts of one statement
