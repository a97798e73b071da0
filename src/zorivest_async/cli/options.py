"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from zorivest_async.cli.words import FILE_HELP, NEW_FILE_HELP

__all__ = [
    "All",
    "AsCsv",
    "AsJson",
    "AsJsonLines",
    "Encryption",
    "EncryptionOption",
    "JournalName",
    "Limit",
    "NewPassphraseFile",
    "NewVault",
    "PassphraseCommand",
    "PassphraseFile",
    "VaultOption",
    "VaultPath",
    "Yes",
    "Zone",
]


class Encryption(StrEnum):
    """What a server may see."""

    SEALED = "sealed"
    SERVER = "server"


NewVault: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PATH", help="Where to put the vault; the path must not exist.")
]
VaultPath: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="[PATH]", show_default=False, help="The vault. Default: ZORIVEST_VAULT, or as configured."),
]
VaultOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--vault", metavar="PATH|URL", help="The vault, or a server's address. Default: ZORIVEST_VAULT, or configured."
    ),
]
JournalName: TypeAlias = Annotated[
    str | None, typer.Option("--journal", metavar="NAME", help="The journal on a server. Default: main.")
]
EncryptionOption: TypeAlias = Annotated[
    Encryption | None, typer.Option("--encryption", help="What a server may see. Default: sealed.")
]
PassphraseFile: TypeAlias = Annotated[str | None, typer.Option("--passphrase-file", metavar="FILE", help=FILE_HELP)]
NewPassphraseFile: TypeAlias = Annotated[
    str | None, typer.Option("--new-passphrase-file", metavar="FILE", help=NEW_FILE_HELP)
]
PassphraseCommand: TypeAlias = Annotated[
    str | None,
    typer.Option("--passphrase-command", metavar="COMMAND", help="A command that prints the passphrase."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsJsonLines: TypeAlias = Annotated[bool, typer.Option("--jsonl", help="Print a JSON object per line.")]
AsCsv: TypeAlias = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Zone: TypeAlias = Annotated[
    str | None,
    typer.Option("--zone", metavar="ZONE", help="Time zone of the times, such as Europe/Berlin. Default: UTC."),
]
Limit: TypeAlias = Annotated[int, typer.Option("--limit", min=1, metavar="NUMBER", help="Maximum number of rows.")]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="All rows.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
