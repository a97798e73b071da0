"""The bots of examples/bots: the real frameworks, as processes of their own, talking to a platform of this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from chat import OWNER, STRANGER, Attachment, Told
from conftest import PASSPHRASE
from examples.bots.journal import open_journal, trade_named_in
from factories import make_noise_png, make_png, size_of_picture
from zorivest_async import ImagePolicy, KdfProfile, TradeAction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zorivest_async import ImageAttachment, Trade

pytestmark = [
    pytest.mark.integrations,
    pytest.mark.asyncio,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be told to stop there, only ended"),
]

TELEGRAM = ["aiogram_bot", "ptb_bot"]
TRADE = "BOT 100 SPY 619.61"


@pytest.fixture(params=[*TELEGRAM, "discord_bot"])
def recipe(request: pytest.FixtureRequest) -> str:
    """The name of a recipe."""
    return str(request.param)


async def stored_in(bot: Any) -> tuple[Sequence[Trade], dict[str, list[ImageAttachment]]]:
    """Return what another connection finds: the trades, newest first, and the charts of each."""
    async with bot.vault() as vault, vault.unit_of_work(read_only=True) as uow:
        trades = await uow.trades.list_all(limit=None)
        return trades, {trade.exec_id: await uow.images.get_for_trade(trade.exec_id) for trade in trades}


async def record(bot: Any, words: str = TRADE) -> str:
    """Have the owner send a trade, and return its identifier."""
    bot.platform.send_trade(words)
    return trade_named_in((await bot.answer()).text)


async def test_what_was_answered_is_stored(start: Any, platform: Any) -> None:
    """Once the bot says so, another connection finds the trade, and its chart byte for byte with its caption."""
    chart = make_noise_png()
    async with start(platform) as bot:
        platform.send_trade(TRADE)
        told = await bot.answer()
        assert told.person == OWNER
        assert told.text.endswith(": BOT 100 SPY at 619.61")
        exec_id = trade_named_in(told.text)
        (trade,), _ = await stored_in(bot)
        assert (trade.exec_id, trade.action, trade.quantity) == (exec_id, TradeAction.BOT, 100.0)
        assert (trade.instrument, trade.price, trade.time.tzinfo) == ("SPY", 619.61, UTC)
        assert trade.time.date() == datetime(2024, 3, 8, tzinfo=UTC).date()
        platform.send_chart(Attachment(chart), exec_id, "the breakout, 5 min")
        assert await bot.answer() == Told(OWNER, f"Stored the chart of {exec_id}.")
        _, charts = await stored_in(bot)
        assert [(image.data, image.caption) for image in charts[exec_id]] == [(chart, "the breakout, 5 min")]
        platform.send_last()
        told = await bot.answer()
        assert told.text == f"{trade.time:%Y-%m-%d %H:%M} BOT 100 SPY at 619.61"
        assert told.picture is not None
        assert size_of_picture(told.picture) == ("WEBP", 400, 300)
        assert await bot.end() == ""


async def test_a_failing_handler_stores_nothing(start: Any, platform: Any) -> None:
    """What went wrong is told without a value of the journal, all of its update is undone, and work goes on."""
    too_large = Attachment(make_png(), size=ImagePolicy().max_bytes + 1)
    expected = {
        "nothing of a trade": "/trade BOT 100 SPY 619.61 stores",
        "something unforeseen": "Nothing was stored: that went wrong here",
        "a value that cannot be right": "Nothing was stored: Trade.quantity",
        "a file that is too large": "Nothing was stored: the image has 20,971,521 bytes",
        "a file that is not an image": "Nothing was stored: ",
        "a file that cannot be had": "Nothing was stored: that went wrong here",
        "a chart of no trade": "There is no such trade",
        "a chart with a command for its caption": "There is no such trade",
        "a chart that is there": "This is stored already.",
    }
    async with start(platform) as bot:
        exec_id = await record(bot)
        platform.send_chart(Attachment(make_png()), exec_id)
        assert (await bot.answer()).text.startswith("Stored")
        before = await stored_in(bot)
        for what, text in expected.items():
            match what:
                case "nothing of a trade":
                    platform.send_trade("BOT many SPY 619.61")
                case "something unforeseen":
                    platform.send_trade("BOT 100 FAIL 619.61")
                case "a value that cannot be right":
                    platform.send_trade("BOT nan SPY 619.61")
                case "a file that is too large":
                    platform.send_chart(too_large, exec_id)
                case "a file that is not an image":
                    platform.send_chart(Attachment(make_png()[:200]), exec_id)
                case "a file that cannot be had":
                    platform.send_chart(Attachment(b"", size=10, broken=True), exec_id)
                case "a chart of no trade":
                    platform.send_chart(Attachment(make_png()), "absent")
                case "a chart with a command for its caption":
                    platform.send_chart(Attachment(make_png()), "absent", f"/trade {TRADE}")
                case "a chart that is there":
                    platform.send_chart(Attachment(make_png()), exec_id)
            told = await bot.answer()
            assert told.text.startswith(text), what
            assert str(bot.path) not in told.text
        assert not too_large.asked_for.is_set()
        assert await stored_in(bot) == before
        assert await record(bot) != exec_id
        complaints = await bot.end()
        assert complaints.count("could not be handled: RuntimeError") == 1
        assert "Warning" not in complaints


async def test_only_the_owner_is_answered(start: Any, platform: Any) -> None:
    """A stranger is told nothing and stores nothing."""
    async with start(platform) as bot:
        exec_id = await record(bot)
        platform.send_trade(TRADE, person=STRANGER)
        platform.send_chart(Attachment(make_png()), exec_id, person=STRANGER)
        platform.send_last(person=STRANGER)
        platform.send_last()
        told = await bot.answer()
        assert (told.person, told.picture, platform.told.qsize()) == (OWNER, None, 0)
        assert await bot.end() == ""
        assert platform.told.empty()
        trades, charts = await stored_in(bot)
        assert [trade.exec_id for trade in trades] == [exec_id]
        assert charts[exec_id] == []


async def test_updates_are_handled_at_once(start: Any, platform: Any) -> None:
    """While a chart is slow to come, twenty trades are stored; then it is, too."""
    slow = Attachment(make_png(), kept=asyncio.Event())
    async with start(platform) as bot:
        exec_id = await record(bot)
        platform.send_chart(slow, exec_id)
        await slow.asked_for.wait()
        for n in range(20):
            platform.send_trade(f"SLD {n + 1} SPY 620")
        told = {trade_named_in((await bot.answer()).text) for _ in range(20)}
        assert slow.kept is not None
        slow.kept.set()
        assert (await bot.answer()).text == f"Stored the chart of {exec_id}."
        assert await bot.end() == ""
        trades, charts = await stored_in(bot)
        assert {trade.exec_id for trade in trades} == told | {exec_id}
        assert len(told) == 20
        assert len(charts[exec_id]) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_closes_the_vault(start: Any, platform: Any, how: signal.Signals) -> None:
    """Ctrl-C and a supervisor's signal leave no lock: the passphrase can be changed, which takes the vault alone."""
    async with start(platform) as bot:
        await record(bot)
        assert await bot.end(how) == ""
        async with bot.vault() as vault:
            await vault.rekey("another passphrase", profile=KdfProfile.CHEAPEST)


async def test_a_stop_lets_nothing_half_done(start: Any, platform: Any) -> None:
    """A chart that is on its way when the bot is stopped is stored, and its owner is told; or neither."""
    slow = Attachment(make_png(), kept=asyncio.Event())
    async with start(platform) as bot:
        exec_id = await record(bot)
        platform.send_chart(slow, exec_id)
        await slow.asked_for.wait()
        bot.process.send_signal(signal.SIGTERM)
        await platform.stopping()
        assert slow.kept is not None
        slow.kept.set()
        assert await bot.ended() == ""
        _, charts = await stored_in(bot)
        assert len(charts[exec_id]) == platform.told.qsize()


async def test_a_wrong_passphrase_ends_the_bot(start: Any, platform: Any) -> None:
    """It says why, with neither the passphrase nor the token."""
    wrong = "canary of a passphrase"
    with pytest.raises(pytest.fail.Exception) as caught:
        async with start(platform, passphrase=wrong):
            pass
    assert "WrongPassphraseError" in str(caught.value)
    for secret in (wrong, PASSPHRASE, *platform.secrets):
        assert secret not in str(caught.value)


REFUSED_TOKENS = ["8001:canary-of-another", "canary", "8001:canary-with a blank", "8001:canary-with-a-newline\n"]
NO_PLATFORM = ["nonsense", "http://127.0.0.1:1"]
CANNOT_START = [
    *[(recipe, {"BOT_TOKEN": token}) for recipe in TELEGRAM for token in REFUSED_TOKENS],
    *[
        (recipe, {"BOT_TOKEN": "8001:canary", "BOT_API": address, "DISCORD_API": address})
        for recipe in [*TELEGRAM, "discord_bot"]
        for address in NO_PLATFORM
    ],
]


@pytest.mark.parametrize(("recipe", "given"), CANNOT_START, indirect=["recipe"])
async def test_a_bot_that_cannot_start_shows_no_token(start: Any, platform: Any, given: dict[str, str]) -> None:
    """Whether the platform refuses it, it cannot be one, or the platform is not reached."""
    platform.environment |= given
    with pytest.raises(pytest.fail.Exception) as caught:
        async with start(platform):
            pass
    assert "the bot ended: " in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ZORIVEST_PASSPHRASE": ""}, "set the environment variable ZORIVEST_PASSPHRASE"),
        ({"BOT_OWNER": ""}, "set the environment variable BOT_OWNER"),
        ({"BOT_OWNER": "@me"}, "BOT_OWNER must be your number on the platform, not a name"),
    ],
)
async def test_a_bad_setting_ends_the_bot(start: Any, platform: Any, given: dict[str, str], words: str) -> None:
    """It says which it is, whatever the framework makes of a program that ends."""
    platform.environment |= given
    with pytest.raises(pytest.fail.Exception) as caught:
        async with start(platform, passphrase=given.get("ZORIVEST_PASSPHRASE", PASSPHRASE)):
            pass
    assert words in str(caught.value)


@pytest.mark.parametrize("recipe", TELEGRAM, indirect=True)
async def test_an_update_that_comes_again_is_not_stored_again(start: Any, platform: Any) -> None:
    """Telegram delivers again what a bot that was killed had not confirmed; the trade and its chart stay one."""
    platform.withhold_confirmations()
    async with start(platform) as bot:
        exec_id = await record(bot)
        platform.send_chart(Attachment(make_png()), exec_id)
        await bot.answer()
        before = await stored_in(bot)
        bot.process.kill()
        await bot.process.wait()
    async with start(platform) as bot:
        again = [await bot.answer() for _ in range(2)]
        assert [told.text for told in again] == ["This is stored already."] * 2
        assert await bot.end() == ""
        assert await stored_in(bot) == before


async def test_a_vault_is_made_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipes' own opening makes it and its account, once."""
    monkeypatch.setenv("JOURNAL", str(tmp_path / "new.vault"))
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", PASSPHRASE)
    for _ in range(2):
        async with open_journal() as vault, vault.unit_of_work(read_only=True) as uow:
            assert [account.account_id for account in await uow.accounts.list_all()] == ["BOT"]
