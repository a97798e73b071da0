"""The third revision, on vaults that hold what it has to cope with: orphans, API keys of every kind, names in use."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import pytest_asyncio
from sqlalchemy import text

from comparing import parts_of
from factories import make_account, make_image_entity, make_png, make_provider, make_trade
from first_release import API_KEY, PROVIDER, TRADE, make_first_release_vault, unbound
from kept_vaults import API_KEYS, COMPOSED, assert_as_written, copy_of
from later_release import query
from plaintext_journal import make_plaintext
from workers.ledger import KEY
from zorivest_async import ImageOwnerType, KdfProfile, SearchKind, SqlAlchemyUnitOfWork, Vault, VaultDamagedError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.ddl import SchemaObject
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import Credentials, VaultKey
from zorivest_async.transfer.journal import export_journal, import_journal
from zorivest_async.vault.file_format import derive_file_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.asyncio

IMAGE = (
    "INSERT INTO images (owner_type, owner_id, caption, mime_type, created_at, data) "
    "VALUES ('{}', '{}', '{}', 'image/png', '2024-03-08', x'00')"
)
PROVIDER_ROW = (
    "INSERT INTO market_provider_settings (provider_name, encrypted_api_key, created_at) VALUES (?, ?, '2024-03-08')"
)
STORED_KEYS = """
    SELECT provider_name, encrypted_api_key FROM market_provider_settings
    WHERE encrypted_api_key IS NOT NULL ORDER BY provider_name
"""


class OldVault(NamedTuple):
    """A closed vault of an earlier version of the schema."""

    path: Path
    key: VaultKey
    trade: str
    api_keys: dict[str, str]

    def change(self, *statements: str) -> None:
        """Change it past the library."""
        with closing(open_cipher(vault_uri(self.path), self.key, ConnectionSettings())) as raw:
            raw.execute("PRAGMA foreign_keys = OFF")
            for statement in statements:
                raw.execute(statement)

    def store_api_keys(self, stored: Mapping[str, object]) -> None:
        """Store providers with what their column is to hold."""
        with closing(open_cipher(vault_uri(self.path), self.key, ConnectionSettings())) as raw:
            raw.executemany(PROVIDER_ROW, [*stored.items()])

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of a query."""
        with closing(open_cipher(vault_uri(self.path), self.key, ConnectionSettings(read_only=True))) as raw:
            return [*raw.execute(statement)]

    def open(self) -> Any:
        """Open it, which upgrades it."""
        return Vault.open(self.path, key=self.key.key, create=False)


@pytest_asyncio.fixture(params=[1, 2])
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> OldVault:
    """One of each earlier version."""
    if request.param == 1:
        path = tmp_path / "journal.vault"
        await asyncio.to_thread(make_first_release_vault, path, KEY)
        return OldVault(path, VaultKey(KEY), "0001", {PROVIDER: API_KEY})
    path = await asyncio.to_thread(copy_of, "revision-2-default.vault", tmp_path)
    key = await asyncio.to_thread(derive_file_key, path, Credentials(COMPOSED))
    return OldVault(path, key, "0000e1a7.65f1", API_KEYS)


async def assert_revealed(uow: SqlAlchemyUnitOfWork, api_keys: dict[str, str]) -> None:
    """Each provider's API key is what it was."""
    for provider, api_key in api_keys.items():
        assert await uow.market_provider_settings.reveal_api_key(provider) == api_key


async def stored_key(uow: SqlAlchemyUnitOfWork, provider: str) -> object:
    """Return what the table has for a provider's API key."""
    query = text("SELECT encrypted_api_key FROM market_provider_settings WHERE provider_name = :name")
    return (await (await uow.connection()).execute(query, {"name": provider})).scalar_one()


SOUND_IMAGES = (
    "SELECT id, owner_type, owner_id, thumbnail, mime_type, caption, width, height, file_size, created_at, data "
    "FROM images WHERE caption NOT LIKE 'lost%' ORDER BY id"
)


async def test_orphaned_images_are_set_aside(old: OldVault) -> None:
    """No row that is stored under the old key has them, they can still be read and found, and verifying counts them."""
    orphans = [("trade", "gone"), ("trade", "gone"), ("trade", old.trade + " "), ("report", "99"), ("plan", "05")]
    await asyncio.to_thread(old.change, *(IMAGE.format(*orphan, f"lost{orphan[1]}") for orphan in orphans))
    before = await asyncio.to_thread(old.rows, SOUND_IMAGES)
    async with old.open() as vault:
        problems = (await vault.verify()).problems
        assert len(problems) == 1
        assert problems[0].startswith("images without an existing owner: 5, whose owner_id begins")
        async with vault.unit_of_work() as uow:
            await uow.trades.save(make_trade("gone"))
            assert await uow.images.get_for_trade("gone") == []
            aside = await uow.images.get_for_owner(ImageOwnerType.TRADE, "orphan:gone")
            assert [(image.owner_id, image.caption) for image in aside] == [("orphan:gone", "lostgone")] * 2
            assert (await uow.images.get_for_owner(ImageOwnerType.PLAN, "orphan:05"))[0].data == b"\0"
            (hit,) = await uow.search.find("lost99", kinds=[SearchKind.IMAGE])
            assert (hit.owner_type, hit.owner_id) == (ImageOwnerType.REPORT, "orphan:99")
            await uow.trades.delete("gone")
            await uow.commit()
        assert (await vault.verify()).problems == problems
        async with vault.unit_of_work() as uow:
            given_back = text("UPDATE images SET owner_type = 'trade', owner_id = :id WHERE owner_id LIKE 'orphan%'")
            await (await uow.connection()).execute(given_back, {"id": old.trade})
            await uow.commit()
        assert (await vault.verify()).problems == ()
    after = await asyncio.to_thread(old.rows, SOUND_IMAGES)
    assert after == before


async def test_a_trade_that_is_named_like_an_orphan_gets_no_orphans(old: OldVault) -> None:
    """They are set aside under a longer name."""
    await asyncio.to_thread(
        old.change,
        TRADE.replace("?", "'orphan:gone'"),
        IMAGE.format("trade", "orphan:gone", "mine"),
        IMAGE.format("trade", "gone", "lost"),
    )
    async with old.open() as vault, vault.unit_of_work() as uow:
        assert [image.caption for image in await uow.images.get_for_trade("orphan:gone")] == ["mine"]
        assert [image.caption for image in await uow.images.get_for_trade("orphan:orphan:gone")] == ["lost"]


async def test_orphans_are_exported_and_imported(vault: Vault, tmp_path: Path) -> None:
    """Those that were set aside, and those that were not, come back set aside."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.images.save("0001", make_image_entity(caption="owned"))
        for owner_id in ("orphan:7", "8"):
            await (await uow.connection()).exec_driver_sql(IMAGE.format("plan", owner_id, f"of {owner_id}"))
        await uow.commit()
    assert (await export_journal(vault, tmp_path / "journal"))["images"] == 3
    async with Vault.in_memory() as other:
        await import_journal(other, tmp_path / "journal")
        async with other.unit_of_work() as uow:
            assert [image.caption for image in await uow.images.get_for_trade("0001")] == ["owned"]
            for owner_id, caption in (("orphan:7", "of orphan:7"), ("orphan:8", "of 8")):
                (image,) = await uow.images.get_for_owner(ImageOwnerType.PLAN, owner_id)
                assert image.caption == caption
        assert len((await other.verify()).problems) == 1


async def test_an_orphan_is_adopted(tmp_path: Path) -> None:
    """A plaintext journal may have images that were set aside; another without an owner is refused as ever."""
    image = {"owner_type": "trade", "owner_id": "orphan:0001", "data": make_png()}
    source = await asyncio.to_thread(make_plaintext, tmp_path / "journal.db", {"images": [image]})
    path = tmp_path / "journal.vault"
    report = await Vault.adopt(source, path, key=KEY, profile=KdfProfile.CHEAPEST)
    assert (report.tables["images"].stored, report.tables["images"].refused) == (1, 0)
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
        (found,) = await uow.images.get_for_owner(ImageOwnerType.TRADE, "orphan:0001")
        assert found.data == make_png()


async def test_api_keys_are_bound_to_their_provider(old: OldVault) -> None:
    """Each is revealed under the key of the file, and under another; in the old form there is none."""
    before = await asyncio.to_thread(old.rows, STORED_KEYS)
    async with old.open() as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            await assert_revealed(uow, old.api_keys)
            after = (await (await uow.connection()).execute(text(STORED_KEYS))).all()
        await vault.rekey("another", profile=KdfProfile.CHEAPEST)
        async with vault.unit_of_work(read_only=True) as uow:
            await assert_revealed(uow, old.api_keys)
    assert [provider for provider, _ in after] == [provider for provider, _ in before]
    assert all(stored.startswith("ENC:gAAAA") for _, stored in before)
    assert all(stored.startswith("ENC:2:") for _, stored in after)


async def test_an_api_key_that_does_not_decrypt_shuts_nobody_out(old: OldVault) -> None:
    """It is left as it is and refused, as before; the others are revealed, and it can be saved again."""
    genuine = unbound(old.key.key, "not revealed")
    damaged = {
        "cut short": genuine[:-4],
        "another vault's": unbound(bytes(32), "not revealed"),
        "no token": "ENC:token",
        "nothing": "ENC:",
        "bytes": b"ENC:\xff\xfe",
        "like the new form": "ENC:2:token",
    }
    await asyncio.to_thread(old.store_api_keys, damaged)
    # A provider whose name is no text: no release stores it or reads it, and it is in nobody's way.
    await asyncio.to_thread(old.change, PROVIDER_ROW.replace("?, ?", f"CAST(x'ff' AS TEXT), '{genuine}'"))
    async with old.open() as vault, vault.unit_of_work() as uow:
        await assert_revealed(uow, old.api_keys)
        for provider, stored in damaged.items():
            with pytest.raises(VaultDamagedError, match="save it again"):
                await uow.market_provider_settings.reveal_api_key(provider)
            assert await stored_key(uow, provider) == stored
            await uow.market_provider_settings.update(make_provider(provider, api_key="new"))
            assert await uow.market_provider_settings.reveal_api_key(provider) == "new"


async def test_an_upgraded_vault_has_the_schema_of_a_new_one(old: OldVault, vault_path: Path) -> None:
    """Part by part, and nothing of an earlier version besides."""
    async with old.open():
        pass
    fresh = vault_path.with_name("fresh.vault")
    async with Vault.open(fresh, key=KEY, profile=KdfProfile.CHEAPEST):
        pass
    schema = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    upgraded, made = (
        {name: parts_of(SchemaObject.of(str(sql))) for name, sql in rows}
        for rows in (
            await asyncio.to_thread(old.rows, schema),
            await asyncio.to_thread(query, fresh, VaultKey(KEY), schema),
        )
    )
    assert upgraded == made
    assert await asyncio.to_thread(old.rows, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


USERS_OWN = (
    "CREATE TABLE search (q TEXT)",
    "INSERT INTO search VALUES ('mine')",
    "CREATE TABLE search_rows (id INTEGER PRIMARY KEY, q TEXT)",
    "INSERT INTO search_rows (q) VALUES ('mine, too')",
    "CREATE TABLE search_data (q TEXT)",
    "CREATE INDEX search_idx ON search (q)",
    "CREATE TRIGGER search_accounts_insert AFTER INSERT ON accounts BEGIN INSERT INTO search VALUES (NEW.name); END",
)


async def assert_users_tables_work(vault: Vault) -> None:
    """They have what was in them, their trigger fires, and the library's index is another."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U9", name="ninth", notes="zulu"))
        connection = await uow.connection()
        assert (await connection.execute(text("SELECT q FROM search"))).scalars().all() == ["mine", "ninth"]
        assert (await connection.execute(text("SELECT q FROM search_rows"))).scalars().all() == ["mine, too"]
        assert [hit.id for hit in await uow.search.find("zulu")] == ["U9"]
        await uow.search.rebuild()
        assert [hit.id for hit in await uow.search.find("zulu")] == ["U9"]
    assert (await vault.verify()).problems == ()


async def test_tables_of_the_users_have_the_names_that_the_index_had(vault_path: Path) -> None:
    """In a vault of version 1 they may be there: they are kept, and the index stands beside them."""
    await asyncio.to_thread(make_first_release_vault, vault_path, KEY)
    await asyncio.to_thread(OldVault(vault_path, VaultKey(KEY), "0001", {}).change, *USERS_OWN)
    async with Vault.open(vault_path, key=KEY, create=False) as vault:
        await assert_users_tables_work(vault)
        async with vault.unit_of_work(read_only=True) as uow:
            assert [hit.id for hit in await uow.search.find("bravo")] == [7]


async def test_a_table_of_the_users_may_be_called_search(vault: Vault) -> None:
    """In any vault: the library's names begin with ``zorivest_``."""
    async with vault.engine.begin() as connection:
        for statement in USERS_OWN:
            await connection.execute(text(statement))
    await assert_users_tables_work(vault)


async def test_a_trigger_of_the_users_that_is_called_like_the_librarys_were_stays(old: OldVault) -> None:
    """Only those that kept the index are dropped with it."""
    mine = "CREATE TRIGGER search_mine AFTER INSERT ON accounts BEGIN SELECT 1; END"
    await asyncio.to_thread(old.change, mine)
    async with old.open() as vault:
        assert (await vault.verify()).problems == ()
    names = "SELECT name FROM sqlite_master WHERE name LIKE 'search%'"
    assert await asyncio.to_thread(old.rows, names) == [("search_mine",)]


@pytest.mark.parametrize(
    "damage", ["DELETE FROM search_data WHERE id > 10", "DELETE FROM search_data", "DELETE FROM search"]
)
async def test_a_broken_search_index_is_made_again(tmp_path: Path, damage: str) -> None:
    """The upgrade fills one from the tables; that of version 2 is dropped, whatever state it is in."""
    path = await asyncio.to_thread(copy_of, "revision-2-default.vault", tmp_path)
    key = await asyncio.to_thread(derive_file_key, path, Credentials(COMPOSED))
    await asyncio.to_thread(OldVault(path, key, "", {}).change, damage)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await assert_as_written(vault)
