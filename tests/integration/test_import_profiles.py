"""A profile states the units of a file: by columns, by constants, and by words for kinds of instruments."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_trade
from zorivest_async import AssetClass, ConfigurationError, Trade, TradeFilter, Vault
from zorivest_async.transfer.exporting import export_trades
from zorivest_async.transfer.importers import THINKORSWIM, ZORIVEST, CsvProfile, CsvTrades, ImportReport, import_trades

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

FEED = CsvProfile(
    name="feed",
    columns={
        "exec_id": "id", "time": "time", "instrument": "symbol", "action": "side", "quantity": "amount",
        "price": "price", "asset_class": "kind", "currency": "currency", "multiplier": "size", "fees": "tax",
        "realized_pnl": "result", "result_after_costs": "net", "order_id": "order", "notes": "comment",
    },
    constants={"account_id": "U1"},
    commission_is_negative=True,
)  # fmt: skip
ROW = {
    "id": "1", "time": "2024-01-02T15:00:00Z", "symbol": "SPY", "side": "sell", "amount": "1", "price": "5",
    "kind": "Stock", "currency": "SEK", "size": "", "tax": "-0.5", "result": "3", "net": "TRUE", "order": "77",
    "comment": "late",
}  # fmt: skip
TOS = (
    "Account Statement for 12345678SCHW (Individual) since 1/1/24 through 1/31/24",
    "",
    "Account Trade History",
    ",Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type",
)


async def import_lines(vault: Vault, tmp_path: Path, profile: CsvProfile, *lines: str) -> ImportReport:
    """Import a file of these lines twice; the second time, no row may change anything."""
    path = tmp_path / "executions.csv"
    await asyncio.to_thread(path.write_text, "\n".join((*lines, "")))
    report = await import_trades(vault, CsvTrades(path, profile), accounts="create")
    again = await import_trades(vault, CsvTrades(path, profile))
    assert (len(again.inserted), len(again.updated)) == (0, 0)
    return report


async def import_row(vault: Vault, tmp_path: Path, profile: CsvProfile = FEED, /, **changes: str) -> ImportReport:
    """Import a file of one row."""
    return await import_lines(vault, tmp_path, profile, ",".join(ROW), ",".join((ROW | changes).values()))


async def stored(vault: Vault) -> list[Trade]:
    """Return the trades of a vault, oldest first."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_filtered(TradeFilter(), sort="time", limit=None)


async def test_columns_state_every_unit(vault: Vault, tmp_path: Path) -> None:
    """In the words of the file; fees are costs, as commissions are, and the account gets the currency."""
    report = await import_row(vault, tmp_path)
    (found,) = await stored(vault)
    assert (found.currency, found.multiplier, found.asset_class, found.fees) == ("SEK", 1, AssetClass.STOCK, 0.5)
    assert (found.realized_pnl, found.result_after_costs) == (3, True)
    assert (found.order_id, found.notes) == ("77", "late")
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.accounts.get_one("U1")).currency == "SEK"
    assert report.warnings == []


async def test_constants_state_what_no_column_does(vault: Vault, tmp_path: Path) -> None:
    """A file of ES futures; a row without a result is not one whose result is after costs."""
    columns = {name: column for name, column in FEED.columns.items() if name not in ("asset_class", "currency")}
    constants = {"account_id": "U1", "currency": "USD", "multiplier": "50", "asset_class": "futures"}
    constants |= {"result_after_costs": "yes"}
    del columns["result_after_costs"], columns["multiplier"]
    profile = replace(FEED, columns=columns, constants=constants)
    await import_row(vault, tmp_path, profile)
    await import_row(vault, tmp_path, profile, id="2", time="2024-01-03T15:00:00Z", result="")
    first, second = await stored(vault)
    assert (first.currency, first.multiplier, first.asset_class) == ("USD", 50, AssetClass.FUTURE)
    assert (first.realized_pnl, first.result_after_costs) == (3, True)
    assert (second.realized_pnl, second.result_after_costs) == (None, None)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        *(({"kind": kind}, "multiplier is unknown") for kind in ("option", "PUT", "future", "warrant", "other")),
        ({"kind": "bond"}, "does not contain the amount"),
        ({"kind": "option", "size": "0"}, "multiplier must be greater than zero"),
        ({"kind": "option", "size": "x"}, "multiplier is not a number"),
        ({"kind": "tulip"}, "asset_class is not an asset class that the profile knows"),
        ({"currency": "K"}, "currency must be 2 to 12 capital letters"),
        ({"currency": ""}, "currency is empty"),
        ({"net": "maybe"}, "result_after_costs is neither true nor false"),
        ({"kind": "crypto", "symbol": "BTC/USD", "currency": "BTC"}, "instrument is an inverse"),
        ({"kind": "future", "symbol": "BTCUSD_PERP", "currency": "BTC", "size": "100"}, "instrument is an inverse"),
        ({"kind": "", "symbol": "ETH-USD", "currency": "ETH"}, "instrument is an inverse"),
    ],
)
async def test_a_row_whose_unit_is_unknown_or_wrong_fails(
    vault: Vault, tmp_path: Path, changes: dict[str, str], detail: str
) -> None:
    """The reason names the field and says no value."""
    report = await import_row(vault, tmp_path, **changes)
    assert await stored(vault) == []
    assert (report.failed[0].row, detail in report.failed[0].detail) == (2, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "crypto", "symbol": "BTC/USD", "currency": "USD"},
        {"kind": "forex", "symbol": "USD.SEK"},
        {"kind": "stock", "symbol": "SEKTOR"},
        {"kind": "crypto", "symbol": "SEK"},
    ],
)
async def test_a_pair_in_the_currency_of_its_price_is_no_inverse_contract(
    vault: Vault, tmp_path: Path, changes: dict[str, str]
) -> None:
    """Nor is a share whose name begins like its currency."""
    assert len((await import_row(vault, tmp_path, **changes)).inserted) == 1


async def test_a_profile_says_which_contracts_are_inverse(vault: Vault, tmp_path: Path) -> None:
    """Where the file does not give it away."""
    profile = replace(FEED, inverse_pattern=r"_COIN$")
    report = await import_row(vault, tmp_path, profile, symbol="BTCUSD_COIN")
    assert report.failed[0].detail.startswith("instrument is an inverse (coin-margined) contract")
    assert len((await import_row(vault, tmp_path, profile)).inserted) == 1


async def test_a_thinkorswim_statement_is_of_us_stocks_and_options(vault: Vault, tmp_path: Path) -> None:
    """It has no results; what is worth something else than 100 fails, because the file does not say what."""
    report = await import_lines(
        vault, tmp_path, THINKORSWIM, *TOS,
        ",6/9/26 13:13:45,VERTICAL,SELL,-2,TO OPEN,SPX,9 JUN 26,5950,PUT,3.10,1.20,LMT",
        ",,,BUY,+2,TO OPEN,SPX,9 JUN 26,5940,CALL,1.90,CREDIT,",
        ",6/8/26 10:05:40,STOCK,SELL,-100,TO CLOSE,ROKU,,,STOCK,72.03,72.03,LMT",
        ",6/8/26 10:05:39,STOCK,SELL,-100,TO CLOSE,SPY,,,ETF,72.03,72.03,LMT",
        ",6/8/26 10:05:38,SINGLE,SELL,-1,TO CLOSE,/ESM26,JUN 26,6000,CALL,72.03,72.03,LMT",
        ",6/8/26 10:05:37,SINGLE,SELL,-1,TO CLOSE,XYZ1,9 JUN 26,10,CALL,72.03,72.03,LMT",
        ",6/8/26 10:05:36,FUTURE,SELL,-1,TO CLOSE,/ESM26,,,FUTURE,6000,6000,LMT",
        ",6/8/26 10:05:35,FOREX,SELL,-1,TO CLOSE,EUR/USD,,,FOREX,1.1,1.1,LMT",
    )  # fmt: skip
    assert [entry.row for entry in report.failed] == [9, 10, 11, 12]
    found = {each.instrument: each for each in await stored(vault)}
    assert {name: (each.asset_class, each.multiplier) for name, each in found.items()} == {
        "SPX 9 JUN 26 5950 PUT": (AssetClass.OPTION, 100),
        "SPX 9 JUN 26 5940 CALL": (AssetClass.OPTION, 100),
        "ROKU": (AssetClass.STOCK, 1),
        "SPY": (AssetClass.ETF, 1),
    }
    assert {(each.currency, each.realized_pnl, each.result_after_costs) for each in found.values()} == {
        ("USD", None, None)
    }


async def test_files_of_this_library_keep_every_unit(vault: Vault, tmp_path: Path) -> None:
    """What was stored comes back, in whatever way its user writes it."""
    trades = [
        make_trade("1", currency="USDT", multiplier=0.1, asset_class=AssetClass.CRYPTO, fees=1.5, notes="a, b",
                   commission_currency="BNB", order_id="7", result_after_costs=False, realized_pnl=2.5),
        make_trade("2", realized_pnl=None),
        make_trade("3", instrument="BTC/USD", currency="BTC", asset_class=AssetClass.OPTION, result_after_costs=True),
    ]  # fmt: skip
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(trades)
        await uow.commit()
    await export_trades(vault, tmp_path / "trades.csv")
    async with Vault.in_memory() as other:
        report = await import_trades(other, CsvTrades(tmp_path / "trades.csv", ZORIVEST), accounts="create")
        assert len(report.inserted) == 3
        async with other.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_filtered(TradeFilter(), sort="exec_id") == trades


async def test_a_file_of_a_release_without_units_is_read(vault: Vault, tmp_path: Path) -> None:
    """Columns of fields that have a default may be absent, without a warning about them."""
    old = [each.name for each in fields(Trade)][:9]
    row = "x1,2024-01-02T15:00:00+00:00,SPY,BOT,1.0,2.0,U1,0.5,3.5"
    report = await import_lines(vault, tmp_path, ZORIVEST, ",".join(old), row)
    assert not any("column" in warning for warning in report.warnings)
    (found,) = await stored(vault)
    assert (found.commission, found.realized_pnl, found.currency, found.multiplier) == (0.5, 3.5, None, 1)
    assert len((await import_lines(vault, tmp_path, ZORIVEST, ",".join(old[:7]), row[:-8])).duplicate) == 1


@pytest.mark.parametrize("name", ["base_currency_pattern", "commission_pattern"])
async def test_a_pattern_without_a_group_is_refused(name: str) -> None:
    """When the profile is made, and by its name."""
    changes: dict[str, Any] = {name: "Comm"}
    with pytest.raises(ConfigurationError, match=f"{name}: has no group"):
        replace(FEED, **changes)
