"""What autodoc shows: signatures in the words of the source, types beside attributes, the columns of a table."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, Any, Final, Protocol, get_args, get_origin

from sqlalchemy import ColumnDefault, inspect
from sqlalchemy.orm import DeclarativeBase

from zorivest_async import Vault, ZorivestError, ports
from zorivest_async._opening import Opening
from zorivest_async.database import repositories
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from sphinx.application import Sphinx

NOT_CALLED: Final = (DeclarativeBase, Enum, Opening, Protocol, Vault, ZorivestError)
"""Classes that users do not make by calling them."""

_TYPE_VARIABLE: Final = re.compile(r"~?[\w.]*\b_(Entity|Key)T(?:_contra)?\b")
_SOURCE: Final = re.compile(r"source: (Source|[^,)]*Channel)")
_PRIVATE: Final = re.compile(r"\b(?:\w+\.)+(?=_[A-Z]\w*T\b)")
_RULE: Final = re.compile(r"Annotated\[(.+), \w+\]")
_TYPED_ATTRIBUTE: Final = re.compile(r"(\.\. attribute:: \S+\n)((?:(?!\.\. attribute).*\n)*?)\n?( +:type: .+\n)")


def _show_signature(
    _app: Sphinx, what: str, name: str, obj: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    if signature is None:
        return None
    if isasyncgenfunction(getattr(obj, "__wrapped__", None)) and not isasyncgenfunction(obj):
        returns = (returns or "").replace("AsyncGenerator", "AbstractAsyncContextManager")
    if what in {"class", "exception"}:
        if any(kind in obj.__mro__ for kind in NOT_CALLED):
            return "", None
        if is_dataclass(obj):
            return _fields_of(obj), None
        return _SOURCE.sub("source: AsyncSession | AsyncConnection", signature), None
    stands_for = _type_arguments(name)
    if what != "method" or stands_for is None:
        return signature, returns
    said = [text and _TYPE_VARIABLE.sub(lambda found: stands_for[found[1]], text) for text in (signature, returns)]
    return said[0], said[1]


def _fields_of(cls: Any) -> str:
    """Return the signature of a dataclass with its annotations as they are written."""
    shown = fields(cls)
    keyword_only = ["*"] if shown[0].kw_only else []
    return f"({', '.join([*keyword_only, *map(_parameter, shown)])})"


def _parameter(field: Field[Any]) -> str:
    written = f"{field.name}: {_type_of(field)}"
    if isinstance(field.default, Enum):
        return f"{written} = {type(field.default).__name__}.{field.default.name}"
    if field.default is not MISSING:
        return f"{written} = {field.default!r}"
    if field.default_factory is utc_now:
        return f"{written} = utc_now()"
    return written if field.default_factory is MISSING else f"{written} = ..."


def _type_of(field: Field[Any]) -> str:
    return _RULE.sub(r"\1", str(field.type))


def _type_arguments(name: str) -> dict[str, str] | None:
    """Return what the type variables of a repository's method stand for."""
    owner_name = name.split(".")[-2]
    owner: Any = getattr(repositories, owner_name, None) or getattr(ports, owner_name, None)
    for base in getattr(owner, "__orig_bases__", ()):
        kind = getattr(get_origin(base), "__name__", "").strip("_")
        if kind.startswith(("Named", "Numbered")):
            (entity,) = get_args(base)
            key = "str" if kind.startswith("Named") else "int"
            return {"Entity": getattr(entity, "__forward_arg__", None) or entity.__name__, "Key": key}
    return None


def _show_attribute_types(_app: Sphinx, _what: str, _name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    """Move the types that napoleon puts below attributes to their names, as they are written."""
    text = _TYPED_ATTRIBUTE.sub(r"\1\3\2", "\n".join([*lines, ""]))
    for field in fields(obj) if isinstance(obj, type) and is_dataclass(obj) else ():
        directive = f".. attribute:: {field.name}\n   :type: "
        text = re.sub(re.escape(directive) + ".+", directive + _type_of(field), text)
    lines[:] = _PRIVATE.sub("", text).split("\n")


def _show_table(_app: Sphinx, what: str, _name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    """Put its columns and relationships below the docstring of a model."""
    if what != "class" or not issubclass(obj, DeclarativeBase) or not hasattr(obj, "__table__"):
        return
    lines += ["", f"Table ``{obj.__table__.name}``:", "", ".. list-table::", "   :header-rows: 1", ""]
    rows = [("Column", "Type", "Notes")]
    rows += [(f"``{column.name}``", f"``{column.type}``", _notes_on(column)) for column in obj.__table__.columns]
    for name, kind, notes in rows:
        lines += [f"   * - {name}", f"     - {kind}", f"     - {notes}"]
    relationships = inspect(obj).relationships
    if relationships:
        named = ", ".join(f"``{each.key}`` (:class:`{each.mapper.class_.__name__}`)" for each in relationships)
        lines += ["", f"Relationships: {named}.", ""]


def _notes_on(column: Any) -> str:
    notes = [
        "primary key" if column.primary_key else "",
        "unique" if column.unique else "",
        "may be NULL" if column.nullable else "",
        *(f"refers to ``{key.target_fullname}``" for key in column.foreign_keys),
        f"default ``{column.default.arg!r}``" if isinstance(column.default, ColumnDefault) else "",
    ]
    return ", ".join(filter(None, notes))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("autodoc-process-signature", _show_signature)
    app.connect("autodoc-process-docstring", _show_attribute_types, priority=900)  # after napoleon
    app.connect("autodoc-process-docstring", _show_table, priority=901)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
