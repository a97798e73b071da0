"""Stored API keys and the provider they are bound to: earlier forms, providers renamed by hand, new passphrases."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from factories import make_provider, refusal
from first_release import unbound
from providers import overwrite_key, save_providers, stored_key
from stores import file_store
from zorivest_async import KdfProfile, Vault, VaultDamagedError

pytestmark = pytest.mark.asyncio

API_KEY = "k3y-'Ünïque'-0123456789"


async def test_an_api_key_that_is_not_bound_to_its_provider_is_refused(vault: Vault) -> None:
    """The form of earlier versions, even where it decrypts: opening their vaults has replaced it."""
    await save_providers(vault, make_provider(api_key=API_KEY))
    await overwrite_key(vault, "Alpha Vantage", unbound(file_store(vault)._key.key, API_KEY))
    async with refusal(vault, VaultDamagedError) as (uow, caught):
        await uow.market_provider_settings.reveal_api_key("Alpha Vantage")
    assert caught.value.problem == "a stored API key is not in the form that binds it to its provider; save it again"


async def test_a_provider_under_another_name_does_not_have_its_api_key(vault: Vault) -> None:
    """Renaming one is no method of the repository; where it was done by hand, the old name brings the key back."""
    await save_providers(vault, make_provider(api_key=API_KEY))
    rename = text("UPDATE market_provider_settings SET provider_name = :new WHERE provider_name = :old")
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).execute(rename, {"old": "Alpha Vantage", "new": "Beta"})
        await uow.commit()
    async with refusal(vault, VaultDamagedError) as (uow, _):
        await uow.market_provider_settings.reveal_api_key("Beta")
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).execute(rename, {"old": "Beta", "new": "Alpha Vantage"})
        assert await uow.market_provider_settings.reveal_api_key("Alpha Vantage") == API_KEY


async def test_changing_the_passphrase_keeps_each_api_key_with_its_provider(vault: Vault) -> None:
    """They are encrypted under another key, and bound as before; a damaged one stops it, and nothing has changed."""
    await save_providers(vault, make_provider("A", api_key="key of A"), make_provider("B", api_key="key of B"))
    await vault.rekey("another", profile=KdfProfile.CHEAPEST)
    async with vault.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key("A") == "key of A"
        assert await uow.market_provider_settings.reveal_api_key("B") == "key of B"
        of_a = await stored_key(uow, "A") or ""
    await overwrite_key(vault, "B", of_a)
    with pytest.raises(VaultDamagedError, match="save it again"):
        await vault.rekey("a third", profile=KdfProfile.CHEAPEST)
    async with vault.unit_of_work() as uow:
        assert await stored_key(uow, "B") == of_a
        await uow.market_provider_settings.update(make_provider("B"))
        await uow.commit()
    await vault.rekey("a third", profile=KdfProfile.CHEAPEST)
    async with vault.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key("A") == "key of A"
