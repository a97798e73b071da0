"""Versions of an execution that a Flex statement corrects and then cancels: none of them is left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zorivest_async.transfer.importers.cancellations import family_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zorivest_async.transfer.importers.packing import Execution, Executions

__all__ = ["settle_versions"]


def settle_versions(
    seen: Executions, settled: Mapping[int, Execution | None], families: set[str]
) -> dict[int, Execution | None]:
    """Resolve the earlier versions of cancelled executions, which have other bookings: ``None`` for each of them.

    Their identifiers are added to the cancellation, or to the booking that replaced what it cancels, so that stored
    ones go with it.

    Args:
        seen: The rows of the statement.
        settled: The rows that their bookings have resolved, by their index.
        families: Families of cancelled executions, with their account.
    """
    rows: dict[str, list[tuple[int, Execution]]] = {}
    for place, row in enumerate(seen):
        if (family := family_of(row)) in families:
            rows.setdefault(str(family), []).append((place, row))
    changed: dict[int, Execution | None] = {}
    for versions in rows.values():
        for cancelled in [each for each in versions if each[1].trade is None]:
            places = {**settled, **changed}
            earlier = [
                (place, row)
                for place, row in versions
                if places.get(place, row) is not None and _is_cancelled_by((place, row), cancelled)
            ]
            ids = dict.fromkeys(row.trade.exec_id for _, row in earlier if row.trade is not None)
            heir = _heir(cancelled, places)
            if ids and heir is not None:
                changed |= {place: None for place, _ in earlier}
                place, row = heir
                changed[place] = replace(row, earlier_ids=tuple(dict.fromkeys((*row.earlier_ids, *ids))))
    return changed


def _is_cancelled_by(each: tuple[int, Execution], cancelled: tuple[int, Execution]) -> bool:
    (place, row), (place_of_it, cancellation) = each, cancelled
    if row.trade is None or row.revision > cancellation.revision:
        return False
    if row.order is not None and cancellation.order is not None:
        return row.order < cancellation.order
    return row.revision < cancellation.revision or place < place_of_it


def _heir(cancelled: tuple[int, Execution], places: Mapping[int, Execution | None]) -> tuple[int, Execution] | None:
    """Return the row that replaces what a cancellation cancels: itself, or a booking that followed."""
    place, cancellation = cancelled
    row = places.get(place, cancellation)
    if row is not None:
        return place, row
    return next(
        (
            (p, r)
            for p, r in places.items()
            if r is not None and r.trade is not None and r.booking == cancellation.booking
        ),
        None,
    )
