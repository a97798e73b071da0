"""What SQLAlchemy may log about the library's engines: statements, and none of the values that go in or come out."""

from __future__ import annotations

import logging
from typing import Any, Final

__all__ = ["QUIET"]

_NAME: Final = "zorivest"

QUIET: Final[dict[str, Any]] = {"hide_parameters": True, "logging_name": _NAME}
"""Arguments of every engine: ``hide_parameters`` covers parameters, and the logger of this name leaves out rows."""


def _holds_no_row(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Row ")


logging.getLogger(f"sqlalchemy.engine.Engine.{_NAME}").addFilter(_holds_no_row)
