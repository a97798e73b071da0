"""Load what the library imports when it is first used, for a process that will not be able to read it any more."""

from __future__ import annotations

import pkgutil
from importlib import import_module

__all__ = ["load_library"]

PACKAGES = ("zorivest_async.vault", "zorivest_async.database.sqlcipher")


def load_library() -> None:
    """Import every module that opening a vault, and working with its file, may need."""
    for package in PACKAGES:
        for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
            import_module(module.name)
