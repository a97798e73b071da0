"""``verify(previews=True)``: previews for the images of older releases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from factories import FAKE_BYTES, make_account, make_image_entity, make_noise_png, make_trade, size_of_picture
from kept_vaults import COMPOSED, IMAGES, assert_as_written, copy_of
from zorivest_async import ImageOwnerType, Progress, Vault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

ORIGINAL = make_noise_png(900, 600)


async def fill(vault: Vault, count: int) -> None:
    """Store images without previews, and one that cannot be decoded."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        for number in range(1, count + 1):
            await uow.images.save("0001", make_image_entity(ORIGINAL, id=number, width=900, height=600))
        await uow.images.save("0001", make_image_entity(FAKE_BYTES, id=count + 1))
        await uow.commit()


async def stored(vault: Vault) -> list[bytes | None]:
    """Return the previews of all images."""
    async with vault.unit_of_work(read_only=True) as uow:
        return list((await (await uow.connection()).execute(text("SELECT preview FROM images ORDER BY id"))).scalars())


async def test_missing_previews_are_made(vault: Vault) -> None:
    """They are counted; an image that cannot be decoded is a note, and those with one are left alone."""
    await fill(vault, 2)
    assert (await vault.verify()).previews == 0
    assert await stored(vault) == [None] * 3
    heard: list[Progress] = []
    report = await vault.verify(previews=True, progress=heard.append)
    assert (report.ok, report.previews) == (True, 2)
    assert [note.partition(":")[0] for note in report.notes if "preview" in note] == ["image 3 has no preview"]
    *made, none = await stored(vault)
    assert [size_of_picture(preview or b"") for preview in made] == [("WEBP", 400, 267)] * 2
    assert none is None
    phase = [(report.done, report.total) for report in heard if report.phase == "previews"]
    assert (phase[0], phase[-1]) == ((0, 3), (3, 3))
    async with vault.unit_of_work() as uow:
        await uow.images.attach(ImageOwnerType.TRADE, "0001", ORIGINAL)
        await uow.commit()
    again = await vault.verify(previews=True)
    assert (again.previews, await stored(vault) == [*made, None, made[0]]) == (0, True)


async def test_a_vault_with_problems_is_not_written_to(vault: Vault) -> None:
    """What is wrong with it comes first."""
    await fill(vault, 1)
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).execute(text("DROP TRIGGER zorivest_search_images_update"))
        await uow.commit()
    report = await vault.verify(previews=True)
    assert (report.ok, report.previews) == (False, 0)
    assert await stored(vault) == [None, None]


async def test_cancelling_keeps_what_was_made(vault: Vault) -> None:
    """Each preview is committed by itself, and other writers get their turn in between."""
    await fill(vault, 30)
    task = asyncio.create_task(vault.verify(previews=True))
    while not any(await stored(vault)):
        assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    made = [preview is not None for preview in await stored(vault)]
    assert made == sorted(made, reverse=True)
    assert not all(made[:-1])
    async with vault.unit_of_work() as uow:
        await uow.settings.set("usable", value=True)
        await uow.commit()


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_older_vault_gets_them(tmp_path: Path, version: int) -> None:
    """The upgrade itself makes none; all else stays as it was written."""
    path = await asyncio.to_thread(copy_of, f"revision-{version}-default.vault", tmp_path)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        assert await stored(vault) == [None] * len(IMAGES)
        assert (await vault.verify(previews=True)).previews == len(IMAGES)
        assert all(await stored(vault))
        await assert_as_written(vault)
