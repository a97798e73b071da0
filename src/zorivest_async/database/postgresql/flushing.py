"""Flushes of a session: what a server needs beside the statements that SQLAlchemy makes of changed objects."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, text

from zorivest_async.database.models import Base, ImageModel
from zorivest_async.database.postgresql.dialect import keys_of
from zorivest_async.database.postgresql.schema import numbered_tables
from zorivest_async.database.postgresql.search import index_objects
from zorivest_async.errors import NotOnThisBackendError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sqlalchemy import Connection

__all__ = ["flushing"]

_TAKE: Final = text("SELECT zorivest_next_id(:numbered, :amount)")

_NUMBERED: Final = frozenset(numbered_tables(Base.metadata))

_CHANGED_ORIGINAL: Final = "it is stored in chunks beside the image; delete the image, and insert another one"


@contextmanager
def flushing(connection: Connection, changed: Sequence[object]) -> Generator[None]:
    """Number new objects where SQLAlchemy could not insert them otherwise, and index all of them after the block.

    Raises:
        NotOnThisBackendError: The original of a stored image was changed.
    """
    for model in changed:
        state: Any = inspect(model)
        if isinstance(model, ImageModel) and state.persistent and "data" in state.committed_state:
            raise NotOnThisBackendError("a change of an image's data through a session", _CHANGED_ORIGINAL)
    _number(connection, changed)
    yield
    index_objects(connection, changed)


def _number(connection: Connection, changed: Sequence[object]) -> None:
    """Give numbers to new images, as the chunks of each are inserted with it, and several at once need theirs first."""
    is_bound = keys_of(connection.dialect).binds
    without = defaultdict[str, list[Any]](list)
    for model in changed:
        table = getattr(model, "__tablename__", "")
        is_numbered = table in _NUMBERED and (is_bound or isinstance(model, ImageModel))
        if is_numbered and inspect(model).pending and getattr(model, "id", None) is None:
            without[table].append(model)
    for table, models in without.items():
        first = connection.execute(_TAKE, {"numbered": table, "amount": len(models)}).scalar_one()
        for number, model in enumerate(models, first):
            model.id = number
