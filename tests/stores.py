"""The store behind a vault, for tests that look at the key or the file of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.vault.store import VaultStore

if TYPE_CHECKING:
    from zorivest_async import Vault

__all__ = ["file_store"]


def file_store(vault: Vault) -> VaultStore:
    """Return the store of a vault that is a file or in memory."""
    store = vault._store
    assert isinstance(store, VaultStore)
    return store
