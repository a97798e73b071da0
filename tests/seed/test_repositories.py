"""The seed's repository tests, made async: names, steps and assertions are the seed's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from factories import make_account, make_noise_png, make_trade
from factories import make_image_entity as make_image
from zorivest_async import ImageError, Vault
from zorivest_async.database.models import Base
from zorivest_async.database.repositories import (
    SqlAlchemyAccountRepository,
    SqlAlchemyImageRepository,
    SqlAlchemyTradeRepository,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def in_memory_session() -> AsyncIterator[AsyncSession]:
    """In-memory SQLite for fast integration tests."""
    engine = create_async_engine("sqlite+aiosqlite://", echo=False)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        yield session
    await engine.dispose()


@pytest_asyncio.fixture
async def encrypted_session(vault: Vault) -> AsyncIterator[AsyncSession]:
    """A vault, where foreign keys are on: the trades' account must exist."""
    async with AsyncSession(vault.engine) as session:
        await SqlAlchemyAccountRepository(session).save(make_account())
        await session.commit()
        yield session


@pytest.fixture(params=["in_memory_session", "encrypted_session"])
def session(request: pytest.FixtureRequest) -> AsyncSession:
    """One session after the other."""
    session: AsyncSession = request.getfixturevalue(request.param)
    return session


class TestTradeRepository:
    """Trades through a plain session."""

    async def test_save_and_get(self, session: AsyncSession) -> None:
        """A committed trade is found by its identifier."""
        repo = SqlAlchemyTradeRepository(session)
        trade = make_trade(exec_id="TEST001")
        await repo.save(trade)
        await session.commit()

        found = await repo.get("TEST001")
        assert found is not None
        assert found.exec_id == "TEST001"

    async def test_duplicate_exec_id_detected(self, session: AsyncSession) -> None:
        """A trade exists from when it was saved."""
        repo = SqlAlchemyTradeRepository(session)
        assert not await repo.exists("TEST001")
        await repo.save(make_trade(exec_id="TEST001"))
        await session.commit()
        assert await repo.exists("TEST001")


class TestImageRepository:
    """Images through a plain session."""

    async def test_save_and_retrieve_image(self, session: AsyncSession) -> None:
        """An image comes back with its bytes."""
        trade_repo = SqlAlchemyTradeRepository(session)
        await trade_repo.save(make_trade(exec_id="TRADE1"))

        img_repo = SqlAlchemyImageRepository(session)
        image_id = await img_repo.save("TRADE1", make_image(b"\x89PNG_fake_data"))
        await session.commit()

        retrieved = await img_repo.get(image_id)
        assert retrieved is not None
        assert retrieved.data == b"\x89PNG_fake_data"

    async def test_get_images_for_trade(self, session: AsyncSession) -> None:
        """A trade has all the images that were saved for it."""
        trade_repo = SqlAlchemyTradeRepository(session)
        await trade_repo.save(make_trade(exec_id="TRADE1"))
        img_repo = SqlAlchemyImageRepository(session)
        await img_repo.save("TRADE1", make_image(b"\x89PNG_img1"))
        await img_repo.save("TRADE1", make_image(b"\x89PNG_img2"))
        await img_repo.save("TRADE1", make_image(b"\x89PNG_img3"))
        await session.commit()

        images = await img_repo.get_for_trade("TRADE1")
        assert len(images) == 3

    async def test_thumbnail_generation(self, session: AsyncSession) -> None:
        """A screenshot's thumbnail is smaller than the screenshot, which here is a drawn one: it has to be an image."""
        trade_repo = SqlAlchemyTradeRepository(session)
        await trade_repo.save(make_trade(exec_id="TRADE1"))
        img_repo = SqlAlchemyImageRepository(session)
        original_data = make_noise_png()
        image_id = await img_repo.save("TRADE1", make_image(original_data))
        await session.commit()
        # get thumbnail
        thumbnail = await img_repo.get_thumbnail(image_id, max_size=200)
        assert len(thumbnail) > 0
        assert len(thumbnail) < len(original_data)  # smaller than original

    async def test_bytes_that_are_no_image_have_no_thumbnail(self, session: AsyncSession) -> None:
        """The seed's own fake bytes are stored as they are; a thumbnail of them is an error, never a piece of them."""
        trade_repo = SqlAlchemyTradeRepository(session)
        await trade_repo.save(make_trade(exec_id="TRADE1"))
        img_repo = SqlAlchemyImageRepository(session)
        original_data = b"\x89PNG_screenshot_data_here"
        image_id = await img_repo.save("TRADE1", make_image(original_data))
        await session.commit()
        with pytest.raises(ImageError):
            await img_repo.get_thumbnail(image_id, max_size=200)
        assert await img_repo.get_full_data(image_id) == original_data

    async def test_an_original_is_streamed_from_either_database(self, session: AsyncSession) -> None:
        """In pieces that join to what was saved."""
        trade_repo = SqlAlchemyTradeRepository(session)
        await trade_repo.save(make_trade(exec_id="TRADE1"))
        img_repo = SqlAlchemyImageRepository(session)
        original_data = bytes(range(256)) * 10
        image_id = await img_repo.save("TRADE1", make_image(original_data))
        chunks = [chunk async for chunk in img_repo.stream(image_id, chunk_size=1_000)]
        assert [len(chunk) for chunk in chunks] == [1_000, 1_000, 560]
        assert b"".join(chunks) == original_data
