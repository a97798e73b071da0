"""Importer of executions from Flex XML, Interactive Brokers' machine-readable statements."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import Element

from zorivest_async._extras import import_extra
from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ValidationError
from zorivest_async.transfer.importers.cancellations import family_of, version_name
from zorivest_async.transfer.importers.facts import Facts
from zorivest_async.transfer.importers.flex_elements import elements_of
from zorivest_async.transfer.importers.flex_times import TIME_ATTRIBUTES, parse_time
from zorivest_async.transfer.importers.flex_units import UNIT_ATTRIBUTES, is_one, units_of
from zorivest_async.transfer.importers.flex_versions import settle_versions
from zorivest_async.transfer.importers.packing import Execution, Executions
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import (
    MAX_NAMES,
    AmbiguousTimes,
    FieldError,
    ReadRows,
    listed,
)
from zorivest_async.transfer.importers.units import SPLITS, refuse_bought_back
from zorivest_async.transfer.importers.versions import LONGEST_REVISION

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = ["FlexTrades"]

_COMMON: Final = (
    "accountId", "symbol", "buySell", "transactionType", "quantity", "tradeID", "transactionID", "origTradeID",
    "levelOfDetail",
)  # fmt: skip
_FIELDS: Final = {
    "Trade": (*_COMMON, "ibExecID", "tradePrice", "ibCommission", "fifoPnlRealized", "origTransactionID"),
    "TradeConfirm": (*_COMMON, "execID", "price", "commission"),
}
"""The elements of executions, and the attributes that ``ibflex`` reads; units and times are read without it."""

_ACCOUNT: Final = "AccountInformation"
_CORPORATE_ACTION: Final = "CorporateAction"
_ALWAYS_STATED: Final = frozenset({"time", "instrument", "action", "quantity", "price", "account_id"})

MAX_ATTRIBUTE_CHARACTERS: Final = 10_000
"""Maximum length of an attribute; texts that are joined from several attributes must fit into a vault's fields, too."""

MAX_KIND_CHARACTERS: Final = 20
"""Maximum length of the kind of a corporate action in a warning; IBKR's have two letters."""

_VERSIONED: Final = re.compile(rf"(.+)\.(\d{{1,{LONGEST_REVISION}}})")
_ORDER: Final = re.compile(r"\d{1,18}")
_NO_ORDER: Final = (
    "transactionID: an older statement would bring back what they cancel; add Transaction ID to the Flex query"
)
_NO_CURRENCY: Final = "currency is missing, which other executions of the statement have"
_NO_UNITS: Final = (
    "are in the currency of their account, as the statement does not name theirs; add Currency to the Flex query"
)


@dataclass(frozen=True, slots=True)
class FlexTrades:
    """Source of executions: a Flex statement, of activity or of trade confirmations.

    The identifier of an execution is IBKR's ``ibExecID``, which the APIs of TWS report, too; its last digits count
    corrections. An execution without one, such as an option that expired, is identified by its ``tradeID``.

    Each execution gets the units that the statement states: its currency, multiplier, asset class, the currency of its
    costs, taxes as fees, and its order. A row that needs a multiplier and has none fails. Results of activity
    statements are after costs; trade confirmations have none. ``fxRateToBase`` is not stored: rates are yours to give.

    Attributes:
        path: The XML file.
        time_zone: Time zone of the statement's times; IBKR's default is New York's.
        ambiguous_times: What to do with a time that is ambiguous because clocks were put back: ``"fail"`` the row
            (default), or take the ``"earlier"`` or the ``"later"`` one.
        exec_id_with_account: Begin identifiers with the account, for accounts that share IBKR's identifiers.
    """

    path: str | PathLike[str]
    time_zone: str = "America/New_York"
    ambiguous_times: AmbiguousTimes = "fail"
    exec_id_with_account: bool = False

    def read(self, operation: Operation) -> ReadRows:
        """Read the file, in a thread; see :class:`~zorivest_async.transfer.importers.TradeSource`."""
        reader = _Reader(self)
        wanted = {*_FIELDS, _ACCOUNT, _CORPORATE_ACTION}
        with closing(elements_of(self.path, wanted, operation)) as elements:
            for element in elements:
                reader.take(element)
        total = Path(self.path).stat().st_size or 1
        operation.report("read", total, total)
        return reader.finish()


class _Reader:
    """Parser of elements into executions; it also resolves corrections and cancellations."""

    def __init__(self, source: FlexTrades) -> None:
        self._source = source
        self._zone = load_zone(source.time_zone)
        self._parse_element = import_extra("importers", "ibflex.parser").parse_data_element
        types = import_extra("importers", "ibflex.Types")
        self._error = import_extra("importers", "ibflex.parser").FlexParserError
        self._known = {tag: frozenset(getattr(types, tag).__dataclass_fields__) for tag in _FIELDS}
        self._unknown: dict[str, None] = {}
        self._summaries = 0
        self._seen = Executions()
        # The index of a booking's only version, or the indexes of all its versions.
        self._by_booking: dict[str, int | list[int]] = {}
        self._cancelled_families = set[str]()
        self._without_order = 0
        self._corporate_actions: Counter[str] = Counter()
        self._facts = Facts(grouped=True)
        self._stated: dict[frozenset[str], frozenset[str]] = {}
        self._states_currency = False
        self._rows = ReadRows()
        self.count = 0

    def take(self, element: Element) -> None:
        """Read an element."""
        attributes = element.attrib
        if element.tag == _ACCOUNT:
            self._facts.base_currency(attributes.get("accountId", ""), attributes.get("currency", ""))
        elif element.tag == _CORPORATE_ACTION:
            kind = attributes.get("type", "")[:MAX_KIND_CHARACTERS] or "unknown"
            known = kind in self._corporate_actions or len(self._corporate_actions) < MAX_NAMES
            self._corporate_actions[kind if known else "unknown"] += 1
        else:
            self.count += 1
            self._take_execution(element)

    def _take_execution(self, element: Element) -> None:
        attributes = element.attrib
        if len(self._unknown) <= MAX_NAMES:
            self._unknown |= dict.fromkeys(attributes.keys() - self._known[element.tag])
        if attributes.get("levelOfDetail", "") not in ("", "EXECUTION"):
            self._summaries += 1
            return
        # ibflex refuses a row with a new currency or code, so attributes that no trade needs are not passed to it.
        wanted = {name: attributes[name] for name in _FIELDS[element.tag] if name in attributes}
        own = (*UNIT_ATTRIBUTES[element.tag], *TIME_ATTRIBUTES)
        texts = wanted | {name: attributes[name] for name in own if name in attributes}
        if long := next((name for name, text in texts.items() if len(text) > MAX_ATTRIBUTE_CHARACTERS), None):
            self._fail(f"{long} has more than {MAX_ATTRIBUTE_CHARACTERS:,} characters")
            return
        try:
            self._take_parsed(self._parsed(element.tag, wanted), texts)
        except FieldError as error:
            self._fail(str(error))
        except ValidationError as error:
            self._fail(f"{error.field} {error.problem}")
        except (ArithmeticError, ValueError):
            self._fail("a number cannot be read")

    def _parsed(self, tag: str, wanted: dict[str, str]) -> Any:
        try:
            return self._parse_element(Element(tag, wanted))
        except (self._error, ArithmeticError, ValueError):
            names = [name for name, text in wanted.items() if not self._is_read(tag, name, text)]
            raise FieldError(f"{', '.join(names) or 'the element'} cannot be read by ibflex") from None

    def _is_read(self, tag: str, name: str, text: str) -> bool:
        try:
            self._parse_element(Element(tag, {name: text}))
        except (self._error, ArithmeticError, ValueError):
            return False
        return True

    def _fail(self, detail: str) -> None:
        self._rows.failed.add(self.count, None, Reason.UNREADABLE, detail)

    def _take_parsed(self, parsed: Any, texts: dict[str, str]) -> None:
        side = parsed.buySell.value if parsed.buySell is not None else ""
        kind = parsed.transactionType.value if parsed.transactionType is not None else ""
        cancels = side.endswith("(Ca.)") or kind.endswith("Cancel")
        own_id = getattr(parsed, "ibExecID", None) or getattr(parsed, "execID", None)
        trade_id = (parsed.origTradeID if cancels else None) or parsed.tradeID
        order = int(parsed.transactionID) if _ORDER.fullmatch(parsed.transactionID or "") else None
        booking = f"{parsed.accountId}/{trade_id}" if trade_id else None
        if cancels:
            ids = (self._exec_id(parsed.accountId, own_id, trade_id),) if own_id else ()
            family, revision = self._family(ids[0]) if ids else (None, 0)
            execution = Execution(
                self.count, None, family, revision, False, ids, booking, order, account_id=parsed.accountId or ""
            )
            self._without_order += booking is None or order is None
            if (cancelled := family_of(execution)) is not None:
                self._cancelled_families.add(cancelled)
        else:
            trade, stated = self._trade(parsed, texts, self._exec_id(parsed.accountId, own_id, trade_id))
            family, revision = self._family(trade.exec_id)
            corrected = kind == "TradeCorrect"
            execution = Execution(self.count, trade, family, revision, corrected, (), booking, order, stated)
            self._note(trade, texts)
        place = len(self._seen)
        self._seen.append(execution)
        earlier = self._by_booking.setdefault(booking or f"row {self.count}", place)
        if isinstance(earlier, list):
            earlier.append(place)
        elif earlier != place:
            self._by_booking[booking or ""] = [earlier, place]

    def _exec_id(self, account_id: str | None, own_id: str | None, trade_id: str | None) -> str:
        exec_id = own_id or (f"tradeID:{trade_id}" if trade_id else "")
        if not exec_id:
            raise FieldError("ibExecID and tradeID are missing; add them to the Flex query")
        return f"{account_id}/{exec_id}" if self._source.exec_id_with_account else exec_id

    def _note(self, trade: Trade, texts: dict[str, str]) -> None:
        self._facts.take(trade)
        if trade.currency is not None:
            self._states_currency = True
            if rate := texts.get("fxRateToBase"):
                self._facts.rate_to_base(trade.account_id, trade.currency, is_one=is_one(rate))

    def _trade(self, parsed: Any, texts: dict[str, str], exec_id: str) -> tuple[Trade, frozenset[str]]:
        """Return the trade, and the names of the fields that the statement states."""
        quantity: Any = parsed.quantity
        price: Any = getattr(parsed, "tradePrice", None) or getattr(parsed, "price", None)
        paid: Any = getattr(parsed, "ibCommission", None)
        commission: Any = getattr(parsed, "commission", None) if paid is None else paid
        absent = [n for n, value in (("buySell", parsed.buySell), ("quantity", quantity)) if value is None]
        if price is None and not texts.get("tradePrice", texts.get("price")):
            absent.append("tradePrice")
        if absent:
            raise FieldError(f"{', '.join(absent)} is missing; add it to the Flex query")
        action = TradeAction.BOT if parsed.buySell.value == "BUY" else TradeAction.SLD
        refuse_bought_back(action, quantity)
        price = Decimal() if price is None else price
        fields = units_of(texts, quantity, price, commission or Decimal())
        if commission is not None:
            fields["commission"] = commission.copy_negate()
        result = getattr(parsed, "fifoPnlRealized", None)
        # For currencies IBKR states 0 there, whatever was gained; the gain stands in the statement's forex tables.
        if result is not None and (result or fields.get("asset_class") is not AssetClass.FOREX):
            fields |= {"realized_pnl": result, "result_after_costs": True}
        values: dict[str, Any] = {"realized_pnl": None, **fields}
        trade = Trade(
            exec_id=exec_id,
            time=parse_time(texts, self._zone, self._source.ambiguous_times),
            instrument=parsed.symbol or "",
            action=action,
            quantity=quantity.copy_abs(),
            price=price,
            account_id=parsed.accountId or "",
            **values,
        )
        stated = _ALWAYS_STATED.union(fields)
        return trade, self._stated.setdefault(stated, stated)

    def finish(self) -> ReadRows:
        """Return the executions, after matching each cancellation with its execution.

        IBKR cancels by ``tradeID``, and may book the corrected execution under the same ``tradeID``, with the next
        version of its ``ibExecID`` or with the same one.
        """
        final: dict[int, Execution | None] = {}
        for places in self._by_booking.values():
            if isinstance(places, list):
                final |= self._settle(places)
        if self._cancelled_families:
            final |= settle_versions(self._seen, final, self._cancelled_families)
        cancellations: list[Execution] = []
        for place, execution in enumerate(self._seen):
            settled = final.get(place, execution)
            if settled is None:
                key = None if execution.trade is None else execution.trade.exec_id
                self._rows.duplicate.add(execution.row, key, Reason.SUPERSEDED)
                if execution.trade is None:
                    self._note_cancelled(execution)
            elif settled.trade is None:
                cancellations.append(settled)
            elif settled.trade.currency is None and self._states_currency:
                self._rows.failed.add(settled.row, settled.trade.exec_id, Reason.UNREADABLE, _NO_CURRENCY)
            else:
                self._rows.executions.append(settled)
        for cancellation in cancellations:
            self._rows.executions.append(cancellation)
        self._facts.finish(self._rows)
        self._rows.warnings += self._warnings()
        return self._rows

    def _note_cancelled(self, cancellation: Execution) -> None:
        """Note a cancellation that a later booking of the statement has settled."""
        family, order = family_of(cancellation), cancellation.order
        names = [cancellation.booking, None if family is None else version_name(family, cancellation.revision)]
        for name in names:
            if name is not None and order is not None:
                self._rows.cancelled[name] = max(self._rows.cancelled.get(name, order), order)

    def _warnings(self) -> list[str]:
        found: list[str] = []
        if self._unknown:
            found.append(f"attributes that ibflex does not know: {listed(sorted(self._unknown))}")
        if self._without_order:
            found.append(f"{self._without_order} cancellations without a {_NO_ORDER}")
        if self._summaries:
            found.append(f"{self._summaries} summaries of executions left out")
        if len(self._rows.executions) and not self._states_currency:
            found.append(f"the executions {_NO_UNITS}")
        if self._corporate_actions:
            kinds = listed(f"{count} of type {kind}" for kind, count in self._corporate_actions.items())
            found.append(f"corporate actions that were not imported: {kinds}; {SPLITS}")
        return found

    def _settle(self, places: list[int]) -> dict[int, Execution | None]:
        """Resolve the versions of one ``tradeID``: ``None`` for a version that a later one replaced."""
        versions = {place: self._seen.slice(place, place + 1)[0] for place in places}
        if all(version.order is not None for version in versions.values()):
            places = sorted(places, key=lambda place: versions[place].order or 0)
        settled: dict[int, Execution | None] = {}
        cancellations: list[int] = []
        ids: dict[str, None] = {}
        live: dict[int, Execution] = {}
        for place in places:
            execution = versions[place]
            if execution.trade is not None:
                live[place] = execution
                continue
            ids |= dict.fromkeys(execution.earlier_ids)
            ids |= {each.trade.exec_id: None for each in live.values() if each.trade is not None}
            settled |= dict.fromkeys(live)
            cancellations.append(place)
            settled[place] = replace(execution, earlier_ids=tuple(ids))
            live = {}
        if cancellations and live:
            settled |= dict.fromkeys(cancellations)
            still = {each.trade.exec_id for each in live.values() if each.trade is not None}
            replaced = tuple(exec_id for exec_id in ids if exec_id not in still)
            for place, execution in live.items():
                settled[place] = replace(execution, corrected=True, earlier_ids=replaced)
                replaced = ()
        return settled

    @staticmethod
    def _family(exec_id: str) -> tuple[str | None, int]:
        # IBKR: a correction has the execution's identifier, with other digits after the last period.
        found = None if "tradeID:" in exec_id else _VERSIONED.fullmatch(exec_id)
        return (None, 0) if found is None else (found[1], int(found[2]))
