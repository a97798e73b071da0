"""Rendering of values as HTML text. The result is escaped, and safe anywhere between tags."""

from __future__ import annotations

import html
import json
import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from zorivest_async.domain.enums import TradeAction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIGURE_SPACE", "FIRST_TEXT", "attribute_text", "text_html", "time_text", "value_html"]

FIRST_TEXT: Final = 2_000
"""Number of characters of a text that are shown."""

FIGURE_SPACE: Final = "\u2007"
"""As wide as a digit, where digits are as wide as each other; ``float()`` ignores it."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""Control characters, characters that change the direction of text or are invisible (Unicode Standard Annex 9,
section 2), and lone surrogates, which UTF-8 cannot encode.

Tabs, line ends and joiners of emoji and letters are not among them.
"""

_MATHEMATICAL = re.compile(r"[$\\]")
"""Characters that begin a formula for MathJax, which reads the HTML of notebooks.

MathJax does not always respect the classes that disable it, but a formula never spans an element's border.
"""

_ACTION_COLORS: Final = {TradeAction.BOT: ("#259a55", "37,154,85"), TradeAction.SLD: ("#d94a46", "217,74,70")}
"""Colours of the text and its background; they are readable on white and on black."""

_MUTED: Final = '<span style="opacity:.6">{}</span>'


def text_html(text: str, limit: int = FIRST_TEXT) -> str:
    """Return a text, escaped; invisible characters appear by name, and characters beyond ``limit`` are counted."""
    shown = html.escape(text[:limit])
    shown = _MATHEMATICAL.sub(r"<span>\g<0></span>", shown)
    shown = _INVISIBLE.sub(lambda match: _MUTED.format(f"[U+{ord(match[0]):04X}]"), shown)
    more = len(text) - limit
    return shown + _MUTED.format(f"… {more:,} more characters") if more > 0 else shown


def attribute_text(text: str) -> str:
    """Return a text, escaped for a quoted attribute."""
    return html.escape(_INVISIBLE.sub("", text[:FIRST_TEXT]))


def time_text(time: datetime) -> str:
    """Return a time with all its digits, without its offset, which is zero in entities."""
    return time.replace(tzinfo=None).isoformat(sep=" ")


def value_html(value: Any, limit: int = FIRST_TEXT) -> str:
    """Return the value of a field as HTML: numbers with all their digits, bytes as their number.

    Args:
        value: The value; for a secret, its mask.
        limit: Number of characters of a text that are shown.
    """
    match value:
        case None:
            shown = _MUTED.format("—")
        case TradeAction():
            shown = _action_html(value)
        case str():
            shown = text_html(value, limit)
        case datetime():
            shown = time_text(value)
        case date():
            shown = text_html(str(value), limit)
        case bytes():
            shown = f"{len(value)} bytes"
        case tuple():
            shown = text_html(", ".join(map(_item_text, cast("Iterable[Any]", value))), limit)
        case dict() | list():
            shown = text_html(json.dumps(value, ensure_ascii=False), limit)
        case _:
            shown = text_html(str(value), limit)
    return shown


def _item_text(item: Any) -> str:
    if isinstance(item, tuple):  # a currency and an amount
        return " ".join(map(str, cast("Iterable[Any]", item)))
    return str(getattr(item, "ticker", item))  # of a watchlist; other items are tags


def _action_html(action: TradeAction) -> str:
    color, background = _ACTION_COLORS[action]
    style = f"color:{color};background:rgba({background},.14);padding:0 .4em;border-radius:.3em"
    return f'<b style="{style}">{action.value}</b>'
