"""A mistake in a profile is an error when it is constructed, and the error names the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from zorivest_async import ConfigurationError, TradeAction
from zorivest_async.transfer.importers import CsvProfile

PROFILE = CsvProfile(
    name="x",
    columns={"exec_id": "id", "time": "t", "instrument": "s", "action": "a", "quantity": "q", "price": "p"},
    constants={"account_id": "A"},
    time_zone="America/New_York",
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoding", "utf-99"), ("encoding", "hex"), ("encoding", None),
        ("delimiter", ";;"), ("delimiter", ""), ("delimiter", '"'), ("delimiter", " "), ("delimiter", None),
        ("account_pattern", "("), ("account_pattern", "x"), ("inverse_pattern", "["), ("row_pattern", "*"),
        ("row_pattern", 5),
        ("exec_id", "{exec_id"), ("exec_id", "{price}"), ("exec_id", "fixed"), ("exec_id", None),
        ("ambiguous_times", "first"), ("decimal_mark", ";"), ("newest", "top"), ("layout", "sheet"),
        ("price_fraction", 16), ("strip", "yes"), ("short_rows", 2),
        ("actions", {"Buy": TradeAction.BOT}), ("actions", {"buy": "BOT"}), ("actions", {" buy": TradeAction.BOT}),
        ("actions", [("buy", TradeAction.BOT)]), ("asset_classes", {"stock": "stock"}),
        ("time_formats", "%Y-%m-%d"), ("time_formats", ("%Q",)), ("time_formats", ("%H:%M %Z",)),
        ("time_formats", (None,)),
        ("zone_names", {"EST": "five hours"}), ("zone_names", {"EST": -5}),
        ("columns", {**PROFILE.columns, "prize": "p"}), ("columns", {**PROFILE.columns, "fees": ()}),
        ("columns", {**PROFILE.columns, "fees": 5}), ("columns", {"exec_id": "id"}),
        ("constants", {"account_id": "A", "multiplier": "many"}), ("constants", {"account_id": 5}),
        ("constants", {"account_id": "A", "asset_class": "tulip"}),
        ("only", {"a": "Buy"}), ("excluded", {"a": "Buy"}), ("rounded", "price"), ("rounded", frozenset({"time"})),
        ("multipliers", {"ES*": "fifty"}), ("asks", frozenset({"price"})), ("empty_values", "-"),
        ("closing_words", frozenset({"Expired"})), ("cancellations", ("Code", "(")), ("cancellations", "Code"),
        ("prepare", "row"), ("header", frozenset({"id"})),
    ],
)  # fmt: skip
def test_a_mistake_is_named_when_the_profile_is_constructed(field: str, value: Any) -> None:
    """Not when the first file is imported, and not by a bare error from deep inside."""
    changes: dict[str, Any] = {field: value}
    with pytest.raises(ConfigurationError, match=f"profile 'x': {field}: "):
        replace(PROFILE, **changes)


def test_a_section_is_needed_where_a_file_has_several_tables() -> None:
    """The error names it."""
    for layout in ("titled", "prefixed", "records"):
        changes: dict[str, Any] = {"layout": layout}
        with pytest.raises(ConfigurationError, match="section: the layout"):
            replace(PROFILE, **changes)
