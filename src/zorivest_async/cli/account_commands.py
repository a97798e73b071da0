"""The commands ``zorivest accounts`` and ``zorivest balances``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.entity_commands import EntityArea
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Rows
from zorivest_async.domain.entities import Account, BalanceSnapshot
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT_ID", help="The account.")]

app = area()
_accounts = area("accounts", "List, show, add, edit and delete accounts.")
_balances = area("balances", "List and add the balances of an account.")


@journal_command(_accounts, "list", "accounts list")
def list_accounts(journal: Journal) -> Rows:
    """List the accounts."""
    accounts = journal.read(lambda uow: uow.accounts.list_all(limit=None))
    columns = ("account_id", "name", "account_type", "institution", "currency")
    return Rows([row_of(account) for account in accounts], columns, zone=journal.time_zone)


EntityArea(
    _accounts,
    Account,
    "account",
    "account_id",
    lambda uow: uow.accounts,
    "--name Margin --type broker --currency USD",
    "--name 'Margin account'",
).add_commands()


@journal_command(_balances, "list", "balances list U1")
def list_balances(journal: Journal, account_id: AccountId, limit: Limit = 100, all_rows: All = False) -> Rows:
    """List the balances of an account, newest first."""

    async def work(uow: UnitOfWork) -> list[BalanceSnapshot]:
        await uow.accounts.get_one(account_id)
        return await uow.balance_snapshots.list_for_account(account_id, limit=None if all_rows else limit)

    return Rows([row_of(each) for each in journal.read(work)], ("id", "datetime", "balance"), zone=journal.time_zone)


@journal_command(_balances, "add", "balances add U1 25123.45 --time 2024-03-08", takes_dashes=True)
def add_balance(
    journal: Journal,
    account_id: AccountId,
    balance: Annotated[float, typer.Argument(metavar="BALANCE", help="In the account's currency; a debt is negative.")],
    time: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="The time of the balance. Default: now.")
    ] = None,
) -> Done:
    """Add a balance of an account. Balances are kept: none is changed or deleted."""
    snapshot = BalanceSnapshot(account_id, utc_now() if time is None else journal.time(time), balance)
    number = journal.write(lambda uow: uow.balance_snapshots.save(snapshot))
    return Done(f"balance {number} of {account_id}: added", row_of(snapshot) | {"id": number})


app.add_typer(_accounts)
app.add_typer(_balances)
