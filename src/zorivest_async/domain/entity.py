"""Base classes of the entities, which apply the rules of the field types."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from zorivest_async.domain.validation import Rule, member_of

__all__ = ["Entity", "PictureEntity", "optional_fields"]


class Entity:
    """Base of the entities, which are frozen, slotted dataclasses.

    The rule of a field's type checks and normalises the field. The types are the aliases of
    :mod:`zorivest_async.domain.validation` and enums; ``None`` is valid if the annotation allows it.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        cls: Any = type(self)
        for field, rule, optional in _rules_of(cls):
            value = getattr(self, field)
            if value is not None or not optional:
                object.__setattr__(self, field, rule(cls.__name__, field, value))

    def _repr_html_(self) -> str:
        """Return the entity as an HTML table, for notebooks."""
        from zorivest_async.rendering import entity_html  # noqa: PLC0415 - which only notebooks need

        return entity_html(self)


class PictureEntity(Entity):
    """Base of the entities that notebooks show as an image."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        """Return the image by media type."""
        from zorivest_async.rendering import picture_bundle  # noqa: PLC0415 - which only notebooks need

        return picture_bundle(self)


def optional_fields(entity: type[Entity]) -> frozenset[str]:
    """Return the fields of an entity that may be ``None``."""
    cls: Any = entity
    return frozenset(field for field, _, optional in _rules_of(cls) if optional)


@cache
def _rules_of(cls: type[Any]) -> tuple[tuple[str, Rule, bool], ...]:
    hints = get_type_hints(cls, include_extras=True)
    return tuple((field.name, *_rule_of(hints[field.name])) for field in fields(cls))


def _rule_of(hint: Any) -> tuple[Rule, bool]:
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    (required,) = (alternative for alternative in alternatives if alternative is not type(None))
    if get_origin(required) is Annotated:
        rule = get_args(required)[1]
    elif issubclass(required, StrEnum):
        rule = member_of(required)
    else:
        raise TypeError(f"no rule for a field of type {required!r}")
    return rule, type(None) in alternatives
