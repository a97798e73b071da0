"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from zorivest_async.cli.passphrases import CURRENT, NEW

__all__ = ["ExistingVault", "NewPassphraseFile", "NewVault", "PassphraseFile"]

ExistingVault = Annotated[Path, typer.Argument(metavar="PATH", help="The vault.")]
NewVault = Annotated[Path, typer.Argument(metavar="PATH", help="Where to put the vault; the path must not exist.")]
PassphraseFile = Annotated[str | None, typer.Option(CURRENT.option, metavar="FILE", help=CURRENT.help)]
NewPassphraseFile = Annotated[str | None, typer.Option(NEW.option, metavar="FILE", help=NEW.help)]
