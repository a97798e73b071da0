"""What an import leaves in the journal's record of imports, so that it can be undone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from zorivest_async.domain.entities import Account, SequencedTrade, Trade
from zorivest_async.domain.entity import Entity
from zorivest_async.domain.validation import MAX_TEXT_LENGTH, Identifier, Size
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ImportKind", "ImportRow", "ImportTrace", "fingerprint", "trade_from_json", "trade_to_json"]

_SHORT_HASH_BYTES: Final = 16
_HASH: Final = re.compile(rf"[0-9a-f]{{{2 * _SHORT_HASH_BYTES}}}", re.ASCII)
_LONGEST_BEFORE: Final = 8 * MAX_TEXT_LENGTH
"""Maximum length of a before-image: all texts of an execution, and their names."""


class ImportKind(StrEnum):
    """What a row of the record of an import is about."""

    INSERTED = "inserted"
    """An execution that was not stored before; ``key`` is its ``exec_id``."""

    CHANGED = "changed"
    """An execution that was stored with other values."""

    DELETED = "deleted"
    """An execution that was stored, and is not any more."""

    BOOKED = "booked"
    """An execution that was stored already, which the source books later than any import before."""

    IMAGE = "image"
    """An image that was moved from one execution to another; ``key`` is its row number."""

    REPORT = "report"
    """A report that was moved likewise."""

    PLAN = "plan"
    """A plan that was moved likewise."""

    CANCELLATION = "cancellation"
    """A remembered cancellation; ``key`` is that of the setting."""

    ACCOUNT = "account"
    """An account that was created; ``key`` is its ``account_id``."""

    MET = "met"
    """An earlier import whose executions or cancellations it relies on; ``key`` is its identifier."""


def _before(entity: str, field: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_BEFORE or "\0" in value:
        raise ValidationError(entity, field, f"must be text of at most {_LONGEST_BEFORE:,} characters without NUL")
    return value


def _hash(entity: str, field: str, value: object) -> str:
    if not isinstance(value, str) or _HASH.fullmatch(value) is None:
        raise ValidationError(entity, field, f"must be {2 * _SHORT_HASH_BYTES} hexadecimal digits, in lower case")
    return value


@dataclass(frozen=True, slots=True)
class ImportRow(Entity):
    """One thing that an import has stored, changed, deleted or moved.

    Attributes:
        import_id: Row number of the import.
        kind: What it is about.
        key: Identifier of that, by its kind.
        before: What there was before, and the position of the booking among the broker's transactions, as JSON.
        hash_after: Hash of what the import left.
    """

    import_id: Size
    kind: ImportKind
    key: Identifier
    before: Annotated[str, _before] | None = None
    hash_after: Annotated[str, _hash] | None = None


class ImportTrace(NamedTuple):
    """What the record says about the identifier of an execution, or the key of a cancellation.

    Attributes:
        import_id: Row number of an import that has stored or changed it.
        key: The identifier.
        order: Position of the booking among the broker's transactions, as that import states it; ``None`` if unknown.
    """

    import_id: int
    key: str
    order: int | None


_TRADE_FIELDS: Final = tuple((f.name, f.default) for f in fields(Trade))
_ACCOUNT_FIELDS: Final = tuple((f.name, f.default) for f in fields(Account) if f.name != "created_at")


def fingerprint(entity: Trade | Account) -> str:
    """Return a hash of an entity's values; fields that a later release adds do not change it.

    The position of an execution in its source, and the time of creation of an account, are not among the values.
    """
    named = _TRADE_FIELDS if isinstance(entity, Trade) else _ACCOUNT_FIELDS
    values = {name: value for name, default in named if (value := getattr(entity, name)) != default}
    return hash_of(json.dumps(values, default=_plain, ensure_ascii=False))


def hash_of(text: str) -> str:
    """Return a hash of a text."""
    return blake2b(text.encode(), digest_size=_SHORT_HASH_BYTES).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError


def trade_to_json(trade: SequencedTrade) -> dict[str, Any]:
    """Return the values of an execution that differ from their defaults, as JSON has them."""
    values = {name: value for name, default in _TRADE_FIELDS if (value := getattr(trade, name)) != default}
    if trade.sequence is not None:
        values["sequence"] = trade.sequence
    return {**values, "time": trade.time.isoformat()}


def trade_from_json(values: Mapping[str, Any]) -> SequencedTrade:
    """Return the execution of :func:`trade_to_json`.

    Raises:
        ValidationError: Another program has changed the values.
    """
    try:
        fields_of_it: dict[str, Any] = {**values, "time": datetime.fromisoformat(values["time"])}
        return SequencedTrade(**fields_of_it)
    except (KeyError, TypeError, ValueError):
        raise ValidationError("ImportRow", "before", "is stored in a form that no release writes") from None
