"""Report of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CHEAPEST_NOTE", "VerifyReport"]

CHEAPEST_NOTE: Final = (
    "its key derivation profile is CHEAPEST, which is for tests: guessing the passphrase is cheap; "
    "change the passphrase with the profile DEFAULT or STRONG"
)
"""Note about a vault whose passphrase is practically unprotected."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Report of :meth:`zorivest_async.Vault.verify`.

    Attributes:
        problems: Problems, one line each, the most basic first; empty if the vault is sound.
        page_count: Number of authenticated pages.
        notes: Findings that are not damage, one line each: additions to the schema that affect stored values, such as a
            trigger on the trades, which may be your own; a key derivation that is only for tests; an image of which no
            preview can be made.
        previews: Number of previews of images that were made, with ``previews=True``.
    """

    problems: tuple[str, ...]
    page_count: int
    notes: tuple[str, ...] = ()
    previews: int = 0

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not self.problems
