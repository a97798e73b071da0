"""Import of optional packages, which come with extras."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from zorivest_async.errors import MissingDependencyError

__all__ = ["import_extra"]


def import_extra(extra: str, module: str) -> Any:
    """Import a module that an extra installs.

    Args:
        extra: Name of the extra, ``"polars"``.
        module: The module, ``"polars"``.

    Raises:
        MissingDependencyError: The module is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f'{error.name or module} is not installed; it comes with an extra: pip install "zorivest-async[{extra}]"',
            name=error.name or module,
        ) from error
