"""Check of the versions of required packages, before the rest of the library is imported.

Installers check versions, too, unless the user overrides them. An older SQLAlchemy would fail in the middle of an
import, with the name of an internal function. A newer release may lack a private name that the library needs; each is
checked where it is used, with :func:`require_names`.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import MissingDependencyError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["require_names", "require_releases"]

_OLDEST: Final = {"sqlalchemy": ("SQLAlchemy", (2, 1)), "aiosqlite": ("aiosqlite", (0, 22))}
"""The oldest release of each that works, as pyproject.toml has it."""


def require_releases() -> None:
    """Check that each required package is new enough.

    Raises:
        MissingDependencyError: One is too old, or is not installed.
    """
    for module, (name, oldest) in _OLDEST.items():
        wanted = f"{name} {'.'.join(map(str, oldest))} or newer is needed"
        how = f'pip install -U "{module}>={".".join(map(str, oldest))}"'
        try:
            found = str(import_module(module).__version__)
        except ImportError as error:
            raise MissingDependencyError(f"{wanted}, and is not installed: {how}", name=module) from error
        if tuple(map(int, re.findall(r"\d+", found)[:2])) < oldest:
            raise MissingDependencyError(f"{wanted}, and {found} is installed: {how}", name=module)


def require_names(package: ModuleType, owner: type, *names: str) -> None:
    """Refuse to work with a release of a package that lacks private names which the library builds on.

    Args:
        package: The package, which has a ``__version__``.
        owner: A class of it.
        names: What the class must have.

    Raises:
        MissingDependencyError: It lacks one.
    """
    if missing := [name for name in names if not hasattr(owner, name)]:
        name, release = package.__name__, package.__version__
        raise MissingDependencyError(
            f"this release of zorivest-async does not work with {name} {release}, where {owner.__qualname__} has no "
            f'{", ".join(missing)}: install a newer zorivest-async, or an older {name}: pip install "{name}<{release}"',
            name=name,
        )
