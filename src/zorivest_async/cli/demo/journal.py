"""Storage of the demo's journal in a vault, and comparison of what is read back, by value and by byte."""

from __future__ import annotations

from operator import eq
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from anyio import to_thread

from zorivest_async import ImageOwnerType
from zorivest_async.cli.demo.samples import PROFILE
from zorivest_async.cli.demo.story import PROVIDER_KEY
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.transfer.importers import CsvTrades, import_trades

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zorivest_async import ProgressCallback, SqlAlchemyUnitOfWork, Trade, Vault
    from zorivest_async.cli.demo.samples import Picture
    from zorivest_async.cli.demo.story import Story

__all__ = ["Check", "Placement", "compare", "keep"]

_Seen: TypeAlias = tuple[bool | None, bool | None, bool | None]
"""Whether the bytes, the details and the thumbnail of an image are equal; ``None`` if the image is missing."""


class Placement(NamedTuple):
    """Where an image is attached: its owner, its file and its caption."""

    owner_type: ImageOwnerType
    owner_id: str
    picture: Picture
    caption: str


class Check(NamedTuple):
    """Result of a comparison of one kind: the numbers that were stored, that were read, and that are equal."""

    kind: str
    stored: int
    read: int
    equal: int

    @classmethod
    def of(cls, kind: str, stored: Sequence[object], read: Sequence[object]) -> Check:
        """Compare values one by one, in their order; ``None`` was not read back."""
        found = [thing for thing in read if thing is not None]
        return cls(kind, len(stored), len(found), sum(map(eq, stored, found)))

    @property
    def ok(self) -> bool:
        """Whether exactly what was stored was read back, and everything is equal."""
        return self.stored == self.read == self.equal


async def keep(vault: Vault, story: Story, progress: ProgressCallback) -> dict[int, Placement]:
    """Store a journal, and return its images by id."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(story.account)
        await uow.watchlists.save(story.watchlist)
        for snapshot in story.balances:
            await uow.balance_snapshots.save(snapshot)
        await uow.settings.bulk_upsert(story.settings)
        await uow.market_provider_settings.save(story.provider)
        await uow.commit()
    await import_trades(vault, CsvTrades(story.executions, PROFILE), progress=progress)
    images: dict[int, Placement] = {}
    async with vault.unit_of_work() as uow:
        report_id = await uow.trade_reports.save(story.report)
        plan_id = await uow.trade_plans.save(story.plan)
        reporting = Operation(progress)
        for place in _placements(story, report_id, plan_id):
            reporting.report("attach", len(images), len(story.pictures) + 2)
            image_id = await uow.images.attach(
                place.owner_type, place.owner_id, place.picture.path, caption=place.caption
            )
            images[image_id] = place
        await uow.commit()
    return images


def _placements(story: Story, report_id: int, plan_id: int) -> Iterator[Placement]:
    """Spread the images over the executions; the first one also belongs to the plan, and the last one to the report."""
    trades, pictures = story.trades, story.pictures
    for number, picture in enumerate(pictures):
        trade = trades[number * len(trades) // len(pictures)]
        yield Placement(ImageOwnerType.TRADE, trade.exec_id, picture, f"{picture.path.stem}, at {trade.price}")
    yield Placement(ImageOwnerType.PLAN, str(plan_id), pictures[0], "What the plan was made from")
    yield Placement(ImageOwnerType.REPORT, str(report_id), pictures[-1], "How it went")


async def compare(
    uow: SqlAlchemyUnitOfWork, story: Story, images: Mapping[int, Placement], progress: ProgressCallback
) -> list[Check]:
    """Read everything back and compare it with what was stored."""
    watchlists = await uow.watchlists.list_all()
    # repr distinguishes 1 from True.
    settings = [(setting.key, repr(setting.value)) for setting in await uow.settings.get_all()]
    key = await uow.market_provider_settings.reveal_api_key(story.provider.provider_name)
    return [
        Check.of("accounts", [story.account], await uow.accounts.list_all()),
        await _compare_trades(uow, story.trades, progress),
        *await _compare_images(uow, images, progress),
        Check.of("reports", [story.report], [await uow.trade_reports.get_for_trade(story.report.trade_id)]),
        Check.of("plans", [story.plan], await uow.trade_plans.list_all()),
        Check.of("watchlists", [story.watchlist], watchlists),
        Check.of("watchlist items", story.watchlist.items, [item for found in watchlists for item in found.items]),
        Check.of("balances", story.balances, await uow.balance_snapshots.list_for_account(story.account.account_id)),
        Check.of("settings", sorted((name, repr(value)) for name, value in story.settings.items()), settings),
        Check.of("providers", [story.provider], await uow.market_provider_settings.list_all()),
        Check.of("provider keys, revealed", [PROVIDER_KEY], [key]),
    ]


async def _compare_trades(uow: SqlAlchemyUnitOfWork, trades: Sequence[Trade], progress: ProgressCallback) -> Check:
    stored = await to_thread.run_sync(lambda: {trade.exec_id: trade for trade in trades})
    reporting, read, equal = Operation(progress), 0, 0
    async for trade in uow.trades.stream():
        read += 1
        equal += stored.get(trade.exec_id) == trade
        reporting.report("compare", read, len(trades))
    return Check("executions", len(trades), read, equal)


async def _compare_images(
    uow: SqlAlchemyUnitOfWork, images: Mapping[int, Placement], progress: ProgressCallback
) -> list[Check]:
    reporting, of_trades, of_others = Operation(progress), list[_Seen](), list[_Seen]()
    for number, (image_id, place) in enumerate(images.items()):
        reporting.report("compare images", number, len(images))
        seen = of_trades if place.owner_type is ImageOwnerType.TRADE else of_others
        seen.append(await _look_for(uow, image_id, place))
    everything = of_trades + of_others
    return [
        _check("images of executions", [data for data, _, _ in of_trades]),
        _check("images of report and plan", [data for data, _, _ in of_others]),
        _check("image details", [details for _, details, _ in everything]),
        _check("thumbnails", [thumbnail for _, _, thumbnail in everything]),
    ]


def _check(kind: str, same: Sequence[bool | None]) -> Check:
    return Check.of(kind, [True] * len(same), same)


async def _look_for(uow: SqlAlchemyUnitOfWork, image_id: int, place: Placement) -> _Seen:
    infos = await uow.images.list_for_owner(place.owner_type, place.owner_id, limit=None)
    info = next((info for info in infos if info.id == image_id), None)
    if info is None:
        return None, None, None
    original = await to_thread.run_sync(place.picture.path.read_bytes)
    expected = place.picture.expected
    return (
        await uow.images.get_full_data(image_id) == original,
        (info.mime_type, info.width, info.height, info.file_size, info.caption)
        == (expected.mime_type, expected.width, expected.height, len(original), place.caption),
        await uow.images.get_thumbnail(image_id) == expected.thumbnail,
    )
