"""Settings: whatever type went in comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import TRICKY_TEXTS, refusal
from zorivest_async import Setting, ValidationError
from zorivest_async.database.models import SettingModel
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

VALUES: list[tuple[Any, str]] = [
    ("dark", "str"),
    ("", "str"),
    ("7", "str"),
    ("true", "str"),
    *((text, "str") for text in TRICKY_TEXTS),
    (0, "int"),
    (-(2**200), "int"),
    (0.1 + 0.2, "float"),
    (-0.0, "float"),
    (1e308, "float"),
    (1.0, "float"),
    (True, "bool"),
    (False, "bool"),
    (None, "json"),
    ([], "json"),
    ({}, "json"),
    ([1, 1.0, True, None, "株", {"nested": ["'", 2**70]}], "json"),
    ({"symbols": ["SPY", "QQQ"], "": 0}, "json"),
    (["x" * 50_000], "json"),
]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
KEYS = TEXT.filter(lambda key: bool(key) and not key.isspace())


@pytest.mark.parametrize(("value", "value_type"), VALUES, ids=lambda value: repr(value)[:20])
async def test_what_was_set_is_what_is_read(empty_journal: Journal, value: Any, value_type: str) -> None:
    """A value comes back equal and of its type, in another unit of work."""
    before = utc_now()
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.set("key", value)
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        found = await uow.settings.get("key", default="not this")
        (setting,) = await uow.settings.get_all()
    assert repr(found) == repr(value)
    assert setting == Setting("key", value, value_type, setting.updated_at)
    assert repr(setting.value) == repr(value)
    assert before <= setting.updated_at <= utc_now()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(KEYS, JSON, min_size=1, max_size=5))
async def test_any_value_comes_back_as_it_was(empty_journal: Journal, values: dict[str, Any]) -> None:
    """One by one, and all of them together by key."""
    async with empty_journal.unit_of_work() as uow:
        assert await uow.settings.bulk_upsert(values) == len(values)
        for key, value in values.items():
            assert repr(await uow.settings.get(key)) == repr(value)
        assert [(s.key, repr(s.value)) for s in await uow.settings.get_all()] == [
            (key, repr(values[key])) for key in sorted(values)
        ]


async def test_a_setting_that_was_never_set_is_the_default(empty_journal: Journal) -> None:
    """A ``None`` that was set is not the default."""
    async with empty_journal.unit_of_work() as uow:
        assert await uow.settings.get("absent") is None
        assert await uow.settings.get("absent", 7) == 7
        await uow.settings.set("none", None)
        assert await uow.settings.get("none", 7) is None
        assert await uow.settings.get_all() != []


@pytest.mark.parametrize(("stored", "value_type", "value"), [(None, None, None), (None, "int", None), ("7", None, "7")])
async def test_columns_that_the_seed_lets_be_empty_are_read(
    empty_journal: Journal, stored: str | None, value_type: str | None, value: str | None
) -> None:
    """The library always fills them; a row from elsewhere without a value is ``None``, without a type it is text."""
    async with empty_journal.unit_of_work() as uow:
        uow.session.add(SettingModel(key="key", value=stored, value_type=value_type, updated_at=utc_now()))
        assert await uow.settings.get("key", default="not this") == value
        assert [setting.value for setting in await uow.settings.get_all()] == [value]


async def test_setting_again_replaces_value_type_and_moment(empty_journal: Journal) -> None:
    """There is one value under a key."""
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.set("key", "7")
        (first,) = await uow.settings.get_all()
        await uow.settings.set("key", 7)
        (second,) = await uow.settings.get_all()
    assert (second.key, second.value, second.value_type) == ("key", 7, "int")
    assert second.updated_at > first.updated_at


async def test_settings_come_in_the_order_of_their_keys(empty_journal: Journal) -> None:
    """Whatever order they were set in."""
    keys = ["b", "a", "B", "é", "a.b", "10", "9"]
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.bulk_upsert(dict.fromkeys(keys, 1))
        assert [setting.key for setting in await uow.settings.get_all()] == sorted(keys)


@pytest.mark.parametrize("count", [0, 1, 2_000])
async def test_any_number_is_set_at_once(empty_journal: Journal, count: int) -> None:
    """New ones and those that replace others, and the number of both is returned."""
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.set("00000", "old")
        assert await uow.settings.bulk_upsert({f"{number:05}": number for number in range(count)}) == count
        expected = list(range(count)) if count else ["old"]
        assert [setting.value for setting in await uow.settings.get_all()] == expected


REFUSED: list[tuple[Any, Any, str]] = [
    ("", 1, "key"),
    (" \n", 1, "key"),
    ("NUL \0", 1, "key"),
    (7, 1, "key"),
    (None, 1, "key"),
    ("key", float("nan"), "value"),
    ("key", float("inf"), "value"),
    ("key", [float("nan")], "value"),
    ("key", (1, 2), "value"),
    ("key", {1: "number as a key"}, "value"),
    ("key", b"bytes", "value"),
    ("key", "\ud800", "value"),
    ("key", "NUL \0", "value"),
    ("key", {"set"}, "value"),
]


@pytest.mark.parametrize(("key", "value", "field"), REFUSED, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("method", ["set", "bulk_upsert"])
async def test_what_would_not_come_back_is_refused(
    empty_journal: Journal, key: Any, value: Any, field: str, method: str
) -> None:
    """All or none are set: the good ones before and after it are not either, and stored ones stay as they were."""
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.set("key", "old")
        refused = (
            uow.settings.set(key, value)
            if method == "set"
            else uow.settings.bulk_upsert({"good": 1, key: value, "better": 2})
        )
        with pytest.raises(ValidationError) as caught:
            await refused
        assert (caught.value.entity, caught.value.field) == ("Setting", field)
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        assert [(setting.key, setting.value) for setting in await uow.settings.get_all()] == [("key", "old")]


async def test_the_unit_of_work_goes_on_after_a_refusal(empty_journal: Journal) -> None:
    """With what it had stored before."""
    async with refusal(empty_journal, ValidationError) as (uow, _):
        await uow.settings.set("stored after", float("nan"))


async def test_deleting_tells_whether_there_was_one(empty_journal: Journal) -> None:
    """A second deletion is no error, and others stay."""
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.bulk_upsert({"a": 1, "b": 2})
        assert await uow.settings.delete("a") is True
        assert await uow.settings.delete("a") is False
        assert await uow.settings.get("a", "gone") == "gone"
        assert await uow.settings.get("b") == 2


async def test_a_prefix_is_taken_as_it_is(empty_journal: Journal) -> None:
    """Letter by letter: its case counts, and nothing in it stands for anything else."""
    async with empty_journal.unit_of_work() as uow:
        await uow.settings.bulk_upsert({"ui/b": {"x": 1}, "ui/a": 1, "UI/c": 2, "ui": 3, "u%/d": 4, "株/e": 5})
        for prefix, keys in {"ui/": ["ui/a", "ui/b"], "u%/": ["u%/d"], "株": ["株/e"], "_": []}.items():
            assert [setting.key for setting in await uow.settings.list_prefixed(prefix)] == keys
        assert await uow.settings.list_prefixed("") == await uow.settings.get_all()
