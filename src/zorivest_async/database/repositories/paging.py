"""Keyset paging: a page begins after the last row of the page before, so page 1,000 is as fast as page 1."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from zorivest_async.domain.validation import identifier
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from zorivest_async.database.backend import Backend

__all__ = ["Position"]


class Position(NamedTuple):
    """Position at which a page of trades ended.

    Attributes:
        time: Stored form of the last trade's time: another program may have written it in another one, which decoding
            and encoding would change.
        exec_id: ``exec_id`` of the last trade, which orders trades of the same time.
    """

    time: Any
    exec_id: str

    def to_token(self, backend: Backend) -> str:
        """Return the position as URL-safe text; its form may change between releases."""
        text = json.dumps([backend.time_to_text(self.time), self.exec_id])
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def from_token(cls, token: str, backend: Backend) -> Position:
        """Return the position of a token of :meth:`to_token`.

        Raises:
            InvalidQueryError: It is not such a token.
        """
        try:
            time, exec_id = json.loads(base64.urlsafe_b64decode(token.encode()))
            stored = backend.time_from_text(identifier("Trade", "time", time))
            position = cls(stored, identifier("Trade", "exec_id", exec_id))
            if position.to_token(backend) == token:  # and not another encoding of the same position
                return position
        except (AttributeError, TypeError, ValueError, RecursionError):
            pass
        raise InvalidQueryError("Trade", problem="after must be the next of an earlier page")
