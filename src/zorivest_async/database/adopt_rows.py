"""Rows of a plaintext journal to entities, telling of every value that is not taken as it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from zorivest_async.database.repositories import (
    SqlAlchemyAccountRepository,
    SqlAlchemyBalanceSnapshotRepository,
    SqlAlchemyMarketProviderSettingRepository,
    SqlAlchemySettingRepository,
    SqlAlchemyTradePlanRepository,
    SqlAlchemyTradeReportRepository,
    SqlAlchemyTradeRepository,
    SqlAlchemyWatchlistRepository,
)
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.tables import WATCHLIST_ITEMS
from zorivest_async.domain.entities import WatchlistItem
from zorivest_async.domain.enums import PlanStatus
from zorivest_async.domain.settings import decode_setting
from zorivest_async.domain.validation import utc_now
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.database.adopt_report import What

__all__ = ["TABLES", "SourceRow", "TablePlan"]

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}

_SETTING_TYPES: Final = frozenset({"str", "int", "float", "bool", "json"})


class SourceRow:
    """A row on its way into the vault.

    Args:
        values: By column, as the driver gives them.

    Attributes:
        values: What the entity will be made of.
        notes: Column, what was done and why.
        naive: Columns whose time had no offset.
    """

    __slots__ = ("naive", "notes", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.notes: list[tuple[str, What, str]] = []
        self.naive: list[str] = []

    def put(self, column: str, value: object, what: What, reason: str) -> None:
        """Replace a value, and note why."""
        self.values[column] = value
        self.notes.append((column, what, reason))

    def moments(self, *columns: str) -> None:
        """Read times; what is none is left for the entity to refuse."""
        for column in columns:
            stored = self.values[column]
            try:
                moment = datetime.fromisoformat(stored)
            except (TypeError, ValueError):
                continue
            if moment.isoformat(" ", "microseconds") == stored:
                self.values[column] = moment
            else:
                self.put(column, moment, "converted", "is written in another form, which was read as ISO 8601")
            if moment.tzinfo is None:
                self.naive.append(column)

    def flags(self, *columns: str) -> None:
        """Read 0 and 1, SQLite's booleans."""
        for column in columns:
            if self.values[column] in (0, 1):
                self.values[column] = bool(self.values[column])

    def defaults(self, **values: object) -> None:
        """Put what the tables declare as default where there is nothing."""
        for column, value in values.items():
            if self.values[column] is None:
                self.put(column, value, "converted", f"is NULL; the default, {value!r}, was taken")


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How one table is adopted.

    Attributes:
        mapper: Of the vault's table.
        prepare: Converts a row in place, as far as its entity would not take it.
    """

    mapper: RowMapper[Any]
    prepare: Callable[[SourceRow], None]

    def entity(self, row: SourceRow) -> Any:
        """Return the entity of a row.

        Raises:
            ValidationError: It cannot be one.
        """
        self.prepare(row)
        columns = self.mapper.columns
        return self.mapper.entity(**{field: row.values[column.name] for field, column in columns.items()})


def _account(row: SourceRow) -> None:
    row.moments("created_at")
    row.flags("is_tax_advantaged")
    row.defaults(currency="USD", is_tax_advantaged=False)


def _trade(row: SourceRow) -> None:
    row.moments("time")
    row.defaults(commission=0.0, realized_pnl=0.0)


def _trade_report(row: SourceRow) -> None:
    row.moments("created_at")
    row.flags("followed_plan")
    stored = row.values["tags"]
    if stored is None:
        row.values["tags"] = ()
    elif isinstance(stored, str):
        _tags(row, stored)


def _tags(row: SourceRow, stored: str) -> None:
    try:
        tags: Any = json.loads(stored)
    except (RecursionError, ValueError):
        tags = None
    if isinstance(tags, list):
        _tag_array(row, cast("list[object]", tags))
    else:
        texts = [tag.strip() for tag in stored.split(",")]
        row.put("tags", [tag for tag in texts if tag], "converted", "is no JSON array; it was split at its commas")


def _tag_array(row: SourceRow, tags: list[object]) -> None:
    if all(isinstance(tag, str) and tag.strip() for tag in tags):
        row.values["tags"] = tags
    else:
        texts = [tag if isinstance(tag, str) else json.dumps(tag, ensure_ascii=False) for tag in tags]
        row.put("tags", [tag for tag in texts if tag.strip()], "converted", "has elements that are no text, or empty")


def _trade_plan(row: SourceRow) -> None:
    row.moments("created_at", "updated_at")
    row.defaults(status=PlanStatus.DRAFT.value)


def _watchlist(row: SourceRow) -> None:
    row.moments("created_at", "updated_at")


def _watchlist_item(row: SourceRow) -> None:
    row.moments("added_at")


def _balance_snapshot(row: SourceRow) -> None:
    row.moments("datetime")


def _setting(row: SourceRow) -> None:
    row.moments("updated_at")
    if row.values["updated_at"] is None:
        row.put("updated_at", utc_now(), "converted", "is NULL; the time of adoption was taken")
    stored, value_type = row.values["value"], row.values["value_type"]
    if stored is None:
        row.put("value_type", "json", "converted", "names the type of a NULL, which is JSON's null")
    elif value_type not in _SETTING_TYPES:
        row.put("value_type", "str", "converted", "names no type of a setting; the value was kept as text")
    elif isinstance(stored, str):
        try:
            row.values["value"] = decode_setting(stored, value_type)
        except ValidationError:
            _misread_setting(row, stored, value_type)


def _misread_setting(row: SourceRow, stored: str, value_type: str) -> None:
    if value_type == "bool" and stored.lower() in _TRUTHS:
        row.put("value", _TRUTHS[stored.lower()], "converted", "is true or false in another spelling")
    else:
        row.put("value_type", "str", "converted", "does not match the value, which was kept as text")


def _market_provider(row: SourceRow) -> None:
    row.moments("last_tested_at", "created_at", "updated_at")
    row.flags("is_enabled")
    row.defaults(rate_limit=5, timeout=30, is_enabled=False)
    column = "encrypted_api_key"
    api_key = row.values[column]
    if api_key == "":
        row.put(column, None, "converted", "is empty, which is no API key")
    elif isinstance(api_key, str) and api_key.startswith("ENC:"):
        row.put(column, None, "dropped", "is encrypted under a key that the file does not have; save it again")
    elif api_key is not None:
        row.notes.append((column, "converted", "is not encrypted; it was, under the vault's key"))


TABLES: Final = {
    plan.mapper.table.name: plan
    for plan in (
        TablePlan(SqlAlchemyAccountRepository.mapper, _account),
        TablePlan(SqlAlchemyTradeRepository.mapper, _trade),
        TablePlan(SqlAlchemyTradeReportRepository.mapper, _trade_report),
        TablePlan(SqlAlchemyTradePlanRepository.mapper, _trade_plan),
        TablePlan(SqlAlchemyWatchlistRepository.mapper, _watchlist),
        TablePlan(RowMapper(WatchlistItem, WATCHLIST_ITEMS), _watchlist_item),
        TablePlan(SqlAlchemyBalanceSnapshotRepository.mapper, _balance_snapshot),
        TablePlan(SqlAlchemySettingRepository.mapper, _setting),
        TablePlan(SqlAlchemyMarketProviderSettingRepository.mapper, _market_provider),
    )
}
"""All but the images, in an order in which each table refers to earlier ones."""
