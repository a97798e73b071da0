"""Values as HTML text. What is returned can stand anywhere between tags, whatever the value was."""

from __future__ import annotations

import html
import json
import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from zorivest_async.domain.enums import TradeAction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIGURE_SPACE", "FIRST_TEXT", "attribute_text", "moment_text", "text_html", "value_html"]

FIRST_TEXT: Final = 2_000
"""How much of a text is shown, in characters."""

FIGURE_SPACE: Final = "\u2007"
"""As wide as a digit, where digits are as wide as each other; ``float()`` ignores it."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""Control characters, those that turn the direction of text or hide in it (Unicode Standard Annex 9, section 2), and
lone surrogates, which UTF-8 cannot hold.

Tabs, line ends and what joins emoji and letters are no such characters.
"""

_MATHEMATICAL = re.compile(r"[$\\]")
"""What begins a formula for MathJax, which reads the HTML of notebooks.

The classes that tell it to ignore an element are not always obeyed, but a formula never spans an element's border.
"""

_ACTION_COLORS: Final = {TradeAction.BOT: ("#259a55", "37,154,85"), TradeAction.SLD: ("#d94a46", "217,74,70")}
"""Of the text and its background; they can be read on white and on black alike."""

_MUTED: Final = '<span style="opacity:.6">{}</span>'


def text_html(text: str, limit: int = FIRST_TEXT) -> str:
    """Return a text, escaped; what cannot be seen is named, and what is beyond ``limit`` characters is counted."""
    shown = html.escape(text[:limit])
    shown = _MATHEMATICAL.sub(r"<span>\g<0></span>", shown)
    shown = _INVISIBLE.sub(lambda match: _MUTED.format(f"[U+{ord(match[0]):04X}]"), shown)
    more = len(text) - limit
    return shown + _MUTED.format(f"… {more:,} more characters") if more > 0 else shown


def attribute_text(text: str) -> str:
    """Return a text for an attribute in quotation marks."""
    return html.escape(_INVISIBLE.sub("", text[:FIRST_TEXT]))


def moment_text(moment: datetime) -> str:
    """Return a moment to the last microsecond that it has, without its offset, which is zero in entities."""
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def value_html(value: Any, limit: int = FIRST_TEXT) -> str:
    """Return a field's value: numbers as Python writes them, bytes as their count.

    Args:
        value: The value; of a secret, this is its mask.
        limit: How much of a text is shown, in characters.
    """
    match value:
        case None:
            shown = _MUTED.format("—")
        case TradeAction():
            shown = _action_html(value)
        case str():
            shown = text_html(value, limit)
        case datetime():
            shown = moment_text(value)
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
    return str(getattr(item, "ticker", item))  # of a watchlist; other items are tags


def _action_html(action: TradeAction) -> str:
    color, background = _ACTION_COLORS[action]
    style = f"color:{color};background:rgba({background},.14);padding:0 .4em;border-radius:.3em"
    return f'<b style="{style}">{action.value}</b>'
