"""The command ``zorivest config``."""

from __future__ import annotations

from zorivest_async.cli.commands import area, described
from zorivest_async.cli.configuration import NAMES, Configuration, configuration_path
from zorivest_async.cli.exits import reported
from zorivest_async.cli.options import AsCsv, AsJson, AsJsonLines  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Format, Rows, show

__all__ = ["app"]

app = area()


@app.command(
    "config",
    help=described(
        """Show the configuration, and where each value comes from.

        An option comes first, then the environment variable, then the configuration file, which is TOML.
        ZORIVEST_CONFIG names another file.""",
        "config",
        "config --json",
    ),
)
def config(as_json: AsJson = False, as_jsonl: AsJsonLines = False, as_csv: AsCsv = False) -> None:
    """Show the configuration."""
    with reported():
        chosen = Format.of(as_json=as_json, as_jsonl=as_jsonl, as_csv=as_csv)
        configuration = Configuration()
        rows = [
            {
                "name": name,
                "value": None if found is None else found.value,
                "origin": None if found is None else found.origin,
                "variable": known.variable,
                "help": known.help,
            }
            for name, known in NAMES.items()
            for found in (configuration.get(name),)
        ]
        note = f"The configuration file is {configuration_path()}"
        show(Rows(rows, notes=(note,) if chosen is Format.TEXT else ()), chosen)
