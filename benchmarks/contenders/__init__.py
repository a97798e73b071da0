"""The contenders: one class each, all over the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.contenders.advanced import AdvancedAlchemy
from benchmarks.contenders.bare import Bare
from benchmarks.contenders.limit import Limit
from benchmarks.contenders.stock import Stock
from benchmarks.contenders.zorivest import Library

if TYPE_CHECKING:
    from benchmarks.contenders.base import Contender

__all__ = ["ALL", "CONTENDERS"]

CONTENDERS: Final[dict[str, type[Contender]]] = {
    "limit": Limit,
    "bare": Bare,
    "stock": Stock,
    "advanced": AdvancedAlchemy,
    "library": Library,
}

ALL: Final = tuple(CONTENDERS)
