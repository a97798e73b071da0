"""Incremental XML parser of Flex statements, with limits of time and memory for hostile files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from xml.etree.ElementTree import Element, ParseError

from zorivest_async._extras import import_extra
from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.files import open_regular
from zorivest_async.transfer.importers.source import ROWS_PER_PULSE, give_way

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterator
    from os import PathLike

    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = ["elements_of"]

MAX_DEPTH: Final = 50
"""Maximum depth of elements; those of a Flex statement are five deep."""

MAX_QUIET_BYTES: Final = 1024 * 1024
"""Maximum number of bytes of a tag, and between two tags. The tags of a Flex statement have about 2,000."""

_PIECE_BYTES: Final = 16 * 1024
_LARGEST_PIECE_BYTES: Final = 256 * 1024

_OTHERS_PER_ROW: Final = 10
"""Number of other elements that take as long as a wanted one."""


def elements_of(path: str | PathLike[str], wanted: Container[str], operation: Operation) -> Generator[Element]:
    """Yield the complete wanted elements of a Flex statement, and free each of them afterwards.

    Args:
        path: The XML file.
        wanted: Names of elements.
        operation: Receives the progress, and stops the reading on request.

    Raises:
        ImportSourceError: It is not a Flex statement; or it has a form that may exhaust a parser's time or memory:
            document types, entities, deeply nested elements, texts and tags of a megabyte.
        OSError: The file does not exist, or cannot be read.
    """
    parse: Any = import_extra("importers", "defusedxml.ElementTree").iterparse
    with open_regular(path) as file:
        total = os.fstat(file.fileno()).st_size or 1
        pieces = _Pieces(file)
        parents: list[Element] = []
        done = checked_at = 0
        with _parsing():
            # A document type could give every element an attribute of a megabyte.
            events: Iterator[tuple[str, Element]] = parse(pieces, events=("start", "end"), forbid_dtd=True)
        while True:
            with _parsing():
                event, element = next(events, ("", None))
            if element is None:
                return
            pieces.quiet_bytes = 0
            if event == "start":
                _enter(element, parents)
                continue
            done += _OTHERS_PER_ROW if element.tag in wanted else 1
            if done >= _OTHERS_PER_ROW * ROWS_PER_PULSE or pieces.bytes_read - checked_at >= _LARGEST_PIECE_BYTES:
                done, checked_at = 0, pieces.bytes_read
                give_way(operation, 0, pieces.bytes_read, total)
            if element.tag in wanted:
                yield element
            parents.pop()
            if parents:
                parents[-1].clear()  # memory use stays constant, and the garbage collector has nothing to traverse


class _Pieces:
    """File reader for a parser, in pieces that grow while no tag ends.

    Expat before 2.6 scans an unfinished tag again from its beginning with each piece: with pieces of constant size, the
    time for a long tag would be quadratic.

    Attributes:
        quiet_bytes: Number of bytes since the last tag; the caller resets it.
        bytes_read: Number of bytes in all.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.quiet_bytes = self.bytes_read = 0

    def read(self, _size: int) -> bytes:
        """Return the next piece."""
        if self.quiet_bytes > MAX_QUIET_BYTES:
            raise ImportSourceError("a tag, or the text between two, has more than a megabyte: no Flex statement's has")
        data = self._file.read(min(max(self.quiet_bytes, _PIECE_BYTES), _LARGEST_PIECE_BYTES))
        self.quiet_bytes += len(data)
        self.bytes_read += len(data)
        return data


def _enter(element: Element, parents: list[Element]) -> None:
    if not parents and element.tag != "FlexQueryResponse":
        raise ImportSourceError("this is XML, but not a Flex statement")
    if len(parents) == MAX_DEPTH:
        raise ImportSourceError("elements nest deeper than those of a Flex statement")
    parents.append(element)


@contextmanager
def _parsing() -> Generator[None]:
    """Map the errors of a parser; a separate context manager, so that errors of the caller's block are not mapped."""
    refused: Any = import_extra("importers", "defusedxml").DefusedXmlException
    try:
        yield
    except ParseError as error:
        raise ImportSourceError("this is not well-formed XML", error.position[0]) from None
    except refused:
        raise ImportSourceError("the XML has a document type or declares entities; Flex statements do not") from None
    except ImportSourceError:
        raise
    except (LookupError, ValueError):  # from Python's codecs, for encodings that expat does not know
        raise ImportSourceError("the XML names an encoding that cannot be read; Flex statements are UTF-8") from None
