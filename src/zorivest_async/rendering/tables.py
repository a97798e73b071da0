"""Rendering of entities as HTML tables. Styles are inline, and colours are those of the page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import ImageError
from zorivest_async.images import ImagePolicy, make_preview
from zorivest_async.rendering.text import FIGURE_SPACE, value_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.domain.entity import Entity
    from zorivest_async.images import Preview

__all__ = ["DEFAULT_ROWS", "FIRST_TEXT_IN_LIST", "data_uri", "entity_html", "list_html"]

_LEFT_OUT: Final = frozenset({"exec_ids", "reviews"})
"""Fields of positions that would make their table too wide."""

_UNITS: Final = {
    "width": "px",
    "height": "px",
    "file_size": "bytes",
    "rate_limit": "per minute",
    "timeout": "s",
    "setup_quality": "of 5",
    "execution_quality": "of 5",
}
"""Units by field; times are in UTC. Amounts of a trade without a currency are in its account's."""

DEFAULT_ROWS: Final = 50
"""Number of rows of a list that are shown."""

FIRST_TEXT_IN_LIST: Final = 200
"""Number of characters of a text that are shown in a list."""

_THUMBNAIL_PX: Final = 120
_THUMBNAIL_POLICY: Final = ImagePolicy(max_bytes=256 * 1024, max_pixels=1_000_000)
"""Limits of thumbnails in lists: decoding one takes a millisecond or two."""

_LINE: Final = "border:none;border-bottom:1px solid rgba(128,128,128,.3);"
_CELL: Final = f"{_LINE}padding:.2em .7em;vertical-align:top;text-align:"
_WRAPPED: Final = "white-space:pre-wrap;overflow-wrap:anywhere;max-width:60ch"
_SHORT_TEXT: Final = 40
"""Maximum length of a text that is not broken into lines, in characters: names, identifiers, words."""

_TABLE: Final = (
    '<table style="border-collapse:collapse;table-layout:auto;width:auto;margin:0;border:none;'
    'color:inherit;font-variant-numeric:tabular-nums lining-nums">'
)


def entity_html(entity: Entity, above: str = "") -> str:
    """Return an entity as a table of two columns: the names of its fields, and their values.

    Args:
        entity: Any entity.
        above: HTML to put above the table.
    """
    values = ((field.name, getattr(entity, field.name)) for field in _fields_of(entity))
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}left;font-weight:normal;opacity:.75">{name}</th>'
        f'<td style="{_CELL}left;{_WRAPPED}">{_value_in_full(name, value)}</td></tr>'
        for name, value in values
    )
    head = f'<thead><tr><th colspan="2" style="{_CELL}left">{type(entity).__name__}</th></tr></thead>'
    return _page(f"{above}{_TABLE}{head}<tbody>{rows}</tbody></table>")


def _value_in_full(name: str, value: Any) -> str:
    if name == "items" and value:
        return list_html(value, DEFAULT_ROWS)
    shown = value_html(value)
    if isinstance(value, datetime):
        return f"{shown} UTC"
    return f"{shown} {_UNITS[name]}" if name in _UNITS and value is not None else shown


def list_html(entities: Sequence[Any], rows: int) -> str:
    """Return the first ``rows`` entities, or other dataclasses, of one class as a table.

    Columns without a value are left out. Images are shown as their thumbnails, if these are small; originals are not
    decoded.
    """
    if not entities:
        return _page("<div>no rows</div>")
    shown = entities[:rows]
    columns = [
        _Column(field.name, [getattr(entity, field.name) for entity in shown])
        for field in _fields_of(entities[0])
        if field.name not in _LEFT_OUT
    ]
    columns = [column for column in columns if not column.is_empty]
    columns.sort(key=lambda column: not column.has_pictures)  # which come first
    head = "".join(
        f'<th scope="col" style="{_CELL}{column.align};white-space:nowrap">{column.title}</th>' for column in columns
    )
    cells = zip(*(column.cells() for column in columns), strict=True)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    more = len(entities) - len(shown)
    tail = f"… {more:,} more" if more else ""
    count = f'<div style="opacity:.75;padding:.3em .7em">{tail or f"{len(shown):,} in all"}</div>'
    return _page(f"{_TABLE}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{count}")


class _Column:
    """The values of one field.

    Args:
        name: Of the field.
        values: Of the rows that are shown.
    """

    def __init__(self, name: str, values: list[Any]) -> None:
        self._name = name
        self._values = values
        known = [value for value in values if value is not None]
        self.is_empty = not known or all(value == () for value in known)
        self.has_pictures = name == "thumbnail" and not self.is_empty
        self._holds_lists = any(isinstance(value, tuple | list | dict) for value in known)
        self._are_moments = not self.is_empty and isinstance(known[0], datetime)
        self._are_floats = not self.is_empty and all(isinstance(value, float) for value in known)
        are_numbers = not self.is_empty and all(type(value) in (int, float) for value in known)
        self.align = "right" if are_numbers else "left"

    @property
    def title(self) -> str:
        """The name of the field, with its unit."""
        unit = "UTC" if self._are_moments else _UNITS.get(self._name)
        return self._name if unit is None else f"{self._name} ({unit})"

    def cells(self) -> list[str]:
        """Return the cells."""
        is_long = any(isinstance(value, str) and len(value) > _SHORT_TEXT for value in self._values)
        lines = f"{_WRAPPED};min-width:16em" if is_long or self._holds_lists else "white-space:nowrap"
        return [f'<td style="{_CELL}{self.align};{lines}">{shown}</td>' for shown in self._shown()]

    def _shown(self) -> list[str]:
        if self.has_pictures:
            return [_thumbnail_html(value) for value in self._values]
        shown = [value_html(value, FIRST_TEXT_IN_LIST) for value in self._values]
        if not self._are_floats:
            return shown
        # Decimal points stand below each other, and no digit is left out or added.
        decimals = [0 if value is None else len(repr(value).partition(".")[2]) for value in self._values]
        return [text + FIGURE_SPACE * (max(decimals) - count) for text, count in zip(shown, decimals, strict=True)]


def _thumbnail_html(thumbnail: Any) -> str:
    if not isinstance(thumbnail, bytes):  # another program may have stored text
        return value_html(thumbnail, FIRST_TEXT_IN_LIST)
    try:
        preview = make_preview(thumbnail, _THUMBNAIL_PX, _THUMBNAIL_POLICY)
    except ImageError:
        return value_html(thumbnail)
    return f'<img src="{data_uri(preview)}" alt="" style="display:block;margin:0">'


def data_uri(preview: Preview) -> str:
    """Return an image as a ``data:`` URI."""
    return f"data:{preview.mime_type};base64,{b64encode(preview.data).decode('ascii')}"


def _fields_of(entity: Any) -> tuple[Any, ...]:
    return fields(entity)


def _page(content: str) -> str:
    return f'<div class="tex2jax_ignore mathjax_ignore" style="overflow-x:auto;color:inherit">{content}</div>'
