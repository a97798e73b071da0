"""Reading a journal back and comparing it, value by value and byte by byte, with what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from operator import eq
from typing import TYPE_CHECKING

from anyio import to_thread

from zorivest_async import ImageInfo, ImageOwnerType
from zorivest_async.demo.story import PROVIDER_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async import SqlAlchemyUnitOfWork, Trade
    from zorivest_async.demo.progress import Progress
    from zorivest_async.demo.samples import Picture
    from zorivest_async.demo.story import Story

__all__ = ["Attached", "Check", "compare"]


@dataclass(frozen=True, slots=True)
class Attached:
    """An image that was attached.

    Attributes:
        image_id: Its row number.
        owner_type: What it explains.
        owner_id: The owner's identifier.
        picture: The file it came from.
        caption: What was written under it.
    """

    image_id: int
    owner_type: ImageOwnerType
    owner_id: str
    picture: Picture
    caption: str


@dataclass(frozen=True, slots=True)
class Check:
    """How one kind of thing came back.

    Attributes:
        kind: What they are.
        stored: How many were stored.
        read: How many came back.
        equal: How many of these equal what was stored.
    """

    kind: str
    stored: int
    read: int
    equal: int

    @property
    def ok(self) -> bool:
        """Whether all came back, nothing else did, and everything is equal."""
        return self.stored == self.read == self.equal


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of an attached image came back: nothing at all, or this much of it."""

    found: bool = False
    same_bytes: bool = False
    same_details: bool = False
    same_thumbnail: bool = False


async def compare(
    uow: SqlAlchemyUnitOfWork, story: Story, images: Sequence[Attached], progress: Progress
) -> list[Check]:
    """Read everything back and compare it with what was stored.

    Args:
        uow: An entered unit of work; reading is all it is used for.
        story: What was stored.
        images: The images that were attached.
        progress: Is told how far it is.
    """
    progress.step = "comparing the journal"
    watchlists = await uow.watchlists.list_all()
    settings = await uow.settings.get_all()
    return [
        _check("accounts", [story.account], await uow.accounts.list_all()),
        await _check_trades(uow, story.trades, progress),
        *await _check_images(uow, images, progress),
        _check("reports", [story.report], [await uow.trade_reports.get_for_trade(story.report.trade_id)]),
        _check("plans", [story.plan], await uow.trade_plans.list_all()),
        _check("watchlists", [story.watchlist], watchlists),
        _check("watchlist items", story.watchlist.items, [item for listed in watchlists for item in listed.items]),
        _check("balances", story.balances, await uow.balance_snapshots.list_for_account(story.account.account_id)),
        _check(
            "settings",
            sorted((key, repr(value)) for key, value in story.settings.items()),  # whose repr tells 1 from True
            [(setting.key, repr(setting.value)) for setting in settings],
        ),
        _check("providers", [story.provider], await uow.market_provider_settings.list_all()),
        _check(
            "provider keys, revealed",
            [PROVIDER_KEY],
            [await uow.market_provider_settings.reveal_api_key(story.provider.provider_name)],
        ),
    ]


def _check(kind: str, stored: Sequence[object], read: Sequence[object]) -> Check:
    found = [thing for thing in read if thing is not None]
    return Check(kind, len(stored), len(found), sum(map(eq, stored, found)))


async def _check_trades(uow: SqlAlchemyUnitOfWork, trades: Sequence[Trade], progress: Progress) -> Check:
    stored = await to_thread.run_sync(lambda: {trade.exec_id: trade for trade in trades})
    read = equal = 0
    async for trade in uow.trades.stream():
        read += 1
        equal += stored.get(trade.exec_id) == trade
        progress.step = f"comparing executions: {read:,} / {len(trades):,}"
    return Check("executions", len(trades), read, equal)


async def _check_images(uow: SqlAlchemyUnitOfWork, images: Sequence[Attached], progress: Progress) -> list[Check]:
    of_trades: list[_Seen] = []
    of_others: list[_Seen] = []
    for number, image in enumerate(images, 1):
        progress.step = f"comparing images: {number:,} / {len(images):,}"
        seen = of_trades if image.owner_type is ImageOwnerType.TRADE else of_others
        seen.append(await _look_for(uow, image))
    everything = of_trades + of_others
    return [
        _check_seen("images of executions", of_trades, [image.same_bytes for image in of_trades]),
        _check_seen("images of report and plan", of_others, [image.same_bytes for image in of_others]),
        _check_seen("image details", everything, [image.same_details for image in everything]),
        _check_seen("thumbnails", everything, [image.same_thumbnail for image in everything]),
    ]


def _check_seen(kind: str, seen: Sequence[_Seen], equal: Sequence[bool]) -> Check:
    return Check(kind, len(seen), sum(image.found for image in seen), sum(equal))


async def _look_for(uow: SqlAlchemyUnitOfWork, image: Attached) -> _Seen:
    infos = await uow.images.list_for_owner(image.owner_type, image.owner_id, limit=None)
    info = next((info for info in infos if info.id == image.image_id), None)
    if info is None:
        return _Seen()
    original = await to_thread.run_sync(image.picture.path.read_bytes)
    expected = image.picture.expected
    details = ImageInfo(
        image.owner_type,
        image.owner_id,
        thumbnail=expected.thumbnail,
        mime_type=expected.mime_type,
        caption=image.caption,
        width=expected.width,
        height=expected.height,
        file_size=len(original),
        created_at=info.created_at,
    )
    return _Seen(
        found=True,
        same_bytes=await uow.images.get_full_data(image.image_id) == original,
        same_details=info == details,
        same_thumbnail=await uow.images.get_thumbnail(image.image_id) == expected.thumbnail,
    )
