"""Every error the library raises.

::

    ZorivestError
    ├── ConfigurationError (ValueError)         arguments that contradict each other or cannot work
    ├── MissingDependencyError (ImportError)    a package or a driver feature the library needs is absent
    ├── VaultClosedError (RuntimeError)         the vault was closed, or never opened
    ├── ValidationError (ValueError)            an entity field that cannot be right
    ├── ImportSourceError (ValueError)          a file or folder that cannot be imported from
    ├── VaultError
    │   ├── VaultNotFoundError (FileNotFoundError)
    │   ├── WrongPassphraseError
    │   ├── NotEncryptedError                   a plaintext SQLite file
    │   ├── NotAVaultError                      some other file, or a folder
    │   ├── VaultVersionError                   written by a newer release
    │   ├── VaultUpgradeError                   written by an older release, and the upgrade failed
    │   ├── AdoptionError                       rows of a plaintext journal that cannot be right
    │   ├── VaultDamagedError
    │   ├── VaultInUseError
    │   ├── VaultFullError
    │   └── VaultBusyError (TimeoutError)
    ├── UnitOfWorkError (RuntimeError)          not entered, already left, another task's or event loop's, nested in
    │                                           one's own write
    ├── RepositoryError
    │   ├── NotFoundError (LookupError)
    │   ├── DuplicateError
    │   ├── ForeignKeyError
    │   ├── ReadOnlyError
    │   └── InvalidQueryError (ValueError)
    └── ImageError (ValueError)
        ├── ImageTooLargeError
        ├── UnsupportedImageError
        └── CorruptImageError

Each leaf is one condition; what is known about it is in its attributes. No message and no repr carries a passphrase, a
key, an API key or the values of a row: identifiers are attributes, so that a log line of the error does not show them.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

__all__ = [
    "AdoptionError", "ConfigurationError", "CorruptImageError", "DuplicateError", "ForeignKeyError", "ImageError",
    "ImageTooLargeError", "ImportSourceError", "InvalidQueryError", "MissingDependencyError", "NotAVaultError",
    "NotEncryptedError", "NotFoundError", "ReadOnlyError", "RepositoryError", "UnitOfWorkError",
    "UnsupportedImageError", "ValidationError", "VaultBusyError", "VaultClosedError", "VaultDamagedError",
    "VaultError", "VaultFullError", "VaultInUseError", "VaultNotFoundError", "VaultUpgradeError",
    "VaultVersionError", "WrongPassphraseError", "ZorivestError",
]  # fmt: skip


class ZorivestError(Exception):
    """The root: catching it catches whatever this library raises on purpose."""


class ConfigurationError(ZorivestError, ValueError):
    """Arguments contradict each other or cannot work."""


class MissingDependencyError(ZorivestError, ImportError):
    """A package, an extra or a driver feature that is needed is absent.

    There is no plaintext fallback: without an encrypting driver free of known corruption bugs nothing is opened.
    """


class VaultClosedError(ZorivestError, RuntimeError):
    """The vault was closed, or never opened."""


class ValidationError(ZorivestError, ValueError):
    """An entity field holds something that cannot be right.

    Attributes:
        entity: Name of the entity, ``"Trade"``.
        field: Name of the field, ``"price"``; ``"self"`` where the whole of it is meant.
        problem: What is wrong with it, without the value.
    """

    def __init__(self, entity: str, field: str, problem: str) -> None:
        super().__init__(entity, field, problem)
        self.entity = entity
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{'the entity' if self.field == 'self' else f'{self.entity}.{self.field}'} {self.problem}"


class ImportSourceError(ZorivestError, ValueError):
    """A file or folder cannot be imported from at all; nothing was written.

    Attributes:
        problem: What is wrong with it, without its values.
        line: Line of the file, from 1; ``None`` where the whole of it is meant.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem, line)
        self.problem = problem
        self.line = line

    def __str__(self) -> str:
        return self.problem if self.line is None else f"line {self.line}: {self.problem}"


class VaultError(ZorivestError):
    """Something about the vault file.

    Attributes:
        path: The vault, or ``None`` where an error concerns no file (an in-memory vault, a foreign engine).
    """

    problem = "the vault could not be used"

    def __init__(self, path: str | PathLike[str] | None = None, problem: str | None = None) -> None:
        # Not the next class's: OSError takes a first argument for an errno.
        Exception.__init__(self, path, problem)
        self.path = None if path is None else fspath(path)
        if problem is not None:
            self.problem = problem

    def __str__(self) -> str:
        return self.problem if self.path is None else f"{self.path}: {self.problem}"


class VaultNotFoundError(VaultError, FileNotFoundError):
    """There is no file, or no folder to create it in."""

    problem = "there is no vault here; pass create=True to make one"


class WrongPassphraseError(VaultError):
    """The passphrase or key does not open the vault, or the salt in its first 16 bytes is damaged.

    The two cannot be told apart: the key is a function of both.
    """

    problem = "the passphrase or key does not open this vault (or its first 16 bytes, the salt, are damaged)"


class NotEncryptedError(VaultError):
    """The file is a plaintext SQLite database."""

    problem = "this is a plaintext SQLite database, not an encrypted vault"


class NotAVaultError(VaultError):
    """The path is a folder, a file too short for a vault, or another program's file."""

    problem = "this is not a vault"


class VaultVersionError(VaultError):
    """The vault has a schema that this release does not know."""

    problem = "this vault was written by a newer release; upgrade zorivest-async to open it"


class VaultUpgradeError(VaultError):
    """An older release wrote the vault, and it could not be upgraded; it is as it was."""

    problem = "the vault could not be upgraded to the schema of this release; it is as it was"


class AdoptionError(VaultError):
    """Rows of a plaintext journal cannot be right, so no vault was made of it.

    Attributes:
        report: The :class:`~zorivest_async.AdoptReport` that names them; ``None`` where there is none.
    """

    problem = "rows of this journal cannot be right, so no vault was made; correct them, or pass skip_invalid=True"
    report: Any = None


class VaultDamagedError(VaultError):
    """Part of the file does not authenticate or is not a well-formed database."""

    problem = "the vault is damaged; restore it from a backup"


class VaultInUseError(VaultError):
    """Someone else holds the vault and the operation needs it alone."""

    problem = "the vault is in use elsewhere"


class VaultFullError(VaultError):
    """The disk is full, or the database has reached its largest size."""

    problem = "there is no space left for the vault"


class VaultBusyError(VaultError, TimeoutError):
    """Another writer held the vault for the whole busy timeout."""

    problem = "another writer held the vault for the whole busy timeout; try again"


class UnitOfWorkError(ZorivestError, RuntimeError):
    """A unit of work is not entered, already left, used by another task or nested in one's own write.

    Also: a vault or a unit of work is used on another event loop than the one that opened or entered it.
    """


class RepositoryError(ZorivestError):
    """A statement could not do what was asked of it.

    Attributes:
        entity: Name of the entity concerned, ``"Trade"``; ``None`` where it is not known.
        key: The identifier concerned; ``None`` where it is not known. Not part of the message.
    """

    problem = "the statement failed"

    def __init__(self, entity: str | None = None, key: Any = None, problem: str | None = None) -> None:
        super().__init__(entity, problem)
        self.entity = entity
        self.key = key
        if problem is not None:
            self.problem = problem

    def __str__(self) -> str:
        return self.problem if self.entity is None else f"{self.entity}: {self.problem}"

    def __reduce__(self) -> tuple[Any, ...]:
        entity, problem = self.args
        return type(self), (entity, self.key, problem), self.__dict__


class NotFoundError(RepositoryError, LookupError):
    """There is no such row."""

    problem = "no row has this identifier"


class DuplicateError(RepositoryError):
    """A row with this identifier, or another value that must be unique, is already stored."""

    problem = "a row with this identifier is already stored"


class ForeignKeyError(RepositoryError):
    """A row refers to one that does not exist, or others still refer to it."""

    problem = "it refers to a row that is not stored (save that one first), or other rows still refer to it"


class ReadOnlyError(RepositoryError):
    """A write in a read-only unit of work, or into a file that cannot be written."""

    problem = "this unit of work, or the file under it, is read-only"


class InvalidQueryError(RepositoryError, ValueError):
    """A sort field, a page token, a limit or a filter that does not exist or makes no sense."""

    problem = "the query makes no sense"


class ImageError(ZorivestError, ValueError):
    """An image that cannot be taken."""


class ImageTooLargeError(ImageError):
    """More bytes or pixels than the vault's :class:`~zorivest_async.ImagePolicy` allows.

    Attributes:
        quantity: What was measured, ``"bytes"`` or ``"pixels"``.
        actual: How much there was.
        limit: How much is allowed.
    """

    def __init__(self, quantity: str, actual: int, limit: int) -> None:
        super().__init__(quantity, actual, limit)
        self.quantity = quantity
        self.actual = actual
        self.limit = limit

    def __str__(self) -> str:
        return f"the image has {self.actual:,} {self.quantity}; the vault's image policy allows {self.limit:,}"


class UnsupportedImageError(ImageError):
    """The bytes are not a PNG, JPEG, WebP or GIF image."""


class CorruptImageError(ImageError):
    """The image announces a supported format but cannot be decoded."""
