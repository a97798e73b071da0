"""Facts about a source that follow from all its rows: the currency of each account, and the order of the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from zorivest_async.domain.validation import currency as valid_currency
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from datetime import datetime

    from zorivest_async.domain.entities import Trade
    from zorivest_async.transfer.importers.profiles import Newest
    from zorivest_async.transfer.importers.source import ReadRows

__all__ = ["Facts"]

_DEFAULT: Final = "USD"


class Facts:
    """Collector of the facts.

    Args:
        grouped: Whether the source groups its rows by instrument, so that only rows of the same one show the order.
        newest: Which end of the source has the newest execution; ``"detect"`` it by the times.
    """

    def __init__(self, *, grouped: bool, newest: Newest = "detect") -> None:
        self._grouped = grouped
        self._newest = newest
        self._stated: dict[str, str] = {}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        # Per account and currency, whether its rate to the base currency is 1.
        self._rates: dict[tuple[str, str], bool] = {}
        self._last_times: dict[tuple[str, str], datetime] = {}
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._steps_forward = 0

    def take(self, trade: Trade) -> None:
        """Note an execution, in the order of the source."""
        if trade.currency is not None:
            self._counts[trade.account_id][trade.currency] += 1
        about = (trade.account_id, trade.instrument)
        before = self._last_times.get(about, trade.time)
        self._steps_forward += (trade.time > before) - (trade.time < before)
        self._last_times[about] = self._last = trade.time
        if self._first is None:
            self._first = trade.time

    def base_currency(self, account_id: str, currency: str) -> None:
        """Note the base currency that a source states of an account; a text that is no currency is ignored."""
        try:
            self._stated[account_id] = valid_currency("Account", "currency", currency)
        except ValidationError:
            return

    def rate_to_base(self, account_id: str, currency: str, *, is_one: bool) -> None:
        """Note whether the rate of a currency to the account's base currency is 1."""
        self._rates[account_id, currency] = is_one

    def finish(self, rows: ReadRows) -> None:
        """Add the facts to the rows."""
        for account_id in dict.fromkeys((*self._stated, *self._counts)):
            self._decide(account_id, rows)
        backwards = self._steps_forward < 0
        if not self._grouped and not self._steps_forward and self._first is not None and self._last is not None:
            backwards = self._first > self._last
        rows.newest_first = backwards if self._newest == "detect" else self._newest == "first"

    def _decide(self, account_id: str, rows: ReadRows) -> None:
        if stated := self._stated.get(account_id):
            rows.currencies[account_id] = stated
            return
        counts = self._counts[account_id]
        possible = [each for each in counts if self._rates.get((account_id, each)) is not False]
        certain = [each for each in possible if (account_id, each) in self._rates]
        for alternatives in (certain, possible, [*counts]):
            if len(alternatives) == 1:
                rows.currencies[account_id] = alternatives[0]
                return
        among = possible or [*counts]
        rows.currencies[account_id] = _DEFAULT if _DEFAULT in among else max(among, key=counts.__getitem__)
        rows.assumed_currencies.add(account_id)
