"""Vaults and entities in a real kernel: what it shows, and what becomes of a vault that it interrupts or restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kernels import Kernel

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(180)]

OPEN = """
import asyncio
from datetime import UTC, datetime
from sqlalchemy import text
from zorivest_async import *

async def opened(**options):
    return await Vault.open("journal.vault", passphrase="it is only a test", profile=KdfProfile.CHEAPEST, **options)

vault = await opened()
"""

FILL = """
async with vault.unit_of_work() as uow:
    await uow.accounts.save(Account("U1", "Margin", AccountType.BROKER))
    await uow.trades.save(Trade("0001", datetime.now(UTC), "SPY", TradeAction.BOT, 100, 0.1 + 0.2, "U1"))
    await uow.commit()
"""

LONG_STATEMENT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000) SELECT max(i) FROM n"

TICK = """
async def tick():
    while True:
        await asyncio.sleep(0.02)

ticking = asyncio.create_task(tick())
"""
"""ipykernel asks its event loop from a signal handler, without waking it, to cancel a cell; an idle one sleeps on."""

WAITS = {
    "an event": "await asyncio.Event().wait()",
    "a statement": f'await uow.session.execute(text("{LONG_STATEMENT}"))',
    "a turn": "async with asyncio.TaskGroup() as group: group.create_task(write())",
}


@pytest.fixture
def journal(kernel: Kernel) -> Kernel:
    """A kernel with an open vault, ``vault``, that has an account and a trade."""
    for cell in (OPEN, FILL):
        output = kernel.run(cell)
        assert (output.text, output.error) == ("", "")
    return kernel


def test_entities_show_themselves(journal: Kernel) -> None:
    """Without any extension; a list of them needs it, and can do without it again."""
    read = "async with vault.unit_of_work() as uow: trades = await uow.trades.list_all()\n"
    (trade,) = journal.run(read + "trades[0]").shown
    assert "0.30000000000000004" in trade["text/html"]
    assert trade["text/plain"].startswith("Trade(exec_id='0001'")
    shows_list = "trades"
    assert [*journal.run(shows_list).shown[0]] == ["text/plain"]
    assert journal.run("%load_ext zorivest_async.integrations.notebook").text == ""
    listed = journal.run(shows_list).shown[0]
    assert ">SPY<" in listed["text/html"]
    assert listed["text/plain"].startswith("[Trade(exec_id='0001'")
    for other in ("[]", "[1, 2]", "[trades[0], 1]", "[trades]"):
        output = journal.run(other)
        assert ([*output.shown[0]], output.text, output.error) == (["text/plain"], "", "")
    assert journal.run("%unload_ext zorivest_async.integrations.notebook").text == ""
    assert [*journal.run(shows_list).shown[0]] == ["text/plain"]


def test_anothers_lists_stay_anothers(kernel: Kernel) -> None:
    """A formatter of lists that was there before goes on, during and after the extension."""
    kernel.run(
        "get_ipython().display_formatter.formatters['text/html'].for_type(list, lambda value: f'<i>{value}</i>')"
    )
    for magic in ("load_ext", "reload_ext", "unload_ext"):
        assert kernel.run(f"%{magic} zorivest_async.integrations.notebook").text == ""
        assert kernel.run("[1]").shown[0]["text/html"] == "<i>[1]</i>"


def test_what_is_derived_from_lists_shows_itself(journal: Kernel) -> None:
    """Its class knows how, also where it holds entities; without such a method it is shown as ever."""
    journal.run("%load_ext zorivest_async.integrations.notebook")
    journal.run("class Own(list):\n    def _repr_html_(self): return f'<i>{len(self)}</i>'\nclass Plain(list): pass")
    journal.run("async with vault.unit_of_work() as uow: trades = await uow.trades.list_all()")
    for held in ("[1]", "trades"):
        assert journal.run(f"Own({held})").shown[0]["text/html"] == "<i>1</i>"
        assert [*journal.run(f"Plain({held})").shown[0]] == ["text/plain"]


def test_an_image_is_a_picture(journal: Kernel) -> None:
    """In the media types of notebooks, whatever the image is; a hostile one is described, and nothing is said."""
    journal.run(
        "from io import BytesIO\n"
        "from PIL import Image\n"
        "buffer = BytesIO(); Image.new('RGB', (40, 30)).save(buffer, 'WEBP')\n"
        "image = ImageAttachment(buffer.getvalue(), caption='<script>alert(1)</script>')"
    )
    output = journal.run("image")
    assert {*output.shown[0]} == {"text/plain", "text/html", "image/png"}
    assert output.shown[0]["image/png"].startswith("iVBORw0KGgo")
    assert "<script" not in output.shown[0]["text/html"]
    hostile = journal.run("ImageAttachment(b'\\x89PNG\\r\\n\\x1a\\n' + b'x' * 100)")
    assert {*hostile.shown[0]} == {"text/plain", "text/html"}
    assert "cannot be shown" in hostile.shown[0]["text/html"]
    assert (output.text, output.error, hostile.text, hostile.error) == ("", "", "", "")


def test_cells_share_a_vault(journal: Kernel) -> None:
    """A vault that was awaited in one cell is used in others, until one closes it."""
    count = "async with vault.unit_of_work() as uow: print(await uow.accounts.count_all())"
    assert journal.run(count).text == "1\n"
    assert journal.run(count).text == "1\n"
    assert journal.run("await vault.aclose()").error == ""
    assert journal.run(count).error.startswith("VaultClosedError")


def test_another_loop_in_a_kernel_is_told_so(journal: Kernel) -> None:
    """A thread's asyncio.run does not hang, and the cells' own loop goes on."""
    journal.run("async def use():\n    async with vault.unit_of_work() as uow: return await uow.accounts.count_all()")
    refused = journal.run("await asyncio.to_thread(asyncio.run, use())")
    assert refused.error.startswith("UnitOfWorkError: this vault was opened on another event loop")
    assert journal.run("await use()").shown[0]["text/plain"] == "1"


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_an_interrupted_cell_rolls_back(journal: Kernel, wait: str) -> None:
    """Its unit of work is gone, whatever it waited for, and the next cell writes."""
    journal.run(TICK)
    journal.run(
        "async def write():\n"
        "    async with vault.unit_of_work() as other:\n"
        "        await other.accounts.save(Account('U3', 'never', AccountType.BANK))\n"
        "        await other.commit()"
    )
    output = journal.run(
        "async with vault.unit_of_work() as uow:\n"
        "    await uow.accounts.save(Account('U2', 'interrupted', AccountType.BANK))\n"
        "    print('written', flush=True)\n"
        f"    {wait}",
        on_text=journal.interrupt,
    )
    assert output.text == "written\n"
    assert output.error.startswith(("CancelledError", "KeyboardInterrupt"))
    after = journal.run(
        "print(uow.outcome)\n"
        "async with vault.unit_of_work() as uow:\n"
        "    print(await uow.accounts.count_all())\n"
        "    await uow.settings.set('after', 1)\n"
        "    await uow.commit()\n"
        "print(uow.outcome, (await vault.verify()).ok)"
    )
    assert (after.text, after.error) == ("rolled_back\n1\ncommitted True\n", "")


def test_a_restart_leaves_no_lock(journal: Kernel, tmp_path: Path) -> None:
    """A kernel that is killed amid a transaction keeps nothing; what was committed is there, and the file is free."""
    journal.run(
        "uow = await vault.unit_of_work().__aenter__()\n"
        "await uow.accounts.save(Account('U2', 'never committed', AccountType.BANK))"
    )
    journal.restart()
    again = journal.run(
        OPEN + "await vault.rekey('which needs the vault alone', profile=KdfProfile.CHEAPEST)\n"
        "async with vault.unit_of_work() as uow:\n"
        "    print(await uow.accounts.count_all(), await uow.trades.exists('0001'))\n"
        "await vault.aclose()"
    )
    assert (again.text, again.error) == ("1 True\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal.vault", "journal.vault.lock"]
