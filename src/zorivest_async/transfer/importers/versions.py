"""Stored versions of an execution: a broker corrects an execution under another identifier, or cancels it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.ports import UnitOfWork

__all__ = ["LONGEST_REVISION", "find_families"]

LONGEST_REVISION: Final = 18
"""Maximum number of digits of a revision, well below Python's limit for converting a text to an integer."""


async def find_families(uow: UnitOfWork, families: Iterable[str]) -> dict[str, list[str]]:
    """Return the stored identifiers of families: the family's name, a period and the digits of a revision."""
    found = await uow.trades.list_versions(families)
    return {
        family: [exec_id for exec_id in stored if _is_revision(exec_id[len(family) + 1 :])]
        for family, stored in found.items()
    }


def _is_revision(suffix: str) -> bool:
    return suffix.isdecimal() and len(suffix) <= LONGEST_REVISION
