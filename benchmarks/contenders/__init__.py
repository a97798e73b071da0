"""The contenders: one class each. Those whose packages are missing are left out, and named."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from benchmarks.contenders.aiosqlite_alone import Aiosqlite, AiosqliteFetchAll
from benchmarks.contenders.bare import Bare
from benchmarks.contenders.limit import Limit
from benchmarks.contenders.objects import Objects
from benchmarks.contenders.one_by_one import OneByOne, OneByOneNormal
from benchmarks.contenders.stock import Stock
from benchmarks.contenders.zorivest import Library

if TYPE_CHECKING:
    from benchmarks.contenders.base import Contender

__all__ = ["CONTENDERS", "MISSING", "ORMS", "PEERS", "REFERENCES", "present"]

_OPTIONAL: Final = {
    "advanced": ("benchmarks.contenders.advanced", "AdvancedAlchemy", "advanced-alchemy"),
    "apsw": ("benchmarks.contenders.apsw_async", "Apsw", "apsw-sqlite3mc"),
    "tortoise": ("benchmarks.contenders.tortoise_orm", "TortoiseOrm", "tortoise-orm"),
}
"""By name: module, class, and the distribution that it needs."""

CONTENDERS: Final[dict[str, type[Contender]]] = {
    "limit": Limit,
    "bare": Bare,
    "objects": Objects,
    "one-by-one": OneByOne,
    "one-by-one-normal": OneByOneNormal,
    "aiosqlite": Aiosqlite,
    "aiosqlite-fetchall": AiosqliteFetchAll,
    "stock": Stock,
    "library": Library,
}

MISSING: Final[dict[str, str]] = {}
"""Contenders that cannot run here, with the reason."""

for _name, (_module, _class, _distribution) in _OPTIONAL.items():
    try:
        CONTENDERS[_name] = cast("type[Contender]", getattr(import_module(_module), _class))
    except ImportError as _error:
        MISSING[_name] = f"needs {_distribution} ({_error})"

REFERENCES: Final = ("limit", "bare")
"""What the work costs at least."""

ORMS: Final = ("stock", "advanced")
PEERS: Final = ("aiosqlite", "apsw", "tortoise")


def present(*names: str) -> tuple[str, ...]:
    """Return those of the contenders that can run here, in the same order."""
    return tuple(name for name in names if name in CONTENDERS)
