"""Statements of brokers, with invented accounts, numbers and amounts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ACTIVITY_HEADER = "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price"
STOCKS = f"{ACTIVITY_HEADER},C. Price,Proceeds,Comm/Fee,Basis,Realized P/L,MTM P/L,Code"
FUTURES = f"{ACTIVITY_HEADER},C. Price,Notional Value,Comm/Fee,Basis,Realized P/L,MTM P/L,Code"
FOREX = f"{ACTIVITY_HEADER},,Proceeds,Comm in USD,,,MTM in USD,Code"

_TRADE = {
    "accountId": "U1", "currency": "USD", "assetCategory": "STK", "symbol": "SPY", "multiplier": "1",
    "transactionType": "ExchTrade", "dateTime": "20240102;100000", "buySell": "BUY", "quantity": "10", "taxes": "0",
    "tradePrice": "5", "ibCommission": "-1", "ibCommissionCurrency": "USD", "fifoPnlRealized": "0",
    "levelOfDetail": "EXECUTION",
}  # fmt: skip
_CONFIRMED = {"tradePrice": "price", "ibCommission": "commission", "ibCommissionCurrency": "commissionCurrency"}
_CONFIRMED |= {"ibExecID": "execID", "ibOrderID": "orderID", "taxes": "tax"}


def trade(number: int = 1, /, **changes: str | None) -> str:
    """Return the n-th execution of a Flex activity statement; a change to ``None`` removes the attribute."""
    own = {"ibExecID": f"{number:04}.01.01", "tradeID": f"{number}", "transactionID": f"{100 + number}"}
    attributes = _TRADE | own | changes
    return f"<Trade {_joined(attributes)}/>"


def confirmation(number: int = 1, /, **changes: str | None) -> str:
    """Return the execution of :func:`trade` as a trade confirmation has it: without a result."""
    own = {"ibExecID": f"{number:04}.01.01", "tradeID": f"{number}"}
    attributes = _TRADE | own | changes | {"fifoPnlRealized": None}
    return f"<TradeConfirm {_joined({_CONFIRMED.get(name, name): value for name, value in attributes.items()})}/>"


def _joined(attributes: dict[str, str | None]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in attributes.items() if value is not None)


async def flex(path: Path, *trades: str, extra: str = "") -> Path:
    """Write a Flex statement of these executions, and ``extra`` before them."""
    text = (
        '<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1"><FlexStatement accountId="U1">'
        f"{extra}<Trades>{''.join(trades)}</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    )
    await asyncio.to_thread(path.write_text, text)
    return path


async def activity(path: Path, *lines: str, base: str | None = "USD") -> Path:
    """Write an activity statement of IBKR with these lines."""
    head = ["Statement,Header,Field Name,Field Value", "Account Information,Data,Account,U1"]
    head += [f"Account Information,Data,Base Currency,{base}"] * (base is not None)
    await asyncio.to_thread(path.write_text, "\n".join((*head, *lines, "")), encoding="utf-8-sig")
    return path
