"""Reader of an exported journal's JSON lines, which limits the memory and names the line of an error."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn, Self, cast

from zorivest_async.errors import ImportSourceError, ValidationError
from zorivest_async.transfer.importers.source import FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from zorivest_async.transfer.journal_folder import JournalFolder
    from zorivest_async.transfer.journal_tables import JournalTable

__all__ = ["WRITTEN_BY_NEWER", "JournalLines", "image_name", "parse_object"]

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Maximum size of a line: larger than an entity with a million characters in every text, but small enough to parse."""

MAX_MARKS: Final = 2_000_000
"""Maximum number of brackets, braces, commas and quotation marks in a line. Each may become an object, and the parser
blocks all other threads: two million take up to 0.35 s (nested lists) and 125 MB, measured. A large setting needs a
million."""

MAX_IMAGE_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of an original; the default of :class:`~zorivest_async.ImagePolicy` is 20 MiB."""

PAGE_BYTES: Final = 16 * 1024 * 1024
"""Size after which a page of lines and images ends."""

WRITTEN_BY_NEWER: Final = "a newer release wrote this journal; import it with that release"
"""Message for a journal with tables or fields that this release does not have."""

_SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}
_MARKS: Final = (b"[", b"{", b",", b'"')


def image_name(image_id: int | None, mime_type: str) -> str:
    """Return the file name of an original."""
    return f"{image_id}.{_SUFFIXES.get(mime_type, 'bin')}"


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        FieldError: The text is invalid, too large or too deep, has a number that is not finite, or a duplicated name.
    """
    if len(data) > MAX_LINE_BYTES or sum(map(data.count, _MARKS)) > MAX_MARKS:
        raise FieldError("is larger than any that an export writes")
    try:
        found: object = json.loads(
            data.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError:
        raise FieldError("nests too deep") from None
    except ValueError:
        raise FieldError("is not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise FieldError("is not a JSON object")
    return cast("dict[str, Any]", found)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FieldError("has a duplicated name")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FieldError("has a number that is out of the range of float64")
    return number


def _refuse_constant(_name: str) -> NoReturn:
    raise FieldError("has NaN or Infinity, which are not JSON")


class JournalLines:
    """Reader of one table's file. Its methods block: call them in a thread.

    Args:
        folder: The journal.
        table: The table.
        expected: The expected number of lines.
        is_older: Whether an earlier version of the schema wrote the file, so that lines may lack newer fields.

    Raises:
        ImportSourceError: The file is missing, or not regular.
    """

    def __init__(self, folder: JournalFolder, table: JournalTable, expected: int, *, is_older: bool = False) -> None:
        self._folder = folder
        self._table = table
        self._expected = expected
        self._is_older = is_older
        self._name = f"{table.name}.jsonl"
        self._line = 0
        self._file: BinaryIO = folder.open(self._name)

    def page(self) -> list[tuple[int, Any]]:
        """Return the next page of entities with their line numbers; it is empty at the end of the file.

        Raises:
            ImportSourceError: A line is invalid, an image is missing, or the number of lines is wrong.
        """
        page: list[tuple[int, Any]] = []
        size = 0
        while len(page) < self._table.aggregate.page_rows and size < PAGE_BYTES:
            try:
                data = self._file.readline(MAX_LINE_BYTES + 1)
            except OSError as error:
                raise ImportSourceError(f"{self._name} cannot be read: {error.strerror}", self._line + 1) from None
            if not data:
                self._require_complete()
                break
            self._line += 1
            if self._line > self._expected:
                raise ImportSourceError(f"{self._name} has more than {self._expected} lines", self._line)
            entity, more = self._entity(data)
            page.append((self._line, entity))
            size += len(data) + more
        return page

    def _require_complete(self) -> None:
        if self._line != self._expected:
            raise ImportSourceError(f"{self._name} has {self._line} lines and should have {self._expected}")

    def _entity(self, data: bytes) -> tuple[Any, int]:
        """Return the entity of a line, and the size of its original."""
        try:
            values = parse_object(data)
            self._require_known(values)
            field = self._table.aggregate.original
            if field is None:
                return self._table.from_json(values), 0
            original = self._read_original(values)
            return self._table.from_json(values, **{field: original}), len(original)
        except ImportSourceError as error:
            raise ImportSourceError(error.problem, self._line) from None
        except (FieldError, ValidationError) as error:
            raise ImportSourceError(f"{self._name}: {error}", self._line) from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            problem = f"{self._name}: this line is not one of an exported journal"
            raise ImportSourceError(problem, self._line) from None

    def _require_known(self, values: Mapping[str, Any]) -> None:
        """Check the names of a line's fields; those that an earlier version of the schema lacks have defaults.

        Raises:
            TypeError: A field is missing.
            ImportSourceError: A newer release wrote the line.
        """
        kinds = self._table.kinds.keys()
        if not self._is_older and not kinds <= values.keys():
            raise TypeError
        if not values.keys() <= kinds:
            raise ImportSourceError(f"{WRITTEN_BY_NEWER}: {self._name} has a field that this one does not have")

    def _read_original(self, values: dict[str, Any]) -> bytes:
        image_id, size = values["id"], values["file_size"]
        if type(image_id) is not int:  # it becomes a part of the file name
            raise TypeError
        name = image_name(image_id, values["mime_type"])
        with self._folder.open(name, "images") as file:
            announced = size if isinstance(size, int) and size > 0 else MAX_IMAGE_BYTES
            data = file.read(min(announced, MAX_IMAGE_BYTES) + 1)
        if len(data) > MAX_IMAGE_BYTES:
            raise FieldError(f"an image has more than {MAX_IMAGE_BYTES:,} bytes")
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
