"""Passphrases of a journal on a server, which wrap the key of its API keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_provider
from journal_server import cluster, database_name, new_journal, runtime_url
from zorivest_async import ConfigurationError, KdfProfile, NotOnThisBackendError, Vault, WrongPassphraseError
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from zorivest_async._opening import Opening

pytestmark = pytest.mark.asyncio

PASSPHRASE = "correct horse battery staple"
API_KEY = "demo-key-4711"


@pytest.fixture
def url() -> str:
    """The URL of a database with the schema."""
    return runtime_url()


def opened(url: str, journal: str, passphrase: str | None = PASSPHRASE, **options: Any) -> Opening[Vault]:
    """Open a journal in clear."""
    return Vault.connect(
        url, journal=journal, encryption="server", passphrase=passphrase, profile=KdfProfile.CHEAPEST, **options
    )


async def sql(statement: str) -> list[str]:
    """Run a statement as the superuser."""
    return await asyncio.to_thread(cluster().sql, statement, database_name())


async def save_key(vault: Vault, name: str = "Alpha Vantage") -> None:
    """Save a provider with an API key."""
    async with vault.unit_of_work() as uow:
        await uow.market_provider_settings.save(make_provider(name, api_key=MaskedSecret(API_KEY)))
        await uow.commit()


async def revealed(vault: Vault, name: str = "Alpha Vantage") -> str:
    """Return the API key of a provider."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.market_provider_settings.reveal_api_key(name)


async def test_a_passphrase_keeps_api_keys(url: str) -> None:
    """They are revealed when the journal is opened again, with the passphrase in another spelling of the same text."""
    journal = new_journal()
    async with opened(url, journal, "caf\u00e9 " + PASSPHRASE) as vault:
        await save_key(vault)
    async with opened(url, journal, "cafe\u0301 " + PASSPHRASE, create=False) as vault:
        assert await revealed(vault) == API_KEY
    assert API_KEY not in "".join(await sql("SELECT encrypted_api_key FROM market_provider_settings"))


async def test_another_passphrase_opens_nothing(url: str) -> None:
    """It is refused when the journal is opened, and does not become the journal's."""
    journal = new_journal()
    async with opened(url, journal) as vault:
        await save_key(vault)
    for wrong in ("wrong", PASSPHRASE + " "):
        with pytest.raises(WrongPassphraseError, match="does not open this journal"):
            await opened(url, journal, wrong)
    async with opened(url, journal) as vault:
        assert await revealed(vault) == API_KEY


async def test_without_a_passphrase_there_are_no_api_keys(url: str) -> None:
    """Everything else can be read and written; a passphrase that is given later is the first one."""
    journal = new_journal()
    async with opened(url, journal, None) as vault:
        with pytest.raises(ConfigurationError):
            await save_key(vault)
        async with vault.unit_of_work() as uow:
            await uow.settings.set("theme", "dark")
            await uow.commit()
    async with opened(url, journal) as vault:
        await save_key(vault)
    async with opened(url, journal, None) as vault:
        with pytest.raises(ConfigurationError):
            await revealed(vault)
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("theme") == "dark"
    with pytest.raises(WrongPassphraseError):
        await opened(url, journal, "wrong")


@pytest.mark.parametrize("exists", [False, True])
async def test_two_first_passphrases_at_once(url: str, exists: bool) -> None:
    """One of them becomes the journal's, and the other does not open it; nothing is lost."""
    journal = new_journal()
    if exists:
        await (await opened(url, journal, None)).aclose()
    openings = [opened(url, journal, passphrase) for passphrase in ("one of them", "the other one")]
    results = await asyncio.gather(*openings, return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["Vault", "WrongPassphraseError"]
    for each in results:
        if isinstance(each, Vault):
            await save_key(each)
            assert await revealed(each) == API_KEY
            await each.aclose()


async def test_a_wrapped_key_belongs_to_its_journal(url: str) -> None:
    """The server cannot give a journal the key of another one, though both have the same passphrase."""
    first, second = new_journal(), new_journal()
    for journal in (first, second):
        await (await opened(url, journal)).aclose()
    numbers = [(await sql(f"SELECT id FROM journals WHERE name = '{name}'"))[0] for name in (first, second)]
    await sql(
        f"UPDATE journals SET salt = (SELECT salt FROM journals WHERE id = {numbers[0]}) WHERE id = {numbers[1]}; "
        f"UPDATE journal_keys SET wrapped = (SELECT wrapped FROM journal_keys WHERE journal_id = {numbers[0]}) "
        f"WHERE journal_id = {numbers[1]}"
    )
    with pytest.raises(WrongPassphraseError):
        await opened(url, second)


async def test_nothing_of_a_passphrase_is_shown(url: str) -> None:
    """Neither by an error with the local variables of its frames, nor by a repr."""
    journal = new_journal()
    async with opened(url, journal) as vault:
        assert PASSPHRASE not in repr(vault) + repr(vault._store) + repr(vars(vault._store))
    with pytest.raises(WrongPassphraseError) as caught:
        await opened(url, journal, "a secret that is wrong")
    shown = ""
    traceback = caught.value.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals["__name__"] != __name__:
            shown += repr(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    assert "a secret that is wrong" not in shown


async def test_several_passphrases_open_a_journal(url: str) -> None:
    """Each by itself, until it is revoked; a name is given once, and the last one cannot be revoked."""
    journal = new_journal()
    async with opened(url, journal) as vault:
        await save_key(vault)
        await vault.add_passphrase("the second one", "laptop")
        with pytest.raises(ConfigurationError, match="of this name"):
            await vault.add_passphrase("the third one", "laptop")
        assert await vault.passphrases() == ["first", "laptop"]
    async with opened(url, journal, "the second one") as vault:
        assert await revealed(vault) == API_KEY
        with pytest.raises(ConfigurationError, match="there is no passphrase"):
            await vault.revoke_passphrase("phone")
        await vault.revoke_passphrase("first")
        with pytest.raises(ConfigurationError, match="the only passphrase"):
            await vault.revoke_passphrase("laptop")
        assert await vault.passphrases() == ["laptop"]
    with pytest.raises(WrongPassphraseError):
        await opened(url, journal)
    async with opened(url, journal, "the second one") as vault:
        assert await revealed(vault) == API_KEY


async def test_a_passphrase_is_replaced_by_the_vault_that_it_opened(url: str) -> None:
    """Others stay, and no stored value changes; after its revocation it is no longer replaced."""
    journal = new_journal()
    async with opened(url, journal) as vault:
        await save_key(vault)
        await vault.add_passphrase("the second one", "laptop")
        await vault.rekey("a new one")
        with pytest.raises(NotOnThisBackendError):
            await vault.rekey("a new one", profile=KdfProfile.STRONG)
    with pytest.raises(WrongPassphraseError):
        await opened(url, journal)
    async with opened(url, journal, "a new one") as vault, opened(url, journal, "the second one") as other:
        assert await revealed(vault) == await revealed(other) == API_KEY
        await vault.revoke_passphrase("laptop")
        with pytest.raises(ConfigurationError, match="revoked"):
            await other.rekey("another one")
        assert await vault.passphrases() == ["first"]


@pytest.mark.parametrize(("passphrase", "name"), [("", "laptop"), ("words", ""), ("words", "x" * 201), ("words", "\0")])
async def test_an_invalid_passphrase_or_name_is_refused(url: str, passphrase: str, name: str) -> None:
    """Before anything is stored."""
    async with opened(url, new_journal()) as vault:
        with pytest.raises(ConfigurationError):
            await vault.add_passphrase(passphrase, name)
        assert await vault.passphrases() == ["first"]


async def test_a_journal_without_a_passphrase_has_none_to_change(url: str) -> None:
    """It says to open it with one."""
    async with opened(url, new_journal(), None) as vault:
        for changing in (vault.add_passphrase("words", "laptop"), vault.rekey("words")):
            with pytest.raises(ConfigurationError, match="without a passphrase"):
                await changing
