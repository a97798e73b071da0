"""Hostile folders of exported journals: odd JSON, lines and files changed, cut, moved and left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from fuzzing.target import Edit, Target, edit, edits, require_short, run
from fuzzing.vaults import folder
from workers.truth import fill, read_all
from zorivest_async import DuplicateError, ForeignKeyError, ImagePolicy, Vault, ZorivestError
from zorivest_async.transfer.importers import ImportSourceError
from zorivest_async.transfer.journal import export_journal, import_journal

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JOURNALS"]

_MANIFEST: Final = "journal.json"
_TABLES: Final = (
    "accounts", "trades", "trade_reports", "trade_plans", "images", "watchlists", "watchlist_items",
    "balance_snapshots", "settings", "market_provider_settings",
)  # fmt: skip

_RAW: Final = [
    "null", "true", "false", "0", "-1", "1", "1.5", "1e400", "-1e400", "NaN", "Infinity", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" * 40, "1" * 5_000, "1e-400", '""', '" "', '"\\u0000"',
    '"\\ud800"', '"\\udfff\\ud800"', '"x\\u202e"', '"a/b"', '"../../etc/passwd"', '"/etc/passwd"', '"image/png"',
    '"image/../x"', '"trade"', '"report"', '"orphan:trade/1"', '"json"', '"int"', '"U1"', '"U2"', '"00001"', '"BOT"',
    '"2024-03-08T14:30:00+00:00"', '"2024-03-08"', '"9999-12-31T23:59:59-23:59"', '"0001-01-01T00:00:00+23:59"',
    '"AAAA"', '"=AAA"', "[]", "{}", '["a", 1]', '[["a"]]', "[" * 50 + "]" * 50, "[" * 100_000, '{"a":' * 100_000,
    '{"": {"a": [null]}}', '"' + "x" * 100_000 + '"', "\ufeff1", "", "1 2", "'a'",
]  # fmt: skip
"""Values as they stand in a file, of which some are not JSON."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a journal's folder.

    Attributes:
        what: ``"value"`` and ``"name"`` put a text there; ``"drop"``, ``"repeat"`` and ``"move"`` concern lines,
            ``"remove"`` and ``"edit"`` files.
        file: Which one, modulo their number.
        line: Which line, modulo their number.
        place: Which field, modulo their number.
        text: What is put there, as it stands.
        edits: Changes of bytes.
    """

    what: str
    file: int
    line: int
    place: int
    text: str
    edits: list[Edit]


_CHANGES: Final = st.lists(
    st.builds(
        Change,
        st.sampled_from(["value"] * 6 + ["name", "drop", "repeat", "move", "remove", "edit", "edit"]),
        st.integers(0, 20),
        st.integers(0, 9),
        st.integers(0, 20),
        st.sampled_from(_RAW) | st.text(max_size=8).map(json.dumps) | st.floats().map(str) | st.integers().map(str),
        edits(3),
    ),
    max_size=3,
)


@cache
def _seed() -> dict[str, bytes]:
    """Return the files of a sound journal, by name, the manifest first."""
    return run(_make_seed())


async def _make_seed() -> dict[str, bytes]:
    with folder() as place:
        async with Vault.in_memory() as vault:
            await fill(vault, 5, 2_000)
            await export_journal(vault, place / "journal")
        files = [path for path in (place / "journal").rglob("*") if path.is_file()]
        return {str(path.relative_to(place / "journal")): path.read_bytes() for path in sorted(files)}


def _changed(changes: list[Change]) -> dict[str, bytes]:
    files = dict(_seed())
    names = [_MANIFEST, *(f"{table}.jsonl" for table in _TABLES), *sorted(name for name in files if "/" in name)]
    for change in changes:
        name = names[change.file % len(names)]
        if name not in files:
            continue
        match change.what:
            case "remove":
                del files[name]
            case "edit":
                files[name] = edit(files[name], change.edits)
            case _ if "/" not in name:
                files[name] = _changed_text(files[name], change)
            case _:
                pass
    return files


def _changed_text(data: bytes, change: Change) -> bytes:
    """Change a line of JSON; of the manifest, the line of one number."""
    lines = data.decode("utf-8", "replace").splitlines()
    if not lines:
        return data
    number = change.line % len(lines)
    match change.what:
        case "drop":
            del lines[number]
        case "repeat":
            lines.insert(number, lines[number])
        case "move":
            lines.append(lines.pop(number))
        case _:
            lines[number] = _changed_line(lines[number], change)
    return "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")


def _changed_line(line: str, change: Change) -> str:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not values:
        before, colon, _ = line.partition(": ")
        return f"{before}{colon}{change.text}," if colon else change.text
    texts: dict[str, str] = {key: json.dumps(value) for key, value in values.items()}
    name = list(texts)[change.place % len(texts)]
    if change.what == "value":
        texts[name] = change.text
    else:
        texts[change.text] = texts.pop(name)
    return "{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in texts.items()) + "}"


def _check(changes: list[Change]) -> str:
    _seed()
    return run(_import(changes))


async def _import(changes: list[Change]) -> str:
    """Import a journal: all of it, or nothing and an error that is documented."""
    with folder() as place:
        source = place / "journal"
        _lay_out(source, _changed(changes))
        async with Vault.in_memory(images=ImagePolicy(max_pixels=1_000_000)) as vault:
            try:
                await import_journal(vault, source)
            except (ImportSourceError, DuplicateError, ForeignKeyError) as error:
                require_short(error)
                assert await _count_rows(vault) == 0
                return "refused"
            if changes:
                assert await _count_rows(vault) > 0
            with _reading():
                await read_all(vault)
            await export_journal(vault, place / "again")
            async with Vault.in_memory() as second:
                await import_journal(second, place / "again")
            assert (await vault.verify()).ok
    return "taken"


class _reading:  # noqa: N801 - used like a function
    """Let errors of the library pass: what was imported may be what cannot be read, such as a made-up thumbnail."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, ZorivestError)


def _lay_out(source: Path, files: dict[str, bytes]) -> None:
    (source / "images").mkdir(parents=True)
    for name, data in files.items():
        (source / name).write_bytes(data)


async def _count_rows(vault: Vault) -> int:
    async with vault.unit_of_work(read_only=True) as uow:
        return (
            await uow.accounts.count_all()
            + len(await uow.trades.list_all(limit=None))
            + len(await uow.settings.get_all())
            + len(await uow.market_provider_settings.list_all(limit=None))
            + len(await uow.watchlists.list_all(limit=None))
        )


JOURNALS: Final = Target(_CHANGES, _check)
