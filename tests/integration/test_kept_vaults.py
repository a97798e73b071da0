"""Vault files that earlier builds wrote: every later build opens them and finds every row."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kept_vaults import COMPOSED, DECOMPOSED, NAMES, assert_as_written, copy_of
from zorivest_async import KdfProfile, Vault
from zorivest_async.database.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("passphrase", [COMPOSED, DECOMPOSED], ids=["composed", "decomposed"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_kept_vault_opens_with_all_that_was_written(tmp_path: Path, name: str, passphrase: str) -> None:
    """With either spelling of the passphrase: rows, images, API keys and words, and again once it is upgraded."""
    path = await asyncio.to_thread(copy_of, name, tmp_path)
    for _ in range(2):
        async with Vault.open(path, passphrase=passphrase, create=False) as vault:
            await assert_as_written(vault)


@pytest.mark.parametrize("name", [name for name in NAMES if "default" in name])
async def test_a_kept_vault_gets_a_new_passphrase_and_keeps_its_api_keys(tmp_path: Path, name: str) -> None:
    """Which are then encrypted under another key."""
    path = await asyncio.to_thread(copy_of, name, tmp_path)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await vault.rekey("another", profile=KdfProfile.CHEAPEST)
        await assert_as_written(vault)
    async with Vault.open(path, passphrase="another", create=False) as vault:
        await assert_as_written(vault)


async def test_each_older_revision_is_kept_with_each_profile() -> None:
    """A schema that is no longer made has no other witness."""
    profiles = [profile.name.lower() for profile in KdfProfile if profile is not KdfProfile.CHEAPEST]
    versions = range(1, SCHEMA_VERSION)
    kept = {f"revision-{version}-{profile}.vault" for version in versions for profile in profiles}
    assert kept <= set(NAMES)
