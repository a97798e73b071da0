"""Ctrl-C while the asynchronous part of a command runs: it is stopped in good order, however often it is pressed."""

from __future__ import annotations

import asyncio
import signal

import pytest

from zorivest_async.cli.running import run_to_end


def press_ctrl_c() -> None:
    """Send this process what a terminal sends."""
    signal.raise_signal(signal.SIGINT)


def test_whoever_presses_again_does_not_hurry_the_clean_up() -> None:
    """Work that is cleaning up is not cancelled again, and ends before the command does."""
    done: list[str] = []

    async def work() -> None:
        try:
            press_ctrl_c()
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                press_ctrl_c()
                await asyncio.sleep(0)
            done.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run_to_end(work())
    assert done == ["cleaned up"]


def test_work_that_cannot_be_stopped_any_more_has_a_result() -> None:
    """Ctrl-C came too late to change anything."""

    async def work() -> str:
        press_ctrl_c()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "published"
        raise AssertionError("it was not cancelled")

    assert run_to_end(work()) == "published"


def test_the_program_gets_its_own_handler_back() -> None:
    """Also where the work fails; afterwards Ctrl-C is a KeyboardInterrupt again."""

    async def fail() -> None:
        raise OSError("on purpose")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(OSError, match="on purpose"):
        run_to_end(fail())
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
