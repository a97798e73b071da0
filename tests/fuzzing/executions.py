"""Hostile statements of brokers: CSV files of every profile and Flex XML, with odd values and broken structure."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, Literal
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

from fuzzing.target import Edit, Target, edit, edits, require_short, run
from fuzzing.vaults import folder
from zorivest_async import Vault
from zorivest_async.transfer.importers import (
    IBKR_ACTIVITY,
    THINKORSWIM,
    ZORIVEST,
    CsvProfile,
    CsvTrades,
    FlexTrades,
    ImportReport,
    ImportSourceError,
    import_trades,
)

if TYPE_CHECKING:
    from zorivest_async import Trade
    from zorivest_async.transfer.importers import TradeSource

__all__ = ["CSV_FILES", "FLEX_FILES"]

_GERMAN: Final = CsvProfile(
    name="german",
    columns={"time": ("Datum", "Zeit"), "instrument": "ISIN", "quantity": "Stück", "price": "Kurs", "exec_id": "Nr"},
    constants={"account_id": "DE1"},
    exec_id="{account_id}:{exec_id}",
    time_zone="Europe/Berlin",
    time_formats=("%d.%m.%Y %H:%M:%S", "%d.%m.%y %H:%M"),
    ambiguous_times="earlier",
    decimal_mark=",",
    delimiter=";",
    encoding="cp1252",
)
_BEFORE: Final = {
    IBKR_ACTIVITY.name: "Statement,Header,Field Name\nAccount Information,Data,Account,U1234567\n",
    THINKORSWIM.name: "Account Statement for 123 (margin) since 1/1/24\n\nAccount Trade History\n",
    ZORIVEST.name: "",
    _GERMAN.name: "",
}
_PROFILES: Final = {profile.name: profile for profile in (IBKR_ACTIVITY, THINKORSWIM, ZORIVEST, _GERMAN)}

_TIMES: Final = [
    "2024-03-08T14:30:00+00:00", "2024-03-08, 09:30:00", "03/08/24 09:30:00", "08.03.2024 09:30:00",
    "20240308;093000", "20240308;093000-0500", "2024-03-10, 02:30:00", "2024-11-03, 01:30:00",
    "0001-01-01T00:00:00+23:59", "0001-01-01, 00:00:00",
    "9999-12-31T23:59:59-23:59", "9999-12-31, 23:59:59", "99991231;235959",
    "00010101;000000",
    "99991231;235959-9999", "20240308;093000+2400", "01.01.0001 00:00:00", "31.12.9999 23:59:59", "2024-02-30",
    "2024-03-08T14:30:00.1234567Z", "20240308;999999", "2024-W10-5", "24:00", "12/31/9999 23:59:59",
]  # fmt: skip
_NUMBERS: Final = [
    "0", "-0", "1", "100", "-100", "0.1", "1,000.50", "1.000,50", "(5)", "$5", "1e5", "1e308", "1e309", "1e-400",
    "1e999999999999999999999", "-1e999999999999999999999", "1e-999999999999999999999", "nan", "-nan", "inf", "sNaN123",
    "Infinity", "9" * 400, "9" * 5_000, "0x10", "1_000", "٣", "½", "--5", "5-", ".", "e", ".e5", "+", "1e", "$",
]  # fmt: skip
_WORDS: Final = [
    "", " ", "SPY", "BUY", "SELL", "buy", "sld", "BUY (Ca.)", "U1", "U2", "Order", "--", "~", "Trades", "Header",
    "Data", "Total", '"', "'", "\0", "\x1b[31m", "=1+1", "😀" * 50, "a" * 5_000, "b" * 140_000, "NULL",
    "None", "{ordinal}",
    "a/b", "00015070.55f17816.01.01", "00015070.55f17816.01.02", "x." + "9" * 30, "TradeCancel", "TradeCorrect",
    "EXECUTION", "ORDER", "ibkr/x", "\u2028", "é", "USD", "BTC", "BTC/USD", "OPT", "BOND", "CASH", "Futures", "option",
    "Equity and Index Options", "Bonds", "true",
]  # fmt: skip
_VALUES: Final = st.one_of(
    st.sampled_from(_TIMES), st.sampled_from(_NUMBERS), st.sampled_from(_WORDS), st.text(max_size=12)
)
_SOUND: Final = {
    "time": "2024-03-08T14:30:00+00:00", "Date/Time": "2024-03-08, 09:30:00", "Exec Time": "03/08/24 09:30:00",
    "Datum": "08.03.2024", "Zeit": "09:30:00", "DataDiscriminator": "Order", "quantity": "5", "Quantity": "5",
    "Qty": "5", "Stück": "5", "price": "1.5", "Price": "1.5", "T. Price": "1.5", "Kurs": "1,5", "action": "BOT",
    "Side": "BUY", "commission": "1", "Comm/Fee": "-1", "realized_pnl": "0", "Realized P/L": "0", "account_id": "U1",
    "currency": "USD", "Currency": "USD", "multiplier": "1", "asset_class": "stock", "Asset Category": "Stocks",
    "Account": "U1", "fees": "0", "commission_currency": "EUR", "result_after_costs": "true", "Type": "STOCK",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """A file of executions.

    Attributes:
        data: What is in it.
        profile: Name of the profile of a CSV file; empty for Flex XML.
        on_conflict: As for :func:`import_trades`.
        ambiguous_times: As for :class:`FlexTrades`.
    """

    data: bytes
    profile: str
    on_conflict: Literal["fail", "keep", "update"]
    ambiguous_times: Literal["fail", "earlier", "later"]


def _statements(
    data: st.SearchStrategy[tuple[str, bytes]],
) -> st.SearchStrategy[Statement]:
    return st.builds(
        lambda made, changes, on_conflict, ambiguous: Statement(
            edit(made[1], changes), made[0], on_conflict, ambiguous
        ),
        data,
        st.just(list[Edit]()) | edits(3),
        st.sampled_from(["fail", "keep", "update"]),
        st.sampled_from(["fail", "earlier", "later"]),
    )


@st.composite
def _csv_files(draw: st.DrawFn) -> tuple[str, bytes]:
    profile = _PROFILES[draw(st.sampled_from(sorted(_PROFILES)))]
    columns = [
        name for column in profile.columns.values() for name in ((column,) if isinstance(column, str) else column)
    ]
    header = [*dict.fromkeys([*columns, *profile.only, *profile.carried_columns])]
    if not draw(st.integers(0, 9)):
        header = draw(st.permutations(header)) + draw(st.lists(_VALUES, max_size=3))
    rows: list[list[str]] = []
    for number in range(draw(st.integers(0, 6))):
        row = [_SOUND.get(name, f"{name}{number}") for name in header]
        for place in draw(st.lists(st.integers(0, len(header) - 1), max_size=3)):
            row[place] = draw(_VALUES)
        rows.append(draw(st.sampled_from([row, row, row, row, row[:-1], [*row, "more"], header, []])))
    text = StringIO()
    text.write(_BEFORE[profile.name])
    writer = csv.writer(text, delimiter=profile.delimiter)
    prefixed = profile.layout == "prefixed"
    for kind, cells in [("Header", header), *(("Data", row) for row in rows)]:
        writer.writerow(["Trades", kind, *cells] if prefixed else cells)
    return profile.name, text.getvalue().encode(profile.encoding, "replace")


_ATTRIBUTES: Final = (
    "accountId", "symbol", "buySell", "transactionType", "quantity", "dateTime", "tradeDate", "tradeTime", "tradeID",
    "transactionID", "origTradeID", "levelOfDetail", "ibExecID", "tradePrice", "ibCommission", "fifoPnlRealized",
    "origTransactionID", "execID", "price", "commission", "currency", "multiplier", "assetCategory", "unknown",
    "fxRateToBase", "subCategory", "taxes", "tax", "ibCommissionCurrency", "ibOrderID", "tradeMoney", "putCall",
)  # fmt: skip
_SOUND_XML: Final = {
    "accountId": "U1", "symbol": "SPY", "buySell": "BUY", "quantity": "5", "dateTime": "20240308;093000",
    "ibExecID": "00015070.55f17816.01.01", "tradePrice": "1.5", "tradeID": "1", "transactionID": "100",
}  # fmt: skip
_PROLOGUES: Final = [
    b"",
    b'<?xml version="1.0"?>',
    b'<?xml version="1.0" encoding="latin-1"?>',
    b'<?xml version="1.0" encoding="utf-7"?>',
    b'<?xml version="1.0" encoding="no-such"?>',
    b'<?xml version="1.0" encoding="utf-16"?>',
    b'<?xml version="1.0" encoding="shift_jis"?>',
    b'<?xml version="1.0" encoding="rot13"?>',
    b'<?xml version="1.0" encoding="idna"?>',
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
    b'<!DOCTYPE x [<!ENTITY a "b">]>',
    b"<!-- comment -->",
]


@st.composite
def _flex_files(draw: st.DrawFn) -> tuple[str, bytes]:
    elements: list[str] = []
    for number in range(draw(st.integers(0, 5))):
        attributes = _SOUND_XML | draw(st.sampled_from([{}, {"ibExecID": f"x.{number}", "tradeID": str(number)}]))
        attributes |= draw(st.dictionaries(st.sampled_from(_ATTRIBUTES), _VALUES, max_size=4))
        for name in draw(st.lists(st.sampled_from(_ATTRIBUTES), max_size=2)):
            attributes.pop(name, None)
        tag = draw(st.sampled_from(["Trade", "Trade", "Trade", "TradeConfirm", "Order", "Lot"]))
        text = " ".join(f"{name}={quoteattr(_legal(value))}" for name, value in attributes.items())
        inner = draw(st.sampled_from(["", "", "", "<Trade/>", "text", "<a>" * 50 + "</a>" * 50]))
        elements.append(f"<{tag} {text}>{inner}</{tag}>" if inner else f"<{tag} {text}/>")
    depth = draw(st.sampled_from([0, 0, 0, 1, 5_000]))
    body = f"<FlexStatements>{'<x>' * depth}{''.join(elements)}{'</x>' * depth}</FlexStatements>"
    root = draw(st.sampled_from(["FlexQueryResponse"] * 9 + ["Trade"]))
    prologue = draw(st.sampled_from([b""] * len(_PROLOGUES) + _PROLOGUES))
    return "", prologue + f"<{root}>{body}</{root}>".encode()


def _legal(text: str) -> str:
    """Return a text without what no XML file can hold: that would be refused at once."""
    return "".join(letter for letter in text if letter.isprintable())


def _check(statement: Statement) -> str:
    return run(_import(statement))


async def _import(statement: Statement) -> str:
    """Import a statement twice: rows in exactly one list each, stored as reported, and nothing the second time."""
    with folder() as place:
        path = place / "statement"
        path.write_bytes(statement.data)
        source: TradeSource
        if not statement.profile:
            source = FlexTrades(path, ambiguous_times=statement.ambiguous_times)
        else:
            source = CsvTrades(path, replace(_PROFILES[statement.profile], ambiguous_times=statement.ambiguous_times))
        async with Vault.in_memory() as vault:
            options: dict[str, Any] = {"accounts": "create", "on_conflict": statement.on_conflict}
            try:
                planned = await import_trades(vault, source, dry_run=True, **options)
            except ImportSourceError as error:
                require_short(error)
                await _refused_again(vault, source, options)
                assert await _stored(vault) == []
                return "refused"
            report = await import_trades(vault, source, **options)
            _check_report(planned, report)
            stored = await _stored(vault)
            told = {entry.key for entry in (*report.inserted, *report.updated)}
            assert {trade.exec_id for trade in stored} <= told
            again = await import_trades(vault, source, **options)
            assert not list(again.inserted)
            assert await _stored(vault) == stored
        return "taken" if stored else "empty"


async def _refused_again(vault: Vault, source: TradeSource, options: dict[str, Any]) -> None:
    try:
        await import_trades(vault, source, **options)
    except ImportSourceError:
        return
    raise AssertionError("a dry run refuses what an import takes")


def _check_report(planned: ImportReport, report: ImportReport) -> None:
    lists = ("inserted", "duplicate", "updated", "failed")
    assert [[*getattr(planned, name)] for name in lists] == [[*getattr(report, name)] for name in lists]
    rows = Counter(entry.row for name in lists for entry in getattr(report, name))
    assert not [row for row, count in rows.items() if count > 1]


async def _stored(vault: Vault) -> list[Trade]:
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_all(limit=None)


CSV_FILES: Final = Target(_statements(_csv_files()), _check)
FLEX_FILES: Final = Target(_statements(_flex_files()), _check)
