"""The passphrase, keys, API keys and rows appear in no log, repr, error or pickle."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

import canaries as planted
from factories import make_account, make_trade
from stores import file_store
from zorivest_async import (
    KdfProfile,
    MarketProviderSetting,
    Vault,
    WrongPassphraseError,
    ZorivestError,
    create_vault_engine,
    derive_key,
)
from zorivest_async.security import ApiKeyCipher, Credentials, VaultKey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PASSPHRASE = "canary-passphrase"
API_KEY = "canary-api-key"
ROW = "canary-row"


def canaries(key: bytes) -> list[str]:
    """Return every form in which a secret could show."""
    return [PASSPHRASE, API_KEY, ROW, key.hex(), key.hex().upper(), repr(key)[2:-1]]


def assert_hidden(shown: str, key: bytes) -> None:
    """None of the secrets is in a text."""
    assert not [canary for canary in canaries(key) if canary in shown]


async def test_debug_logs_show_nothing(
    vault_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every logger at DEBUG and the engine echoing, the logs and stderr hold statements and no values."""
    caplog.set_level(logging.DEBUG)
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        key = file_store(vault)._key.key
        vault.engine.echo = "debug"
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(ROW))
            await uow.trades.save(make_trade(ROW, account_id=ROW))
            await uow.market_provider_settings.save(MarketProviderSetting("p", API_KEY))
            assert await uow.market_provider_settings.reveal_api_key("p") == API_KEY
            with pytest.raises(ZorivestError):
                await uow.trades.save(make_trade(ROW, account_id=ROW))
            await uow.commit()
        await vault.rekey("canary-passphrase-two", profile=KdfProfile.CHEAPEST)
        assert_hidden(file_store(vault)._key.key.hex(), key)
    assert "INSERT INTO trades" in caplog.text
    assert_hidden(caplog.text, key)
    out, err = await asyncio.to_thread(capfd.readouterr)
    assert_hidden(out + err, key)


async def test_errors_show_nothing(vault_path: Path) -> None:
    """Messages, reprs and tracebacks of refused rows and passphrases name what is wrong, not what it was."""
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        key = file_store(vault)._key.key
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(ROW))
            for refused in (
                uow.accounts.save(make_account(ROW)),
                uow.trades.save(make_trade(ROW, account_id=ROW + "-missing")),
                uow.accounts.get_one(ROW + "-missing"),
                uow.market_provider_settings.reveal_api_key(ROW),
            ):
                with pytest.raises(ZorivestError) as caught:
                    await refused
                assert_hidden("".join(traceback.format_exception(caught.value)) + repr(caught.value), key)
            with pytest.raises(Exception, match="UNIQUE") as raw:
                await uow.session.execute(
                    text("INSERT INTO accounts SELECT * FROM accounts WHERE name != :x"), {"x": ROW}
                )
            assert_hidden("".join(traceback.format_exception(raw.value)), key)
    with pytest.raises(WrongPassphraseError) as wrong:
        await Vault.open(vault_path, passphrase=PASSPHRASE + "-wrong")
    assert_hidden("".join(traceback.format_exception(wrong.value)), key)


async def test_reprs_show_nothing(vault_path: Path) -> None:
    """Whatever holds a secret does not show it."""
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        key = file_store(vault)._key.key
        engine = create_vault_engine(vault_path, key)
        async with vault.unit_of_work() as uow, engine.connect() as connection:
            await uow.accounts.save(make_account(ROW))
            raw = await connection.get_raw_connection()
            objects: list[Any] = [
                *(vault, vault._store, file_store(vault)._key, vault._store.api_key_cipher),
                *(vault.engine, vault.engine.url, vault.engine.pool, engine, connection, raw, raw.driver_connection),
                *(uow, uow.accounts, uow.session, MarketProviderSetting("p", API_KEY)),
                Vault.open(vault_path, passphrase=PASSPHRASE),
            ]
            for thing in objects:
                assert_hidden(f"{thing!r} {thing}", key)
        await engine.dispose()


async def test_what_holds_a_key_is_not_pickled(vault: Vault) -> None:
    """A pickle would carry it out of the process."""
    key = file_store(vault)._key
    for thing in (
        vault,
        key,
        vault._store.api_key_cipher,
        ApiKeyCipher(bytes(32)),
        VaultKey(bytes(32)),
        Credentials(PASSPHRASE),
    ):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(thing)
    assert API_KEY.encode() not in pickle.dumps(MarketProviderSetting("p", API_KEY))


async def test_the_key_specification_can_be_zeroed() -> None:
    """It is a bytearray of its own each time: 99 bytes with a salt, 67 without."""
    key = derive_key(PASSPHRASE, bytes(16), KdfProfile.CHEAPEST)
    spec = VaultKey(key, bytes(16)).raw_key_spec()
    assert isinstance(spec, bytearray)
    assert len(spec) == 99
    assert spec == b"x'" + key.hex().encode() + b"00" * 16 + b"'"
    assert len(VaultKey(key).raw_key_spec()) == 67


async def test_no_object_in_use_shows_a_secret_or_carries_one_away(vault_path: Path) -> None:
    """The repr of every object of the library and of what it stands on, and the pickle of those that have one."""
    async with Vault.open(vault_path, passphrase=planted.PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        secrets = (*planted.SECRETS, file_store(vault)._key.key)
        kept = [create_vault_engine(vault_path, planted.KEY), Vault.open(vault_path, passphrase=planted.PASSPHRASE)]
        async with vault.unit_of_work() as uow:
            setting = MarketProviderSetting("p", planted.API_KEY)
            await uow.market_provider_settings.save(setting)
            await uow.trades.list_all()
            kept += [uow, uow.session, uow.market_provider_settings, Credentials(planted.PASSPHRASE)]

            def look() -> set[str]:
                seen = set[str]()
                for thing in gc.get_objects():
                    if str(type(thing).__module__).partition(".")[0] in {"zorivest_async", "sqlalchemy", "aiosqlite"}:
                        assert not planted.found_in(_repr_of(thing), *secrets), type(thing)
                        pickled = _pickle_of(thing) if type(thing).__module__.startswith("zorivest_async") else b""
                        assert not planted.found_in(repr(pickled), *secrets), type(thing)
                        seen.add(type(thing).__name__)
                return seen

            seen = await asyncio.to_thread(look)
    names = {
        "Vault",
        "VaultStore",
        "VaultKey",
        "ApiKeyCipher",
        "Credentials",
        "Opening",
        "AsyncEngine",
        "CipherAdapter",
    }
    assert names <= seen
    assert kept


def _repr_of(thing: object) -> str:
    try:
        return repr(thing)
    except Exception:  # noqa: BLE001 - things half made, which have none
        return ""


def _pickle_of(thing: object) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception:  # noqa: BLE001 - what is not pickled carries nothing
        return b""
