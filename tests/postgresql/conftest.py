"""Fixtures of these tests."""

from __future__ import annotations

from workers.telling import tell

__all__ = ["tell"]
