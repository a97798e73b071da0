"""Stored cancellations, so that importing an older statement does not restore a cancelled execution.

They are kept in the vault's settings, one for each cancelled booking, which are few. The row of the execution cannot
keep them, because it has no column for the booking, and it is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import ValidationError
from zorivest_async.transfer.importers.versions import LONGEST_REVISION

if TYPE_CHECKING:
    from zorivest_async.domain.settings import SettingValue
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.transfer.importers.packing import Execution

__all__ = ["Cancellation", "Cancellations", "family_of", "key_of", "version_name"]

_PREFIX: Final = "zorivest.cancelled/"
_VERSION: Final = "#"
"""What stands between the family of an execution and the number of the cancelled version."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The last cancellation of a booking, or of a version of an execution.

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
    _revisions: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    _changed: set[str] = field(default_factory=set[str])
    _loaded: bool = False

    async def load(self, uow: UnitOfWork) -> bool:
        """Read the stored cancellations, once; return whether it was now.

        Raises:
            ValidationError: Another program has changed one of the settings.
        """
        if self._loaded:
            return False
        self._loaded = True
        try:
            stored = await uow.settings.list_prefixed(_PREFIX)
        except ValidationError:  # which names no setting
            raise _strange() from None
        for setting in stored:
            name = setting.key.removeprefix(_PREFIX)
            if name not in self._known:
                self._keep(name, _decoded(setting.value))
        return True

    def about(self, row: Execution) -> Cancellation | None:
        """Return the last cancellation of a row's booking, or of its version of an execution or a later one."""
        found = [self._known[name] for name in self._names_about(row)]
        return max(found, key=lambda each: each.order, default=None)

    def keys_about(self, row: Execution) -> list[str]:
        """Return the keys of the settings of the cancellations of a row's booking, and of its version or later ones."""
        return [*map(key_of, self._names_about(row))]

    def _names_about(self, row: Execution) -> list[str]:
        names = [row.booking] if row.booking is not None and row.booking in self._known else []
        family = family_of(row)
        if family is not None and family in self._revisions:
            later = (revision for revision in self._revisions[family] if revision >= row.revision)
            names += [version_name(family, revision) for revision in later]
        return names

    def remember(self, row: Execution, order: int | None, *, met: bool = True) -> None:
        """Note a cancellation that was executed, or one (not ``met``) whose execution no import has contained.

        A cancellation without a position among the transactions is not noted: earlier and later bookings could not be
        distinguished.
        """
        self.remember_name(row.booking, order, met=met)
        if row.trade is None and (family := family_of(row)) is not None:
            self.remember_name(version_name(family, row.revision), order, met=met)

    def remember_name(self, booking: str | None, order: int | None, *, met: bool = True) -> None:
        """Note the cancellation of a booking, or of a version; see :meth:`remember`."""
        if booking is None or order is None:
            return
        known = self._known.get(booking)
        if known is None or order > known.order:
            self._set(booking, Cancellation(order, met))
        elif met and not known.met:
            self._set(booking, replace(known, met=True))

    def book_again(self, row: Execution, exec_id: str) -> None:
        """Note a stored execution that is later than the last cancellation of its booking."""
        for name in self._names_about(row):
            known = self._known[name]
            if exec_id not in known.booked_since:
                self._set(name, replace(known, booked_since=(*known.booked_since, exec_id)))

    def changed(self) -> dict[str, SettingValue]:
        """Return the settings of new cancellations, and of those that were changed."""
        names = {name: self._known[name] for name in sorted(self._changed)}
        return {key_of(name): [each.order, each.met, *each.booked_since] for name, each in names.items()}

    def _set(self, name: str, cancellation: Cancellation) -> None:
        self._keep(name, cancellation)
        self._changed.add(name)

    def _keep(self, name: str, cancellation: Cancellation) -> None:
        self._known[name] = cancellation
        family, version, revision = name.rpartition(_VERSION)
        if version and revision.isdecimal() and len(revision) <= LONGEST_REVISION:
            self._revisions.setdefault(family, set()).add(int(revision))


def family_of(row: Execution) -> str | None:
    """Return the account and the family of a row, in whose name cancellations of versions are remembered."""
    account_id = row.account_id if row.trade is None else row.trade.account_id
    return None if row.family is None or account_id is None else f"{account_id}/{row.family}"


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


def key_of(name: str) -> str:
    """Return the key of the setting in which a cancellation is remembered."""
    return _PREFIX + name


def version_name(family: str, revision: int) -> str:
    """Return the name under which the cancellation of a version is remembered, as that of a booking is."""
    return f"{family}{_VERSION}{revision}"
