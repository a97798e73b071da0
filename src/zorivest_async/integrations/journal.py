"""A whole journal out, as JSON lines and image files, and in again, equal."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from sqlalchemy import func, select

from zorivest_async.database.long_operation import Operation, ProgressCallback
from zorivest_async.database.repositories import SqlAlchemyImageRepository
from zorivest_async.domain.entities import ImageAttachment
from zorivest_async.errors import ConfigurationError, ImportSourceError, ValidationError
from zorivest_async.integrations.importers.results import ImportReport, Reason
from zorivest_async.integrations.importers.source import FieldError
from zorivest_async.integrations.journal_tables import JOURNAL_TABLES, JournalTable, TableRepository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from sqlalchemy.ext.asyncio import AsyncConnection

    from zorivest_async.vault import Vault

__all__ = ["export_journal", "import_journal"]

FORMAT: Final = 1
_MANIFEST: Final = "journal.json"
_SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/gif": "gif"}


async def export_journal(
    vault: Vault, folder: str | PathLike[str], *, progress: ProgressCallback | None = None
) -> dict[str, int]:
    """Write everything in a vault to a new folder, except API keys, and return the rows of each table.

    Each table is a file of JSON lines; the originals of images are files in ``images``, byte for byte. The state is one
    moment's, whatever is written meanwhile. The folder appears complete or not at all. It is not encrypted.

    May be called by many tasks at once. It holds a reading connection all the time.

    Args:
        vault: Where from.
        folder: Where to; there must be nothing of this name.
        progress: Called on the event loop with the phase ``"export"``, in rows.

    Raises:
        ConfigurationError: There is something of this name.
        OSError: It cannot be written.
    """
    target = Path(folder)
    part = target.with_name(f"{target.name}.part")
    await to_thread.run_sync(_make_folder, target, part)
    reporting = Operation(progress)
    try:
        async with vault.unit_of_work(read_only=True) as uow:
            connection = await uow.connection()
            counts = {table.name: await _count(connection, table) for table in JOURNAL_TABLES}
            total, done = sum(counts.values()), 0
            for table in JOURNAL_TABLES:
                repository, after = TableRepository(connection, table), None
                while page := await repository.page(after):
                    await to_thread.run_sync(_write, part, table, page)
                    after, done = getattr(page[-1], table.mapper.key), done + len(page)
                    reporting.report("export", done, total)
        await to_thread.run_sync(_publish, part, target, counts)
    finally:
        await to_thread.run_sync(lambda: shutil.rmtree(part, ignore_errors=True))
    return counts


def _make_folder(target: Path, part: Path) -> None:
    if target.exists():
        raise ConfigurationError("a journal is exported to a new folder; there is something of this name")
    (part / "images").mkdir(parents=True)
    for table in JOURNAL_TABLES:
        (part / f"{table.name}.jsonl").touch()


async def _count(connection: AsyncConnection, table: JournalTable) -> int:
    return int((await connection.execute(select(func.count()).select_from(table.mapper.table))).scalar_one())


def _write(folder: Path, table: JournalTable, page: list[Any]) -> None:
    with (folder / f"{table.name}.jsonl").open("a", encoding="utf-8") as file:
        for entity in page:
            file.write(table.to_json(entity) + "\n")
            if isinstance(entity, ImageAttachment):
                _image_file(folder, entity.id, entity.mime_type).write_bytes(entity.data)


def _image_file(folder: Path, image_id: int | None, mime_type: str) -> Path:
    return folder / "images" / f"{image_id}.{_SUFFIXES.get(mime_type, 'bin')}"


def _publish(part: Path, target: Path, counts: Mapping[str, int]) -> None:
    manifest = {"format": FORMAT, "rows": counts}
    (part / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    part.rename(target)


async def import_journal(
    vault: Vault, folder: str | PathLike[str], *, dry_run: bool = False, progress: ProgressCallback | None = None
) -> ImportReport:
    """Read everything that :func:`export_journal` wrote into a vault, in one transaction: all of it or nothing.

    Entities come back equal, with their row numbers and moments. The vault should be empty: what it has already may not
    come once more. Providers come without API keys.

    May be called by many tasks at once. It holds the writing connection all the time.

    Args:
        vault: Where to.
        folder: Where from.
        dry_run: Read and check everything, and write nothing.
        progress: Called on the event loop with the phase ``"store"``, in rows.

    Raises:
        ImportSourceError: The folder is no journal, a file of it is cut off, or a line of one cannot be right.
        DuplicateError: Something with the same identifier is in the vault already.
        ForeignKeyError: Something refers to what is not in the journal.
    """
    source = Path(folder)
    counts = await to_thread.run_sync(_read_manifest, source)
    report, reporting = ImportReport(dry_run=dry_run), Operation(progress)
    total = sum(counts.values())
    async with vault.unit_of_work(read_only=dry_run) as uow:
        connection = await uow.connection()
        for table in JOURNAL_TABLES:
            lines = _read_lines(source, table, counts[table.name])
            repository = TableRepository(connection, table)
            while page := await to_thread.run_sync(_take, lines, table.rows):
                entities = [entity for _, entity in page]
                if not dry_run and table.name == "images":
                    for image in entities:  # which checks that there is an owner
                        images = SqlAlchemyImageRepository(connection)
                        await images.save(image.owner_id, image, owner_type=image.owner_type)
                elif not dry_run:
                    await repository.insert(entities)
                for line, entity in page:
                    key = str(getattr(entity, table.mapper.key))
                    report.inserted.add(f"{table.name}.jsonl:{line}", key, Reason.NEW)
                reporting.report("store", len(report.inserted), total)
        if not dry_run:
            await uow.commit()
    return report


def _read_manifest(folder: Path) -> dict[str, int]:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ImportSourceError("a newer release wrote this journal")
        return {table.name: int(manifest["rows"][table.name]) for table in JOURNAL_TABLES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ImportSourceError):
            raise
        raise ImportSourceError("this folder is no exported journal: its journal.json cannot be read") from None


def _read_lines(folder: Path, table: JournalTable, expected: int) -> Iterator[tuple[int, Any]]:
    name, number = f"{table.name}.jsonl", 0
    try:
        with (folder / name).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield number, _read_line(folder, table, line)
    except ValidationError as error:
        raise ImportSourceError(f"{name}: {error}", number) from None
    except FileNotFoundError:
        raise ImportSourceError(f"{name}, or an image that it names, is missing", number or None) from None
    except (FieldError, TypeError, ValueError, KeyError, AttributeError):
        raise ImportSourceError(f"{name}: this line is not one of an exported journal", number) from None
    if number != expected:
        raise ImportSourceError(f"{name} has {number} lines and should have {expected}")


def _take(lines: Iterator[tuple[int, Any]], rows: int) -> list[tuple[int, Any]]:
    return [*islice(lines, rows)]


def _read_line(folder: Path, table: JournalTable, line: str) -> Any:
    values = json.loads(line)
    if table.name == "images":
        # The name is formed, not read: a journal leads to no file outside its folder.
        return table.from_json(values, data=_image_file(folder, int(values["id"]), values["mime_type"]).read_bytes())
    return table.from_json(values)
