"""Parts of insertions, and those of images, whose originals are inserted in chunks, in a table of their own."""

# ruff: noqa: S608 - the statements only contain names of the models

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from zorivest_async.errors import NotOnThisBackendError

__all__ = ["INSERTION", "ImageInsertion", "chunks", "image_insertion", "split"]

INSERTION: Final = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\) "
    r"(?:VALUES \((?P<row>.*?)\)|SELECT (?P<selected>.*?)(?P<guard> \nWHERE .*?))"
    r"(?P<conflict> ON CONFLICT .*?)?(?P<returning> RETURNING .*)?\Z",
    re.DOTALL,
)
"""An insertion as SQLAlchemy compiles it."""

_IMAGES: Final = "INSERT INTO images ("
_PARAMETER: Final = re.compile(r"\$(\d+)::BYTEA")
_TOGETHER: Final = "insert images one by one, or through uow.session, which gives them their numbers first"


class ImageInsertion(NamedTuple):
    """An insertion of one image.

    Attributes:
        text: The statement, whose original is an array of chunks.
        original: The place of the original among the values.
    """

    text: str
    original: int


@lru_cache(maxsize=64)
def image_insertion(sql: str) -> ImageInsertion | None:
    """Return an insertion of an image by SQLAlchemy as the server takes it; ``None`` for another statement.

    Raises:
        NotOnThisBackendError: It inserts several images at once.
    """
    if not sql.startswith(_IMAGES):
        return None
    found = INSERTION.match(sql)
    names, values = list[str](), list[str]()
    if found is not None and found["row"] is not None:
        names, values = found["columns"].split(", "), split(found["row"])
    if found is None or not names or len(names) != len(values):
        raise NotOnThisBackendError("an insertion of several images in one statement", _TOGETHER)
    pairs = dict(zip(names, values, strict=True))
    original = pairs.pop("data", None)
    parameter = _PARAMETER.fullmatch(original or "")
    if original is None or parameter is None:
        raise NotOnThisBackendError("an insertion of an image without a parameter for its data", _TOGETHER)
    returning = found["returning"] or " RETURNING images.id"
    text = f"INSERT INTO images ({', '.join(pairs)}) VALUES ({', '.join(pairs.values())}){found['conflict'] or ''}"
    parts = f"stored AS ({text}{_with_key(returning)}), {chunks(original, 'stored.zorivest_key', 'stored')}"
    columns = ", ".join(_name_of(each) for each in split(returning.removeprefix(" RETURNING ")))
    return ImageInsertion(f"WITH {parts} SELECT {columns} FROM stored", int(parameter[1]) - 1)


def chunks(original: str, key: str, stored: str) -> str:
    """Return the common table expression that inserts the chunks of an image, which are its parameter."""
    return (
        f"chunks AS (INSERT INTO image_chunks (image_id, n, data) SELECT {key}, part.n - 1, part.data "
        f"FROM {stored}, unnest({original}[]) WITH ORDINALITY AS part(data, n))"
    )


def _with_key(returning: str) -> str:
    return f"{returning}, images.id AS zorivest_key"


def _name_of(returned: str) -> str:
    return returned.rpartition(" AS ")[2] if " AS " in returned else returned.rpartition(".")[2]


def split(row: str) -> list[str]:
    """Return the values of a row, whose commas inside parentheses separate none."""
    values, depth, start = list[str](), 0, 0
    for place, character in enumerate(row):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            values.append(row[start:place].strip())
            start = place + 1
    return [*values, row[start:].strip()]
