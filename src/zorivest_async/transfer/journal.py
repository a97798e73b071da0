"""Export of a whole journal to JSON lines and image files, and its import, which restores equal entities."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NoReturn

from anyio import to_thread

from zorivest_async._finishing import finish
from zorivest_async.database.sqlcipher.long_operation import Operation, ProgressCallback
from zorivest_async.domain.validation import LARGEST_INTEGER
from zorivest_async.errors import ConfigurationError, ImportSourceError
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine
from zorivest_async.transfer.export_errors import export_errors
from zorivest_async.transfer.importers.results import ImportReport, Reason
from zorivest_async.transfer.importers.source import FieldError
from zorivest_async.transfer.journal_folder import open_folder
from zorivest_async.transfer.journal_lines import WRITTEN_BY_NEWER, JournalLines, image_name, parse_object
from zorivest_async.transfer.journal_tables import SCHEMA_VERSION, JournalTable, journal_tables
from zorivest_async.vault.files import make_parents, publish_folder
from zorivest_async.vault.work_folder import create_private, work_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from zorivest_async.transfer.journal_folder import JournalFolder
    from zorivest_async.vault import Vault

__all__ = ["export_journal", "import_journal"]

FORMAT: Final = 1
_MANIFEST: Final = "journal.json"
_MAX_MANIFEST_BYTES: Final = 65_536
_BEFORE_THE_VERSION: Final = 3
"""The last version of the schema whose journals do not name it."""

_NO_JOURNAL: Final = "this folder is not an exported journal"


@sealed_coroutine
async def export_journal(
    vault: Vault, folder: str | PathLike[str], *, progress: ProgressCallback | None = None
) -> dict[str, int]:
    """Write everything in a vault to a new folder, except API keys, and return the number of rows by table.

    Each table is a file of JSON lines; the originals of images are files in ``images``, byte for byte. The export is
    one snapshot, which later writes do not change. The folder appears complete or not at all, and is synced to the
    disk. It is not encrypted; only its owner can read it.

    Many tasks may call it at once; if they have the same target, the first one that is complete stays, and the others
    fail. It holds a reading connection until it ends. A cancelled export leaves nothing behind, unless the folder is
    already being moved to its path; it then finishes that.

    Args:
        vault: The vault to read.
        folder: The folder to create; the path must not exist. Missing parent directories are created.
        progress: Called on the event loop with the phase ``"export"``, in rows.

    Raises:
        ConfigurationError: The path already exists.
        ExportError: The folder cannot be written; it is an ``OSError``.
    """
    tables = journal_tables()
    reporting, export = Operation(progress), _JournalFolder(folder, tables)
    try:
        await to_thread.run_sync(export.begin)
        async with vault.unit_of_work(read_only=True) as uow:
            rows = uow.rows
            counts = {table.name: await rows.count(table.entity) for table in tables}
            total, done = sum(counts.values()), 0
            for table in tables:
                after = None
                while page := await rows.page(table.entity, after):
                    await to_thread.run_sync(hidden_call(export.write, table, page))
                    after, done = table.aggregate.key_of(page[-1]), done + len(page)
                    reporting.report("export", done, total)
        await to_thread.run_sync(export.publish, counts)
    finally:
        await finish(to_thread.run_sync(export.close))
    return counts


class _JournalFolder:
    """Writer of a folder, which gets its name when it is complete. Its methods block: call them in a thread.

    A cancelled task does not wait for its thread, so a page may still be written when :meth:`close` is called.
    :meth:`close` waits for it, and no other page is written afterwards.

    Args:
        folder: The path of the folder.
        tables: The tables that it has files for.
    """

    def __init__(self, folder: str | PathLike[str], tables: list[JournalTable]) -> None:
        self._target = Path(folder)
        self._tables = tables
        self._lock = Lock()
        self._until_closed = ExitStack()
        self._part = self._target
        self._closed = False

    def begin(self) -> None:
        """Create the folder with empty files, under a temporary name."""
        with self._lock, export_errors(self._target):
            self._target = self._target.absolute()
            if os.path.lexists(self._target):
                _refuse_taken_name()
            self._require_wanted()
            make_parents(self._target.parent)
            work = self._until_closed.enter_context(work_folder(self._target.parent))
            self._part = work / "journal"
            self._part.mkdir(mode=0o700)
            (self._part / "images").mkdir(mode=0o700)
            for table in self._tables:
                os.close(create_private(self._part / f"{table.name}.jsonl"))

    def write(self, table: JournalTable, page: list[Any]) -> None:
        """Append a page of a table."""
        with self._lock, export_errors(self._target):
            part = self._require_wanted()
            with (part / f"{table.name}.jsonl").open("a", encoding="utf-8") as file:
                for entity in page:
                    file.write(table.to_json(entity) + "\n")
                    if (original := table.aggregate.original) is not None:
                        name = image_name(table.aggregate.key_of(entity), entity.mime_type)
                        _write_private(part / "images" / name, getattr(entity, original))

    def publish(self, counts: Mapping[str, int]) -> None:
        """Move the folder to its path."""
        with self._lock, export_errors(self._target):
            part = self._require_wanted()
            manifest = json.dumps({"format": FORMAT, "schema": SCHEMA_VERSION, "rows": counts}, indent=2) + "\n"
            _write_private(part / _MANIFEST, manifest.encode())
            try:
                publish_folder(part, self._target)
            except FileExistsError:
                _refuse_taken_name()

    def close(self) -> None:
        """Delete the folder, unless it was published."""
        with self._lock:
            self._closed = True
            self._until_closed.close()

    def _require_wanted(self) -> Path:
        if self._closed:  # the task has ended, so this error only ends the thread
            raise RuntimeError("the export was cancelled")
        return self._part


def _refuse_taken_name() -> NoReturn:
    raise ConfigurationError("the path already exists; a journal is exported to a new folder") from None


def _write_private(file: Path, data: bytes) -> None:
    with os.fdopen(create_private(file), "wb") as opened:
        opened.write(data)


@sealed_coroutine
async def import_journal(
    vault: Vault, folder: str | PathLike[str], *, dry_run: bool = False, progress: ProgressCallback | None = None
) -> ImportReport:
    """Import a folder of :func:`export_journal` into a vault, in one transaction: all of it or nothing.

    The folder may be of an earlier release: fields that this one has added get their defaults. One of a newer release
    is refused.

    The entities are equal to the exported ones, including their row numbers and times. The vault should be empty,
    because an identifier that is already stored makes the import fail. Providers have no API keys.

    The folder may be from another person. A link, a pipe, a socket or a device in it is refused and never opened, and
    no file outside the folder is opened. JSON that is too deep, too large, not finite or has a duplicated name is
    refused, and the error names its line. Lines and images are read 16 MiB at a time; larger ones one by one.

    Many tasks may call it at once. It holds the writing connection from the end of the first check of the folder until
    it ends. A cancelled import writes nothing, and waits for the page that is being read.

    Args:
        vault: The vault to write.
        folder: The folder to read; it may be a symbolic link itself.
        dry_run: Read and check everything, but write nothing.
        progress: Called on the event loop with the phase ``"store"``, in rows.

    Raises:
        ImportSourceError: The folder is not an exported journal; a file is missing, not regular or truncated; or a line
            is invalid, which the error names. Nothing was written.
        DuplicateError: An identifier is already stored in the vault.
        ForeignKeyError: An entity refers to one that is missing in the journal.
    """
    report, reporting = ImportReport(dry_run=dry_run), Operation(progress)
    source = _JournalSource(folder)
    try:
        # All files except the images are opened before the transaction begins, which makes other writers wait.
        total = await to_thread.run_sync(source.open)
        async with vault.unit_of_work(read_only=dry_run) as uow:
            rows = uow.rows
            for table, lines in source.tables:
                while page := await to_thread.run_sync(source.page, lines):
                    if not dry_run:
                        await rows.insert([entity for _, entity in page])
                    for line, entity in page:
                        key = str(table.aggregate.key_of(entity))
                        report.inserted.add(f"{table.name}.jsonl:{line}", key, Reason.NEW)
                    reporting.report("store", len(report.inserted), total)
            if not dry_run:
                await uow.commit()
    finally:
        await finish(to_thread.run_sync(source.close))
    return report


class _JournalSource:
    """Reader of an exported folder, by page. Its methods block: call them in a thread.

    A cancelled task does not wait for its thread, so :meth:`close` waits for the page that is being read.

    Args:
        folder: The path of the folder.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self._path = Path(folder)
        self._lock = Lock()
        self._until_closed = ExitStack()
        self._closed = False
        self.tables: list[tuple[JournalTable, JournalLines]] = []

    def open(self) -> int:
        """Open the file of each table, and return the number of all rows.

        Raises:
            ImportSourceError: The folder is not an exported journal, or a file is missing or not regular.
        """
        with self._lock:
            self._require_wanted()
            try:
                folder = self._until_closed.enter_context(open_folder(self._path))
            except (OSError, ValueError):
                raise ImportSourceError(f"{_NO_JOURNAL}: it does not exist, or cannot be read") from None
            tables = journal_tables()
            version, counts = _read_manifest(folder, tables)
            for table in tables:
                if table.name in counts:
                    reader = JournalLines(folder, table, counts[table.name], is_older=version < SCHEMA_VERSION)
                    self.tables.append((table, self._until_closed.enter_context(reader)))
            return sum(counts.values())

    def page(self, lines: JournalLines) -> list[tuple[int, Any]]:
        """Return the next entities of a table; see :meth:`JournalLines.page`."""
        with self._lock:
            self._require_wanted()
            return lines.page()

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            self._closed = True
            self._until_closed.close()

    def _require_wanted(self) -> None:
        if self._closed:  # the task has ended, so this error only ends the thread
            raise RuntimeError("the import was cancelled")


def _read_manifest(folder: JournalFolder, tables: list[JournalTable]) -> tuple[int, dict[str, int]]:
    """Return the version of the schema, and the number of rows by table, without tables that later versions added."""
    try:
        with folder.open(_MANIFEST) as file:
            manifest = parse_object(file.read(_MAX_MANIFEST_BYTES))
        version, rows = manifest.get("schema", _BEFORE_THE_VERSION), manifest["rows"]
        if manifest["format"] != FORMAT or (type(version) is int and version > SCHEMA_VERSION):
            raise ImportSourceError(WRITTEN_BY_NEWER)
        if type(version) is not int or version < 1:
            raise ImportSourceError(f"{_NO_JOURNAL}: its journal.json has an invalid version of the schema")
        counts = {table.name: rows[table.name] for table in tables if table.aggregate.since <= version}
        if rows.keys() != counts.keys():
            raise ImportSourceError(WRITTEN_BY_NEWER)
    except (AttributeError, FieldError, LookupError, OSError, TypeError):
        raise ImportSourceError(f"{_NO_JOURNAL}: its journal.json cannot be read") from None
    if not all(type(count) is int and 0 <= count <= LARGEST_INTEGER for count in counts.values()):
        raise ImportSourceError(f"{_NO_JOURNAL}: its journal.json has invalid numbers of rows")
    return version, counts
