"""The search index, which revision 0003 makes, because a table of the user's may have the names that it had first.

Vaults of version 2 have it as ``search`` and ``search_rows``. A vault on its way from version 1 does not stop here: all
revisions run in one transaction.
"""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Leave everything to the next revision."""
