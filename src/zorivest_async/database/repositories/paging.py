"""Keyset paging: a page begins after the last row of the one before, so that page 1,000 costs what page 1 does."""

from __future__ import annotations

import base64
import json
from typing import NamedTuple

from zorivest_async.database.types import UTCDateTime
from zorivest_async.domain.validation import identifier
from zorivest_async.errors import InvalidQueryError

__all__ = ["Position"]


class Position(NamedTuple):
    """Where a page of trades ended.

    Attributes:
        time: Of its last trade, the text as it is stored: another program may have written one of another form, which
            would come back as another text.
        exec_id: Of its last trade, which orders trades of the same moment.
    """

    time: str
    exec_id: str

    def to_token(self) -> str:
        """Return the position as text that fits into a URL; its form may change between releases."""
        text = json.dumps(self)
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def from_token(cls, token: str) -> Position:
        """Return the position that :meth:`to_token` described.

        Raises:
            InvalidQueryError: It did not come from there.
        """
        try:
            time, exec_id = json.loads(base64.urlsafe_b64decode(token.encode()))
            UTCDateTime.from_text(time)
            position = cls(time, identifier("Trade", "exec_id", exec_id))
            if position.to_token() == token:  # and is not one that only reads like it
                return position
        except (AttributeError, TypeError, ValueError, RecursionError):
            pass
        raise InvalidQueryError("Trade", problem="after must be the next of an earlier page")
