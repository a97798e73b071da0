"""Plans of the library's statements: what is sealed, hashed and indexed before they are sent, and opened afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.postgresql.keys import CHUNK_BYTES
from zorivest_async.database.postgresql.words import searched_words
from zorivest_async.errors import InvalidQueryError, VaultDamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.postgresql.keys import JournalKeys
    from zorivest_async.database.postgresql.text import Sender

__all__ = [
    "Equal",
    "Hashed",
    "InsertionOfRows",
    "Keeping",
    "Reading",
    "RowKey",
    "SealedValue",
    "Writing",
    "chunks_of",
    "hash_literal",
    "joined",
]

_PIECES: Final = 8
"""Number of chunks of an image that are sealed or opened before the event loop runs other tasks."""

_BYTES_IN_ONE_GO: Final = _PIECES * CHUNK_BYTES

NOT_SORTED: Final = "the server cannot sort by a value that it cannot read; sort by another field"


class SealedValue(NamedTuple):
    """A confidential value among a statement's values, or among those of its rows.

    Attributes:
        place: Its place.
        label: Its table and column.
        is_bytes: Whether it is bytes, and no text.
    """

    place: int
    label: str
    is_bytes: bool

    def stored(self, value: Any, key: object, keys: JournalKeys) -> Any:
        """Return the stored form of the value; ``None`` stays."""
        if value is None:
            return None
        return keys.seal(value if self.is_bytes else value.encode(), self.label, key)


class Hashed(NamedTuple):
    """A value that has its hash in another column.

    Attributes:
        place: Its place among the statement's values.
        label: Its table and column.
        elements: Returns the elements that are hashed one by one; ``None`` if the value is hashed as a whole.
    """

    place: int
    label: str
    elements: Any = None

    def value(self, given: Any, keys: JournalKeys) -> Any:
        """Return the hash, or the array of hashes as text: an array of arrays would lose its inner bounds."""
        if given is None:
            return None
        if self.elements is None:
            return keys.hashes(self.label, given)[0]
        return hash_literal([keys.hashes(self.label, each)[0] for each in self.elements(given)])


class RowKey(NamedTuple):
    """Where the key of a value's row is.

    Attributes:
        place: Its place among the statement's values, or those of the row.
        is_given: Whether it is one of the statement's values.
    """

    place: int
    is_given: bool


class Equal(NamedTuple):
    """A value to compare with a confidential column, by its hashes.

    Attributes:
        place: Its place among the statement's values.
        label: The table and the column.
    """

    place: int
    label: str


class Keeping:
    """Base of the plans of statements whose rows need no conversion."""

    __slots__ = ()

    async def read(
        self,
        rows: list[tuple[Any, ...]],
        values: Sequence[Any],  # noqa: ARG002 - the protocol's
        keys: JournalKeys,  # noqa: ARG002
    ) -> list[tuple[Any, ...]]:
        """Return the rows."""
        return rows


@dataclass(frozen=True, slots=True)
class Writing(Keeping):
    """Plan of a statement that inserts or changes one row.

    Attributes:
        plain: Its text.
        both: Its text with one parameter more, the words of the row; ``None`` if it changes no searched text.
        always: Whether ``both`` is sent although there are no words, as there may have been some.
        key: The place of the row's key.
        numbered: The table whose numbers the key may get; ``None`` if the caller chooses the key.
        sealed: The confidential values.
        hashed: The values that are hashed; the hashes follow the statement's values.
        searched: The places of the searched texts.
        original: The place of an image's original.
    """

    plain: str
    both: str | None
    always: bool
    key: int | None
    numbered: str | None
    sealed: tuple[SealedValue, ...]
    hashed: tuple[Hashed, ...]
    searched: tuple[int | None, ...]
    original: int | None = None

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        """Return the text and the values to send."""
        keys, row = sender.keys, list(values)
        if self.numbered is not None and self.key is not None and row[self.key] is None and self._binds(row, keys):
            row[self.key] = await sender.take_numbers(self.numbered, 1)
        key = None if self.key is None else row[self.key]
        row += [each.value(row[each.place], keys) for each in self.hashed]
        text = self.plain
        if self.both is not None:
            words = searched_words([None if place is None else row[place] for place in self.searched], keys)
            if words or self.always:
                row.append(words)
                text = self.both
        for each in self.sealed:
            row[each.place] = each.stored(row[each.place], key, keys)
        if self.original is not None:
            row[self.original] = await chunks_of(row[self.original], key, keys)
        return text, row

    def _binds(self, row: Sequence[Any], keys: JournalKeys) -> bool:
        has_value = self.original is not None or any(row[each.place] is not None for each in self.sealed)
        return keys.binds and has_value


@dataclass(frozen=True, slots=True)
class InsertionOfRows(Keeping):
    """Plan of a statement that inserts many rows, an array a column.

    Attributes:
        one: The plan of the insertion of one row.
        text: The statement.
        kind: The kind of the rows in the search index; ``None`` if they are not in it.
        key_column: The name of the key.
        is_upsert: Whether rows that are stored already are updated.
    """

    one: Writing
    text: str
    kind: str | None
    key_column: str
    is_upsert: bool

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        """Return the text and the arrays of many rows."""
        one, keys = self.one, sender.keys
        columns: list[list[Any]] = [*map(list, zip(*values, strict=True))]
        row_keys = columns[one.key or 0]
        if one.numbered is not None and (keys.binds or self.kind is not None):
            await self._number(row_keys, one.numbered, sender)
        columns += [[each.value(value, keys) for value in columns[each.place]] for each in one.hashed]
        of_row: dict[Any, str] = {}
        if self.kind is not None:
            texts = [columns[place] if place is not None else [None] * len(row_keys) for place in one.searched]
            of_row = {key: searched_words(row, keys) for key, *row in zip(row_keys, *texts, strict=True)}
        for each in one.sealed:
            column = columns[each.place]
            if column.count(None) != len(column):
                columns[each.place] = [
                    each.stored(value, key, keys) for key, value in zip(row_keys, column, strict=True)
                ]
        return self._with_words(columns, of_row) if self.kind is not None else (self.text, columns)

    @staticmethod
    async def _number(row_keys: list[Any], table: str, sender: Sender) -> None:
        places = [place for place, key in enumerate(row_keys) if key is None]
        if places:
            first = await sender.take_numbers(table, len(places))
            for number, place in enumerate(places, first):
                row_keys[place] = number

    def _with_words(self, columns: list[Any], of_row: dict[Any, str]) -> tuple[str, Sequence[Any]]:
        found = {str(key): words for key, words in of_row.items() if words}
        count = len(columns)
        parts = [f"stored AS ({self.text} RETURNING {self.key_column} AS key)"]
        values = [*columns]
        if found:
            parts.append(
                f"words AS (INSERT INTO search_words (kind, key, words) SELECT '{self.kind}', found.key, "  # noqa: S608 - names of the models
                f"found.words::tsvector FROM stored JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) "
                "AS found(key, words) ON found.key = stored.key::text "
                "ON CONFLICT (journal_id, kind, key) DO UPDATE SET words = excluded.words)"
            )
            values += [[*found], [*found.values()]]
        if self.is_upsert and len(found) < len(of_row):
            parts.append(
                f"cleared AS (DELETE FROM search_words WHERE kind = '{self.kind}' "  # noqa: S608 - names of the models
                f"AND key = ANY(${len(values) + 1}::text[]))"
            )
            values.append([str(key) for key, words in of_row.items() if not words])
        return f"WITH {', '.join(parts)} SELECT key FROM stored", values  # noqa: S608 - names of the models


@dataclass(frozen=True, slots=True)
class Reading:
    """Plan of a query.

    Attributes:
        text: Its text.
        equal: The values to compare by their hashes.
        opened: The confidential values of its rows, each with the key of the value's row.
        original: The place of an image's chunks, and the key of the image.
        sorts: Whether it sorts by a confidential value.
    """

    text: str
    equal: tuple[Equal, ...]
    opened: tuple[tuple[SealedValue, RowKey], ...]
    original: tuple[int, RowKey] | None
    sorts: bool

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        """Return the text and the values to send.

        Raises:
            InvalidQueryError: The server cannot answer the query.
        """
        keys, given = sender.keys, list(values)
        if self.sorts and keys.binds:
            raise InvalidQueryError(problem=NOT_SORTED)
        for place, label in self.equal:
            given[place] = None if given[place] is None else keys.hashes(label, given[place])
        return self.text, given

    async def read(
        self, rows: list[tuple[Any, ...]], values: Sequence[Any], keys: JournalKeys
    ) -> list[tuple[Any, ...]]:
        """Return the rows with their confidential values opened, without holding the event loop."""
        if self.original is None and not self.opened:
            return rows
        parts = [(value.place, value.label, value.is_bytes, *key) for value, key in self.opened]
        opened: list[tuple[Any, ...]] = []
        open_value, size = keys.open, 0
        for number, row in enumerate(rows):
            if size > _BYTES_IN_ONE_GO or (number and not number % SLICE_ROWS):
                await asyncio.sleep(0)  # let the event loop run other tasks
                size = 0
            whole = [*row]
            # Written out, as a call for each value would take as long as opening it.
            for place, label, is_bytes, key_place, is_given in parts:
                stored = whole[place]
                if stored is not None:
                    size += len(stored)
                    value = open_value(stored, label, values[key_place] if is_given else row[key_place])
                    whole[place] = value if is_bytes else value.decode()
            if self.original is not None:
                place, key = self.original
                of_image = values[key.place] if key.is_given else row[key.place]
                whole[place] = await joined(whole[place], of_image, keys)
            opened.append(tuple(whole))
        return opened


async def chunks_of(original: bytes, key: object, keys: JournalKeys) -> list[bytes]:
    """Return the stored forms of the chunks of an image, of which there is at least one."""
    chunks: list[bytes] = []
    last = max((len(original) - 1) // CHUNK_BYTES, 0)
    view = memoryview(original)
    for number in range(last + 1):
        if number and not number % _PIECES:
            await asyncio.sleep(0)  # let the event loop run other tasks
        chunk = bytes(view[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES])
        chunks.append(keys.seal_chunk(chunk, key, number, is_last=number == last))
    return chunks


async def joined(chunks: Sequence[bytes] | None, key: object, keys: JournalKeys) -> bytes:
    """Return the original of an image, which its chunks make.

    Raises:
        VaultDamagedError: A chunk does not authenticate, or is missing.
    """
    if not chunks:
        if keys.binds:
            raise VaultDamagedError(None, "the chunks of an image are missing")
        return b""
    parts: list[bytes] = []
    for number, chunk in enumerate(chunks):
        if number and not number % _PIECES:
            await asyncio.sleep(0)  # let the event loop run other tasks
        parts.append(keys.open_chunk(chunk, key, number, is_last=number == len(chunks) - 1))
    return b"".join(parts)


def hash_literal(hashes: Sequence[bytes]) -> str:
    """Return an array of hashes as PostgreSQL writes it."""
    return "{" + ",".join(f'"\\\\x{each.hex()}"' for each in hashes) + "}"
