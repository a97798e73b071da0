"""Flushes of a session: what a server needs beside the statements that SQLAlchemy makes of changed objects."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event, inspect, text
from sqlalchemy.util.concurrency import await_

from zorivest_async.database.models import Base, ImageModel
from zorivest_async.database.postgresql.dialect import keys_of
from zorivest_async.database.postgresql.plans import chunks_of, joined
from zorivest_async.database.postgresql.schema import numbered_tables
from zorivest_async.database.postgresql.search import index_objects
from zorivest_async.database.postgresql.stored_values import Stored, Unopened, UnopenedChunks
from zorivest_async.database.types import Confidential, ImageData
from zorivest_async.errors import NotOnThisBackendError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sqlalchemy import Connection

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["flushing"]

_TAKE: Final = text("SELECT zorivest_next_id(:numbered, :amount)")

_NUMBERED: Final = frozenset(numbered_tables(Base.metadata))

_CHANGED_KEY: Final = "its sealed values are bound to the key; save a new object, and delete this one"

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
    with _sealed(changed, keys_of(connection.dialect)):
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


@contextmanager
def _sealed(changed: Sequence[object], keys: JournalKeys) -> Generator[None]:
    """Have objects with the stored forms of their confidential values in the block, if these are bound to rows."""
    swapped: list[tuple[dict[str, Any], str, Any, Any]] = []
    try:
        for model in changed if keys.binds else ():
            for name, value, stored in _stored_values(model, keys):
                values: dict[str, Any] = model.__dict__
                values[name] = stored
                swapped.append((values, name, value, stored))
        yield
    finally:
        for values, name, value, stored in swapped:
            if values.get(name) is stored:
                values[name] = value


def _stored_values(model: object, keys: JournalKeys) -> Generator[tuple[str, Any, Any]]:
    """Yield the confidential values that a flush sends, with their names and their stored forms."""
    state: Any = inspect(model)
    table, key_name = state.mapper.local_table, state.mapper.primary_key[0].name
    names = [column.name for column in table.columns if isinstance(column.type, Confidential | ImageData)]
    if state.persistent:
        if names and key_name in state.committed_state:
            raise NotOnThisBackendError("a change of the key of a row through a session", _CHANGED_KEY)
        names = [name for name in names if name in state.committed_state]
    key = state.dict.get(key_name)
    for name in names:
        value, kind = state.dict.get(name), table.c[name].type
        if value is None:
            continue
        if isinstance(kind, ImageData):
            yield name, value, await_(chunks_of(value, key, keys))
        else:
            yield name, value, Stored(keys.seal(kind.encoded(value), f"{table.name}.{name}", key))


def _open_loaded(target: Any, *_about: Any) -> None:
    """Open the sealed values of an object that was loaded or refreshed."""
    values: dict[str, Any] = target.__dict__
    unopened = [name for name, value in values.items() if isinstance(value, Unopened | UnopenedChunks)]
    if unopened:
        table, key = target.__table__, values[inspect(target).mapper.primary_key[0].name]
        for name in unopened:
            stored = values[name]
            if isinstance(stored, UnopenedChunks):
                values[name] = await_(joined(stored, key, stored.keys))
            else:
                opened = stored.keys.open(stored, f"{table.name}.{name}", key)
                values[name] = table.c[name].type.decoded(opened)


for _event in ("load", "refresh"):
    event.listen(Base, _event, _open_loaded, propagate=True)
