"""``python -m examples.bots.discord_bot``: a journal that is kept by commands in Discord, with discord.py."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from typing import Literal

import discord
from discord import app_commands

from examples.bots import journal
from zorivest_async import SqlAlchemyUnitOfWork, Vault


class JournalBot(discord.Client):
    """A client over an open vault; only one user is answered, and only that user sees the answer.

    Args:
        vault: The journal, which stays open until the client is closed.
        owner: The number of the user.
    """

    def __init__(self, vault: Vault, owner: int) -> None:
        super().__init__(intents=discord.Intents.none())
        self.vault = vault
        self.at_work = journal.UpdatesAtWork()
        self._tree = _OwnersTree(self, owner)
        self._tree.add_command(record_trade)
        self._tree.add_command(attach_chart)
        self._tree.add_command(list_last)

    async def setup_hook(self) -> None:
        """Tell Discord which commands there are."""
        await self._tree.sync()

    async def close(self) -> None:
        """Let commands at work finish, for which discord.py does not wait, and leave Discord."""
        await self.at_work.finish()
        await super().close()


class _OwnersTree(app_commands.CommandTree[JournalBot]):
    def __init__(self, client: JournalBot, owner: int) -> None:
        super().__init__(client)
        self._owner = owner

    async def interaction_check(self, interaction: discord.Interaction[JournalBot], /) -> bool:
        if interaction.user.id != self._owner:
            return False
        await interaction.response.defer(ephemeral=True)  # Discord waits no longer than 3 s
        return True


async def answer(
    interaction: discord.Interaction[JournalBot],
    work: Callable[[SqlAlchemyUnitOfWork], Awaitable[journal.Answer]],
    *,
    read_only: bool = False,
) -> None:
    """Give a command a unit of work, commit it, and only then answer."""
    interaction.client.at_work.add_current()
    try:
        async with interaction.client.vault.unit_of_work(read_only=read_only) as uow:
            told = await work(uow)
            if not read_only:
                await uow.commit()
        told = await journal.illustrate(interaction.client.vault, told)
    except Exception as error:  # noqa: BLE001 - the user gets it, or it is logged
        told = journal.explain(error)
    if told.picture is None:
        await interaction.followup.send(told.text)
    else:
        await interaction.followup.send(told.text, file=discord.File(BytesIO(told.picture), "chart.webp"))


@app_commands.command(name="trade")
async def record_trade(
    interaction: discord.Interaction[JournalBot],
    action: Literal["BOT", "SLD"],
    quantity: str,
    instrument: str,
    price: str,
) -> None:
    """Store a trade"""  # noqa: D415 - which Discord shows
    exec_id, words = f"discord-{interaction.id}", f"{action} {quantity} {instrument} {price}"
    await answer(interaction, lambda uow: journal.record_trade(uow, exec_id, interaction.created_at, words))


@app_commands.command(name="chart")
async def attach_chart(
    interaction: discord.Interaction[JournalBot], trade: str, chart: discord.Attachment, caption: str | None = None
) -> None:
    """Attach a chart to a trade"""  # noqa: D415

    async def download_and_attach(uow: SqlAlchemyUnitOfWork) -> journal.Answer:
        journal.check_size(chart.size)
        data = await chart.read()  # nothing was asked of the unit yet: nobody waits for it meanwhile
        return await journal.attach_chart(uow, trade, data, caption)

    await answer(interaction, download_and_attach)


@app_commands.command(name="last")
async def list_last(interaction: discord.Interaction[JournalBot]) -> None:
    """List the last trades"""  # noqa: D415
    await answer(interaction, journal.list_last, read_only=True)


async def main() -> None:
    """Answer the owner until told to stop; the vault is open for as long."""
    owner = journal.owner()
    async with journal.open_journal() as vault, JournalBot(vault, owner) as bot:
        await bot.start(journal.setting("BOT_TOKEN"))


if __name__ == "__main__":
    # asyncio ends in order on SIGINT alone.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with suppress(KeyboardInterrupt), journal.token_hidden():
        asyncio.run(main())
