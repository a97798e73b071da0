"""The dialect passes every failure of the driver on as the class of SQLAlchemy that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import exc, text
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.cipher import ConnectionSettings
from zorivest_async.vault.connecting import create_engine_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.asyncio

DRIVER_ERRORS = sorted(
    (kind for kind in vars(sqlcipher).values() if isinstance(kind, type) and issubclass(kind, Exception)),
    key=lambda kind: kind.__name__,
)


def failure(name: str) -> Exception:
    """Make an error of the driver by its name, or one of Python's that the driver lets through."""
    if name == "UnicodeEncodeError":
        return UnicodeEncodeError("utf-8", "secret\ud800", 6, 7, "surrogates not allowed")
    kinds: dict[str, type[Exception]] = {kind.__name__: kind for kind in DRIVER_ERRORS}
    kinds |= {"OverflowError": OverflowError, "ValueError": ValueError}
    return kinds[name]("no active connection" if name == "ValueError" else "on purpose")


class FailingCursor(sqlcipher.Cursor):
    """A cursor of the real driver that fails as its statement says."""

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Raise the error that ``fail NAME`` names."""
        if sql.startswith("fail "):
            raise failure(sql.removeprefix("fail "))
        return super().execute(sql, parameters)


class FailingConnection(sqlcipher.Connection):
    """A connection of the real driver with failing cursors."""

    def cursor(self, *_args: Any, **_options: Any) -> Any:
        """Return a cursor that can fail."""
        return super().cursor(FailingCursor)


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[AsyncEngine]:
    """An engine over the real driver, whose statements can fail in every way the driver has."""

    def connect(_settings: ConnectionSettings) -> sqlcipher.Connection:
        options: Any = {"isolation_level": None, "check_same_thread": False, "factory": FailingConnection}
        raw: sqlcipher.Connection = sqlcipher.connect(":memory:", **options)
        return raw

    made = create_engine_over(connect, ConnectionSettings(), pool_size=1)
    yield made
    await made.dispose()


EXPECTED = {kind.__name__: kind.__name__ for kind in DRIVER_ERRORS} | {
    "Error": "DBAPIError",
    "Warning": "ProgrammingError",
    "OverflowError": "DataError",
    "UnicodeEncodeError": "DataError",
    "ValueError": "OperationalError",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
async def test_every_driver_error_arrives_as_its_sqlalchemy_class(engine: AsyncEngine, name: str) -> None:
    """No error of the driver gets past SQLAlchemy unwrapped, and the connection works afterwards."""
    async with engine.connect() as connection:
        with pytest.raises(exc.DBAPIError) as caught:
            await connection.exec_driver_sql(f"fail {name}")
        assert type(caught.value) is getattr(exc, EXPECTED[name])
        await connection.rollback()
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1


async def test_all_classes_of_the_driver_are_walked() -> None:
    """The list above is the driver's own: the nine classes of PEP 249 and Warning."""
    assert len(DRIVER_ERRORS) == 10


async def test_other_exceptions_pass_as_they_are(engine: AsyncEngine) -> None:
    """A ValueError that has nothing to do with a closed connection is nobody's to rename."""
    with pytest.raises(KeyError):
        async with engine.connect() as connection:
            await connection.exec_driver_sql("fail Unknown")


async def test_a_value_that_cannot_be_bound_is_not_in_the_error(engine: AsyncEngine) -> None:
    """Python's own encoding error carries the text; what reaches the caller does not."""
    async with engine.connect() as connection:
        with pytest.raises(exc.DataError) as caught:
            await connection.execute(text("SELECT :secret"), {"secret": "planted\ud800"})
    seen = caught.value
    while seen is not None:
        assert "planted" not in f"{seen} {seen!r}"
        seen = seen.__cause__  # type: ignore[assignment]
