"""Check of a key with a sample of a file's pages: SQLite does not distinguish a wrong key from a damaged first page.

SQLCipher 4 stores an HMAC-SHA512 at the end of each page, over the encrypted page and its number; the key of the HMAC
is derived from the file's key and salt (https://www.zetetic.net/sqlcipher/design/). Under a wrong key no page
authenticates; under the right one every page does, unless it is damaged. ``PRAGMA cipher_integrity_check`` checks that,
too, but it reads the whole file and cannot be interrupted.

The functions block for milliseconds: call them in a thread.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import sys
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.process import connect, inside_sqlite
from zorivest_async.database.sqlcipher.uris import path_of
from zorivest_async.security import SALT_BYTES, VaultKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from zorivest_async.database.sqlcipher.process import FileId

__all__ = ["MOST_PAGES", "PAGE_BYTES", "disk_fails", "opens_some_page"]

PAGE_BYTES: Final = 4096
"""SQLCipher 4's page size; no vault is smaller."""

MOST_PAGES: Final = 128
"""Maximum number of pages that are checked; in a smaller file, all of them."""

_HMAC_BYTES: Final = 64
_HMAC_KEY_BYTES: Final = 32
_HMAC_KEY_ROUNDS: Final = 2
_HMAC_SALT_MASK: Final = 0x3A
"""SQLCipher's ``HMAC_SALT_MASK`` and ``FAST_PBKDF2_ITER``."""

_LARGEST_DESCRIPTOR: Final = 1024
"""If the system does not list the descriptors of a process, all numbers below this one are tried."""


def opens_some_page(uri: str, key: VaultKey) -> bool:
    """Return whether any page of a sample authenticates under a key.

    The sample is spread evenly over the file, and includes the first and the last page.

    Args:
        uri: The URI that SQLite opens.
        key: The key; without a salt, that of the file is used.
    """
    with suppress(OSError, sqlcipher.Error), _descriptor(uri) as descriptor:
        if descriptor is None:
            return False
        salt = key.salt or _read(descriptor, 0, SALT_BYTES)
        hmac_key = hashlib.pbkdf2_hmac(
            "sha512", key.key, bytes(byte ^ _HMAC_SALT_MASK for byte in salt), _HMAC_KEY_ROUNDS, _HMAC_KEY_BYTES
        )
        page_count = os.fstat(descriptor).st_size // PAGE_BYTES
        return any(
            _authenticates(_read(descriptor, (number - 1) * PAGE_BYTES, PAGE_BYTES), number, hmac_key)
            for number in _sample(page_count)
        )
    return False


def disk_fails(file: FileId | None) -> bool:
    """Return whether the disk fails to read any page of a sample, of a file that SQLite has open.

    SQLCipher reports a page that could not be read as damaged.
    """
    descriptor = None if sys.platform == "win32" else _descriptor_of(file)
    if descriptor is None:
        return False
    try:
        for number in _sample(os.fstat(descriptor).st_size // PAGE_BYTES):
            _read(descriptor, (number - 1) * PAGE_BYTES, PAGE_BYTES)
    except OSError:
        return True
    return False


def _sample(page_count: int) -> Iterable[int]:
    if page_count <= MOST_PAGES:
        return range(1, page_count + 1)
    return (1 + index * (page_count - 1) // (MOST_PAGES - 1) for index in range(MOST_PAGES))


def _authenticates(page: bytes, number: int, hmac_key: bytes) -> bool:
    begin, end = (SALT_BYTES if number == 1 else 0), PAGE_BYTES - _HMAC_BYTES
    found = hmac.digest(hmac_key, page[begin:end] + number.to_bytes(4, "little"), "sha512")
    return hmac.compare_digest(found, page[end:])


@contextmanager
def _descriptor(uri: str) -> Generator[int | None]:
    """Yield a descriptor for reading a file, or ``None`` if none is found.

    On POSIX it is SQLite's own: closing another one would release the locks of this process on the file
    (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    with inside_sqlite(), closing(connect(uri)) as raw:
        if sys.platform == "win32":
            descriptor = os.open(path_of(uri) or "", os.O_RDONLY | os.O_BINARY)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        else:
            yield _descriptor_of(raw.file)


def _descriptor_of(file: FileId | None) -> int | None:
    for number in _descriptors():
        with suppress(OSError):  # it was closed meanwhile, like the descriptor that listed them
            status = os.fstat(number)
            if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) == file:
                return number
    return None


def _descriptors() -> Iterable[int]:
    try:
        return sorted(map(int, os.listdir("/dev/fd")))  # noqa: PTH208 - only names are needed
    except OSError:  # the directory does not exist, or no descriptor is left to read it
        return range(_LARGEST_DESCRIPTOR)


def _read(descriptor: int, offset: int, size: int) -> bytes:
    if sys.platform == "win32":
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)
    else:  # noqa: RET505 - type checkers understand this check of the platform
        return os.pread(descriptor, size, offset)  # it does not move the offset of SQLite's descriptor
