"""A full disk: a typed error, a rolled-back unit of work, a vault that reads, and writes again once there is room."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from kept_vaults import COMPOSED, copy_of
from workers.launch import started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import Vault, VaultFullError
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import Credentials
from zorivest_async.vault.file_format import derive_file_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

IMAGE_BYTES = 40_000
SMALL_DISK = "mount -t tmpfs -o size=4m,mode=700 tmpfs $0 && exec $@"
"""In a mount namespace of its own, so that nobody else sees it and it is gone with the process."""


def why_no_small_disk() -> str | None:
    """Return why a small file system cannot be mounted here, or ``None``."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)  # noqa: S607
    return None if tried.returncode == 0 else "this user may not mount a file system"


NO_SMALL_DISK = why_no_small_disk()


async def limit_pages(uow: SqlAlchemyUnitOfWork, more: int | None) -> None:
    """Let the database grow by so many pages, or as it likes."""
    connection = await uow.connection()
    pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
    limit = 1_000_000 if more is None else pages + more
    await connection.execute(text(f"PRAGMA max_page_count = {limit}"))


@pytest.mark.parametrize("room_pages", range(0, 16, 3))
@pytest.mark.asyncio
async def test_a_unit_that_does_not_fit_is_rolled_back_whole(vault_path: Path, room_pages: int) -> None:
    """Whichever of its statements meets the end; reading goes on, and so does writing once there is room."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            await write_unit(uow, 1, IMAGE_BYTES)
            await uow.commit()
        async with vault.unit_of_work() as uow:
            await limit_pages(uow, room_pages)
        units = 1
        outcome = "committed"
        while outcome == "committed":
            async with vault.unit_of_work() as uow:
                with suppress(VaultFullError):
                    await write_unit(uow, units + 1, IMAGE_BYTES)
                    await uow.commit()
            outcome = uow.outcome
            units += outcome == "committed"
        assert outcome == "rolled_back"
        assert await present_units(vault, IMAGE_BYTES) == list(range(1, units + 1))
        async with vault.unit_of_work() as uow:
            await limit_pages(uow, None)
            await write_unit(uow, units + 1, IMAGE_BYTES)
            await uow.commit()
        assert await present_units(vault, IMAGE_BYTES) == list(range(1, units + 2))
        assert (await vault.verify()).ok


@pytest.mark.skipif(NO_SMALL_DISK is not None, reason=str(NO_SMALL_DISK))
def test_a_full_file_system_loses_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """Acknowledged commits are there, failed ones left no files, and with room made everything works again."""
    with started("fill_disk", tmp_path, prefix=["unshare", "-m", "sh", "-c", SMALL_DISK, str(tmp_path)]) as process:
        printed, errors = process.communicate(timeout=50)
        assert errors == ""
    happened: dict[str, Any] = json.loads(printed)
    full = "VaultFullError: there is no space left for the vault"
    assert happened["writing"] == f"{full}; nothing of the transaction was stored"
    for work in ("backup", "creating", "verifying", "rekey"):  # which have no transaction to speak of
        assert happened[work] == full, work
    assert happened["present when full"]
    assert happened["present"]
    assert happened["problems"] == []
    assert happened["writing again"] == ""
    assert happened["names"] == ["ballast", "filler", "journal.vault", "journal.vault-shm", "journal.vault-wal"]
    assert happened["names in the end"] == ["journal.vault"]
    assert list(tmp_path.iterdir()) == []  # nothing was mounted where others see it
    tell(f"4 MB file system: {happened['acknowledged']} commits acknowledged before it was full, 0 lost")


@pytest.mark.skipif(NO_SMALL_DISK is not None, reason=str(NO_SMALL_DISK))
@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_upgrade_that_does_not_fit_leaves_the_old_vault(
    tmp_path: Path, version: int, tell: Callable[[str], None]
) -> None:
    """Byte for byte and with nothing beside it, wherever the disk is full; with enough room it is upgraded."""
    original = copy_of(f"revision-{version}-default.vault", tmp_path)
    key, folder = derive_file_key(original, Credentials(COMPOSED)).key, tmp_path / "small"
    folder.mkdir()
    prefix = ["unshare", "-m", "sh", "-c", SMALL_DISK, str(folder)]
    with started("fill_upgrade", folder, original, key.hex(), prefix=prefix) as process:
        printed, complaints = process.communicate(timeout=50)
        assert complaints == ""
    *failed, fitted = json.loads(printed)
    assert len(failed) > 3
    # SQLite calls it an I/O error where there is no room for the shared memory of a copy's WAL.
    errors = [attempt.pop("error") for attempt in failed]
    assert {*errors} - {"VaultError"} == {"VaultFullError"}
    left = {"same": True, "names": ["journal.vault"], "version": version}
    assert [attempt for attempt in failed if attempt != left] == []
    names = ["journal.vault", f"journal.vault.v{version}.backup"]
    assert fitted == {"error": "", "same": False, "names": names, "version": SCHEMA_VERSION}
    tell(f"upgrade from version {version}: {len(failed)} did not fit, and left the old vault")
