"""Tracebacks that record local variables show no passphrase, key or API key, and no row on its way to the driver."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

import later_release
from canaries import API_KEY, KEY, NEW_PASSPHRASE, PASSPHRASE, ROW, errors_behind, found_in, locals_of, shown_by
from factories import make_account, make_png, make_trade
from stores import file_store
from workers.launch import started
from zorivest_async import (
    ConfigurationError,
    CorruptImageError,
    DuplicateError,
    ForeignKeyError,
    ImageAttachment,
    ImageOwnerType,
    KdfProfile,
    MarketProviderSetting,
    NotFoundError,
    RepositoryError,
    SqlAlchemyUnitOfWork,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultFullError,
    VaultInUseError,
    VaultUpgradeError,
    ZorivestError,
    create_encrypted_connection,
    create_vault_engine,
    derive_key,
)
from zorivest_async.database.models import TradeModel
from zorivest_async.database.repositories import SqlAlchemyMarketProviderSettingRepository
from zorivest_async.security import ApiKeyCipher, VaultKey
from zorivest_async.security.secret import MaskedSecret
from zorivest_async.vault import adopt
from zorivest_async.vault.file_format import create_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


def assert_hidden(error: BaseException, *arguments: object) -> None:
    """Nothing shows a secret; a row shows in nothing but what the repository's method was called with."""
    assert not found_in(shown_by(error))
    messages = [f"{current} {current!r}" for current in errors_behind(error)]
    assert not found_in("".join(messages), ROW)
    for place, values in locals_of(error).items():
        rest = values
        for argument in arguments if "zorivest_async/database/repositories" in place else ():
            rest = rest.replace(repr(argument), "")
        assert not found_in(rest, ROW), (place, rest)


async def make_vault(path: Path, **credentials: Any) -> None:
    """Make a vault and close it."""
    async with Vault.open(path, profile=CHEAPEST, **credentials):
        pass


OPENINGS: dict[str, Callable[[Path], Awaitable[object]]] = {
    "wrong passphrase": lambda path: Vault.open(path, passphrase=PASSPHRASE),
    "wrong key": lambda path: Vault.open(path, key=KEY),
    "passphrase and key": lambda path: Vault.open(path, passphrase=PASSPHRASE, key=KEY),
    "short key": lambda path: Vault.open(path, key=KEY[:31]),
    "key in hex": lambda path: Vault.open(path, key=KEY.hex()),  # type: ignore[arg-type]
    "passphrase in bytes": lambda path: Vault.open(path, passphrase=PASSPHRASE.encode()),  # type: ignore[arg-type]
    "passphrase that is no text": lambda path: Vault.open(path, passphrase=PASSPHRASE + "\ud800"),
    "no readers": lambda path: Vault.open(path, passphrase=PASSPHRASE, readers=0),
    "bad timeout": lambda path: Vault.open(path, key=KEY, busy_timeout_s=-1),
    "no profile": lambda path: Vault.open(path / "x", passphrase=PASSPHRASE, profile=None),  # type: ignore[arg-type]
    "a folder": lambda path: Vault.open(path.parent, passphrase=PASSPHRASE),
    "no folder": lambda path: Vault.open(path.parent / "missing" / "vault", passphrase=PASSPHRASE, profile=CHEAPEST),
    "no file": lambda path: Vault.open(path.parent / "missing", passphrase=PASSPHRASE, create=False),
    "another file": lambda path: Vault.open(path.parent / "text", passphrase=PASSPHRASE),
    "connection, wrong": lambda path: create_encrypted_connection(path, PASSPHRASE),
    "connection, no folder": lambda path: create_encrypted_connection(path / "x", PASSPHRASE, profile=CHEAPEST),
    "restore, wrong": lambda path: Vault.restore(path, path.parent / "other", passphrase=PASSPHRASE),
    "restore, both": lambda path: Vault.restore(path, path.parent / "other", passphrase=PASSPHRASE, key=KEY),
    "restore, wrong key": lambda path: Vault.restore(path, path.parent / "other", key=KEY),
    "restore over itself": lambda path: Vault.restore(path, path, key=KEY),
    "adopt, not plaintext": lambda path: Vault.adopt(path, path.parent / "other", passphrase=PASSPHRASE),
    "adopt, both": lambda path: Vault.adopt(path, path.parent / "other", passphrase=PASSPHRASE, key=KEY),
}


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS.keys())
async def test_a_failed_opening_shows_neither_passphrase_nor_key(
    vault_path: Path, opening: Callable[[Path], Awaitable[object]]
) -> None:
    """Whatever is wrong: the passphrase, the key, the file, the folder or another argument."""
    await make_vault(vault_path, passphrase="another")
    await asyncio.to_thread((vault_path.parent / "text").write_bytes, b"\xff" * 8192)
    with pytest.raises((ZorivestError, TypeError, AttributeError)) as caught:
        await opening(vault_path)
    assert_hidden(caught.value)
    assert locals_of(caught.value)


DERIVATIONS: dict[str, Callable[[], object]] = {
    "salt too short": lambda: derive_key(PASSPHRASE, b"short", CHEAPEST),
    "no salt": lambda: derive_key(PASSPHRASE, None, CHEAPEST),  # type: ignore[arg-type]
    "no profile": lambda: derive_key(PASSPHRASE, bytes(16), None),  # type: ignore[arg-type]
    "no text": lambda: derive_key(PASSPHRASE + "\udc00", bytes(16), CHEAPEST),
    "bytes": lambda: derive_key(PASSPHRASE.encode(), bytes(16), CHEAPEST),  # type: ignore[arg-type]
    "too few arguments": lambda: derive_key(PASSPHRASE),  # type: ignore[call-arg]
    "key too short": lambda: VaultKey(KEY[1:]),
    "salt of a key": lambda: VaultKey(KEY, b"short"),
    "engine, key too short": lambda: create_vault_engine("x", KEY[1:]),
    "engine, timeout": lambda: create_vault_engine("x", KEY, busy_timeout_s=-1),
    "engine, pool": lambda: create_vault_engine("x", KEY, pool_size="x"),  # type: ignore[arg-type]
    "cipher, text": lambda: ApiKeyCipher(KEY.hex()),  # type: ignore[arg-type]
    "cipher, API key": lambda: ApiKeyCipher(KEY).encrypt(API_KEY + "\ud800", provider_name="A"),
    "cipher, token": lambda: ApiKeyCipher(KEY).decrypt(
        ApiKeyCipher(bytes(32)).encrypt(API_KEY, provider_name="A"), provider_name="A"
    ),
    "setting, another field": lambda: MarketProviderSetting("p", API_KEY, rate_limit=-1),
    "setting, no text": lambda: MarketProviderSetting("p", API_KEY + "\ud800"),
    "setting, too many": lambda: MarketProviderSetting("p", API_KEY, wrong=1),  # type: ignore[call-arg]
}


@pytest.mark.parametrize("derivation", DERIVATIONS.values(), ids=DERIVATIONS.keys())
async def test_a_refused_secret_is_not_shown(derivation: Callable[[], object]) -> None:
    """The functions that take one forget it before the error leaves them."""
    with pytest.raises((ZorivestError, TypeError, AttributeError, UnicodeError)) as caught:
        await asyncio.to_thread(derivation)
    assert not found_in(shown_by(caught.value) if not isinstance(caught.value, UnicodeError) else str(caught.value))
    assert not found_in(str(locals_of(caught.value)))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the memory of a process")
async def test_too_little_memory_for_argon2_is_a_typed_error() -> None:
    """Its message says so, and argon2-cffi's frames, which held the passphrase, are empty."""

    def derive_in_a_process_of_its_own() -> str:
        with started("little_memory") as process:
            output, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        return output

    said, secrets = (await asyncio.to_thread(derive_in_a_process_of_its_own)).splitlines()
    assert said.startswith("ConfigurationError: ")
    assert "emory" in said
    assert secrets == "0"


async def test_a_masked_passphrase_is_the_passphrase_behind_the_mask(vault_path: Path) -> None:
    """It is a string of eight asterisks to everybody else, which would be a poor passphrase."""
    await make_vault(vault_path, passphrase=MaskedSecret(PASSPHRASE))
    await make_vault(vault_path, passphrase=PASSPHRASE, create=False)
    with pytest.raises(ConfigurationError, match="non-empty"):
        await Vault.open(vault_path, passphrase=MaskedSecret())


async def test_a_refused_change_of_the_passphrase_shows_neither(vault_path: Path, tmp_path: Path) -> None:
    """In use, empty, no text, closed."""
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=CHEAPEST) as vault:
        key = file_store(vault)._key.key
        async with Vault.open(vault_path, passphrase=PASSPHRASE):
            with pytest.raises(VaultInUseError) as in_use:
                await vault.rekey(NEW_PASSPHRASE, profile=CHEAPEST)
        with pytest.raises(ConfigurationError) as no_text:
            await vault.rekey(NEW_PASSPHRASE + "\ud800")
        with pytest.raises(VaultError) as no_backup:
            await vault.backup(tmp_path / "missing" / "copy")
    with pytest.raises(ZorivestError) as closed:
        await vault.rekey(NEW_PASSPHRASE)
    for caught in (in_use, no_text, no_backup, closed):
        assert_hidden(caught.value)
        assert not found_in(shown_by(caught.value), key)


async def test_a_refused_row_is_in_no_frame_below_the_repository(vault: Vault) -> None:
    """SQLAlchemy's frames and the driver's are empty; those of repositories show what they were called with."""
    account, absent = make_account("a", notes=ROW, name=ROW), make_account("absent", notes=ROW)
    trade = make_trade("t", instrument=ROW, account_id="absent")
    provider = MarketProviderSetting("p", API_KEY, last_test_status=ROW)
    image = ImageAttachment(make_png(), ImageOwnerType.TRADE, "absent", mime_type="image/png", caption=ROW)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(account)
        await uow.market_provider_settings.save(provider)
        refused: list[tuple[type[Exception], Awaitable[object]]] = [
            (DuplicateError, uow.accounts.save(account)),
            (NotFoundError, uow.accounts.update(absent)),
            (ForeignKeyError, uow.trades.save(trade)),
            (ForeignKeyError, uow.trades.save_many([trade])),
            (DuplicateError, uow.market_provider_settings.save(provider)),
            (ForeignKeyError, uow.images.save("absent", image)),
            (NotFoundError, uow.market_provider_settings.reveal_api_key("absent")),
        ]
        for kind, refusal in refused:
            with pytest.raises(kind) as caught:
                await refusal
            assert_hidden(caught.value, account, absent, trade, provider, image, [trade])


async def test_a_row_that_the_session_could_not_flush_is_in_no_frame(vault: Vault) -> None:
    """Committing sends it, a repository's next statement does, and a savepoint's end does."""
    sends: list[Callable[[SqlAlchemyUnitOfWork], Awaitable[object]]] = [
        lambda uow: uow.commit(),
        lambda uow: uow.accounts.get("a"),
        lambda uow: uow.connection(),
    ]
    for send in sends:
        async with vault.unit_of_work() as uow:
            uow.session.add(TradeModel(exec_id="t", instrument=ROW, account_id=ROW))
            with pytest.raises(ZorivestError) as caught:
                await send(uow)
            assert "NOT NULL" in str(caught.value)
            assert any("sqlalchemy" in place for place in locals_of(caught.value))
            assert_hidden(caught.value)


async def test_frames_of_the_user_keep_their_local_variables(vault: Vault) -> None:
    """Only the library's, and those of what it uses, are emptied."""

    async def fail(uow: SqlAlchemyUnitOfWork) -> None:
        mine = "mine"
        await uow.session.execute(text(f"SELECT {mine} FROM nothing"))  # noqa: S608

    async with vault.unit_of_work() as uow:
        with pytest.raises(RepositoryError) as caught:
            async with uow.savepoint():
                await fail(uow)
    frames = [frame for error in errors_behind(caught.value) for frame, _ in walk_tb(error.__traceback__)]
    assert {frame.f_locals["mine"] for frame in frames if frame.f_code.co_name == "fail"} == {"mine"}


async def test_an_image_that_cannot_be_decoded_is_in_the_frame_of_its_caller_alone(vault: Vault) -> None:
    """Frames of the threads that decode are empty, as are those of a thumbnail made from what is stored."""
    broken = make_png()[:60] + ROW.encode()
    async with vault.unit_of_work() as uow:
        with pytest.raises(CorruptImageError) as attached:
            await uow.images.attach(ImageOwnerType.TRADE, "t", broken)
        assert_hidden(attached.value, broken)
        await uow.accounts.save(make_account("a"))
        await uow.trades.save(make_trade("t", account_id="a"))
        image = ImageAttachment(broken, ImageOwnerType.TRADE, "t", mime_type="image/png", thumbnail=ROW.encode())
        number = await uow.images.save("t", image)
        with pytest.raises(CorruptImageError) as read:
            await uow.images.get_thumbnail(number)
        assert_hidden(read.value)


async def test_a_stored_api_key_under_another_key_is_not_shown(vault: Vault) -> None:
    """Neither it nor the key that does not decrypt it."""
    async with vault.unit_of_work() as uow:
        await uow.market_provider_settings.save(MarketProviderSetting("p", API_KEY))
        await uow.commit()
        other = SqlAlchemyMarketProviderSettingRepository(await uow.connection(), ApiKeyCipher(KEY))
        with pytest.raises(VaultDamagedError) as caught:
            await other.reveal_api_key("p")
    assert_hidden(caught.value)


async def test_rows_that_could_not_be_adopted_are_in_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a row; its frames keep their lines and lose what they held."""
    source = tmp_path / "plain.db"

    def write_source() -> None:
        with closing(sqlite3.connect(source)) as plaintext, plaintext:
            plaintext.execute("CREATE TABLE accounts (account_id, name, account_type, notes, created_at)")
            rows = [(f"{number}", ROW, "broker", ROW * 500, "2026-01-01 00:00:00.000000") for number in range(300)]
            plaintext.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?, ?)", rows)

    def create_small(raw: Any) -> None:
        create_schema(raw)
        raw.execute("PRAGMA max_page_count = 100")

    await asyncio.to_thread(write_source)
    monkeypatch.setattr(adopt, "create_schema", create_small)
    with pytest.raises(VaultFullError) as caught:
        await Vault.adopt(source, tmp_path / "vault", passphrase=PASSPHRASE, profile=CHEAPEST)
    assert any("_store_row" in place for place in locals_of(caught.value))
    assert_hidden(caught.value)


async def test_rows_of_a_vault_that_could_not_be_upgraded_are_in_no_frame(
    vault_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision fails while it holds one; Alembic's frames are empty, and so is the revision's."""
    vault = await Vault.open(vault_path, passphrase=PASSPHRASE, profile=CHEAPEST)
    async with vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("a", notes=ROW))
        await uow.commit()
    failing = """
    rows = op.get_bind().exec_driver_sql("SELECT notes FROM accounts").fetchall()
    op.get_bind().exec_driver_sql("INSERT INTO accounts (account_id, name) VALUES ('b', ?)", (rows[0][0],))
    """
    location = await asyncio.to_thread(later_release.make_location, tmp_path, failing)
    later_release.become(location, monkeypatch)
    with pytest.raises(VaultUpgradeError) as caught:
        await Vault.open(vault_path, passphrase=PASSPHRASE)
    assert any("alembic" in place for place in await asyncio.to_thread(locals_of, caught.value))
    await asyncio.to_thread(assert_hidden, caught.value)
