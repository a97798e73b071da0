"""Generator of ``command-line.md``: run the commands that the page shows, and describe every command.

``python docs/command_line.py`` writes the page again, and its pictures. A test fails if the page is not what would be
written. The text of the page is written by hand, in the page; between its marks, and below each ``$``, it is generated.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from zorivest_async.cli import main
from zorivest_async.cli.configuration import NAMES
from zorivest_async.cli.exits import MEANINGS
from zorivest_async.cli.program import COMMANDS, app
from zorivest_async.cli.selecting import FILTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PAGE", "PICTURES", "generated", "picture_of"]

PAGE: Final = Path(__file__).with_name("command-line.md")
PICTURES: Final = {"stats": "stats --by month --zone America/New_York", "positions": "positions"}
"""The commands of the pictures, by the end of their file's name; they run after those of the page."""

_COMMON: Final = frozenset(
    {"help", "vault", "vault_path", "journal_name", "encryption", "passphrase_file", "passphrase_command", "zone"}
    | {"as_json", "as_jsonl", "as_csv"}
)
_COLUMNS: Final = 110
_CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_GENERATED: Final = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_STATEMENT: Final = """Account Statement for 12345678SCHW (Individual) since 6/8/26 through 7/2/26

Account Trade History
,Exec Time,Spread,Side,Qty,Pos Effect,Symbol,Exp,Strike,Type,Price,Net Price,Order Type
,7/2/26 11:15:09,STOCK,SELL,-50,TO CLOSE,NVDA,,,STOCK,161.20,161.20,LMT
,7/1/26 09:45:30,STOCK,BUY,+50,TO OPEN,NVDA,,,STOCK,158.05,158.05,LMT
,6/9/26 14:20:11,STOCK,SELL,-40,TO CLOSE,SPY,,,STOCK,600.10,600.10,LMT
,6/9/26 09:31:02,STOCK,BUY,+40,TO OPEN,SPY,,,STOCK,602.50,602.50,LMT
,6/8/26 10:05:40,STOCK,SELL,-100,TO CLOSE,ROKU,,,STOCK,72.03,72.03,LMT
,6/8/26 09:31:17,STOCK,BUY,+100,TO OPEN,ROKU,,,STOCK,71.42,71.42,LMT
"""
"""A broker's file, which the page imports."""


class _Screen(io.StringIO):
    """Output that may be a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def generated(page: str) -> tuple[str, dict[str, str]]:
    """Return the page as it is to be, and the pictures of commands at a terminal, as SVG, by the end of their name."""
    with _journal_folder():
        page = _CONSOLE.sub(lambda block: f"```console\n{_run_block(block[1])}```", page)
        drawn = {name: _picture(command) for name, command in PICTURES.items()}
    parts = {"commands": _commands, "configuration": _configuration, "codes": _codes}
    return _GENERATED.sub(lambda found: f"{found[1]}{parts[found[2]]()}{found[3]}", page), drawn


def picture_of(name: str) -> Path:
    """Return the file of a picture."""
    return PAGE.parent / "img" / f"command-line-{name}.svg"


@contextmanager
def _journal_folder() -> Iterator[None]:
    """Work in an empty folder with a broker's file, as a user without a configuration."""
    variables = {
        "ZORIVEST_CONFIG": os.devnull,
        "ZORIVEST_PASSPHRASE": "it is only an example",
        "TERM": "xterm-256color",
    }
    before = dict(os.environ)
    with TemporaryDirectory() as folder, chdir(folder):
        Path("statement.csv").write_text(_STATEMENT, encoding="utf-8")
        for name in [name for name in os.environ if name.startswith("ZORIVEST_")]:
            del os.environ[name]
        os.environ.update(variables, COLUMNS=str(_COLUMNS), TERM="xterm-256color")
        os.environ.pop("NO_COLOR", None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _run_block(block: str) -> str:
    lines: list[str] = []
    for line in [line for line in block.splitlines() if line.startswith("$ ")]:
        lines += [line, *_output_of(line[2:], _Screen()).splitlines()]
    return "\n".join([*lines, ""])


def _output_of(line: str, screen: _Screen) -> str:
    """Return what a command line prints, stderr included; ``export`` sets a variable."""
    program, *arguments = shlex.split(line)
    if program == "export":
        name, _, value = arguments[0].partition("=")
        os.environ[name] = value
        return ""
    if program != "zorivest":
        raise ValueError(f"the page runs only zorivest and export, not {program}")
    with redirect_stdout(screen), redirect_stderr(screen):
        main(arguments)
    return screen.getvalue()


def _picture(command: str) -> str:
    shown = _output_of(f"zorivest {command}", _Screen(is_terminal=True))
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"$ zorivest {command}", style="bold", highlight=False)
    console.print(Text.from_ansi(shown))
    return console.export_svg(title="zorivest", unique_id="zorivest")


def _commands() -> str:
    lines: list[str] = []
    root: Any = typer.main.get_command(app)
    for section in dict.fromkeys(each.section for each in COMMANDS.values()):
        lines += ["", f"### {section}", "", "| Command | What it does | Options of its own |", "|---|---|---|"]
        for name, entry in COMMANDS.items():
            if entry.section == section:
                command = root.get_command(None, name)
                inner = getattr(command, "commands", None)
                lines += (
                    [_row(name, command, entry.help)]
                    if inner is None
                    else [_row(f"{name} {each}", inner[each], inner[each].get_short_help_str(1000)) for each in inner]
                )
    return "\n".join([*lines, "", ""])


def _row(name: str, command: Any, said: str) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument" and each.name not in _COMMON]
    takes_vault = any(each.name == "vault_path" for each in command.params)
    metavars = ["[PATH]"] * takes_vault + [str(each.metavar or each.name.upper()) for each in arguments]
    options = [each for each in command.params if each.param_type_name == "option" and each.name not in _COMMON]
    filters = {each.name for each in FILTERS}
    has_filters = name != "trades list" and filters <= {each.name for each in options}
    named = [f"`{each.opts[0]}`" for each in options if not has_filters or each.name not in filters]
    named += ["the filters of `trades list`"] * has_filters
    return f"| `{' '.join([name, *metavars])}` | {said} | {', '.join(named) or '-'} |"


def _configuration() -> str:
    rows = [f"| `{name}` | `{each.variable}` | {each.help} |" for name, each in NAMES.items()]
    return "\n".join(["| In the file | Variable | What it is |", "|---|---|---|", *rows, ""])


def _codes() -> str:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| Exit code | Meaning |", "|---|---|", *rows, ""])


def _write() -> None:
    page, drawn = generated(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")
    for name, picture in drawn.items():
        picture_of(name).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(_write())
