"""What is imported from IBKR keeps its units: currency, multiplier, asset class and the currency of costs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from statements import FOREX, FUTURES, STOCKS, activity, confirmation, flex, trade
from zorivest_async import AssetClass, Trade, TradeFilter, Vault
from zorivest_async.analytics import Rates, performance
from zorivest_async.transfer.importers import IBKR_ACTIVITY, CsvTrades, FlexTrades, ImportReport, Reason, import_trades

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.transfer.importers import TradeSource

pytestmark = pytest.mark.asyncio

OPTIONS = "Trades,Data,Order,Equity and Index Options"
SPLIT = (
    '<CorporateActions><CorporateAction accountId="U1" symbol="NV" type="FS" quantity="90"/>'
    '<CorporateAction accountId="U1" symbol="OLD" type="TC" quantity="1"/></CorporateActions>'
)


async def stored(vault: Vault) -> dict[str, Trade]:
    """Return the trades of a vault by instrument."""
    async with vault.unit_of_work(read_only=True) as uow:
        trades = await uow.trades.list_filtered(TradeFilter(), sort="exec_id", limit=None)
    return {each.instrument: each for each in trades}


async def import_once(vault: Vault, source: TradeSource) -> ImportReport:
    """Import a source twice; the second time, no row may change anything."""
    report = await import_trades(vault, source, accounts="create")
    again = await import_trades(vault, source)
    assert (len(again.inserted), len(again.updated)) == (0, 0)
    assert [*map(str, again.failed)] == [*map(str, report.failed)]
    return report


async def account_currency(vault: Vault, account_id: str = "U1") -> str:
    """Return the currency of an account."""
    async with vault.unit_of_work(read_only=True) as uow:
        return (await uow.accounts.get_one(account_id)).currency


def units(each: Trade) -> tuple[Any, ...]:
    """Return what the numbers of a trade count."""
    return each.currency, each.multiplier, each.asset_class, each.fees, each.commission, each.commission_currency


async def require_three_results(vault: Vault) -> None:
    """Require a result for each currency and, with rates, the one in dollars: 1000 * 0.095 - 30000 * 0.0067 + 400."""
    rates = Rates("USD", {"SEK": {date(2024, 1, 2): 0.095}, "JPY": 0.0067})
    async with vault.unit_of_work(read_only=True) as uow:
        found = {each.currency: each.realized_pnl for each in await performance(uow)}
        (total,) = await performance(uow, convert=rates)
    assert found == {"JPY": -30_000.0, "SEK": 1000.0, "USD": 400.0}
    assert (total.currency, total.realized_pnl) == ("USD", 294.0)


async def test_an_account_in_three_currencies_keeps_them_from_a_flex_statement(vault: Vault, tmp_path: Path) -> None:
    """Each execution has its own, and the account the one that is left when rates to the base exclude the others."""
    path = await flex(
        tmp_path / "flex.xml",
        trade(1, symbol="VOLV", currency="SEK", fxRateToBase="0.095", fifoPnlRealized="1000"),
        trade(2, symbol="7203", currency="JPY", fxRateToBase="0.0067", fifoPnlRealized="-30000"),
        trade(3, fifoPnlRealized="400"),
    )
    report = await import_once(vault, FlexTrades(path))
    results = {name: (each.currency, each.realized_pnl) for name, each in (await stored(vault)).items()}
    assert results == {"VOLV": ("SEK", 1000), "7203": ("JPY", -30_000), "SPY": ("USD", 400)}
    assert (report.warnings, await account_currency(vault)) == ([], "USD")
    await require_three_results(vault)


async def test_an_account_in_three_currencies_keeps_them_from_an_activity_statement(
    vault: Vault, tmp_path: Path
) -> None:
    """The account has the statement's base currency, in which it need not have traded."""
    path = await activity(
        tmp_path / "activity.csv",
        STOCKS,
        'Trades,Data,Order,Stocks,SEK,VOLV,"2024-01-02, 10:00:00",-100,250,,25000,-49,,1000,,C',
        'Trades,Data,Order,Stocks,JPY,7203,"2024-01-02, 10:00:00",-100,2600,,260000,-80,,-30000,,C',
        'Trades,Data,Order,Stocks,USD,SPY,"2024-01-02, 10:00:00",-10,500,,5000,-1,,400,,C',
        base="EUR",
    )
    await import_once(vault, CsvTrades(path, IBKR_ACTIVITY))
    found = await stored(vault)
    results = {name: (each.currency, each.realized_pnl, each.result_after_costs) for name, each in found.items()}
    assert results == {"VOLV": ("SEK", 1000, True), "7203": ("JPY", -30_000, True), "SPY": ("USD", 400, True)}
    assert await account_currency(vault) == "EUR"
    await require_three_results(vault)


async def test_a_flex_statement_gives_every_unit_that_it_states(vault: Vault, tmp_path: Path) -> None:
    """Also those for which ibflex has no word; the currency of costs is only stored where it is another one."""
    option = "MSFT  260619P00400000"
    path = await flex(
        tmp_path / "flex.xml",
        trade(1, symbol="BARC", currency="GBP", ibCommission="-6", ibCommissionCurrency="GBP", taxes="-22.06"),
        trade(2, symbol=option, assetCategory="OPT", multiplier="100", ibOrderID="5010077455"),
        trade(3, symbol="MESM6", assetCategory="FUT", multiplier="5", tradePrice="5998.5"),
        trade(4, symbol="EUR.USD", assetCategory="CASH", ibCommission="-1.84", ibCommissionCurrency="EUR", taxes="--"),
        trade(5, symbol="VOO", subCategory="ETF", multiplier=None),
        trade(6, symbol="BTC", assetCategory="CRYPTO", currency="NEWCOIN", ibCommissionCurrency="NEWCOIN"),
        trade(7, symbol="NEW", assetCategory="NEW", multiplier="1,000"),
        trade(8, symbol="T 3.5", assetCategory="BOND", quantity="10000", tradePrice="97.5", tradeMoney="9750"),
    )
    report = await import_once(vault, FlexTrades(path))
    assert (len(report.inserted), len(report.failed)) == (8, 0)
    found = await stored(vault)
    assert {name: units(each) for name, each in found.items()} == {
        "BARC": ("GBP", 1, AssetClass.STOCK, 22.06, 6, None),
        option: ("USD", 100, AssetClass.OPTION, 0, 1, None),
        "MESM6": ("USD", 5, AssetClass.FUTURE, 0, 1, None),
        "EUR.USD": ("USD", 1, AssetClass.FOREX, 0, 1.84, "EUR"),
        "VOO": ("USD", 1, AssetClass.ETF, 0, 1, None),
        "BTC": ("NEWCOIN", 1, AssetClass.CRYPTO, 0, 1, None),
        "NEW": ("USD", 1000, AssetClass.OTHER, 0, 1, None),
        "T 3.5": ("USD", 0.01, AssetClass.BOND, 0, 1, None),
    }
    assert (found[option].order_id, found["BARC"].order_id, found["BARC"].notes) == ("5010077455", None, None)


async def test_a_result_of_zero_is_only_recorded_where_ibkr_records_results(vault: Vault, tmp_path: Path) -> None:
    """Of currencies it states 0 whatever was gained, and confirmations have no results."""
    path = await flex(
        tmp_path / "flex.xml",
        trade(1),
        trade(2, symbol="EUR.USD", assetCategory="CASH"),
        trade(3, symbol="NONE", fifoPnlRealized=None),
        confirmation(4, symbol="CONFIRMED", taxes="-0.5", ibOrderID="7"),
    )
    await import_once(vault, FlexTrades(path))
    found = await stored(vault)
    results = {name: (each.realized_pnl, each.result_after_costs) for name, each in found.items()}
    assert results == {"SPY": (0, True), "EUR.USD": (None, None), "NONE": (None, None), "CONFIRMED": (None, None)}
    assert (found["CONFIRMED"].fees, found["CONFIRMED"].order_id, found["CONFIRMED"].multiplier) == (0.5, "7", 1)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        *(({"assetCategory": kind, "multiplier": None}, "multiplier is missing") for kind in ("OPT", "FUT", "FOP")),
        *(({"assetCategory": kind, "multiplier": None}, "multiplier is missing") for kind in ("WAR", "FSOPT", "NEW")),
        ({"assetCategory": "OPT", "multiplier": "0"}, "multiplier must be greater than zero"),
        ({"assetCategory": "FUT", "multiplier": "-50"}, "multiplier must be greater than zero"),
        ({"multiplier": "0"}, "multiplier must be greater than zero"),
        ({"multiplier": "many"}, "multiplier is not a number"),
        ({"assetCategory": None, "multiplier": None, "symbol": "SPY   240119C00475000"}, "multiplier is missing"),
        ({"assetCategory": None, "multiplier": None, "putCall": "P"}, "multiplier is missing"),
        ({"currency": "U"}, "currency must be 2 to 12 capital letters"),
        ({"currency": "usd"}, "currency must be 2 to 12 capital letters"),
        ({"currency": ""}, "currency is empty"),
        ({"currency": None}, "currency is missing, which other executions"),
        ({"ibCommissionCurrency": "?"}, "commission_currency must be"),
        ({"taxes": "-1", "ibCommissionCurrency": "EUR"}, "taxes are in another currency than the commission"),
        ({"taxes": "some"}, "taxes is not a number"),
        ({"assetCategory": "BOND"}, "does not contain the amount"),
        ({"assetCategory": "BOND", "tradeMoney": "17"}, "multiplier contradicts the amount"),
    ],
)
async def test_a_number_whose_unit_is_unknown_or_wrong_fails_its_row(
    vault: Vault, tmp_path: Path, changes: dict[str, str | None], detail: str
) -> None:
    """The reason names the attribute, and the other rows are imported."""
    path = await flex(tmp_path / "flex.xml", trade(1, **changes), trade(2, symbol="GOOD"))
    report = await import_once(vault, FlexTrades(path))
    assert [*await stored(vault)] == ["GOOD"]
    assert (report.failed[0].row, report.failed[0].reason) == (1, Reason.UNREADABLE)
    assert detail in report.failed[0].detail


async def test_taxes_without_a_commission_are_in_the_currency_of_the_trade(vault: Vault, tmp_path: Path) -> None:
    """Whatever the statement says of the commission that there is none of."""
    path = await flex(tmp_path / "flex.xml", trade(1, taxes="-2", ibCommission="0", ibCommissionCurrency="EUR"))
    await import_once(vault, FlexTrades(path))
    assert units((await stored(vault))["SPY"]) == ("USD", 1, AssetClass.STOCK, 2, 0, None)


async def test_a_statement_without_currencies_is_in_those_of_its_accounts(vault: Vault, tmp_path: Path) -> None:
    """The report warns of it, and of the currency of the created account."""
    path = await flex(tmp_path / "flex.xml", trade(1, currency=None, ibCommissionCurrency=None))
    report = await import_once(vault, FlexTrades(path))
    assert (await stored(vault))["SPY"].currency is None
    assert "add Currency to the Flex query" in report.warnings[0]
    assert "1 accounts were created in USD" in report.warnings[1]


@pytest.mark.parametrize(
    ("rows", "extra", "expected", "warned"),
    [
        ([{"currency": "SEK"}], "", "SEK", False),
        ([{"currency": "SEK"}], '<AccountInformation accountId="U1" currency="NOK"/>', "NOK", False),
        ([{"currency": "SEK"}], '<AccountInformation accountId="U1" currency="?"/>', "SEK", False),
        ([{"currency": "SEK", "fxRateToBase": "1"}, {}], "", "SEK", False),
        ([{"currency": "SEK"}, {}], "", "USD", True),
        ([{"currency": "SEK"}, {"currency": "SEK"}, {"currency": "NOK"}], "", "SEK", True),
    ],
)
async def test_a_created_account_has_the_base_currency_of_the_statement(
    vault: Vault, tmp_path: Path, rows: list[dict[str, str]], extra: str, expected: str, *, warned: bool
) -> None:
    """Else that of its executions; where these have several, the report says that it was assumed."""
    trades = [trade(number, symbol=str(number), **row) for number, row in enumerate(rows)]
    path = await flex(tmp_path / "flex.xml", *trades, extra=extra)
    dry = await import_trades(vault, FlexTrades(path), accounts="create", dry_run=True)
    report = await import_once(vault, FlexTrades(path))
    assert await account_currency(vault) == expected
    assert report.warnings == dry.warnings
    assert bool(report.warnings) == warned


async def test_corporate_actions_are_warned_of(vault: Vault, tmp_path: Path) -> None:
    """An option keeps its multiplier, and nobody takes the executions around a split for comparable."""
    option = trade(1, symbol="SPY   240119C00475000", assetCategory="OPT", multiplier="100")
    path = await flex(tmp_path / "flex.xml", option, trade(2, symbol="NV"), extra=SPLIT)
    report = await import_once(vault, FlexTrades(path))
    assert [each.multiplier for each in (await stored(vault)).values()] == [100, 1]
    (warning,) = report.warnings
    assert warning.startswith("corporate actions that were not imported: 1 of type FS, 1 of type TC; the executions ")
    csv = await activity(
        tmp_path / "activity.csv",
        STOCKS,
        'Trades,Data,Order,Stocks,USD,NV,"2024-01-02, 10:00:00",10,5,,-50,-1,,0,,O',
        "Corporate Actions,Header,Asset Category,Currency,Report Date,Date/Time,Description,Quantity",
        'Corporate Actions,Data,Stocks,USD,2024-01-03,"2024-01-02, 20:25:00",NV(US1) Split 10 for 1 (NV),90',
        "Corporate Actions,Data,Total,,,,,",
    )
    report = await import_once(vault, CsvTrades(csv, IBKR_ACTIVITY))
    assert report.warnings[-1].startswith("corporate actions that were not imported: 1 split; ")


async def test_an_activity_statement_gives_every_unit_that_it_states(vault: Vault, tmp_path: Path) -> None:
    """A multiplier is the table of instruments', or follows from the amount of the row."""
    path = await activity(
        tmp_path / "activity.csv",
        STOCKS,
        'Trades,Data,Order,Stocks,USD,VOO,"2024-03-05, 10:12:46",3,400,,-1200,-1,,0,,O',
        f'{OPTIONS},USD,NVDA 17APR26 190 C,"2024-03-05, 10:12:46",3,6.2,6.35,-1860,-2.1,,0,,O',
        f'{OPTIONS},USD,SPY 06MAR26 600 P,"2024-03-06, 16:20:00",-1,0,0,0,0,,-312.7,,C;Ep',
        f'{OPTIONS},USD,XYZ 06MAR26 600 P,"2024-03-06, 16:20:00",-1,0,0,0,0,,-1,,C;Ep',
        'Trades,Data,Order,Bonds,USD,T 3.5,"2024-03-05, 10:12:46","10,000",97.5,,-9750,-5,,0,,O',
        FUTURES,
        'Trades,Data,Order,Futures,USD,MESM6,"2024-03-16, 21:07:31",-2,5712.25,5720,57122.5,-1.24,,0,,O',
        FOREX,
        'Trades,Data,Order,Forex,USD,EUR.USD,"2024-03-03, 04:30:12","-5,000",1.0862,,5431,-2,,,-1.15,',
        'Trades,Data,Order,Forex,SEK,EUR.SEK,"2024-03-03, 04:30:12","-5,000",11.1,,55500,-2,,,-1.15,',
        "Financial Instrument Information,Header,Asset Category,Symbol,Description,Multiplier,Type",
        "Financial Instrument Information,Data,Stocks,VOO,VANGUARD,1,ETF",
        'Financial Instrument Information,Data,Equity and Index Options,"XYZ 06MAR26 600 P, XYZ2",XYZ,"1,000",P',
        "Financial Instrument Information,Data,Bonds,T 3.5,TREASURY,1,",
    )
    report = await import_once(vault, CsvTrades(path, IBKR_ACTIVITY))
    assert (len(report.inserted), len(report.failed)) == (8, 0)
    found = await stored(vault)
    assert {name: units(each) for name, each in found.items()} == {
        "VOO": ("USD", 1, AssetClass.ETF, 0, 1, None),
        "NVDA 17APR26 190 C": ("USD", 100, AssetClass.OPTION, 0, 2.1, None),
        "SPY 06MAR26 600 P": ("USD", 100, AssetClass.OPTION, 0, 0, None),
        "XYZ 06MAR26 600 P": ("USD", 1000, AssetClass.OPTION, 0, 0, None),
        "T 3.5": ("USD", 0.01, AssetClass.BOND, 0, 5, None),
        "MESM6": ("USD", 5, AssetClass.FUTURE, 0, 1.24, None),
        "EUR.USD": ("USD", 1, AssetClass.FOREX, 0, 2, None),
        "EUR.SEK": ("SEK", 1, AssetClass.FOREX, 0, 2, "USD"),
    }
    recorded = {name: each.realized_pnl for name, each in found.items() if each.result_after_costs}
    assert recorded == {
        "VOO": 0, "NVDA 17APR26 190 C": 0, "SPY 06MAR26 600 P": -312.7, "XYZ 06MAR26 600 P": -1, "T 3.5": 0, "MESM6": 0,
    }  # fmt: skip
    assert (found["EUR.USD"].realized_pnl, found["EUR.USD"].result_after_costs) == (None, None)


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ("Equity and Index Options,EUR,SAP 06MAR26 P,{time},-1,0,0,0,0,,-3,,C;Ep", "multiplier is unknown"),
        ("Equity and Index Options,USD,SPY1 06MAR26 P,{time},-1,0,0,0,0,,-3,,C;Ep", "multiplier is unknown"),
        ("Futures Options,USD,EX 06MAR26 P,{time},-1,0,0,0,0,,-3,,C;Ep", "multiplier is unknown"),
        ("Equity and Index Options,USD,SPY 06MAR26 P,{time},-1,2,0,,0,,-3,,C", "multiplier is unknown"),
        ("Futures,USD,MESM6,{time},-1,3.123,,17.7,0,,-3,,C", "multiplier is unknown"),
        ("Futures,USD,ESM6,{time},-1,4000,,20000,0,,-3,,C", "multiplier contradicts the amount"),
        ("Futures,USD,MESM6,{time},-1,4000,,much,0,,-3,,C", "Proceeds is not a number"),
        ("Stocks,,SPY,{time},-1,4000,,4000,0,,-3,,C", "currency is empty"),
        ("Stocks,$,SPY,{time},-1,4000,,4000,0,,-3,,C", "currency must be 2 to 12 capital letters"),
        ("Tulips,USD,SPY,{time},-1,4000,,4000,0,,-3,,C", "asset_class is not an asset class that the profile knows"),
    ],
)
async def test_a_row_of_an_activity_statement_without_its_unit_fails(
    vault: Vault, tmp_path: Path, row: str, detail: str
) -> None:
    """It is never taken for 1, and the other rows are imported."""
    moment = '"2024-03-05, 10:12:46"'
    path = await activity(
        tmp_path / "activity.csv",
        STOCKS,
        f"Trades,Data,Order,{row.format(time=moment)}",
        f"Trades,Data,Order,Stocks,USD,GOOD,{moment},1,2,,-2,0,,0,,O",
        "Financial Instrument Information,Header,Asset Category,Symbol,Description,Multiplier,Type",
        "Financial Instrument Information,Data,Futures,ESM6,ES,50,",
        "Financial Instrument Information,Data,Futures,MESM6,MES,50,",
        "Financial Instrument Information,Data,Futures,MESM6,MES,5,",
    )
    report = await import_once(vault, CsvTrades(path, IBKR_ACTIVITY))
    assert [*await stored(vault)] == ["GOOD"]
    assert (report.failed[0].row, report.failed[0].reason) == (5, Reason.UNREADABLE)
    assert detail in report.failed[0].detail


async def test_a_consolidated_statement_names_the_account_of_each_row(vault: Vault, tmp_path: Path) -> None:
    """Two equal orders of two accounts are two orders, and a commission may be in the base currency."""
    path = await activity(
        tmp_path / "activity.csv",
        STOCKS.replace("Currency,", "Currency,Account,"),
        'Trades,Data,Order,Stocks,USD,U1,QQQ,"2024-05-05, 09:30:09",40,512.42,511.9,-20496.8,-1,,0,,O',
        'Trades,Data,Order,Stocks,USD,U2,QQQ,"2024-05-05, 09:30:09",40,512.42,511.9,-20496.8,-1,,0,,O',
        FOREX.replace("Currency,", "Currency,Account,").replace("in USD", "in AUD"),
        'Trades,Data,Order,Forex,USD,U1,AUD.USD,"2024-05-05, 09:28:51","-61,500.4",0.66612,,40966.6,-2.8311,,,,',
        base="AUD",
    )
    report = await import_once(vault, CsvTrades(path, IBKR_ACTIVITY))
    assert (report.accounts_created, await account_currency(vault, "U2")) == (["U1", "U2"], "AUD")
    assert units((await stored(vault))["AUD.USD"]) == ("USD", 1, AssetClass.FOREX, 0, 2.8311, "AUD")
