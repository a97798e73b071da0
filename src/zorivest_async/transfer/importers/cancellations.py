"""Stored cancellations, so that importing an older statement does not restore a cancelled execution.

They are kept in the vault's settings, one for each cancelled booking, which are few. The row of the execution cannot
keep them, because it has no column for the booking, and it is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.transfer.importers.packing import Execution

__all__ = ["Cancellation", "Cancellations"]

_PREFIX: Final = "zorivest.cancelled/"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The last cancellation of a booking.

    Attributes:
        order: Its position among the broker's transactions; executions with an earlier position were cancelled.
        met: Whether an import has contained the cancelled execution.
        booked_since: Identifiers of later, stored executions under the same booking.
    """

    order: int
    met: bool = True
    booked_since: tuple[str, ...] = ()


@dataclass(slots=True)
class Cancellations:
    """The stored cancellations of a vault, and those of this import."""

    _known: dict[str, Cancellation] = field(default_factory=dict[str, Cancellation])
    _changed: set[str] = field(default_factory=set[str])
    _loaded: bool = False

    async def load(self, uow: UnitOfWork) -> None:
        """Read the stored cancellations, once.

        Raises:
            ValidationError: Another program has changed one of the settings.
        """
        if self._loaded:
            return
        self._loaded = True
        try:
            stored = await uow.settings.list_prefixed(_PREFIX)
        except ValidationError:  # which names no setting
            raise _strange() from None
        for setting in stored:
            self._known.setdefault(setting.key.removeprefix(_PREFIX), _decoded(setting.value))

    def about(self, row: Execution) -> Cancellation | None:
        """Return the last cancellation of a row's booking."""
        return None if row.booking is None else self._known.get(row.booking)

    def remember(self, booking: str | None, order: int | None, *, met: bool = True) -> None:
        """Note a cancellation that was executed, or one (not ``met``) whose execution no import has contained.

        A cancellation without a position among the transactions is not noted: earlier and later bookings could not be
        distinguished.
        """
        if booking is None or order is None:
            return
        known = self._known.get(booking)
        if known is None or order > known.order:
            self._set(booking, Cancellation(order, met))
        elif met and not known.met:
            self._set(booking, replace(known, met=True))

    def book_again(self, row: Execution, exec_id: str) -> None:
        """Note a stored execution that is later than the last cancellation of its booking."""
        known = self.about(row)
        if row.booking is None or known is None or exec_id in known.booked_since:
            return
        self._set(row.booking, replace(known, booked_since=(*known.booked_since, exec_id)))

    async def save(self, uow: UnitOfWork) -> None:
        """Store new cancellations."""
        changed = {booking: self._known[booking] for booking in sorted(self._changed)}
        await uow.settings.bulk_upsert(
            {_PREFIX + booking: [each.order, each.met, *each.booked_since] for booking, each in changed.items()}
        )

    def _set(self, booking: str, cancellation: Cancellation) -> None:
        self._known[booking] = cancellation
        self._changed.add(booking)


def _decoded(value: Any) -> Cancellation:
    match value:
        case [int(order), bool(met), *booked_since] if all(isinstance(exec_id, str) for exec_id in booked_since):
            return Cancellation(order, met, tuple(booked_since))
        case _:
            raise _strange()


def _strange() -> ValidationError:
    return ValidationError(
        "Setting", "value", f"is not a valid cancellation; delete the settings that begin with {_PREFIX}"
    )
