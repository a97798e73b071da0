"""Which columns a server can read: one entry for every column of every model.

What filters, orders, pages and adds up on the server stays clear. What is sealed is ``BYTEA`` from the first revision
on: the first byte of a value is its version, and 0 says that the rest is clear, as in a journal without a passphrase.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["CONFIDENTIALITY", "Confidentiality"]


class Confidentiality(Enum):
    """How a server stores the values of a column."""

    CLEAR = "clear"
    """As they are."""

    SEALED = "sealed"
    """As bytes that begin with a version."""

    HASHED = "sealed and hashed"
    """Sealed, and a hash in a column beside them, which is keyed by the journal and finds equal values."""

    HASHED_EACH = "sealed and each hashed"
    """Sealed, and the hashes of the elements of a list in a column beside them."""

    CHUNKS = "sealed in chunks"
    """Sealed in the rows of ``image_chunks``; the table itself has no such column."""


_CLEAR: Final = Confidentiality.CLEAR
_SEALED: Final = Confidentiality.SEALED
_HASHED: Final = Confidentiality.HASHED

CONFIDENTIALITY: Final[dict[str, dict[str, Confidentiality]]] = {
    "accounts": {
        "account_id": _CLEAR,
        "name": _SEALED,
        "account_type": _CLEAR,
        "institution": _SEALED,
        "currency": _CLEAR,
        "is_tax_advantaged": _CLEAR,
        "notes": _SEALED,
        "created_at": _CLEAR,
    },
    "balance_snapshots": {"id": _CLEAR, "account_id": _CLEAR, "datetime": _CLEAR, "balance": _CLEAR},
    "images": {
        "id": _CLEAR,
        "owner_type": _CLEAR,
        "owner_id": _CLEAR,
        "thumbnail": _SEALED,
        "mime_type": _CLEAR,
        "caption": _SEALED,
        "width": _CLEAR,
        "height": _CLEAR,
        "file_size": _CLEAR,
        "created_at": _CLEAR,
        "data": Confidentiality.CHUNKS,
        "preview": _SEALED,
    },
    "market_provider_settings": {
        "provider_name": _CLEAR,
        "encrypted_api_key": _SEALED,
        "rate_limit": _CLEAR,
        "timeout": _CLEAR,
        "is_enabled": _CLEAR,
        "last_tested_at": _CLEAR,
        "last_test_status": _CLEAR,
        "created_at": _CLEAR,
        "updated_at": _CLEAR,
    },
    "settings": {"key": _CLEAR, "value": _SEALED, "value_type": _CLEAR, "updated_at": _CLEAR},
    "trade_plans": {
        "id": _CLEAR,
        "ticker": _CLEAR,
        "direction": _CLEAR,
        "conviction": _CLEAR,
        "strategy_name": _HASHED,
        "strategy_description": _SEALED,
        "entry_price": _CLEAR,
        "stop_loss": _CLEAR,
        "target_price": _CLEAR,
        "entry_conditions": _SEALED,
        "exit_conditions": _SEALED,
        "timeframe": _CLEAR,
        "status": _CLEAR,
        "linked_trade_id": _CLEAR,
        "account_id": _CLEAR,
        "created_at": _CLEAR,
        "updated_at": _CLEAR,
    },
    "trade_reports": {
        "id": _CLEAR,
        "trade_id": _CLEAR,
        "setup_quality": _CLEAR,
        "execution_quality": _CLEAR,
        "followed_plan": _CLEAR,
        "emotional_state": _SEALED,
        "lessons_learned": _SEALED,
        "tags": Confidentiality.HASHED_EACH,
        "created_at": _CLEAR,
    },
    "trades": {
        "exec_id": _CLEAR,
        "time": _CLEAR,
        "instrument": _CLEAR,
        "action": _CLEAR,
        "quantity": _CLEAR,
        "price": _CLEAR,
        "account_id": _CLEAR,
        "commission": _CLEAR,
        "realized_pnl": _CLEAR,
        "currency": _CLEAR,
        "multiplier": _CLEAR,
        "asset_class": _CLEAR,
        "fees": _CLEAR,
        "commission_currency": _CLEAR,
        "notes": _SEALED,
        "order_id": _SEALED,
        "result_after_costs": _CLEAR,
        "sequence": _CLEAR,
    },
    "watchlist_items": {
        "id": _CLEAR,
        "watchlist_id": _CLEAR,
        "ticker": _CLEAR,
        "added_at": _CLEAR,
        "notes": _SEALED,
    },
    "watchlists": {
        "id": _CLEAR,
        "name": _HASHED,
        "description": _SEALED,
        "created_at": _CLEAR,
        "updated_at": _CLEAR,
    },
    "zorivest_import_rows": {
        "import_id": _CLEAR,
        "kind": _CLEAR,
        "key": _CLEAR,
        "before": _SEALED,
        # A hash without a key would tell who guesses a row that the guess is true.
        "hash_after": _SEALED,
    },
    "zorivest_imports": {
        "id": _CLEAR,
        "source": _SEALED,
        # The hash of a public file names it, so the server gets one of the hash, keyed by the journal.
        "sha256": _HASHED,
        "profile": _CLEAR,
        "imported_at": _CLEAR,
        "inserted": _CLEAR,
        "duplicate": _CLEAR,
        "updated": _CLEAR,
        "failed": _CLEAR,
    },
}
"""Confidentiality by table and column."""
