"""Logging of the library's engines by SQLAlchemy: statements, but neither parameters nor rows."""

from __future__ import annotations

import logging
from typing import Any, Final

__all__ = ["QUIET"]

_NAME: Final = "zorivest"

QUIET: Final[dict[str, Any]] = {"hide_parameters": True, "logging_name": _NAME}
"""Arguments of every engine: ``hide_parameters`` hides parameters, and the logger of this name drops rows."""


def _holds_no_row(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Row ")


logging.getLogger(f"sqlalchemy.engine.Engine.{_NAME}").addFilter(_holds_no_row)
