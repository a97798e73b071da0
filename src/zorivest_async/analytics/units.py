"""What executions leave open: the asset class of an instrument; and multipliers that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.analytics.position import MultiplierConflict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.domain.enums import AssetClass
    from zorivest_async.domain.queries import UnitRow

__all__ = ["Units"]


class Units:
    """Units of instruments: asset classes and multipliers, by account and instrument."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], set[tuple[AssetClass | None, float]]] = {}
        self._only: dict[tuple[str, str], AssetClass | None] = {}

    def add(self, rows: Iterable[UnitRow]) -> None:
        """Add units that executions have: account, instrument, asset class and multiplier."""
        found = self._found
        for account_id, instrument, asset_class, multiplier in rows:
            found.setdefault((account_id, instrument), set()).add((asset_class, multiplier))
        for key, units in found.items():
            known = {asset_class for asset_class, _ in units} - {None}
            self._only[key] = next(iter(known)) if len(known) == 1 else None

    def asset_class_of(self, account_id: str, instrument: str) -> AssetClass | None:
        """Return the only asset class that is known of an instrument in an account, or ``None``."""
        return self._only.get((account_id, instrument))

    def conflicts(self, asset_class: AssetClass | None = None) -> list[MultiplierConflict]:
        """Return the instruments that have several multipliers, in order.

        Args:
            asset_class: Only of this one; all by default.
        """
        conflicts: list[MultiplierConflict] = []
        for (account_id, instrument), units in self._found.items():
            if len(units) > 1:
                only = self.asset_class_of(account_id, instrument)
                multipliers: dict[AssetClass | None, set[float]] = {}
                for kind, multiplier in units:
                    multipliers.setdefault(kind or only, set()).add(multiplier)
                conflicts += [
                    MultiplierConflict(account_id, instrument, kind, tuple(sorted(several)))
                    for kind, several in multipliers.items()
                    if len(several) > 1 and asset_class in {None, kind}
                ]
        return sorted(conflicts, key=lambda one: (one.account_id, one.instrument, one.asset_class or ""))
