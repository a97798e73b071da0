"""Secrets to plant, the forms in which they could show, and everything that an error shows."""

from __future__ import annotations

import base64
import pickle
from pathlib import Path
from traceback import StackSummary, walk_tb
from typing import TYPE_CHECKING

import blockbuster
from rich.traceback import Traceback

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSPHRASE = "canary-passphrase-7Q"
NEW_PASSPHRASE = "canary-next-passphrase-8R"
KEY = b"canary-key-9S-" + bytes(range(200, 218))
API_KEY = "canary-api-key-5T"
ROW = "canary-row-6U"

SECRETS = (PASSPHRASE, NEW_PASSPHRASE, KEY, API_KEY)

_NOT_THE_LIBRARYS = (str(Path(__file__).parent), blockbuster.__path__[0])


def forms_of(secret: str | bytes) -> set[str]:
    """Return the ways in which a secret could be written."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    wide = b"" if isinstance(secret, bytes) else secret.encode("utf-16-le")
    texts = {repr(raw)[2:-1], raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode().rstrip("=")}
    texts |= {base64.urlsafe_b64encode(raw).decode().rstrip("="), repr(wide)[2:-1]}
    return texts - {""}


def found_in(shown: str, *secrets: str | bytes) -> list[str]:
    """Return the secrets that a text shows, in whatever form; by default all of them."""
    return [form for secret in secrets or SECRETS for form in forms_of(secret) if form in shown]


def errors_behind(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and every other one that can be reached from it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if current is not None and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [current.__cause__, current.__context__, getattr(current, "orig", None)]


def locals_of(error: BaseException) -> dict[str, str]:
    """Return what a traceback shows of the local variables of each frame outside the tests."""
    return {
        f"{number} {frame.filename}:{frame.lineno} {frame.name}": "\n".join((frame.locals or {}).values())
        for number, current in enumerate(errors_behind(error))
        for frame in StackSummary.extract(walk_tb(current.__traceback__), capture_locals=True)
        if not frame.filename.startswith(_NOT_THE_LIBRARYS)
    }


def locals_in_rich(error: BaseException) -> str:
    """Return what rich shows of the same, which looks into containers and dataclasses by itself."""
    traces = [
        Traceback.extract(
            type(e), e, e.__traceback__, show_locals=True, locals_max_length=1000, locals_max_string=100_000
        )
        for e in errors_behind(error)
    ]
    frames = [frame for trace in traces for stack in trace.stacks for frame in stack.frames]
    return "\n".join(str(frame.locals) for frame in frames if not frame.filename.startswith(_NOT_THE_LIBRARYS))


def shown_by(error: BaseException) -> str:
    """Return all that can be seen of an error: messages, reprs, pickles, and local variables outside the tests."""
    texts = [f"{frame}\n{values}" for frame, values in locals_of(error).items()]
    texts += [f"{current} {current!r}" for current in errors_behind(error)]
    return "\n".join([*texts, locals_in_rich(error), repr(pickle.dumps(error))])
