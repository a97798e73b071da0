"""Market-data credentials: stored encrypted, shown masked, and revealed on request alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import assert_same, make_provider, minutes_later, refusal
from providers import overwrite_key, save_providers, stored_key
from zorivest_async import (
    ConfigurationError,
    DuplicateError,
    MarketProviderSetting,
    NotFoundError,
    SqlAlchemyUnitOfWork,
    ValidationError,
    Vault,
    VaultDamagedError,
)
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

API_KEY = "k3y-'Ünïque'-0123456789"
MASK = "********"
COMPLETE = MarketProviderSetting(
    "Ünïque 'data'", API_KEY, 75, 10, True, minutes_later(0.5), "success", minutes_later(1.5), minutes_later(2.5)
)


@pytest.mark.parametrize("setting", [make_provider(), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(empty_journal: Journal, setting: MarketProviderSetting) -> None:
    """Settings come back equal, field by field and type by type; the API key as a mask."""
    await save_providers(empty_journal, setting)
    async with empty_journal.unit_of_work() as uow:
        providers = uow.market_provider_settings
        assert_same(await providers.get(setting.provider_name), setting)
        assert_same(await providers.get_one(setting.provider_name), setting)
        assert await providers.list_all() == [setting]
        assert await providers.exists(setting.provider_name)


@pytest.mark.parametrize("api_key", [API_KEY, "ENC:looks encrypted", "x", "株" * 1_000, " padded "])
async def test_an_api_key_is_stored_encrypted_and_revealed_exactly(empty_journal: Journal, api_key: str) -> None:
    """The table has ``ENC:`` and no piece of the key; two providers with one key do not look alike."""
    await save_providers(empty_journal, make_provider("A", api_key=api_key), make_provider("B", api_key=api_key))
    async with empty_journal.unit_of_work() as uow:
        first, second = await stored_key(uow, "A"), await stored_key(uow, "B")
        assert first is not None
        assert second is not None
        assert first.startswith("ENC:")
        assert api_key.removeprefix("ENC:") not in first.removeprefix("ENC:") or len(api_key) == 1
        assert first != second
        assert await uow.market_provider_settings.reveal_api_key("A") == api_key
        assert type(await uow.market_provider_settings.reveal_api_key("A")) is str


async def test_what_is_read_never_shows_the_api_key(empty_journal: Journal) -> None:
    """Neither an entity's fields nor its repr know it: it is not there to be shown."""
    await save_providers(empty_journal, COMPLETE, make_provider("without"))
    async with empty_journal.unit_of_work() as uow:
        found = await uow.market_provider_settings.get_one(COMPLETE.provider_name)
        listed = await uow.market_provider_settings.list_all()
    assert [setting.api_key for setting in listed] == [None, MASK]
    assert API_KEY not in repr((found, listed, COMPLETE))
    with pytest.raises(ValueError, match="vault"):
        found.api_key.reveal()  # type: ignore[union-attr]


@pytest.mark.parametrize("api_key", [MASK, "as it was read"])
async def test_a_masked_api_key_keeps_the_stored_one(empty_journal: Journal, api_key: str) -> None:
    """What a form sends back, or what was read, changes the other fields alone."""
    await save_providers(empty_journal, COMPLETE)
    async with empty_journal.unit_of_work() as uow:
        before = await stored_key(uow, COMPLETE.provider_name)
        found = await uow.market_provider_settings.get_one(COMPLETE.provider_name)
        kept: Any = found.api_key if api_key == "as it was read" else api_key
        changed = make_provider(COMPLETE.provider_name, api_key=kept, rate_limit=1, last_test_status="failed")
        start = utc_now()
        await uow.market_provider_settings.update(changed)
        end = utc_now()
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        found = await uow.market_provider_settings.get_one(COMPLETE.provider_name)
        assert found.updated_at is not None
        assert start <= found.updated_at <= end
        assert_same(found, changed, created_at=COMPLETE.created_at, updated_at=found.updated_at)
        assert await stored_key(uow, COMPLETE.provider_name) == before
        assert await uow.market_provider_settings.reveal_api_key(COMPLETE.provider_name) == API_KEY


@pytest.mark.parametrize("start", [None, API_KEY])
async def test_a_new_api_key_replaces_the_stored_one(empty_journal: Journal, start: str | None) -> None:
    """Or is the first."""
    await save_providers(empty_journal, make_provider(api_key=start))
    async with empty_journal.unit_of_work() as uow:
        await uow.market_provider_settings.update(make_provider(api_key="another"))
        assert await uow.market_provider_settings.reveal_api_key("Alpha Vantage") == "another"


async def test_no_api_key_removes_the_stored_one(empty_journal: Journal) -> None:
    """``None`` says that there is none, unlike the mask."""
    await save_providers(empty_journal, make_provider(api_key=API_KEY))
    async with refusal(empty_journal, NotFoundError) as (uow, caught):
        await uow.market_provider_settings.update(make_provider(api_key=None))
        assert await stored_key(uow, "Alpha Vantage") is None
        assert (await uow.market_provider_settings.get_one("Alpha Vantage")).api_key is None
        await uow.market_provider_settings.reveal_api_key("Alpha Vantage")
    assert (caught.value.entity, caught.value.key) == ("MarketProviderSetting", "Alpha Vantage")


async def test_a_mask_alone_is_no_api_key(empty_journal: Journal) -> None:
    """A new provider with eight stars for a key is refused rather than stored with the stars."""
    async with refusal(empty_journal, ValidationError) as (uow, caught):
        await uow.market_provider_settings.save(make_provider(api_key=MASK))
    assert (caught.value.entity, caught.value.field) == ("MarketProviderSetting", "api_key")
    async with empty_journal.unit_of_work() as uow:
        assert not await uow.market_provider_settings.exists("Alpha Vantage")


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("get_one", "absent"),
        ("reveal_api_key", "absent"),
        ("update", make_provider("absent")),
        ("update", make_provider("absent", api_key="new")),
        ("update", make_provider("absent", api_key=MASK)),
    ],
    ids=["get_one", "reveal", "update", "update the key", "update keeping the key"],
)
async def test_a_provider_that_is_not_stored_is_not_found(empty_journal: Journal, method: str, argument: Any) -> None:
    """The error names the provider; an update never inserts."""
    async with refusal(empty_journal, NotFoundError) as (uow, caught):
        assert await uow.market_provider_settings.get("absent") is None
        await getattr(uow.market_provider_settings, method)(argument)
    assert (caught.value.entity, caught.value.key) == ("MarketProviderSetting", "absent")
    async with empty_journal.unit_of_work() as uow:
        assert not await uow.market_provider_settings.exists("absent")


async def test_a_provider_is_saved_once(empty_journal: Journal) -> None:
    """The second one of its name is refused, and the first keeps its key."""
    await save_providers(empty_journal, COMPLETE)
    async with refusal(empty_journal, DuplicateError) as (uow, caught):
        await uow.market_provider_settings.save(make_provider(COMPLETE.provider_name, api_key="other"))
    assert (caught.value.entity, caught.value.key) == ("MarketProviderSetting", COMPLETE.provider_name)
    async with empty_journal.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key(COMPLETE.provider_name) == API_KEY


async def test_deleting_tells_whether_there_was_one(empty_journal: Journal) -> None:
    """A second deletion is no error, and others stay."""
    await save_providers(empty_journal, COMPLETE, make_provider())
    async with empty_journal.unit_of_work() as uow:
        assert await uow.market_provider_settings.delete("Alpha Vantage") is True
        assert await uow.market_provider_settings.delete("Alpha Vantage") is False
        assert [s.provider_name for s in await uow.market_provider_settings.list_all()] == [COMPLETE.provider_name]


async def test_without_a_cipher_no_api_key_is_stored(empty_journal: Journal) -> None:
    """A unit of work over a bare engine has nothing to encrypt with: it takes everything but keys."""
    await save_providers(empty_journal, COMPLETE)
    async with SqlAlchemyUnitOfWork(empty_journal.engine) as uow:
        providers = uow.market_provider_settings
        await providers.save(make_provider())
        for refused in (
            providers.save(make_provider("B", api_key="new")),
            providers.update(make_provider(api_key="new")),
            providers.reveal_api_key(COMPLETE.provider_name),
        ):
            with pytest.raises(ConfigurationError):
                await refused
        await providers.update(make_provider(COMPLETE.provider_name, api_key=MASK))
        assert await stored_key(uow, "Alpha Vantage") is None
        assert not await providers.exists("B")
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        assert await uow.market_provider_settings.reveal_api_key(COMPLETE.provider_name) == API_KEY


@pytest.mark.parametrize(
    "damage",
    ["cut short", "a flipped character", "no token", "not ASCII", "nothing", "another vault's", "another provider's"],
)
async def test_a_stored_key_that_was_tampered_with_is_damage(empty_journal: Journal, damage: str) -> None:
    """It never reveals something else, nothing of it is in the error, and a new key makes it good."""
    await save_providers(empty_journal, make_provider(api_key=API_KEY), make_provider("alpha vantage", api_key=API_KEY))
    async with empty_journal.unit_of_work() as uow:
        genuine = await stored_key(uow, "Alpha Vantage") or ""
        misplaced = await stored_key(uow, "alpha vantage") or ""
    async with Vault.in_memory() as other:
        await save_providers(other, make_provider(api_key=API_KEY))
        async with other.unit_of_work() as uow:
            foreign = await stored_key(uow, "Alpha Vantage") or ""
    damaged = {
        "cut short": genuine[:-4],
        "a flipped character": genuine[:40] + ("A" if genuine[40] != "A" else "B") + genuine[41:],
        "no token": "ENC:2:token",
        "not ASCII": "ENC:2:é",
        "nothing": "ENC:2:",
        "another vault's": foreign,
        "another provider's": misplaced,
    }
    await overwrite_key(empty_journal, "Alpha Vantage", damaged[damage])
    async with refusal(empty_journal, VaultDamagedError) as (uow, caught):
        await uow.market_provider_settings.reveal_api_key("Alpha Vantage")
    assert "does not authenticate" in caught.value.problem
    assert "save it again" in caught.value.problem
    assert genuine not in str(caught.value)
    assert API_KEY not in str(caught.value)
    async with empty_journal.unit_of_work() as uow:
        assert (await uow.market_provider_settings.get_one("Alpha Vantage")).api_key == MASK
        await uow.market_provider_settings.update(make_provider(api_key="another"))
        assert await uow.market_provider_settings.reveal_api_key("Alpha Vantage") == "another"
