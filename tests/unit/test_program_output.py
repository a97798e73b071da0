"""Output of commands: nothing is cut off, nothing steers the terminal, and colours can be left out."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from zorivest_async.cli.exits import MisuseError
from zorivest_async.cli.output import Done, Format, Record, Rows, show

TIME = datetime(2024, 3, 8, 14, 30, 5, tzinfo=UTC)
NUMBERS = {f"number_{m}": m * 1111.5 for m in range(6)}
LONG = {"time": TIME, "net": -1234567.89, "notes": None, "won": True} | NUMBERS
ROWS = [{"exec_id": f"execution-{n:03}-of-a-broker"} | LONG for n in range(3)]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return that it is."""
        return True


def shown(output: Any, chosen: Format = Format.TEXT, *, at_terminal: bool = False) -> tuple[str, str]:
    """Return what is written to stdout and to stderr."""
    out, err = Terminal() if at_terminal else io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        show(output, chosen)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_no_value_is_cut_off(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """In a narrow terminal long texts are broken, and whole columns are left out, which a note names."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    coloured, note = shown(Rows(ROWS), at_terminal=True)
    text = re.sub(r"\x1b\[\d*m", "", coloured)
    assert max(map(len, text.splitlines())) <= columns
    left_out = note.partition("too narrow for: ")[2].partition("\n")[0].split(", ") if "narrow" in note else []
    for name in ROWS[0]:
        heading = name.replace("_", " ")
        assert (heading in left_out) or all(word in text for word in heading.split())
    assert ("-1234567.89" in text) == ("net" not in left_out)
    letters = re.sub(r"[^a-z0-9-]", "", text)
    assert "execution-000" in letters
    assert "…" not in text


@pytest.mark.parametrize("at_terminal", [True, False])
def test_texts_do_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, *, at_terminal: bool) -> None:
    """Escape sequences, line breaks and markup of a journal are shown, not obeyed."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    hostile = "\x1b[31m[red]a\nb\x07"
    for output in (Rows([{"notes": hostile}], notes=(hostile,)), Record({"notes": hostile}), Done(hostile, {})):
        text, note = shown(output, at_terminal=at_terminal)
        assert r"\x1b[31m[red]a\nb\x07" in text
        assert "\x1b[31m" not in text + note
        assert "\x07" not in text + note


def test_colours_are_for_terminals_and_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are red, and have a minus, too."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    rows = Rows([{"net": -2.5}, {"net": 1.0}])
    assert "\x1b[31m-2.5" in shown(rows, at_terminal=True)[0]
    assert "\x1b[31m" not in shown(rows)[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in shown(rows, at_terminal=True)[0]


def test_values_in_each_format() -> None:
    """Times are in UTC for programs and in the zone for people; durations are seconds; lists are JSON in CSV."""
    row = {"time": TIME, "day": date(2024, 3, 8), "held": timedelta(minutes=1), "tags": ["a", "b"], "none": None}
    (parsed,) = json.loads(shown(Rows([row | {"ok": True}]), Format.JSON)[0])
    assert parsed == {
        "time": "2024-03-08T14:30:05+00:00",
        "day": "2024-03-08",
        "held": 60.0,
        "tags": ["a", "b"],
        "none": None,
        "ok": True,
    }
    assert shown(Rows([row | {"ok": True}]), Format.CSV)[0] == (
        'time,day,held,tags,none,ok\n2024-03-08T14:30:05+00:00,2024-03-08,60.0,"[""a"", ""b""]",,true\n'
    )
    text, _ = shown(Rows([row | {"ok": True}], zone=ZoneInfo("Europe/Berlin")))
    assert re.split(r"  +", text.splitlines()[1]) == [
        "2024-03-08 15:30:05+01:00",
        "2024-03-08",
        "0:01:00",
        "a, b",
        "yes",
    ]
    assert shown(Record({"a": 1, "bb": "x"}))[0] == "a   1\nbb  x\n"
    assert shown(Rows([]), Format.JSON)[0] == "[]\n"
    assert shown(Rows([]))[0] == shown(Rows([]), Format.CSV)[0] == ""


def test_what_the_output_cannot_encode_is_escaped() -> None:
    """A lone surrogate of a file's name, and a stream in ASCII."""
    assert json.loads(shown(Done("x", {"path": "\udcff"}), Format.JSON)[0]) == {"path": "\udcff"}
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    with redirect_stdout(stream):
        show(Done("株", {"a": "株"}), Format.TEXT)
        show(Done("株", {"a": "株"}), Format.JSON_LINES)
        stream.flush()
    assert stream.buffer.getvalue() == b'\\u682a\n{"a": "\\u682a"}\n'


def test_only_one_format_may_be_asked_for() -> None:
    """Two of them are a wrong usage."""
    with pytest.raises(MisuseError, match="only one"):
        Format.of(as_json=True, as_jsonl=True, as_csv=False)
