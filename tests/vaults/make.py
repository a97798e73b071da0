"""Make the vault files of this folder, in a checkout of the build that is to be kept: ``README.md`` says which.

Usage: ``PYTHONPATH=src:tests python tests/vaults/make.py FOLDER``
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2 as sqlcipher

from kept_vaults import (
    ACCOUNTS,
    COMPOSED,
    DECOMPOSED,
    IMAGES,
    PLANS,
    PROVIDERS,
    REPORTS,
    SETTINGS,
    SNAPSHOTS,
    TRADES,
    WATCHLISTS,
    assert_as_written,
)
from zorivest_async import KdfProfile, Vault
from zorivest_async.database.migrations.revisions import alembic_config
from zorivest_async.database.models import Base
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import ApiKeyCipher, Credentials, VaultKey, new_salt
from zorivest_async.vault.file_format import APPLICATION_ID, create_file, derive_file_key

FIRST_KEPT_WITH = 2
"""Version of the schema of the build that made the files of version 1, too."""

SPELLINGS = {KdfProfile.DEFAULT: COMPOSED, KdfProfile.STRONG: DECOMPOSED}
"""How the passphrase is typed when a vault is made; either opens either."""


async def make_present(path: Path, profile: KdfProfile) -> None:
    """Make a vault of the build's own schema, through its repositories."""
    async with Vault.open(path, passphrase=SPELLINGS[profile], profile=profile) as vault:
        async with vault.unit_of_work() as uow:
            for account in ACCOUNTS:
                await uow.accounts.save(account)
            await uow.trades.save_many(TRADES)
            for report in REPORTS:
                await uow.trade_reports.save(report)
            for plan in PLANS:
                await uow.trade_plans.save(plan)
            for image in IMAGES:
                await uow.images.save(image.owner_id, image, owner_type=image.owner_type)
            for watchlist in WATCHLISTS:
                await uow.watchlists.save(watchlist)
            for snapshot in SNAPSHOTS:
                await uow.balance_snapshots.save(snapshot)
            for provider in PROVIDERS:
                await uow.market_provider_settings.save(provider)
            await uow.settings.bulk_upsert(SETTINGS)
            await uow.commit()
        await assert_as_written(vault)


def make_first(path: Path, profile: KdfProfile, source: Path) -> None:
    """Make a vault of revision 1 with the rows of another vault, and its API keys under its own key."""
    credentials = Credentials(SPELLINGS[profile])
    other = derive_file_key(source, credentials)
    key: VaultKey = credentials.vault_key(new_salt(profile))
    # As the build of that time has them: an API key was not bound to its provider then.
    decrypt: Any = ApiKeyCipher(other.key).decrypt
    encrypt: Any = ApiKeyCipher(key.key).encrypt

    def fill(raw: sqlcipher.Connection) -> None:
        engine = create_engine("sqlite://", creator=lambda: raw, module=sqlcipher, poolclass=StaticPool)
        with engine.connect() as connection:
            command.upgrade(alembic_config(connection), "0001")
            connection.commit()
        raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        raw.execute("BEGIN")
        with closing(open_cipher(vault_uri(source), other, ConnectionSettings(read_only=True))) as rows:
            for table in Base.metadata.sorted_tables:
                names = [column.name for column in table.columns]
                for row in rows.execute(f"SELECT {', '.join(names)} FROM {table.name}"):  # noqa: S608 - names of ours
                    values = dict(zip(names, row, strict=True))
                    if values.get("encrypted_api_key"):
                        values["encrypted_api_key"] = encrypt(decrypt(values["encrypted_api_key"]))
                    marks = ", ".join("?" * len(names))
                    raw.execute(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", [*values.values()])  # noqa: S608
        raw.execute("COMMIT")
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)

    assert create_file(path, key, fill)


def main(folder: Path) -> None:
    """Make all of them."""
    for profile in (KdfProfile.DEFAULT, KdfProfile.STRONG):
        present = folder / f"revision-{SCHEMA_VERSION}-{profile.name.lower()}.vault"
        asyncio.run(make_present(present, profile))
        if SCHEMA_VERSION == FIRST_KEPT_WITH:
            make_first(folder / f"revision-1-{profile.name.lower()}.vault", profile, present)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
