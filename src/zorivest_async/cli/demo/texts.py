"""Texts of the help of ``zorivest demo``."""

from __future__ import annotations

from typing import Final

__all__ = ["DESCRIPTION", "EXECUTIONS_HELP", "IMAGES_HELP", "SUMMARY", "VAULT_HELP"]

SUMMARY: Final = "Store a small journal in a new vault, reopen it, and compare what is read back."
DESCRIPTION: Final = (
    "Store a small journal in a new vault, close it, show that the file cannot be read without the passphrase, reopen "
    "it, and compare everything that is read back with what was stored."
)
VAULT_HELP: Final = (
    "Where to keep the vault; the path must not exist. Default: a temporary vault with a random passphrase."
)
EXECUTIONS_HELP: Final = (
    "Executions of ETH/USDT: columns id, date, side, price and amount. Default: a bundled sample of 100."
)
IMAGES_HELP: Final = "A folder of PNG, JPEG, WebP or GIF images. Default: four bundled charts."
