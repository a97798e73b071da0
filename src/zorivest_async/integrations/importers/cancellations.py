"""What a broker cancelled, remembered, so that an older statement does not bring it back.

Kept in the vault's settings, one for each booking that was ever cancelled, which are few: an execution's own row has no
place for what a cancellation names it by, and it is deleted.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import select

from zorivest_async.database.tables import SETTINGS
from zorivest_async.domain.settings import decode_setting
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.integrations.importers.packing import Execution

__all__ = ["Cancellation", "Cancellations"]

_PREFIX: Final = "zorivest.cancelled/"
_LOAD: Final = select(SETTINGS.c.key, SETTINGS.c.value).where(
    SETTINGS.c.key >= _PREFIX, SETTINGS.c.key < _PREFIX[:-1] + "0"  # which follows '/'
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The last cancellation of a booking.

    Attributes:
        order: Its place among the broker's transactions: what has an earlier one was cancelled.
        met: Whether an execution that it cancels was ever seen.
        booked_since: Identifiers of executions under the same booking that are later, and stored.
    """

    order: int
    met: bool = True
    booked_since: tuple[str, ...] = ()


@dataclass(slots=True)
class Cancellations:
    """The cancellations that a vault knows of, and those of this import."""

    _known: dict[str, Cancellation] = field(default_factory=dict[str, Cancellation])
    _changed: set[str] = field(default_factory=set[str])
    _loaded: bool = False

    async def load(self, uow: SqlAlchemyUnitOfWork) -> None:
        """Read those that earlier imports met, once.

        Raises:
            ValidationError: Somebody else has changed one.
        """
        if self._loaded:
            return
        self._loaded = True
        for key, value in await (await uow.connection()).execute(_LOAD):
            self._known.setdefault(key[len(_PREFIX) :], _decoded(value))

    def about(self, row: Execution) -> Cancellation | None:
        """Return the last cancellation of a row's booking."""
        return None if row.booking is None else self._known.get(row.booking)

    def remember(self, booking: str | None, order: int | None, *, met: bool = True) -> None:
        """Remember a cancellation that was carried out, or one (not ``met``) whose execution nobody has seen.

        One whose place among the transactions is not known cannot be: it could not be told what was booked before it.
        """
        if booking is None or order is None:
            return
        known = self._known.get(booking)
        if known is None or order > known.order:
            self._set(booking, Cancellation(order, met))
        elif met and not known.met:
            self._set(booking, replace(known, met=True))

    def book_again(self, row: Execution, exec_id: str) -> None:
        """Remember an execution that is stored, and later than the last cancellation of its booking."""
        known = self.about(row)
        if row.booking is None or known is None or exec_id in known.booked_since:
            return
        self._set(row.booking, replace(known, booked_since=(*known.booked_since, exec_id)))

    async def save(self, uow: SqlAlchemyUnitOfWork) -> None:
        """Store what is new."""
        changed = {booking: self._known[booking] for booking in sorted(self._changed)}
        await uow.settings.bulk_upsert(
            {_PREFIX + booking: [each.order, each.met, *each.booked_since] for booking, each in changed.items()}
        )

    def _set(self, booking: str, cancellation: Cancellation) -> None:
        self._known[booking] = cancellation
        self._changed.add(booking)


def _decoded(stored: str | None) -> Cancellation:
    with suppress(ValidationError):  # which names no setting
        match cast("Any", decode_setting(stored or "", "json")):
            case [int(order), bool(met), *booked_since] if all(isinstance(exec_id, str) for exec_id in booked_since):
                return Cancellation(order, met, tuple(booked_since))
            case _:
                pass
    raise ValidationError("Setting", "value", f"is no cancellation's; delete the settings that begin with {_PREFIX}")
