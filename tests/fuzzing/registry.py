"""All targets, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fuzzing.executions import CSV_FILES, FLEX_FILES
from fuzzing.images import IMAGES
from fuzzing.journals import JOURNALS
from fuzzing.plaintext import PLAINTEXT_FILES
from fuzzing.vault_files import VAULT_FILES
from fuzzing.vault_pages import VAULT_PAGES

if TYPE_CHECKING:
    from fuzzing.target import Target

__all__ = ["TARGETS"]

TARGETS: Final[dict[str, Target]] = {
    "csv": CSV_FILES,
    "flex": FLEX_FILES,
    "images": IMAGES,
    "journals": JOURNALS,
    "plaintext": PLAINTEXT_FILES,
    "vault-files": VAULT_FILES,
    "vault-pages": VAULT_PAGES,
}
