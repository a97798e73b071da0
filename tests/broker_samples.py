"""What the samples of brokers' files contain: their values are invented, their layouts are those of the sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.transfer.importers import CsvTrades, brokers

if TYPE_CHECKING:
    from zorivest_async import Trade
    from zorivest_async.transfer.importers import CsvProfile

FOLDER: Final = Path(__file__).parent / "broker_files"


@dataclass(frozen=True)
class Sample:
    """A sample, what its user says, and what an import gets from it.

    Attributes:
        trades: The executions, oldest first, as :func:`line_of` writes them.
        failed: The lines of the rows that fail.
        given: What the file does not state.
    """

    trades: tuple[str, ...]
    failed: tuple[int, ...] = ()
    given: dict[str, Any] = field(default_factory=dict[str, Any])


def line_of(trade: Trade) -> str:
    """Return an execution as a line of text."""
    time = trade.time.isoformat().removesuffix("+00:00")
    what = f"{trade.action.value} {trade.quantity:.12g} {trade.instrument} @ {trade.price!r} {trade.currency}"
    costs = f"- {trade.commission:.12g} - {trade.fees:.12g}"
    paid_in = f" {trade.commission_currency}" if trade.commission_currency else ""
    return f"{time} {what} x{trade.multiplier:.12g} {costs}{paid_in} {trade.account_id}"


def profile_of(name: str) -> CsvProfile:
    """Return a shipped profile, by the name of its constant."""
    profile: CsvProfile = getattr(brokers, name)
    return profile


def source_of(name: str) -> CsvTrades:
    """Return a sample as a source, with what its user says."""
    given = SAMPLES[name].given
    profile = profile_of(name)
    return CsvTrades(FOLDER / f"{name.lower()}.csv", profile.given(**given) if given else profile)


ACCOUNT: Final = {"account_id": "U1"}

SAMPLES: Final[dict[str, Sample]] = {
    "AVANZA": Sample(
        trades=(
            "2025-05-04T22:00:00 BOT 3 Apple @ 1201.5 USD x1 - 39.5 - 0 SEK Kapital",
            "2025-05-05T22:00:00 SLD 40.5 Ericsson B @ 81.125 SEK x1 - 7 - 0 Kapital",
        ),
    ),
    "BINANCE_SPOT": Sample(
        trades=(
            "2025-03-01T23:00:01 SLD 500 ADABTC @ 1.1e-05 BTC x1 - 5.5e-06 - 0 U1",
            "2025-03-02T07:08:09 BOT 1000 DOTUSDT @ 4.5 USDT x1 - 0.0071 - 0 BNB U1",
            "2025-03-02T07:08:09 BOT 1000 DOTUSDT @ 4.5 USDT x1 - 0.0071 - 0 BNB U1",
        ),
        given=ACCOUNT,
    ),
    "BITVAVO": Sample(
        trades=(
            "2025-03-29T08:00:00 SLD 0.5 SOL @ 121.0 EUR x1 - 0.15 - 0 U1",
            "2025-03-30T07:00:00.250000 BOT 1.5 SOL @ 120.5 EUR x1 - 0.45 - 0 U1",
        ),
        given=ACCOUNT,
    ),
    "BYBIT_SPOT": Sample(
        trades=("2025-02-03T04:05:06 BOT 100 XRPUSDT @ 0.605 USDT x1 - 0.1 - 0 XRP 7001",),
        failed=(4,),
    ),
    "COINBASE": Sample(
        trades=(
            "2025-02-01T10:00:00 BOT 0.25 ETH @ 2000.0 EUR x1 - 5 - 0 U1",
            "2025-02-03T10:00:00 SLD 0.5 ETH @ 2500.1234567890124 EUR x1 - 10 - 0 U1",
        ),
        failed=(5,),
        given=ACCOUNT,
    ),
    "CTRADER": Sample(
        trades=(
            "2025-04-01T07:00:00.250000 SLD 1.5 GBPUSD @ 1.29 USD x100000 - 0 - 0 U1",
            "2025-04-02T08:00:00 BOT 1.5 GBPUSD @ 1.28 USD x100000 - 9 - 1.25 U1",
            "2025-04-03T07:00:00 BOT 10 XAUUSD @ 3100.5 USD x1 - 0 - 0 U1",
            "2025-04-03T08:00:00 SLD 10 XAUUSD @ 3101.5 USD x1 - 0.5 - 0 U1",
        ),
        failed=(4,),
        given={**ACCOUNT, "multipliers": {"GBPUSD": "100000"}},
    ),
    "DEGIRO": Sample(
        trades=(
            "2025-05-09T07:01:00 BOT 10 EINE AG @ 39.4 EUR x1 - 4.9 - 0 U1",
            "2025-05-09T07:01:00 BOT 5 EINE AG @ 39.4 EUR x1 - 0 - 0 U1",
            "2025-05-12T13:31:00 SLD 2 SOME CORP @ 1131.17 USD x1 - 2 - 5.02 EUR U1",
        ),
        given=ACCOUNT,
    ),
    "ETORO_CLOSED": Sample(
        trades=(
            "2025-02-03T10:00:00 BOT 2.5 Some Corp @ 80.0 USD x1 - 0 - 0 U1",
            "2025-02-04T10:00:00 SLD 1 Other, Inc. @ 100.0 USD x1 - 0 - 0 U1",
            "2025-02-13T11:00:00 SLD 2.5 Some Corp @ 85.0 USD x1 - 0 - 0 U1",
            "2025-02-14T11:00:00 BOT 1 Other, Inc. @ 95.0 USD x1 - 0 - 0 U1",
        ),
        given={**ACCOUNT, "currency": "USD", "time_zone": "Europe/London"},
    ),
    "ETRADE": Sample(
        trades=(
            "2025-02-11T05:00:00 BOT 30 KO @ 63.5 USD x1 - 0 - 0 ####9001",
            "2025-02-12T05:00:00 SLD 1 KO Mar 21 '25 $65 Put @ 1.0 USD x100 - 0.65 - 0 ####9001",
        ),
    ),
    "FIDELITY": Sample(
        trades=(
            "2025-03-06T05:00:00 BOT 0.25 KO @ 69.5 USD x1 - 0 - 0 Z0001",
            "2025-03-07T05:00:00 SLD 2 -KO250321C70 @ 1.5 USD x100 - 1.3 - 0.04 Z0001",
            "2025-03-07T05:00:00 BOT 2 -KO250321C70 @ 1.2 USD x100 - 1.3 - 0.02 Z0001",
        ),
    ),
    "FIDELITY_2023": Sample(
        trades=(
            "2025-02-05T05:00:00 BOT 10 KO @ 63.0 USD x1 - 0 - 0 X10000001",
            "2025-02-07T05:00:00 SLD 10 KO @ 64.25 USD x1 - 0 - 0.02 X10000001",
        ),
    ),
    "IBKR_ACTIVITY": Sample(
        trades=(
            "2025-03-07T14:31:00 BOT 1000 KO @ 64.1 USD x1 - 5 - 0 U9000001",
            "2025-03-10T08:30:12 SLD 2000 USD.CHF @ 0.88 CHF x1 - 2 - 0 USD U9000001",
        ),
    ),
    "IBKR_FLEX_CSV": Sample(
        trades=(
            "2025-03-07T15:15:00 BOT 20 KO @ 64.0 USD x1 - 2 - 0 U9000001",
            "2025-07-11T09:15:00 SLD 1 SAP 18JUL25 250 C @ 3.5 EUR x100 - 1.1 - 0.2 U9000001",
        ),
    ),
    "IBKR_FLEX_RECORDS": Sample(
        trades=("2025-07-15T03:30:00 BOT 1 MESU5 @ 6300.25 USD x5 - 0.62 - 0 U9000001",),
    ),
    "LIGHTSPEED": Sample(
        trades=(
            "2025-03-07T14:45:00 SLD 50 KO @ 64.5 USD x1 - 0.25 - 0.16 9LD1",
            "2025-03-07T14:45:00 BOT 50 KO @ 64.0 USD x1 - 0.25 - 0 9LD1",
        ),
    ),
    "MT5_DEALS": Sample(
        trades=(
            "2025-01-06T08:00:00 BOT 0.1 GBPUSD @ 1.25 USD x100000 - 0.35 - 0 U1",
            "2025-01-07T08:00:00 SLD 0.1 GBPUSD @ 1.26 USD x100000 - 0.35 - 0.12 U1",
        ),
        given={**ACCOUNT, "currency": "USD", "time_zone": "Europe/Athens", "multipliers": {"GBPUSD": "100000"}},
    ),
    "MT5_POSITIONS_IT": Sample(
        trades=(
            "2025-01-08T09:00:00 SLD 0.05 XAUUSD @ 2650.1 USD x100 - 0 - 0 U1",
            "2025-01-08T10:00:00 BOT 0.05 XAUUSD @ 2645.6 USD x100 - 0.35 - 0 U1",
        ),
        given={**ACCOUNT, "currency": "USD", "time_zone": "Europe/Rome", "multipliers": {"XAU*": "100"}},
    ),
    "MT5_REPORT": Sample(
        trades=(
            "2025-02-04T08:00:00 SLD 0.2 AUDUSD @ 0.62 USD x100000 - 0.7 - 0 90001",
            "2025-02-04T08:15:00 BOT 0.2 AUDUSD @ 0.621 USD x100000 - 0.7 - 0 90001",
        ),
        given={"currency": "USD", "time_zone": "Europe/Athens", "multipliers": {"AUDUSD": "100000"}},
    ),
    "NINJATRADER_EXECUTIONS": Sample(
        trades=(
            "2025-03-07T08:15:22 BOT 2 ES MAR25 @ 5900.25 USD x50 - 4.04 - 0 Sim102",
            "2025-03-07T14:15:22 SLD 2 ES MAR25 @ 5901.0 USD x50 - 4.04 - 0 Sim102",
        ),
        failed=(4,),
        given={"currency": "USD", "time_zone": "Europe/Berlin", "multipliers": {"ES *": "50"}},
    ),
    "NINJATRADER_TRADES": Sample(
        trades=(
            "2025-03-07T17:59:59 SLD 2 MNQ 03-25 @ 20100.0 USD x2 - 0 - 0 SIM-8",
            "2025-03-07T18:10:00 BOT 2 MNQ 03-25 @ 20110.5 USD x2 - 2 - 0.48 SIM-8",
        ),
        given={"currency": "USD", "time_zone": "America/Chicago", "multipliers": {"MNQ *": "2"}},
    ),
    "QUESTRADE": Sample(
        trades=(
            "2025-03-04T14:31:00 BOT 10 RY.TO @ 160.5 CAD x1 - 4.95 - 0 7002",
            "2025-03-05T17:30:00 SLD 3 PUT RY 06/20/25 150.00 ROYAL BANK @ 4.0 CAD x100 - 12.95 - 0 7001",
        ),
    ),
    "REVOLUT_CRYPTO": Sample(
        trades=(
            "2025-03-02T23:10:31 BOT 0.5 ETH @ 25000.5 SEK x1 - 99 - 0 U1",
            "2025-03-04T13:08:54 SLD 0.25 ETH @ 2200.0 EUR x1 - 5.5 - 0 U1",
        ),
        given={**ACCOUNT, "time_zone": "Europe/Stockholm"},
    ),
    "REVOLUT_STOCKS": Sample(
        trades=(
            "2025-03-03T14:30:10.514000 BOT 1.5 KO @ 1064.4 USD x1 - 0 - 0 U1",
            "2025-03-04T14:30:00.797000 SLD 0.25 SAP @ 250.0 EUR x1 - 0 - 0 U1",
        ),
        given=ACCOUNT,
    ),
    "ROBINHOOD": Sample(
        trades=(
            "2025-03-06T05:00:00 BOT 4.5 KO @ 1064.0 USD x1 - 0 - 0 U1",
            "2025-03-07T05:00:00 SLD 1 KO 4/17/2025 Call $70.00 @ 1.05 USD x100 - 0 - 0 U1",
        ),
        given=ACCOUNT,
    ),
    "SAXO": Sample(
        trades=(
            "2025-03-03T23:00:00 BOT 15 NOVOb:xcse @ 600.1 DKK x1 - 0 - 0 U1",
            "2025-03-04T23:00:00 SLD 5 NOVOb:xcse @ 610.5 DKK x1 - 0 - 0 U1",
        ),
        given={**ACCOUNT, "time_zone": "Europe/Copenhagen"},
    ),
    "SCHWAB": Sample(
        trades=(
            "2025-03-07T05:00:00 BOT 100 KO @ 64.125 USD x1 - 0 - 0 U1",
            "2025-03-10T04:00:00 SLD 1 KO 03/21/2025 70.00 C @ 1.1 USD x100 - 0 - 0.66 U1",
            "2025-03-21T04:00:00 BOT 1 KO 03/21/2025 70.00 C @ 0.0 USD x100 - 0 - 0 U1",
        ),
        failed=(7,),
        given=ACCOUNT,
    ),
    "TASTYTRADE": Sample(
        trades=(
            "2025-03-10T14:00:00 BOT 2 KO    250321P00060000 @ 0.4 USD x100 - 2 - 0.26 U1",
            "2025-03-10T14:15:00 BOT 1 /MESM5 @ 5700.25 USD x5 - 0.75 - 0.72 U1",
            "2025-03-21T20:00:00 SLD 2 KO    250321P00060000 @ 0.0 USD x100 - 0 - 0 U1",
        ),
        given={**ACCOUNT, "multipliers": {"/MES*": "5"}},
    ),
    "THINKORSWIM": Sample(
        trades=(
            "2025-03-06T18:13:45 BOT 2 SPY 21 MAR 25 560 PUT @ 1.9 USD x100 - 0 - 0 90001SCHW",
            "2025-03-06T18:13:45 SLD 2 SPY 21 MAR 25 570 PUT @ 3.1 USD x100 - 0 - 0 90001SCHW",
            "2025-03-07T15:05:40 BOT 10 KO @ 64.1 USD x1 - 0 - 0 90001SCHW",
        ),
    ),
    "THINKORSWIM_TODAY": Sample(
        trades=(
            "2025-03-07T05:00:00 BOT 1 PEP @ 151.0 USD x1 - 0 - 0 D-90001",
            "2025-03-07T18:24:32 SLD 15 KO @ 0.85 USD x1 - 0 - 0 D-90001",
        ),
    ),
    "TRADINGVIEW_PAPER": Sample(
        trades=(
            "2025-03-07T16:31:40 BOT 10 NASDAQ:KO @ 64.0 USD x1 - 0 - 0 U1",
            "2025-03-07T16:40:13 SLD 1 CME_MINI:NQ1! @ 20100.25 USD x20 - 2.5 - 0 U1",
        ),
        given={
            **ACCOUNT,
            "currency": "USD",
            "time_zone": "UTC",
            "multipliers": {"CME_MINI:NQ1!": "20", "NASDAQ:*": "1"},
        },
    ),
    "TRADING212": Sample(
        trades=(
            "2025-03-04T08:01:10.456000 BOT 100.5 LLOY @ 70.25 GBX x1 - 0 - 0.35 GBP U1",
            "2025-03-05T14:30:05 SLD 2 KO @ 64.0 USD x1 - 0 - 0.15 GBP U1",
        ),
        given=ACCOUNT,
    ),
    "TRADOVATE_FILLS": Sample(
        trades=("2025-03-07T14:30:00.700000 BOT 2 MNQH5 @ 20100.5 USD x2 - 1 - 0 DEMO7",),
        given={"currency": "USD", "multipliers": {"MNQ??": "2"}},
    ),
    "TRADOVATE_ORDERS": Sample(
        trades=("2025-03-07T15:00:05 SLD 3 MESH5 @ 5700.5 USD x5 - 0 - 0 ACCT7",),
        given={"time_zone": "Europe/Berlin"},
    ),
    "TRADOVATE_PERFORMANCE": Sample(
        trades=(
            "2025-03-07T15:00:05 BOT 1 MNQH5 @ 20100.0 USD x2 - 0 - 0 U1",
            "2025-03-07T15:01:05 BOT 2 MNQH5 @ 20101.0 USD x2 - 0 - 0 U1",
            "2025-03-07T15:10:05 SLD 3 MNQH5 @ 20110.0 USD x2 - 0 - 0 U1",
        ),
        given={**ACCOUNT, "currency": "USD", "time_zone": "Europe/Berlin", "multipliers": {"MNQ??": "2"}},
    ),
    "WEBULL": Sample(
        trades=(
            "2025-03-07T20:01:46 BOT 5 KO250321P00060000 @ 0.75 USD x100 - 0 - 0 U1",
            "2025-03-07T20:01:46 SLD 5 KO250321P00065000 @ 2.0 USD x100 - 0 - 0 U1",
            "2025-03-10T14:00:02 BOT 40 KO @ 63.99 USD x1 - 0 - 0 U1",
        ),
        failed=(7,),
        given={**ACCOUNT, "currency": "USD"},
    ),
    "XTB_CASH": Sample(
        trades=(
            "2025-03-06T12:01:45 BOT 5 CDR.PL @ 205.25 PLN x1 - 0 - 0 U1",
            "2025-03-07T10:42:37 SLD 2 CDR.PL @ 210.5 PLN x1 - 0 - 0 U1",
        ),
        given={**ACCOUNT, "currency": "PLN", "time_zone": "Europe/Warsaw"},
    ),
    "ZERODHA": Sample(
        trades=(
            "2025-03-07T04:52:33 BOT 15 TCS @ 3600.5 INR x1 - 0 - 0 U1",
            "2025-03-07T06:34:50 SLD 15 TCS @ 3610.0 INR x1 - 0 - 0 U1",
            "2025-03-07T09:59:59 SLD 75 NIFTY25MAR22500PE @ 88.2 INR x1 - 0 - 0 U1",
        ),
        given=ACCOUNT,
    ),
    "ZORIVEST": Sample(
        trades=("2025-03-07T14:30:00 BOT 10 KO @ 64.5 USD x1 - 1 - 0.25 U1",),
    ),
}
