"""The seam to engines of databases: looked up by the dialect's name, and compiled for once."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select

from zorivest_async import ConfigurationError
from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.statements import Statement, contains_folded, each
from zorivest_async.database.tables import TRADES


def test_a_dialect_without_a_backend_is_named() -> None:
    """A user with another database learns it at once, and what there is."""
    with pytest.raises(ConfigurationError, match=r"no backend for the dialect 'oracle'.*sqlite"):
        BACKENDS["oracle"]


def test_a_statement_is_compiled_once_for_each_backend() -> None:
    """Its text and the order of its values are the backend's."""
    statement = Statement(select(TRADES.c.price).where(TRADES.c.exec_id == bindparam("key")))
    compiled = statement[BACKENDS["sqlite"]]
    assert statement[BACKENDS["sqlite"]] is compiled
    assert compiled.text.endswith("WHERE trades.exec_id = ?")
    assert compiled.values({"key": "1"}) == ("1",)


def test_elements_have_the_form_of_the_engine() -> None:
    """What engines write in their own ways is written as SQLite does."""
    statement = Statement(
        select(TRADES.c.price).where(
            TRADES.c.exec_id.in_(each("ids")), contains_folded(TRADES.c.instrument, bindparam("part"))
        )
    )
    text = statement[BACKENDS["sqlite"]].text
    assert "SELECT value \nFROM json_each(?)" in text
    assert "instr(lower(trades.instrument), lower(?)) > 0" in text
