"""Texts of options that the program has with and without its extra."""

from __future__ import annotations

from typing import Final

__all__ = ["FILE_HELP", "NEW_FILE_HELP"]

FILE_HELP: Final = "A file whose first line is the passphrase; - is stdin. Default: ZORIVEST_PASSPHRASE, else a prompt."
NEW_FILE_HELP: Final = (
    "A file whose first line is the new passphrase; - is stdin. Default: ZORIVEST_NEW_PASSPHRASE, else a prompt."
)
