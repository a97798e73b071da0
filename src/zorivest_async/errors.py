"""Every error the library raises.

::

    ZorivestError
    ├── ConfigurationError (ValueError)         invalid, contradictory or unusable arguments
    │   └── NotOnThisBackendError               an operation of another kind of vault
    ├── MissingDependencyError (ImportError)    a required package or driver feature is missing
    ├── VaultClosedError (RuntimeError)         the vault was closed, or never opened
    ├── VaultForkedError (RuntimeError)         opened before the process forked, and used in the child
    ├── ValidationError (ValueError)            an invalid entity field
    ├── ImportSourceError (ValueError)          an import source that cannot be read
    ├── ExportError (OSError)                   an export destination that cannot be written
    ├── VaultError
    │   ├── VaultNotFoundError (FileNotFoundError)
    │   ├── WrongPassphraseError
    │   ├── NotEncryptedError                   a plaintext SQLite file
    │   ├── NotAVaultError                      some other file, or a folder
    │   ├── VaultVersionError                   written by a newer release
    │   ├── VaultUpgradeError                   written by an older release, and the upgrade failed
    │   ├── VaultSchemaError                    a backup whose schema another program has changed
    │   ├── AdoptionError                       invalid rows in a plaintext journal
    │   ├── VaultDamagedError
    │   ├── VaultReplacedError                  the file was moved, deleted or replaced while it was open
    │   ├── VaultInUseError
    │   ├── VaultFullError
    │   ├── VaultAccessError                    a server refused the login, or a right is missing
    │   ├── VaultUnreachableError (ConnectionError)  no connection to a server, or it was lost
    │   ├── CommitOutcomeUnknownError           the disk failed during a commit, or a server's answer was lost
    │   └── VaultBusyError (TimeoutError)
    ├── UnitOfWorkError (RuntimeError)          not entered, already left, used by another task or event loop, nested
    │                                           in a write of the same task
    ├── RepositoryError
    │   ├── NotFoundError (LookupError)
    │   ├── DuplicateError
    │   ├── ForeignKeyError
    │   ├── CurrencyChangeError                 trades without a currency of their own would get another one
    │   ├── ImportUndoError                     undoing an import would lose something
    │   ├── ImportUndoError                 trades without a currency of their own would get another one
    │   ├── ReadOnlyError
    │   └── InvalidQueryError (ValueError)
    └── ImageError (ValueError)
        ├── ImageTooLargeError
        ├── UnsupportedImageError
        └── CorruptImageError

Each leaf is one condition, with its details in attributes. No message and no repr contains a passphrase, a key, an API
key or the values of a row. Identifiers are attributes, so that a log line of the error does not show them.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

__all__ = [
    "AdoptionError", "CommitOutcomeUnknownError", "ConfigurationError", "CorruptImageError", "CurrencyChangeError",
    "DuplicateError", "ExportError", "ForeignKeyError", "ImageError", "ImageTooLargeError", "ImportSourceError",
    "ImportUndoError", "InvalidQueryError", "MissingDependencyError", "NotAVaultError", "NotEncryptedError",
    "NotFoundError", "NotOnThisBackendError", "ReadOnlyError", "RepositoryError", "UnitOfWorkError",
    "UnsupportedImageError",
    "ValidationError", "VaultAccessError", "VaultBusyError", "VaultClosedError", "VaultDamagedError", "VaultError",
    "VaultForkedError", "VaultFullError", "VaultInUseError", "VaultNotFoundError", "VaultReplacedError",
    "VaultSchemaError", "VaultUnreachableError", "VaultUpgradeError", "VaultVersionError", "WrongPassphraseError",
    "ZorivestError",
]  # fmt: skip


class ZorivestError(Exception):
    """Root of the library's error tree: catch it to catch every error that the library raises on purpose."""


class ConfigurationError(ZorivestError, ValueError):
    """Arguments have the wrong type, contradict each other or cannot be used."""


class NotOnThisBackendError(ConfigurationError):
    """The operation belongs to another kind of vault: a vault on a server has no file, and a file has no server.

    Attributes:
        operation: The operation, ``"backup"``.
        problem: Why it is not there, and what to use instead.
    """

    def __init__(self, operation: str, problem: str) -> None:
        super().__init__(operation, problem)
        self.operation = operation
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.operation}: {self.problem}"


class MissingDependencyError(ZorivestError, ImportError):
    """A required package, extra or driver feature is missing.

    There is no plaintext fallback: the library opens nothing without a driver that encrypts and has no known
    corruption bug.
    """


class VaultClosedError(ZorivestError, RuntimeError):
    """The vault was closed, or never opened."""


class VaultForkedError(ZorivestError, RuntimeError):
    """A forked child process used an object that was opened before the fork, or a file that was open at the fork.

    A child cannot use its parent's vault, engine, connection or unit of work, and cannot open a file that its parent
    had open, because it inherits SQLite's table of open files without the locks. Fork first and open afterwards, or
    start the process with ``multiprocessing``'s ``"spawn"``.

    Attributes:
        problem: What was inherited, and what to do.
    """

    problem = (
        "this was opened before the process forked; open it in the child, after the fork (or start the process with "
        "multiprocessing's 'spawn')"
    )

    def __init__(self, problem: str | None = None) -> None:
        super().__init__(problem or self.problem)
        if problem is not None:
            self.problem = problem


class ValidationError(ZorivestError, ValueError):
    """An entity field has an invalid value.

    Attributes:
        entity: Name of the entity, ``"Trade"``.
        field: Name of the field, ``"price"``; ``"self"`` for the entity as a whole.
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
    """The source of an import cannot be read; nothing was written.

    Attributes:
        problem: What is wrong with it, without its values.
        line: Line of the file, from 1; ``None`` for the file as a whole.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem, line)
        self.problem = problem
        self.line = line

    def __str__(self) -> str:
        return self.problem if self.line is None else f"line {self.line}: {self.problem}"


class ExportError(ZorivestError, OSError):
    """The destination of an export cannot be written; it is unchanged.

    Attributes:
        path: The file or folder.
        problem: What is wrong with it, and what to do.
    """

    def __init__(self, path: str | PathLike[str], problem: str) -> None:
        # Not the next class's: OSError takes a first argument for an errno.
        Exception.__init__(self, path, problem)
        self.path = fspath(path)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class VaultError(ZorivestError):
    """Base of the errors about a vault.

    Attributes:
        path: The vault file, or ``None`` without a file (an in-memory vault, a foreign engine).
        problem: What is wrong, without the path.
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
    """The file, or the parent directory for a new one, does not exist.

    An existing file that cannot be opened, for lack of permission or of file descriptors, raises :class:`VaultError`.
    """

    problem = "there is no vault here; pass create=True to make one"


class WrongPassphraseError(VaultError):
    """The passphrase or key does not open the vault, or the salt in its first 16 bytes is damaged.

    The key is a function of both, so the library cannot distinguish the two cases.
    """

    problem = "the passphrase or key does not open this vault (or its first 16 bytes, the salt, are damaged)"


class NotEncryptedError(VaultError):
    """The file is a plaintext SQLite database."""

    problem = "this is a plaintext SQLite database, not an encrypted vault"


class NotAVaultError(VaultError):
    """The path is a folder, a named pipe, a device, a file too short for a vault, or another program's file."""

    problem = "this is not a vault"


class VaultVersionError(VaultError):
    """The vault has a newer schema than this release supports."""

    problem = "this vault was written by a newer release; upgrade zorivest-async to open it"


class VaultUpgradeError(VaultError):
    """The vault was written by an older release and could not be upgraded; it is unchanged.

    Attributes:
        objects: The names of the triggers, views, indexes, tables and columns that prevent the upgrade; empty for
            another cause.
    """

    problem = "the vault could not be upgraded to the schema of this release; it is unchanged"
    objects: tuple[str, ...] = ()


class VaultSchemaError(VaultError):
    """The schema of a backup is not the library's: another program has changed it; nothing was restored.

    Triggers, views that replace tables and changed columns can alter what is stored and what is read. If they are your
    own, restore with ``allow_changed_schema=True``.

    Attributes:
        findings: The differences, a few words each.
    """

    problem = "the schema of this backup is not the library's"
    findings: tuple[str, ...] = ()


class AdoptionError(VaultError):
    """A plaintext journal has invalid rows, so no vault was made of it.

    Attributes:
        report: The :class:`~zorivest_async.AdoptReport` that names them; ``None`` without one.
    """

    problem = "this journal has invalid rows, so no vault was made; correct them, or pass skip_invalid=True"
    report: Any = None


class VaultDamagedError(VaultError):
    """A part of the file fails authentication or is not a well-formed database."""

    problem = "the vault is damaged; restore it from a backup"


class VaultReplacedError(VaultError):
    """The file was moved, deleted or replaced while it was open; the vault refuses everything except ``aclose()``.

    If a transaction raises it at its begin, no transaction was begun. If ``commit()`` raises it, the transaction is in
    the file that was moved away, if that file still exists.
    """

    problem = (
        "the file was moved, deleted or replaced while it was open; all commits are in the file that was moved away: "
        "close this vault, and open the file that you want"
    )


class VaultInUseError(VaultError):
    """The operation needs exclusive access, and another process, vault object or unit of work uses the vault."""

    problem = "the vault is in use elsewhere"


class VaultFullError(VaultError):
    """The disk is full, a quota is exceeded, or a file has reached the maximum size."""

    problem = "there is no space left for the vault"


class VaultAccessError(VaultError):
    """A server refused the login, or its role lacks a right; the message has neither the password nor the URL."""

    problem = "the server refused access: check the role, its password, the database and the role's rights"


class VaultUnreachableError(VaultError, ConnectionError):
    """There is no connection to a server, or it was lost; what was not committed is rolled back there."""

    problem = "the connection to the server was lost, or could not be made; nothing was stored: try again"


class CommitOutcomeUnknownError(VaultError):
    """A commit failed, and neither the library nor the database can determine whether it is stored.

    The unit of work's ``outcome`` is ``"unknown"``. After a failed sync the vault refuses further writes, as the commit
    may still appear after a crash. On a server it means that the answer was lost, and that the server did not tell in
    time, on a new connection, whether it has the commit.
    """

    problem = (
        "the disk failed during the commit, which may be stored or not: close the vault, open it again and check "
        "before you repeat it"
    )


class VaultBusyError(VaultError, TimeoutError):
    """The busy timeout expired; the message says what the caller waited for.

    That is another writer, a free reader connection, a connection of an engine, or a change of the passphrase.
    """

    problem = "another writer held the vault for the whole busy timeout; try again"


class UnitOfWorkError(ZorivestError, RuntimeError):
    """A unit of work is not entered, already left, used by another task or nested in a write of the same task.

    It is also raised if a vault or a unit of work is used on another event loop than the one that opened or entered it.
    """


class RepositoryError(ZorivestError):
    """Base of the errors of repositories: a statement failed, and stored nothing.

    Attributes:
        entity: Name of the entity, ``"Trade"``; ``None`` if it is not known.
        key: The identifier; ``None`` if it is not known. It is not part of the message.
        problem: What is wrong, without the entity.
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
    """No row has this identifier."""

    problem = "no row has this identifier"


class DuplicateError(RepositoryError):
    """A row with this identifier, or another value that must be unique, is already stored."""

    problem = "a row with this identifier is already stored"


class ForeignKeyError(RepositoryError):
    """A row refers to a row that does not exist, or other rows still refer to it."""

    problem = "it refers to a row that is not stored (save that one first), or other rows still refer to it"


class CurrencyChangeError(RepositoryError):
    """Trades without a currency of their own would change theirs, which is their account's; nothing was changed.

    Give these trades their currency first, with :meth:`~zorivest_async.ports.TradeRepository.update`.
    """

    problem = "trades without a currency of their own would get another one; set the currency of these trades first"


class ImportUndoError(RepositoryError):
    """An import cannot be undone without losing something of yours or of a later import; nothing was changed.

    Attributes:
        obstacle: The :class:`~zorivest_async.UndoObstacle`.
        executions: ``exec_id`` of at most 100 executions that prevent it; they are not part of the message.
        imports: Identifiers of the later imports to undo first, the newest first.
    """

    problem = "the import cannot be undone; nothing was changed"
    obstacle: Any = None
    executions: tuple[str, ...] = ()
    imports: tuple[int, ...] = ()


class ReadOnlyError(RepositoryError):
    """A write in a read-only unit of work, or into a file that cannot be written."""

    problem = "this unit of work, or the file under it, is read-only"


class InvalidQueryError(RepositoryError, ValueError):
    """A sort field, page token, limit or filter is invalid."""

    problem = "the query is invalid"


class ImageError(ZorivestError, ValueError):
    """Base of the errors about images: the image cannot be stored."""


class ImageTooLargeError(ImageError):
    """The image exceeds a limit of the vault's :class:`~zorivest_async.ImagePolicy`.

    Attributes:
        quantity: The measured quantity: ``"bytes"``, ``"pixels"``, ``"pixels on a side"`` or
            ``"pixels in all its scans"``.
        actual: The measured amount.
        limit: The maximum.
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
    """The image has the signature of a supported format but cannot be decoded."""
