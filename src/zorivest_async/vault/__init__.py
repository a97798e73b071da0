"""Vault: an encrypted file, and its creation, opening, backup, restoration, verification and upgrade."""

from __future__ import annotations

from zorivest_async.vault.vault import Vault

__all__ = ["Vault"]
