"""Run a recipe of examples/bots as its document says, and print which threads it leaves behind.

``python -m workers.bot NAME``, with the bot's settings in the environment. Three things differ from
``python -m examples.bots.NAME``: a call of the library or the recipe that blocks the event loop raises, Discord is
where ``DISCORD_API`` says, and a trade in ``FAIL`` is stored and then something unforeseen happens.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from typing import TYPE_CHECKING

from blockbuster import BlockBusterFunction, blockbuster_ctx
from sqlcipher3 import dbapi2 as sqlcipher

from examples.bots import journal

if TYPE_CHECKING:
    from datetime import datetime

    from zorivest_async import SqlAlchemyUnitOfWork

WATCHED = ["zorivest_async", "examples.bots.journal"]

record_trade = journal.record_trade


async def record_or_fail(uow: SqlAlchemyUnitOfWork, exec_id: str, time: datetime, words: str) -> journal.Answer:
    """Store a trade, and fail afterwards where its words say so."""
    answer = await record_trade(uow, exec_id, time, words)
    if "FAIL" in words:
        raise RuntimeError("on purpose")
    return answer


def lead_discord_to(api: str) -> None:
    """Have discord.py speak to a server of the test's."""
    import yarl  # noqa: PLC0415 - the other bots need neither
    from discord import gateway, http  # noqa: PLC0415

    http.Route.BASE = f"{api}/api"
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"{api}/gateway")


if __name__ == "__main__":
    journal.record_trade = record_or_fail
    if sys.argv[1] == "discord_bot":
        lead_discord_to(os.environ["DISCORD_API"])
    with blockbuster_ctx(WATCHED) as detector:
        for name in ("execute", "executemany", "executescript", "commit", "rollback"):
            detector.functions[f"sqlcipher.{name}"] = BlockBusterFunction(
                sqlcipher.Connection, name, scanned_modules=WATCHED
            )
            detector.functions[f"sqlcipher.{name}"].activate()
        runpy.run_module(f"examples.bots.{sys.argv[1]}", run_name="__main__")
    threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in threads:
        thread.join(5)  # it was told to end, and may not have got round to it
    print([thread.name for thread in threads if thread.is_alive()], flush=True)
