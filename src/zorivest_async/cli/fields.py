"""Options for the fields of entities, which are made of the entities' types and of their documentation."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, cast, get_args, get_type_hints

import typer

from zorivest_async.cli.exits import MisuseError
from zorivest_async.domain.entity import Entity, optional_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zorivest_async.cli.journal import Journal

__all__ = ["Clear", "options_of", "row_of", "values_of"]

_KEPT: Final = frozenset({"id", "created_at", "updated_at", "items", "watchlist_id", "added_at"})
"""Fields that the library sets, or that have commands of their own."""

_FLAGS: Final = {
    "account_id": "--account",
    "account_type": "--type",
    "datetime": "--time",
    "linked_trade_id": "--trade",
    "strategy_name": "--strategy",
    "tags": "--tag",
}
"""Options that are not called like their field."""

_METAVARS: Final[dict[Any, str]] = {datetime: "TIME", str: "TEXT", list[str]: "TEXT", float: "NUMBER", int: "NUMBER"}

Clear = Annotated[
    list[str] | None, typer.Option("--clear", metavar="FIELD", help="Empty an optional field; may be repeated.")
]


def options_of(entity: type[Entity], *leave_out: str, required: bool) -> list[inspect.Parameter]:
    """Return an option for each field of an entity.

    Args:
        entity: The entity.
        leave_out: Fields without an option.
        required: Whether a field without a default needs a value.
    """
    hints = get_type_hints(entity, include_extras=True)
    return [
        _option(field, _type_of(hints[field.name]), _documented(entity)[field.name], required=required)
        for field in fields(cast("Any", entity))
        if field.name not in _KEPT and field.name not in leave_out
    ]


def values_of(
    entity: type[Entity], options: Mapping[str, Any], journal: Journal, clear: list[str] | None = None
) -> Any:
    """Return the fields that the options state, by name.

    Args:
        entity: The entity.
        options: What was typed, by field; ``None`` where nothing was.
        journal: It has the time zone of times.
        clear: Fields to empty.

    Raises:
        MisuseError: A time is invalid, or a field cannot be emptied, or is both given and emptied.
    """
    hints = get_type_hints(entity, include_extras=True)
    found = {
        name: journal.time(value) if _type_of(hints[name]) is datetime else value
        for name, value in options.items()
        if value is not None
    }
    may_be_empty = (optional_fields(entity) | ({"tags"} & hints.keys())) - _KEPT
    for typed in clear or ():
        name = typed.replace("-", "_")
        if name not in may_be_empty:
            raise MisuseError(f"--clear takes one of: {', '.join(sorted(may_be_empty))}")
        if name in found:
            raise MisuseError(f"{typed} is both given and emptied")
        found[name] = () if name == "tags" else None
    return found


def row_of(entity: Any) -> dict[str, Any]:
    """Return the fields of an entity by name, without the bytes of images."""
    return {
        field.name: _plain(value)
        for field in fields(entity)
        if not isinstance(value := getattr(entity, field.name), bytes) and field.name not in {"data", "thumbnail"}
    }


def _documented(entity: type[Entity]) -> dict[str, str]:
    """Return what the documentation says of each field of an entity."""
    text = inspect.getdoc(entity) or ""
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text.partition("Attributes:")[2], re.MULTILINE)
    return {name: re.sub(r"``|\s*\n\s*", lambda mark: "" if mark[0] == "``" else " ", said) for name, said in found}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return row_of(value)
    items: Any = value
    return [_plain(item) for item in items] if isinstance(value, tuple) else value


def _type_of(hint: Any) -> Any:
    """Return the type of an option for a field: its own, without its rule and without ``None``."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if type(None) in get_args(hint) else [hint]
    kind = get_args(kinds[0])[0] if hasattr(kinds[0], "__metadata__") else kinds[0]
    return list[str] if kind == tuple[str, ...] else kind


def _option(field: Field[Any], kind: Any, said: str, *, required: bool) -> inspect.Parameter:
    name = _FLAGS.get(field.name, f"--{field.name.replace('_', '-')}")
    is_needed = required and field.default is MISSING and field.default_factory is MISSING
    flags = f"{name}/--no-{name[2:]}" if kind is bool else name
    typed = str if kind is datetime else kind
    help_text = said if kind != list[str] else f"{said.rstrip('.')}; may be repeated."
    info = typer.Option(flags, help=help_text, metavar=_METAVARS.get(kind), show_default=False)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if is_needed else None,
        annotation=Annotated[typed if is_needed else typed | None, info],
    )
