"""The package ``zorivest_async`` without its contents, until one of them is used."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

__all__ = ["main"]

_PACKAGE: Final = "zorivest_async"
_INTERRUPTED: Final = 130

_OWN: Final = frozenset({"__all__", "__version__"})
"""Names of the package's own that look like those of every module."""


class _PackageOnDemand(ModuleType):
    """The package, whose modules can be imported; its own names are imported when the first of them is used."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__ = spec
        self.__loader__ = spec.loader
        self.__file__ = spec.origin
        self.__path__ = spec.submodule_search_locations or []

    def __getattr__(self, name: str) -> Any:
        # The import system asks for a module by its name before it imports it.
        if (name.startswith("__") and name not in _OWN) or find_spec(f"{_PACKAGE}.{name}") is not None:
            raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
        package: Any = self
        package.__class__ = ModuleType  # from now on it is the package, with all that belongs to it
        spec = self.__spec__
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(self)
        return getattr(self, name)


def main() -> int:
    """Run a command and return its exit code; Ctrl-C ends it also while it is being imported."""
    try:
        spec = find_spec(_PACKAGE)
        if spec is not None:
            sys.modules.setdefault(_PACKAGE, _PackageOnDemand(spec))
        from zorivest_async.cli import main as run  # noqa: PLC0415 - after the package on demand

        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
