"""Sealed journals: what a server sees of them, and what it can do to them without being noticed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest
import pytest_asyncio
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from factories import (
    make_account,
    make_item,
    make_noise_png,
    make_plan,
    make_provider,
    make_report,
    make_trade,
    make_watchlist,
)
from implementations import PASSPHRASE, open_sealed
from journal_server import superuser_url
from zorivest_async import ImageOwnerType, Vault, VaultDamagedError
from zorivest_async.database.postgresql.confidentiality import CONFIDENTIALITY, Confidentiality
from zorivest_async.security.secret import MaskedSecret

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio

ROWS: Final = 3
TAMPERINGS: Final = 1_000


@pytest.fixture
def superuser() -> str:
    """The URL for the role that can do everything, as a server's owner can."""
    return superuser_url()


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A picture of several chunks."""
    return make_noise_png(900, 600)


async def fill(vault: Vault, picture: bytes) -> None:
    """Store rows with every sealed column in a journal."""
    async with vault.unit_of_work() as uow:
        for number in range(1, ROWS + 1):
            told = f"secret {number}"
            account, trade = f"U{number}", f"000{number}"
            await uow.accounts.save(make_account(account, name=told, institution=told, notes=told))
            await uow.trades.save(make_trade(trade, account_id=account, notes=told, order_id=told))
            await uow.trade_reports.save(
                make_report(trade, emotional_state=told, lessons_learned=told, tags=(told, "gap"))
            )
            await uow.trade_plans.save(
                make_plan(
                    strategy_name=told,
                    strategy_description=told,
                    entry_conditions=told,
                    exit_conditions=told,
                    account_id=account,
                )
            )
            listed = await uow.watchlists.save(make_watchlist(told, description=told))
            await uow.watchlists.add_item(listed, make_item(notes=told))
            await uow.settings.set(f"key {number}", told)
            await uow.market_provider_settings.save(make_provider(f"P{number}", api_key=MaskedSecret(told)))
            await uow.images.attach(ImageOwnerType.TRADE, trade, picture, caption=told)
        await uow.commit()


@pytest_asyncio.fixture
async def vault(tmp_path: Path, picture: bytes) -> AsyncGenerator[Vault]:
    """A sealed journal with rows in every table."""
    async with open_sealed(tmp_path) as opened:
        await fill(opened, picture)
        yield opened


def journal_of(vault: Vault) -> int:
    """Return the number of a vault's journal."""
    number: int = vault._store._settings.journal  # type: ignore[union-attr]
    return number


async def read_row(uow: SqlAlchemyUnitOfWork, table: str, key: Any) -> None:
    """Read all sealed values of a row."""
    match table:
        case "settings":
            await uow.settings.get(key)
        case "watchlist_items":
            await uow.watchlists.get_items(key)
        case "market_provider_settings":
            await uow.market_provider_settings.reveal_api_key(key)
        case "images":
            await uow.images.get_info(key)
            await uow.images.get_thumbnail(key, 400)
            await uow.images.get_full_data(key)
        case _:
            assert await getattr(uow, table).get(key) is not None


async def is_detected(vault: Vault, table: str, key: Any) -> bool:
    """Return whether reading a row says that it is damaged."""
    try:
        async with vault.unit_of_work(read_only=True) as uow:
            await read_row(uow, table, key)
    except VaultDamagedError:
        return True
    return False


SEALED: Final = {
    table: [name for name, kind in columns.items() if kind not in {Confidentiality.CLEAR, Confidentiality.CHUNKS}]
    for table, columns in CONFIDENTIALITY.items()
    if not table.startswith("zorivest_") and table != "balance_snapshots"
}
KEYS: Final = {
    "accounts": "account_id",
    "trades": "exec_id",
    "settings": "key",
    "market_provider_settings": "provider_name",
}
NAMES: Final = {"accounts": "U{}", "trades": "000{}", "settings": "key {}", "market_provider_settings": "P{}"}


def key_of(table: str, number: int) -> Any:
    """Return the key of a row that :func:`fill` has stored."""
    return NAMES[table].format(number) if table in NAMES else number


class Tamperer:
    """A server's owner.

    Args:
        connection: A connection that nothing stops.
        journal: The number of the journal.
        others: The numbers of other journals, whose values may be put into it.
    """

    def __init__(self, connection: asyncpg.Connection[Any], journal: int, *others: int) -> None:
        self.connection = connection
        self.journal = journal
        self.others = others
        self.random = random.Random(4711)  # noqa: S311 - repeatable

    async def value(self, journal: int, table: str, key: Any, column: str) -> bytes:
        """Return a stored value."""
        found: bytes = await self.connection.fetchval(
            f"SELECT {column} FROM {table} WHERE journal_id = $1 AND {KEYS.get(table, 'id')} = $2", journal, key
        )
        return found

    async def put(self, table: str, key: Any, column: str, value: bytes) -> None:
        """Replace a stored value."""
        await self.connection.execute(
            f"UPDATE {table} SET {column} = $3 WHERE journal_id = $1 AND {KEYS.get(table, 'id')} = $2",
            self.journal, key, value,
        )  # fmt: skip

    def place(self) -> tuple[str, Any, str]:
        """Return the table, the key and the column of a random sealed value."""
        table = self.random.choice([table for table, columns in SEALED.items() if columns])
        number = self.random.randint(1, ROWS)
        return table, key_of(table, number), self.random.choice(SEALED[table])

    async def changed(self, value: bytes, table: str, key: Any, column: str) -> tuple[str, bytes]:
        """Return a random change of a value, with its name."""
        changes: dict[str, bytes] = {
            "flip": self.flipped(value),
            "cut": value[: self.random.randrange(len(value))],
            "grow": value + self.random.randbytes(self.random.randint(1, 40)),
            "clear": b"\0ENC:2:told by the server",
            "here": await self.value(self.journal, *self.place()),
            "there": await self.value(self.others[0], table, key, column),
        }
        kind = self.random.choice([*changes])
        return kind, changes[kind]

    def flipped(self, value: bytes) -> bytes:
        """Return a value with one bit changed."""
        bit = self.random.randrange(len(value) * 8)
        changed = bytearray(value)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)


async def test_every_tampering_with_a_value_is_detected(
    vault: Vault, tmp_path: Path, superuser: str, picture: bytes
) -> None:
    """Bits, lengths, and values of other rows, columns, tables and journals; at random, and undone afterwards."""
    async with open_sealed(tmp_path) as other:
        await fill(other, picture)
        connection = await asyncpg.connect(superuser, ssl=False)
        try:
            server = Tamperer(connection, journal_of(vault), journal_of(other))
            for _ in range(TAMPERINGS):
                table, key, column = server.place()
                original = await server.value(server.journal, table, key, column)
                kind, changed = await server.changed(original, table, key, column)
                if changed == original:
                    continue
                try:
                    await server.put(table, key, column, changed)
                except asyncpg.CheckViolationError:
                    continue  # the server itself refuses it
                assert await is_detected(vault, table, key), (kind, table, key, column)
                await server.put(table, key, column, original)
            for table in SEALED:
                for number in range(1, ROWS + 1):
                    assert not await is_detected(vault, table, key_of(table, number)), table
        finally:
            await connection.close()


CHUNKS: Final = "SELECT n, data FROM image_chunks WHERE journal_id = $1 AND image_id = 1 ORDER BY n"


@pytest.mark.parametrize("kind", ["flip", "cut", "swap", "last", "first", "middle", "twice", "more", "all", "other"])
async def test_every_tampering_with_an_image_is_detected(vault: Vault, superuser: str, kind: str) -> None:
    """Chunks that are changed, in another order, missing, doubled, or those of another image; also in a stream."""
    journal = journal_of(vault)
    connection = await asyncpg.connect(superuser, ssl=False)
    try:
        chunks = [(row["n"], row["data"]) for row in await connection.fetch(CHUNKS, journal)]
        assert len(chunks) > 2
        data = dict(chunks)
        last = len(data) - 1
        match kind:
            case "flip":
                data[1] = Tamperer(connection, journal).flipped(data[1])
            case "cut":
                data[last] = data[last][:-1]
            case "swap":
                data[0], data[1] = data[1], data[0]
            case "last" | "first" | "middle":
                del data[{"last": last, "first": 0, "middle": 1}[kind]]
            case "twice":
                data[last + 1] = data[last]
            case "more":
                data[last + 1] = data[1]
            case "all":
                data.clear()
            case _:
                other = CHUNKS.replace("= 1 ", "= 2 ")
                data = {row["n"]: row["data"] for row in await connection.fetch(other, journal)}
        await connection.execute("DELETE FROM image_chunks WHERE journal_id = $1 AND image_id = 1", journal)
        await connection.executemany(
            "INSERT INTO image_chunks (journal_id, image_id, n, data) VALUES ($1, 1, $2, $3)",
            [(journal, n, chunk) for n, chunk in data.items()],
        )
    finally:
        await connection.close()
    async with vault.unit_of_work(read_only=True) as uow:
        with pytest.raises(VaultDamagedError):
            await uow.images.get_full_data(1)
        with pytest.raises(VaultDamagedError):
            [part async for part in uow.images.stream(1)]


async def test_verifying_names_what_does_not_authenticate(vault: Vault, superuser: str) -> None:
    """By table and column, with the number of values; a sound journal has no problem."""
    assert (await vault.verify()).problems == ()
    connection = await asyncpg.connect(superuser, ssl=False)
    try:
        server = Tamperer(connection, journal_of(vault))
        moved = await server.value(server.journal, "trades", "0001", "notes")
        for key in ("0002", "0003"):
            await server.put("trades", key, "notes", moved)
        await server.put("settings", "key 1", "value", b"\0told by the server")
        await connection.execute(
            "DELETE FROM image_chunks WHERE journal_id = $1 AND image_id = 2 AND n = 1", server.journal
        )
    finally:
        await connection.close()
    report = await vault.verify()
    assert not report.ok
    assert set(report.problems) == {
        "2 of the values of trades.notes do not authenticate",
        "1 of the values of settings.value do not authenticate",
        "1 of the values of images.data do not authenticate",
    }


async def test_an_older_state_of_a_value_is_not_detected(vault: Vault, superuser: str) -> None:
    """A server can put back what was in the same place before: nothing in a value proves its age."""
    connection = await asyncpg.connect(superuser, ssl=False)
    try:
        server = Tamperer(connection, journal_of(vault))
        older = await server.value(server.journal, "trades", "0001", "notes")
        async with vault.unit_of_work() as uow:
            await uow.trades.update(make_trade("0001", account_id="U1", notes="newer"))
            await uow.commit()
        await server.put("trades", "0001", "notes", older)
    finally:
        await connection.close()
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.trades.get_one("0001")).notes == "secret 1"


def derived(key: bytes, purpose: str) -> bytes:
    """Return the key of a purpose."""
    info = f"zorivest-async journal {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)


def about(*parts: object) -> bytes:
    """Return associated data."""
    return b"".join(len(str(part).encode()).to_bytes(4, "big") + str(part).encode() for part in parts)


async def test_sealed_values_open_without_the_library(vault: Vault, superuser: str, picture: bytes) -> None:
    """From what the server stores, the passphrase and the documented format alone: a text, and an image."""
    journal = journal_of(vault)
    connection = await asyncpg.connect(superuser, ssl=False)
    try:
        salt = await connection.fetchval("SELECT salt FROM journals WHERE id = $1", journal)
        number, name, wrapped = await connection.fetchrow(
            "SELECT number, name, wrapped FROM journal_keys WHERE journal_id = $1", journal
        )
        notes = await connection.fetchval(
            "SELECT notes FROM trades WHERE journal_id = $1 AND exec_id = '0002'", journal
        )
        chunks = [row["data"] for row in await connection.fetch(CHUNKS, journal)]
    finally:
        await connection.close()
    assert salt[0] == 127  # the profile of tests
    passphrase_key = hash_secret_raw(PASSPHRASE.encode(), salt, 1, 8, 1, 32, Type.ID)
    wrapping = AESGCM(derived(passphrase_key, "wrapping"))
    key = wrapping.decrypt(wrapped[1:13], wrapped[13:], about("journal key", journal, number, name))
    assert notes[:5] == b"\1" + int(number).to_bytes(4, "big")
    fields = AESGCM(derived(key, "fields"))
    assert fields.decrypt(notes[5:17], notes[17:], about("value", journal, "trades.notes", "0002")) == b"secret 2"
    images = AESGCM(derived(key, "images"))
    parts = [
        images.decrypt(chunk[5:17], chunk[17:], about("value", journal, "images.data", 1, n, int(n == len(chunks) - 1)))
        for n, chunk in enumerate(chunks)
    ]
    assert b"".join(parts) == picture
