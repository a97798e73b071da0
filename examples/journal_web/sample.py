"""A few invented trades with charts, so that there is something to see."""

from datetime import UTC, datetime, timedelta

from zorivest_async import Account, AccountType, ImageOwnerType, Trade, TradeAction, TradeReport, Vault
from zorivest_async.cli.demo.samples import CHARTS

__all__ = ["add_sample"]

_RESULTS = (0, 182.4, 0, -96.1, 0, 240.75, 0, 61.2, 0, -130.3, 0, 318.9)


async def add_sample(vault: Vault) -> None:
    """Add an account, twelve trades, four charts and a report to a vault, unless it has the account."""
    async with vault.unit_of_work() as uow:
        if await uow.accounts.exists("SAMPLE"):
            return
        await uow.accounts.save(Account("SAMPLE", "Sample account", AccountType.BROKER))
        first = datetime(2024, 3, 4, 14, 31, tzinfo=UTC)
        for n, result in enumerate(_RESULTS):
            action = TradeAction.SLD if n % 2 else TradeAction.BOT
            day = n // 2 if n < 10 else 7  # not on Saturday
            time = first + timedelta(days=day, minutes=47 * (n % 2))
            price = 171.0 + n // 2 + round((result + 2.1) / 100, 3) * (n % 2)  # the result is after both commissions
            await uow.trades.save(
                Trade(
                    f"sample-{n + 1:02}",
                    time,
                    "AAPL",
                    action,
                    100,
                    price,
                    "SAMPLE",
                    1.05,
                    result,
                    result_after_costs=True,
                )
            )
        await uow.trade_reports.save(
            TradeReport("sample-12", 5, 4, True, "calm", "Wait for the retest.", ("breakout", "trend day"))
        )
        await uow.commit()
    async with vault.unit_of_work() as uow:
        for n, chart in enumerate(CHARTS):
            await uow.images.attach(ImageOwnerType.TRADE, f"sample-{12 - 2 * n:02}", chart, caption="AAPL, daily")
        await uow.commit()
