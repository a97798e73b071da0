"""Executions come in from Flex XML: corrected, cancelled and booked again as IBKR does it."""

from __future__ import annotations

import asyncio
import builtins
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from zorivest_async import (
    Account,
    AccountType,
    AssetClass,
    ImageOwnerType,
    MissingDependencyError,
    RepositoryError,
    Trade,
    TradeAction,
    TradeFilter,
    TradeReport,
    ValidationError,
    Vault,
)
from zorivest_async.transfer.importers import FlexTrades, ImportReport, ImportSourceError, Reason, import_trades

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.domain.settings import SettingValue

pytestmark = pytest.mark.asyncio

ORIGINAL = "00015070.55f17816.01.01"
CORRECTION = "00015070.55f17816.01.02"


def element(tag: str = "Trade", **changes: str) -> str:
    """Return an execution as IBKR writes it, with some attributes changed."""
    attributes = {
        "accountId": "U1234567", "currency": "USD", "assetCategory": "STK", "symbol": "SPY", "tradeID": "1389766089",
        "transactionID": "100", "dateTime": "20240102;093000", "transactionType": "ExchTrade", "buySell": "BUY",
        "quantity": "100", "tradePrice": "470.25", "ibCommission": "-1.02", "fifoPnlRealized": "0",
        "ibExecID": ORIGINAL, "levelOfDetail": "EXECUTION", "notes": "P",
    }  # fmt: skip
    return f"<{tag} " + " ".join(f'{name}="{value}"' for name, value in (attributes | changes).items()) + " />"


def cancellation(**changes: str) -> str:
    """Return a cancellation of the execution that :func:`element` makes: it has no identifier of its own."""
    about = {"transactionType": "TradeCancel", "buySell": "BUY (Ca.)", "tradeID": "", "ibExecID": "", "notes": "Ca"}
    own = {"origTradeID": "1389766089", "quantity": "-100", "transactionID": "101"}
    return element(**(about | own | changes))


async def import_elements(
    vault: Vault, tmp_path: Path, *elements: str, dry_run: bool = False, time_zone: str = "America/New_York"
) -> ImportReport:
    """Import a statement of these elements."""
    path = tmp_path / "statement.xml"
    text = (
        '<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1"><FlexStatement accountId="U1234567">'
        f"<Trades>{''.join(elements)}</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    )
    await asyncio.to_thread(path.write_text, text)
    return await import_trades(vault, FlexTrades(path, time_zone=time_zone), accounts="create", dry_run=dry_run)


async def stored(vault: Vault) -> list[Trade]:
    """Return the trades of a vault, by their identifiers."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_filtered(TradeFilter(), sort="exec_id", limit=None)


def reasons(report: ImportReport) -> dict[str, list[Reason]]:
    """Return why rows are where they are."""
    lists = {name: [entry.reason for entry in getattr(report, name)] for name in ("inserted", "duplicate", "updated")}
    lists["failed"] = [entry.reason for entry in report.failed]
    return {name: found for name, found in lists.items() if found}


async def test_an_execution_is_imported_once(vault: Vault, tmp_path: Path) -> None:
    """Its moment is New York's, its identifier IBKR's, its commission a positive cost."""
    sale = element(buySell="SELL", quantity="-1,000", ibExecID="0001.01.01", tradeID="2", fifoPnlRealized="12.5")
    assert reasons(await import_elements(vault, tmp_path, element(), sale)) == {"inserted": [Reason.NEW] * 2}
    assert reasons(await import_elements(vault, tmp_path, element(), sale)) == {"duplicate": [Reason.STORED] * 2}
    moment = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    bought = Trade(
        ORIGINAL, moment, "SPY", TradeAction.BOT, 100, 470.25, "U1234567", 1.02,
        currency="USD", asset_class=AssetClass.STOCK, result_after_costs=True,
    )  # fmt: skip
    sold = replace(bought, exec_id="0001.01.01", action=TradeAction.SLD, quantity=1000, realized_pnl=12.5)
    assert await stored(vault) == [sold, bought]


async def test_what_is_unknown_is_warned_of(vault: Vault, tmp_path: Path) -> None:
    """New attributes, new codes and new currencies do not keep an execution out; summaries are no executions."""
    strange = element(newField="1", notes="NEW;P", currency="XXX", assetCategory="NEW", multiplier="1")
    summary = element(levelOfDetail="ORDER", ibExecID="", tradeID="")
    report = await import_elements(vault, tmp_path, strange, summary, "<Unknown a='1'/>")
    assert reasons(report) == {"inserted": [Reason.NEW]}
    assert report.warnings == [
        "attributes that ibflex does not know: newField",
        "1 summaries of executions left out",
    ]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"dateTime": "01/02/2024;093000"}, "slashes"),
        ({"dateTime": "20240102"}, "no time of day"),
        ({"dateTime": "20240310;023000"}, "does not exist"),
        ({"dateTime": ""}, "no time of day"),
        ({"tradeDate": "01/02/2024", "dateTime": ""}, "tradeDate has slashes"),
        ({"dateTime": "2024-30-01;093000"}, "dateTime does not exist in the calendar"),
        ({"dateTime": "30-01-2024;093000"}, "dateTime is not in a format of Flex queries"),
        ({"dateTime": "30-MAI-24;093000"}, "dateTime names a month that is not English"),
        ({"dateTime": "20240102;093000 CST"}, "dateTime has the name of a time zone that is not known"),
        ({"dateTime": "20240102;093000 +2500"}, "dateTime names an offset from UTC of a day or more"),
        ({"quantity": "many"}, "quantity cannot be read by ibflex"),
        ({"quantity": "0"}, "quantity must be greater than zero"),
        ({"transactionType": "Strange"}, "transactionType cannot be read by ibflex"),
        ({"buySell": "Strange", "ibCommission": "few"}, "buySell, ibCommission cannot be read by ibflex"),
        ({"ibExecID": "", "tradeID": ""}, "ibExecID and tradeID are missing"),
        ({"tradePrice": ""}, "tradePrice is missing"),
        ({"symbol": ""}, "instrument must not be empty"),
    ],
)
async def test_a_row_that_cannot_be_right_fails_alone(
    vault: Vault, tmp_path: Path, changes: dict[str, str], detail: str
) -> None:
    """The report says which and why, and the others are imported."""
    report = await import_elements(vault, tmp_path, element(**changes), element(ibExecID="other.01", tradeID="2"))
    assert reasons(report) == {"inserted": [Reason.NEW], "failed": [Reason.UNREADABLE]}
    assert report.failed[0].row == 1
    assert detail in report.failed[0].detail
    assert not any(value in str(report.failed[0]) for value in changes.values() if len(value) > 3)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20250530;122935 EDT", "2025-05-30T16:29:35"),
        ("20251230;122935 EST", "2025-12-30T17:29:35"),
        ("2025-12-30;12:29:35 EST", "2025-12-30T17:29:35"),
        ("20251102;013000 EDT", "2025-11-02T05:30:00"),
        ("20251102;013000 EST", "2025-11-02T06:30:00"),
        ("20250530, 122935 CEST", "2025-05-30T10:29:35"),
        ("20250530 122935 utc", "2025-05-30T12:29:35"),
        ("2025-05-30T12:29:35+02:00", "2025-05-30T10:29:35"),
        ("30-MAY-25;12:29:35", "2025-05-30T16:29:35"),
        ("20250530;122935", "2025-05-30T16:29:35"),
    ],
)
async def test_the_formats_of_a_query_are_read(vault: Vault, tmp_path: Path, text: str, utc: str) -> None:
    """With the name of a zone or an offset, which decide; in the hour that is repeated, too."""
    report = await import_elements(vault, tmp_path, element(dateTime=text))
    assert [*report.failed] == []
    assert [trade.time.isoformat() for trade in await stored(vault)] == [f"{utc}+00:00"]


async def test_a_zone_of_the_source_is_known_by_its_own_name(vault: Vault, tmp_path: Path) -> None:
    """CST is China's where the statement's zone is Shanghai, and none elsewhere."""
    await import_elements(vault, tmp_path, element(dateTime="20240102;093000 CST"), time_zone="Asia/Shanghai")
    assert [trade.time.isoformat()[11:16] for trade in await stored(vault)] == ["01:30"]


async def test_an_offset_that_ibflex_drops_is_kept(vault: Vault, tmp_path: Path) -> None:
    """A time that names its offset is not New York's; one without a date of its own is of two attributes."""
    apart = element(dateTime="", tradeDate="2024-01-02", tradeTime="134859", ibExecID="b", tradeID="2")
    await import_elements(vault, tmp_path, element(dateTime="2024-01-02;093000+0100"), apart)
    assert [trade.time.isoformat()[11:16] for trade in await stored(vault)] == ["08:30", "18:48"]


async def attach_to(vault: Vault, exec_id: str) -> None:
    """Give a trade an image and a report."""
    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    async with vault.unit_of_work() as uow:
        await uow.images.attach(ImageOwnerType.TRADE, exec_id, buffer.getvalue())
        await uow.trade_reports.save(TradeReport(exec_id, lessons_learned="wait"))
        await uow.commit()


@pytest.mark.parametrize("also_original", [False, True])
async def test_a_correction_takes_the_place_of_what_it_corrects(
    vault: Vault, tmp_path: Path, *, also_original: bool
) -> None:
    """Its identifier differs in the last digits; images and report go with it, and the original never comes back."""
    await import_elements(vault, tmp_path, element())
    await attach_to(vault, ORIGINAL)
    correction = element(ibExecID=CORRECTION, tradePrice="470.5", transactionID="102")
    both = [element(), correction] if also_original else [correction]
    dry = await import_elements(vault, tmp_path, *both, dry_run=True)
    report = await import_elements(vault, tmp_path, *both)
    assert reasons(dry) == reasons(report)
    assert reasons(report)["updated"] == [Reason.CORRECTED]
    (trade,) = await stored(vault)
    assert (trade.exec_id, trade.price) == (CORRECTION, 470.5)
    async with vault.unit_of_work(read_only=True) as uow:
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, CORRECTION)) == 1
        assert await uow.trade_reports.get_for_trade(CORRECTION) is not None
    assert reasons(await import_elements(vault, tmp_path, element())) == {"duplicate": [Reason.SUPERSEDED]}
    assert reasons(await import_elements(vault, tmp_path, correction)) == {"duplicate": [Reason.STORED]}


@pytest.mark.parametrize("booked_as", [ORIGINAL, CORRECTION, "another"])
@pytest.mark.parametrize("imported_before", [False, True])
async def test_what_is_cancelled_and_booked_again_is_there_once(
    vault: Vault, tmp_path: Path, booked_as: str, *, imported_before: bool
) -> None:
    """IBKR books it under the same tradeID, with whichever identifier; the order of the elements does not matter."""
    if imported_before:
        await import_elements(vault, tmp_path, element())
        await attach_to(vault, ORIGINAL)
    again = element(ibExecID=booked_as, quantity="1", transactionID="102")
    report = await import_elements(vault, tmp_path, again, cancellation(), element())
    (trade,) = await stored(vault)
    assert (trade.exec_id, trade.quantity) == (booked_as, 1)
    assert reasons(report)["duplicate"] == [Reason.SUPERSEDED] * 2
    assert len(report.updated if imported_before else report.inserted) == 1
    if imported_before:
        async with vault.unit_of_work(read_only=True) as uow:
            assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, booked_as)) == 1
    for statement in ([element(), cancellation(), again], [element()], [again]):
        assert set(reasons(await import_elements(vault, tmp_path, *statement))) == {"duplicate"}
    assert await stored(vault) == [trade]


@pytest.mark.parametrize("imported_before", [False, True])
async def test_a_cancelled_execution_is_not_stored(vault: Vault, tmp_path: Path, *, imported_before: bool) -> None:
    """With its cancellation it never gets in, or is deleted; the statement from before does not bring it back."""
    statement = [element(), cancellation()]
    if imported_before:
        await import_elements(vault, tmp_path, element())
    dry = await import_elements(vault, tmp_path, *statement, dry_run=True)
    assert len(await stored(vault)) == imported_before
    report = await import_elements(vault, tmp_path, *statement)
    assert reasons(dry) == reasons(report)
    assert reasons(report) == (
        {"duplicate": [Reason.SUPERSEDED], "updated": [Reason.CANCELLED]}
        if imported_before
        else {"duplicate": [Reason.SUPERSEDED, Reason.CANCELLED]}
    )
    for again in ([element()], statement):
        assert set(reasons(await import_elements(vault, tmp_path, *again))) == {"duplicate"}
    assert await stored(vault) == []


@pytest.mark.parametrize("booked_as", [ORIGINAL, CORRECTION, "another"])
async def test_what_is_booked_again_in_a_later_statement_stays(vault: Vault, tmp_path: Path, booked_as: str) -> None:
    """Older statements, imported again, bring nothing back, and their cancellation is not taken for one of it."""
    older = [element(), cancellation()]
    await import_elements(vault, tmp_path, *older)
    again = element(ibExecID=booked_as, quantity="1", transactionID="102")
    assert reasons(await import_elements(vault, tmp_path, again)) == {"inserted": [Reason.NEW]}
    for statement in ([element()], older, [again]):
        assert set(reasons(await import_elements(vault, tmp_path, *statement))) == {"duplicate"}
    assert [(trade.exec_id, trade.quantity) for trade in await stored(vault)] == [(booked_as, 1)]
    once_more = cancellation(transactionID="103")
    assert reasons(await import_elements(vault, tmp_path, again, once_more))["updated"] == [Reason.CANCELLED]
    assert reasons(await import_elements(vault, tmp_path, again)) == {"duplicate": [Reason.CANCELLED]}
    assert await stored(vault) == []


async def test_a_cancelled_execution_with_images_is_the_users_to_delete(vault: Vault, tmp_path: Path) -> None:
    """Nobody's notes are deleted by an import."""
    await import_elements(vault, tmp_path, element())
    await attach_to(vault, ORIGINAL)
    report = await import_elements(vault, tmp_path, element(), cancellation())
    assert reasons(report)["failed"] == [Reason.CANCELLED_IN_USE]
    assert reasons(await import_elements(vault, tmp_path, element())) == {"duplicate": [Reason.STORED]}
    assert len(await stored(vault)) == 1


@pytest.mark.parametrize("change", ["correction", "cancellation"])
async def test_what_a_table_of_the_users_refers_to_fails_alone(vault: Vault, tmp_path: Path, change: str) -> None:
    """The rest is imported, the entry names the table, and a dry run says the same."""
    await import_elements(vault, tmp_path, element())
    async with vault.unit_of_work() as uow:
        connection = await uow.connection()
        await connection.exec_driver_sql("CREATE TABLE links (trade REFERENCES trades)")
        await connection.exec_driver_sql("INSERT INTO links VALUES (?)", (ORIGINAL,))
        await connection.exec_driver_sql("CREATE TABLE marks (trade REFERENCES trades ON DELETE CASCADE)")
        await connection.exec_driver_sql("INSERT INTO marks VALUES (?)", (ORIGINAL,))
        await uow.commit()
    changed = cancellation() if change == "cancellation" else element(ibExecID=CORRECTION, transactionID="102")
    statement = [element(), changed, element(ibExecID="0001.01.01", tradeID="2")]
    reason = Reason.CANCELLED_IN_USE if change == "cancellation" else Reason.CONFLICT
    for dry_run in (True, False):
        report = await import_elements(vault, tmp_path, *statement, dry_run=dry_run)
        assert set(reasons(report)) == {"inserted", "duplicate", "failed"}
        assert reasons(report)["failed"] == [reason]
        assert "a row of links refers to what would be deleted" in str(report.failed[0])
    assert [trade.exec_id for trade in await stored(vault)] == ["0001.01.01", ORIGINAL]
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).exec_driver_sql("DELETE FROM links")
        await uow.commit()
    assert set(reasons(await import_elements(vault, tmp_path, *statement))) == {"updated", "duplicate"}
    assert ORIGINAL not in [trade.exec_id for trade in await stored(vault)]


async def test_a_users_own_trigger_that_refuses_a_correction_is_a_typed_error(vault: Vault, tmp_path: Path) -> None:
    """Nothing of the import is stored."""
    await import_elements(vault, tmp_path, element())
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).exec_driver_sql(
            "CREATE TRIGGER kept BEFORE DELETE ON trades BEGIN SELECT RAISE(ABORT, 'trades are kept'); END"
        )
        await uow.commit()
    with pytest.raises(RepositoryError, match="trades are kept"):
        await import_elements(vault, tmp_path, element(ibExecID=CORRECTION, transactionID="102"))
    assert [trade.exec_id for trade in await stored(vault)] == [ORIGINAL]


async def test_a_cancellation_of_something_unknown_is_carried_out_when_that_is_imported_again(
    vault: Vault, tmp_path: Path
) -> None:
    """It names a tradeID, which a vault does not keep of executions, so it fails; but it is remembered."""
    await import_elements(vault, tmp_path, element())
    for _ in range(2):
        report = await import_elements(vault, tmp_path, cancellation())
        assert reasons(report) == {"failed": [Reason.CANCELLED_UNKNOWN]}
        assert "import the statement that contains it again" in str(report.failed[0])
    assert len(await stored(vault)) == 1
    dry = await import_elements(vault, tmp_path, element(), dry_run=True)
    assert reasons(await import_elements(vault, tmp_path, element())) == reasons(dry)
    assert reasons(dry) == {"updated": [Reason.CANCELLED]}
    assert await stored(vault) == []
    for elements in (element(), cancellation()):
        assert reasons(await import_elements(vault, tmp_path, elements)) == {"duplicate": [Reason.CANCELLED]}


async def test_what_is_remembered_as_cancelled_but_in_use_is_the_users_to_delete(vault: Vault, tmp_path: Path) -> None:
    """A cancellation that came alone does not delete anybody's notes either, when its execution comes."""
    await import_elements(vault, tmp_path, element())
    await attach_to(vault, ORIGINAL)
    await import_elements(vault, tmp_path, cancellation())
    assert reasons(await import_elements(vault, tmp_path, element())) == {"failed": [Reason.CANCELLED_IN_USE]}
    assert len(await stored(vault)) == 1


async def test_without_transaction_ids_nothing_is_guessed(vault: Vault, tmp_path: Path) -> None:
    """A cancellation that cannot be remembered is warned of; what may be older than one, or later, fails."""
    report = await import_elements(vault, tmp_path, element(), cancellation(transactionID=""))
    assert "1 cancellations without a transactionID" in report.warnings[0]
    assert set(reasons(await import_elements(vault, tmp_path, element()))) == {"inserted"}
    report = await import_elements(vault, tmp_path, element(), cancellation())
    assert report.warnings == []
    report = await import_elements(vault, tmp_path, element(transactionID=""))
    assert reasons(report) == {"failed": [Reason.CONFLICT]}
    assert "Transaction ID" in report.failed[0].detail
    assert await stored(vault) == []


@pytest.mark.parametrize("digits", ["transactionID", "ibExecID"])
async def test_a_number_may_have_too_many_digits_for_python(vault: Vault, tmp_path: Path, digits: str) -> None:
    """Such a place among the transactions is none that is known, and such an end of an identifier no revision."""
    strange = element(**{digits: "a." * (digits == "ibExecID") + "9" * 5_000})
    assert reasons(await import_elements(vault, tmp_path, strange)) == {"inserted": [Reason.NEW]}
    report = await import_elements(vault, tmp_path, element(ibExecID="a.01", tradeID="2"), strange)
    assert reasons(report) == {"inserted": [Reason.NEW], "duplicate": [Reason.STORED]}


@pytest.mark.parametrize("value", ["text", 5, None, [1], ["1", True], [1, 1], [1, True, 5], {"a": True}])
async def test_a_remembered_cancellation_that_somebody_changed_is_a_typed_error(
    vault: Vault, tmp_path: Path, value: SettingValue
) -> None:
    """Settings are anybody's to write; nothing is imported before it is mended."""
    await import_elements(vault, tmp_path, element(), cancellation())
    async with vault.unit_of_work() as uow:
        (setting,) = await uow.settings.get_all()
        await uow.settings.set(setting.key, value)
        await uow.commit()
    with pytest.raises(ValidationError, match=r"begin with zorivest\.cancelled/"):
        await import_elements(vault, tmp_path, element())
    async with vault.unit_of_work() as uow:
        await uow.settings.delete(setting.key)
        await uow.commit()
    assert reasons(await import_elements(vault, tmp_path, element())) == {"inserted": [Reason.NEW]}


async def test_a_cancellation_is_of_one_account(vault: Vault, tmp_path: Path) -> None:
    """The same tradeID in another account is another execution's."""
    await import_elements(vault, tmp_path, element(), cancellation())
    other = element(accountId="U7654321", ibExecID="other.01")
    assert reasons(await import_elements(vault, tmp_path, other)) == {"inserted": [Reason.NEW]}
    assert reasons(await import_elements(vault, tmp_path, other, cancellation())) == {
        "duplicate": [Reason.STORED, Reason.CANCELLED]
    }


async def test_trade_confirmations_are_read_too(vault: Vault, tmp_path: Path) -> None:
    """They name the same things otherwise; the statement adds the result that they do not have."""
    confirmation = element("TradeConfirm", execID=ORIGINAL, price="470.25", commission="-1.02")
    assert reasons(await import_elements(vault, tmp_path, confirmation)) == {"inserted": [Reason.NEW]}
    assert reasons(await import_elements(vault, tmp_path, element())) == {"updated": [Reason.FILLED]}
    assert reasons(await import_elements(vault, tmp_path, element())) == {"duplicate": [Reason.STORED]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<FlexQueryResponse><Trades>", "well-formed"),
        ("", "well-formed"),
        ("<html/>", "not a Flex statement"),
        ('<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><FlexQueryResponse a="&c;"/>', "entities"),
    ],
)
async def test_other_xml_is_refused(vault: Vault, tmp_path: Path, content: str, problem: str) -> None:
    """Broken files, other documents, and such as would blow up when they are read."""
    path = tmp_path / "statement.xml"
    await asyncio.to_thread(path.write_text, content)
    with pytest.raises(ImportSourceError, match=problem):
        await import_trades(vault, FlexTrades(path))


async def test_a_missing_extra_is_named(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without defusedxml or ibflex the error says what to install."""
    path = tmp_path / "statement.xml"
    await asyncio.to_thread(path.write_text, "<FlexQueryResponse/>")
    for module in ("defusedxml", "ibflex"):
        monkeypatch.setattr("zorivest_async._extras.import_module", importing_all_but(module))
        with pytest.raises(MissingDependencyError, match=r'pip install "zorivest-async\[importers\]"'):
            await import_trades(vault, FlexTrades(path))


def importing_all_but(absent: str) -> Any:
    """Return an ``import_module`` for an environment without a package."""

    def import_module(name: str) -> Any:
        if name.partition(".")[0] == absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return builtins.__import__(name, fromlist=["*"])

    return import_module


async def store_both_versions(vault: Vault, account_id: str = "U1234567") -> None:
    """Store an execution and its correction, as a program that listens to TWS may have done."""
    async with vault.unit_of_work() as uow:
        for account in {account_id, "U1234567"}:
            await uow.accounts.save(Account(account, account, AccountType.BROKER))
        moment = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
        await uow.trades.save(Trade(ORIGINAL, moment, "SPY", TradeAction.BOT, 100, 470.25, account_id))
        if account_id == "U1234567":
            await uow.trades.save(Trade(CORRECTION, moment, "SPY", TradeAction.BOT, 100, 470, account_id))
        await uow.commit()


@pytest.mark.parametrize("used", [(), (ORIGINAL,), (CORRECTION,), (ORIGINAL, CORRECTION)])
async def test_versions_that_are_both_stored_become_one(vault: Vault, tmp_path: Path, used: tuple[str, ...]) -> None:
    """The corrected one stays, with what either had; where both have images, it is the user's to decide."""
    await store_both_versions(vault)
    for exec_id in used:
        await attach_to(vault, exec_id)
    correction = element(ibExecID=CORRECTION, tradePrice="470.5", ibCommission="0")
    report = await import_elements(vault, tmp_path, correction)
    trades = await stored(vault)
    if len(used) == 2:
        assert reasons(report) == {"failed": [Reason.CONFLICT]}
        assert [trade.exec_id for trade in trades] == [ORIGINAL, CORRECTION]
        return
    assert reasons(report) == {"updated": [Reason.CORRECTED]}
    assert [(trade.exec_id, trade.price) for trade in trades] == [(CORRECTION, 470.5)]
    async with vault.unit_of_work(read_only=True) as uow:
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, CORRECTION)) == len(used)


async def test_a_correction_does_not_reach_into_another_account(vault: Vault, tmp_path: Path) -> None:
    """The execution that looks like its earlier version stays, and the row fails."""
    await store_both_versions(vault, "other")
    report = await import_elements(vault, tmp_path, element(ibExecID=CORRECTION))
    assert reasons(report) == {"failed": [Reason.CONFLICT]}
    assert [(trade.exec_id, trade.account_id) for trade in await stored(vault)] == [(ORIGINAL, "other")]


async def test_identifiers_may_begin_with_the_account(vault: Vault, tmp_path: Path) -> None:
    """Then two accounts may share IBKR's, and corrections still find what they correct."""
    path = tmp_path / "statement.xml"
    trades = [element(), element(accountId="U2", tradeID="2"), element(ibExecID=CORRECTION, tradePrice="1")]
    for elements in (trades[:2], trades):
        text = f"<FlexQueryResponse><Trades>{''.join(elements)}</Trades></FlexQueryResponse>"
        await asyncio.to_thread(path.write_text, text)
        await import_trades(vault, FlexTrades(path, exec_id_with_account=True), accounts="create")
    found = {trade.exec_id: trade.price for trade in await stored(vault)}
    assert found == {f"U1234567/{CORRECTION}": 1, f"U2/{ORIGINAL}": 470.25}
