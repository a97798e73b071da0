"""Output of the commands: tables at a terminal, aligned text in a pipe, and JSON, JSON lines or CSV on request."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from zorivest_async.cli.exits import MisuseError, printable

__all__ = ["Done", "Format", "Output", "Record", "Rows", "show"]


class Format(StrEnum):
    """Format of the output."""

    TEXT = "text"
    JSON = "json"
    JSON_LINES = "jsonl"
    CSV = "csv"

    @classmethod
    def of(cls, *, as_json: bool, as_jsonl: bool, as_csv: bool) -> Format:
        """Return the format that was asked for.

        Raises:
            MisuseError: There are several.
        """
        chosen = [
            name for name, wanted in ((cls.JSON, as_json), (cls.JSON_LINES, as_jsonl), (cls.CSV, as_csv)) if wanted
        ]
        if len(chosen) > 1:
            raise MisuseError("pass only one of --json, --jsonl and --csv")
        return chosen[0] if chosen else cls.TEXT


@dataclass(frozen=True, slots=True)
class Rows:
    """Several rows.

    Attributes:
        rows: Their values by name, all with the same names.
        columns: The names that a table shows; all by default. The other formats have all of them.
        formats: Format specifications of numbers in tables, by name; others have up to ten digits.
        zone: Time zone of the times in tables; the other formats have UTC.
        notes: Sentences below a table, on stderr.
        code: The exit code.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: Any = UTC
    notes: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One row, shown with a line for each value.

    Attributes:
        values: Its values by name.
        shown: The lines for a person, as pairs of a name and a text; by default, all values.
        formats: As for :class:`Rows`.
        zone: As for :class:`Rows`.
    """

    values: Mapping[str, Any]
    shown: Sequence[tuple[str, str]] = ()
    formats: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: Any = UTC


@dataclass(frozen=True, slots=True)
class Done:
    """What a command has done.

    Attributes:
        message: A line for a person, or several.
        values: The same for a program.
        code: The exit code.
    """

    message: str | tuple[str, ...]
    values: Mapping[str, Any]
    code: int = 0


Output: TypeAlias = Rows | Record | Done

_ROUNDED: Final = ".10g"

_GAP: Final = 2
"""Number of blanks between two columns at a terminal."""

_UNBROKEN: Final = 20
"""Length of the longest text in a column that is not broken at a terminal: a time, a number, a name."""


def show(output: Output, chosen: Format) -> None:
    """Print the output of a command to stdout."""
    match chosen:
        case Format.JSON:
            _write_json(output)
        case Format.JSON_LINES:
            for row in _rows_of(output):
                _write(_encoded(row, indent=None))
        case Format.CSV:
            _write_csv(_rows_of(output))
        case Format.TEXT:
            _write_text(output)
    # A reader that has gone is noticed here, where the command ends without a word, and not when the interpreter ends.
    sys.stdout.flush()


def _rows_of(output: Output) -> Sequence[Mapping[str, Any]]:
    return output.rows if isinstance(output, Rows) else [output.values]


def _write_json(output: Output) -> None:
    _write(_encoded([*output.rows] if isinstance(output, Rows) else output.values, indent=2))


def _encoded(value: object, *, indent: int | None) -> str:
    text = json.dumps(value, indent=indent, default=_plain, ensure_ascii=False)
    return text if _can_print(text) else json.dumps(value, indent=indent, default=_plain)


def _write_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])


def _cell(value: object) -> object:
    whole = value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return _encoded(whole, indent=None)
    if value is None or isinstance(value, str | int | float):
        return value
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return the value that represents another one in JSON: times in UTC and ISO 8601, durations in seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def _write_text(output: Output) -> None:
    if isinstance(output, Done):
        lines = (output.message,) if isinstance(output.message, str) else output.message
        for line in lines:
            _write(printable(line))
    elif isinstance(output, Record):
        shown = output.shown or [(name, _text(name, value, output)) for name, value in output.values.items()]
        if sys.stdout.isatty():
            _print_table(("", ""), shown, frozenset(), headed=False)
        else:
            width = max((len(name) for name, _ in shown), default=0)
            _write("\n".join(f"{name:<{width}}  {text}".rstrip() for name, text in shown))
    else:
        _write_rows(output)


def _write_rows(output: Rows) -> None:
    names = output.columns or tuple(output.rows[0] if output.rows else ())
    at_terminal = sys.stdout.isatty()
    shown = [tuple(_text(name, row[name], output, short=at_terminal) for name in names) for row in output.rows]
    numbers = frozenset(
        place
        for place, name in enumerate(names)
        if any(_is_number(row[name]) for row in output.rows)
        and all(row[name] is None or _is_number(row[name]) for row in output.rows)
    )
    if shown and at_terminal:
        _print_table(names, shown, numbers)
        if any(isinstance(row[name], datetime) for row in output.rows for name in names):
            sys.stderr.write(f"times are in {output.zone}, to the minute\n")
    elif shown:
        _write(_aligned(names, shown, numbers))
    for note in output.notes:
        sys.stderr.write(f"{printable(note)}\n")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _aligned(names: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> str:
    lines = [names, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    return "\n".join(
        "  ".join(
            text.rjust(widths[place]) if place in numbers else text.ljust(widths[place])
            for place, text in enumerate(line)
        ).rstrip()
        for line in lines
    )


def _print_table(
    names: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int], *, headed: bool = True
) -> None:
    """Print a table that is as wide as the terminal at most; no value is ever cut off.

    Long texts are broken. If that is not enough, the columns on the right are left out, and a note names them.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [
        max(cell_len(part) for part in (*(name.split("_") if headed else [name]), *(row[place] for row in rows)))
        for place, name in enumerate(names)
    ]
    shown = len(names)
    while shown > 1 and sum(min(width, _UNBROKEN) + _GAP for width in widths[:shown]) > console.width + _GAP:
        shown -= 1
    table = Table(box=None, show_header=headed, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for place, name in enumerate(names[:shown]):
        table.add_column(
            Text(name.replace("_", "\n")),
            justify="right" if place in numbers else "left",
            overflow="fold",
            no_wrap=widths[place] <= _UNBROKEN,
        )
    for row in rows:
        # A journal's own texts may contain what looks like markup; a Text prints it unchanged.
        table.add_row(
            *(
                Text(text, style="red" if place in numbers and text.startswith("-") else "")
                for place, text in enumerate(row[:shown])
            )
        )
    console.print(table)
    if shown < len(names):
        left_out = ", ".join(name.replace("_", " ") for name in names[shown:])
        sys.stderr.write(f"the terminal is too narrow for: {left_out}\n")


def _text(name: str, value: Any, output: Rows | Record, *, short: bool = False) -> str:
    whole = value
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case float():
            text = format(value, output.formats.get(name, _ROUNDED))
        case datetime():
            text = _time_text(value.astimezone(output.zone), short=short)
        case Mapping():
            text = _encoded(whole, indent=None)
        case list() | tuple():
            text = ", ".join(map(str, whole))
        case _:
            text = str(value)
    return printable(text)


def _time_text(time: datetime, *, short: bool) -> str:
    if short:
        return f"{time:%Y-%m-%d %H:%M}"
    return time.isoformat(" ", "microseconds" if time.microsecond else "seconds").removesuffix("+00:00")


def _can_print(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _write(text: str) -> None:
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    sys.stdout.write(text if _can_print(text) else text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.write("\n")
