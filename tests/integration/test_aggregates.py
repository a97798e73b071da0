"""The registry of aggregates: what is declared in it goes everywhere, and nothing else has to name it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from workers.launch import TESTS, command, environment
from zorivest_async import Account, ConfigurationError
from zorivest_async.database.aggregates import ACCOUNT, AGGREGATES, Registry
from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.models import Base

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]


def test_an_aggregate_of_its_own_is_adopted_exported_and_imported(tmp_path: Path) -> None:
    """By its declaration alone: defaults, flags, tags and times are converted, references checked, codecs applied."""
    finished = subprocess.run(
        command("notes", tmp_path), env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == {
        "adopted": 3,
        "notes": ["labels: converted", "pinned: converted", "trade_id: dropped"],
        "exported": 3,
        "imported": ["3", "5", "7"],
        "ids": [3, 5, 7],
        "same": True,
        "rows": [
            ["on a trade", "T1", True, ["a"], "calm"],
            ["on none", None, False, ["b", "c"], "angry"],
            ["on a trade that is gone", None, False, [], "calm"],
        ],
    }
    (line, *_) = (tmp_path / "exported" / "notes.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["mood"] == "calm"


def test_an_aggregate_of_its_own_is_offered_by_the_pytest_plugin(pytester: pytest.Pytester) -> None:
    """``zorivest_make`` makes its examples, each the next one, and takes changes."""
    pytester.makeini(f"[pytest]\nasyncio_default_fixture_loop_scope = function\npythonpath = {TESTS.as_posix()}")
    pytester.makepyfile(
        """
        import pytest
        from workers.notes import Note
        from zorivest_async import Trade

        @pytest.mark.asyncio
        async def test_notes(zorivest_vault, zorivest_make):
            made = [zorivest_make(Note), zorivest_make(Note, pinned=True)]
            assert [note.text for note in made] == ["note 1", "note 2"]
            assert zorivest_make(Trade).exec_id == "0001"
            async with zorivest_vault.unit_of_work() as uow:
                await uow.rows.insert(made)
                assert await uow.rows.page(Note) == made
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_every_table_belongs_to_one_aggregate() -> None:
    """A table that is declared and not registered would be missing from exports, in silence."""
    assert sorted(AGGREGATES.by_name) == sorted(Base.metadata.tables)


def test_each_aggregate_refers_to_earlier_ones() -> None:
    """So that rows can be stored in the order of the registry."""
    earlier = set[str]()
    for aggregate in AGGREGATES:
        assert {key.column.table.name for key in aggregate.mapper.table.foreign_keys} <= earlier
        earlier.add(aggregate.name)


@pytest.mark.parametrize("name", AGGREGATES.by_name)
def test_an_example_comes_back_from_its_row(name: str) -> None:
    """Row and entity say the same, for the first example of each aggregate."""
    aggregate = AGGREGATES.by_name[name]
    entity = aggregate.entity(**aggregate.example(1))
    codec = aggregate.mapper.for_backend[BACKENDS["sqlite"]]
    row = codec.to_row(entity, aggregate.mapper.fields)
    assert codec.to_entity(row) == entity
    assert codec.to_entities([row, row]) == [entity, entity]


def test_an_aggregate_is_registered_once() -> None:
    """A second declaration of an entity or a table is refused, and one that is not there is named."""
    registry = Registry(ACCOUNT)
    with pytest.raises(ConfigurationError, match="Account or its table is already registered"):
        registry.register(ACCOUNT)
    assert registry.of(Account) is ACCOUNT
    with pytest.raises(ConfigurationError, match="int is not the entity of an aggregate"):
        registry.of(int)  # type: ignore[type-var]
