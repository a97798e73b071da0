"""Notebook tables for lists of entities, results and search hits. A single entity needs no table function.

It needs no extra. In IPython, load the extension::

    %load_ext zorivest_async.integrations.notebook

A list of entities of one class at the end of a cell is then shown as a table, and so are
:func:`~zorivest_async.analytics.positions`, results of :func:`~zorivest_async.analytics.performance` and search hits.
Other lists, and subclasses of ``list``, are shown as before. Elsewhere in a cell, and in notebooks other than
IPython's, :func:`show` makes the same table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from zorivest_async.analytics import Performance, Position, Positions
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.queries import SearchHit
from zorivest_async.errors import ConfigurationError
from zorivest_async.images.policy import require_whole_number
from zorivest_async.rendering.tables import DEFAULT_ROWS, list_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["EntityTable", "load_ipython_extension", "show", "unload_ipython_extension"]

_Row: TypeAlias = Entity | Performance | Position | SearchHit


class EntityTable:
    """Table of entities, positions, results or search hits, for a notebook.

    Args:
        entities: The rows, all of one class.
        rows: Number of rows that are shown; the others are counted.
    """

    __slots__ = ("_entities", "_rows")

    def __init__(self, entities: list[_Row], rows: int) -> None:
        self._entities = entities
        self._rows = rows

    def _repr_html_(self) -> str:
        return list_html(self._entities, self._rows)

    def __repr__(self) -> str:
        return f"<EntityTable of {len(self._entities)}>"


def show(entities: Iterable[_Row], *, rows: int = DEFAULT_ROWS) -> EntityTable:
    """Return a table, for the end of a cell or for ``display()``.

    Args:
        entities: Entities of one class, such as a list of trades; positions; results of analytics; hits of a search.
        rows: Number of rows to show, at least 1; the others are counted.

    Raises:
        ConfigurationError: They are not entities of one class, or ``rows`` is not a whole number of at least 1.
    """
    require_whole_number("rows", rows)
    listed = [*entities]
    if listed and not _is_of_one_class(listed):
        raise ConfigurationError("show() takes entities of one class, such as a list of trades")
    return EntityTable(listed, rows)


def load_ipython_extension(shell: Any) -> None:
    """Show lists of entities as tables; IPython calls this for ``%load_ext``."""
    formatter = _html_formatter_of(shell)
    before = formatter.for_type(list)
    if not isinstance(before, _ListFormatter):
        formatter.for_type(list, _ListFormatter(before))
        formatter.for_type(Positions, _positions_html)


def unload_ipython_extension(shell: Any) -> None:
    """Show lists as before; IPython calls this for ``%unload_ext``."""
    formatter = _html_formatter_of(shell)
    own = formatter.for_type(list)
    if isinstance(own, _ListFormatter):
        formatter.pop(list)
        formatter.pop(Positions, None)
        if own.before is not None:
            formatter.for_type(list, own.before)


def _positions_html(positions: Positions) -> str:
    return list_html(positions, DEFAULT_ROWS)


class _ListFormatter:
    """IPython formatter of lists of entities as HTML; it passes other lists to the previous formatter."""

    def __init__(self, before: Callable[[list[Any]], Any] | None) -> None:
        self.before = before

    def __call__(self, value: list[Any]) -> Any:
        if type(value) is list and _is_of_one_class(value):
            return list_html(value, DEFAULT_ROWS)
        if self.before is not None:
            return self.before(value)
        # IPython asks a formatter of lists about their subclasses as well, and then no longer asks those themselves.
        own: Callable[[list[Any]], Any] | None = getattr(type(value), "_repr_html_", None)
        return None if own is None else own(value)


def _is_of_one_class(values: list[Any]) -> TypeGuard[list[_Row]]:
    return bool(values) and isinstance(values[0], _Row) and len(set(map(type, values))) == 1


def _html_formatter_of(shell: Any) -> Any:
    return shell.display_formatter.formatters["text/html"]
