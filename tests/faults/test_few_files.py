"""The process may open no further file: the vault is there, and the error does not say that it is not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from workers.launch import started

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are limited as on POSIX")
def test_a_vault_is_not_called_missing_when_too_many_files_are_open(vault_path: Path) -> None:
    """Writing, checking and opening say what is wrong, and work as soon as descriptors are free."""
    with started("few_files", vault_path) as process:
        lines = process.communicate(timeout=30)[0].splitlines()
    assert process.returncode == 0
    assert lines == [
        "write VaultError True",
        "verify VaultError True",
        "write ok",
        *["open VaultError True"] * 3,
        "open ok",
    ]
