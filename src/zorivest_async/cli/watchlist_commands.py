"""The command ``zorivest watchlists``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Rows
from zorivest_async.domain.entities import Watchlist, WatchlistItem
from zorivest_async.errors import NotFoundError

if TYPE_CHECKING:
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the watchlist.")]
Ticker = Annotated[str, typer.Argument(metavar="TICKER", help="The ticker.")]

app = area("watchlists", "List, show, add and delete watchlists and their tickers.")


async def _list_of(uow: UnitOfWork, name: str) -> tuple[int, Watchlist]:
    for found in await uow.watchlists.list_all(limit=None):
        if found.name == name and found.id is not None:
            return found.id, found
    raise NotFoundError("Watchlist", name)


def _row(watchlist: Watchlist) -> dict[str, Any]:
    return row_of(watchlist) | {"tickers": [item.ticker for item in watchlist.items]}


@journal_command(app, "list", "watchlists list")
def list_watchlists(journal: Journal) -> Rows:
    """List the watchlists with their tickers."""
    found = journal.read(lambda uow: uow.watchlists.list_all(limit=None))
    return Rows([_row(each) for each in found], ("name", "description", "tickers"), zone=journal.time_zone)


@journal_command(app, "show", "watchlists show Semiconductors")
def show(journal: Journal, name: Name) -> Rows:
    """Show the tickers of a watchlist with their notes."""
    _, found = journal.read(lambda uow: _list_of(uow, name))
    return Rows([row_of(item) for item in found.items], ("ticker", "notes", "added_at"), zone=journal.time_zone)


@journal_command(app, "add", "watchlists add Semiconductors NVDA AMD --description 'Chips and their makers'")
def add(
    journal: Journal,
    name: Name,
    tickers: Annotated[list[str] | None, typer.Argument(metavar="[TICKER]...", help="Its tickers.")] = None,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="Free text.")] = None,
) -> Done:
    """Add a watchlist."""
    watchlist = Watchlist(name, description, tuple(WatchlistItem(ticker) for ticker in tickers or ()))

    async def work(uow: UnitOfWork) -> Watchlist:
        return await uow.watchlists.get_one(await uow.watchlists.save(watchlist))

    return Done(f"watchlist {name}: added", _row(journal.write(work)))


@journal_command(app, "delete", "watchlists delete Semiconductors")
def delete(journal: Journal, name: Name, yes: Yes = False) -> Done:
    """Delete a watchlist with its tickers."""
    if not yes:
        _, found = journal.read(lambda uow: _list_of(uow, name))
        ask(f"Delete the watchlist {name} with {len(found.items)} tickers?")

    async def work(uow: UnitOfWork) -> None:
        await uow.watchlists.delete((await _list_of(uow, name))[0])

    journal.write(work)
    return Done(f"watchlist {name}: deleted", {"name": name, "deleted": True})


@journal_command(app, "watch", "watchlists watch Semiconductors TSM --notes 'Earnings on Thursday'")
def watch(
    journal: Journal,
    name: Name,
    ticker: Ticker,
    notes: Annotated[str | None, typer.Option(metavar="TEXT", help="Free text.")] = None,
) -> Done:
    """Add a ticker to a watchlist."""

    async def work(uow: UnitOfWork) -> WatchlistItem:
        number, _ = await _list_of(uow, name)
        added = await uow.watchlists.add_item(number, WatchlistItem(ticker, notes=notes))
        return next(item for item in await uow.watchlists.get_items(number) if item.id == added)

    return Done(f"watchlist {name}: {ticker} added", row_of(journal.write(work)))


@journal_command(app, "unwatch", "watchlists unwatch Semiconductors TSM")
def unwatch(journal: Journal, name: Name, ticker: Ticker) -> Done:
    """Remove a ticker from a watchlist."""

    async def work(uow: UnitOfWork) -> int:
        _, found = await _list_of(uow, name)
        numbers = [item.id for item in found.items if item.ticker == ticker and item.id is not None]
        if not numbers:
            raise NotFoundError("WatchlistItem", ticker, "this watchlist has no such ticker")
        for number in numbers:
            await uow.watchlists.remove_item(number)
        return len(numbers)

    removed = journal.write(work)
    return Done(f"watchlist {name}: {ticker} removed", {"name": name, "ticker": ticker, "removed": removed})
