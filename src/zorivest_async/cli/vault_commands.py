"""The commands that create, check, copy and rekey a vault."""

import os
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from zorivest_async import AdoptionError, KdfProfile, Vault, VaultError, VaultNotFoundError
from zorivest_async.cli.adoption import count_table, note_table
from zorivest_async.cli.exits import PROGRAM, ExitCode, printable, reported, warn
from zorivest_async.cli.options import ExistingVault, NewPassphraseFile, NewVault, PassphraseFile
from zorivest_async.cli.passphrases import CURRENT, NEW
from zorivest_async.cli.progress import progress_bar
from zorivest_async.cli.running import run_to_end
from zorivest_async.cli.summary import summarize
from zorivest_async.database.sqlcipher.paths import is_there, resolved
from zorivest_async.vault.file_format import read_salt
from zorivest_async.vault.verify_report import CHEAPEST_NOTE

__all__ = ["app"]

_ResultT = TypeVar("_ResultT")

app = typer.Typer()


class Profile(StrEnum):
    """Key derivation profile: what a guess at a new passphrase costs."""

    DEFAULT = "default"
    STRONG = "strong"

    @property
    def kdf(self) -> KdfProfile:
        """The library's profile of this name."""
        return KdfProfile[self.name]


ProfileOption = Annotated[Profile, typer.Option(help="What a guess at the passphrase costs.")]


@app.command()
def create(path: NewVault, profile: ProfileOption = Profile.DEFAULT, passphrase_file: PassphraseFile = None) -> None:
    """Create an empty vault. Its passphrase cannot be recovered: keep it somewhere safe."""
    with reported():
        _require_nothing_at(path)
        passphrase = CURRENT.read(passphrase_file, path, twice=True)

        async def work() -> None:
            async with Vault.open(path, passphrase=passphrase, profile=profile.kdf):
                pass

        run_to_end(work())
        _say(path, "created")


@app.command()
def adopt(
    plaintext: Annotated[Path, typer.Argument(metavar="PLAINTEXT", help="The SQLite file; it is only read.")],
    path: NewVault,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave out invalid rows, and say how many.")
    ] = False,
    profile: ProfileOption = Profile.DEFAULT,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Create a vault from a plaintext SQLite journal, and report what was converted or left out."""
    with reported():
        _require_nothing_at(path)
        if not is_there(resolved(plaintext)):
            raise VaultNotFoundError(plaintext, "there is no file to adopt")
        passphrase = CURRENT.read(passphrase_file, path, twice=True)
        try:
            with progress_bar() as progress:
                report = run_to_end(
                    Vault.adopt(
                        plaintext,
                        path,
                        passphrase=passphrase,
                        profile=profile.kdf,
                        skip_invalid=skip_invalid,
                        progress=progress,
                    )
                )
        except AdoptionError as error:
            Console().print(note_table(note for note in error.report.problems if note.what == "refused"))
            problem = "rows of this journal are invalid, so no vault was made; correct them, or pass --skip-invalid"
            raise AdoptionError(plaintext, problem) from error
        Console().print(count_table(report))
        if report.notes:
            Console().print(note_table(report.notes))
        _say(path, f"created; {plaintext} is unchanged and unencrypted: delete it once you trust the vault")


@app.command()
def info(
    path: ExistingVault,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show the size of a vault and the numbers of its rows."""
    with reported():
        passphrase = _passphrase_of(path, passphrase_file)

        summary = _use(path, passphrase, summarize)
        if as_json:
            typer.echo(summary.as_json())
        else:
            Console().print(summary.as_table())


@app.command()
def verify(path: ExistingVault, passphrase_file: PassphraseFile = None) -> None:
    """Check every page, structure and reference of a vault, and print what is wrong."""
    with reported():
        passphrase = _passphrase_of(path, passphrase_file)
        with progress_bar() as progress:
            report = _use(path, passphrase, lambda vault: vault.verify(progress=progress))
        for problem in report.problems:
            typer.echo(printable(problem))
        for note in report.notes:
            warn(f"{path}: {note}")
        if not report.ok:
            raise typer.Exit(ExitCode.FAILED)
        _say(path, f"nothing is wrong with its {report.page_count:,} pages")


@app.command()
def backup(
    path: ExistingVault,
    destination: Annotated[Path, typer.Argument(help="Where to put the copy; the path must not exist.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Copy a vault, which may be in use, to a new file that the same passphrase opens."""
    with reported():
        passphrase = _passphrase_of(path, passphrase_file)
        with progress_bar() as progress:
            _use(path, passphrase, lambda vault: vault.backup(destination, progress=progress))
        _say(destination, "backed up, and read back")


@app.command()
def restore(
    backup_path: Annotated[Path, typer.Argument(metavar="BACKUP", help="The backup; it is only read.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where to put the vault.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the vault at PATH.")] = False,
    allow_changed_schema: Annotated[
        bool,
        typer.Option("--allow-changed-schema", help="Accept triggers and other changes that are not the library's."),
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Create a vault from a backup, which is checked first."""
    with reported():
        if not replace:
            _require_nothing_at(path, "the path already exists; pass --replace to replace it with the backup")
        passphrase = _passphrase_of(backup_path, passphrase_file)
        with progress_bar() as progress:
            restoring = Vault.restore(
                backup_path,
                path,
                passphrase=passphrase,
                allow_changed_schema=allow_changed_schema,
                progress=progress,
            )
            run_to_end(restoring)
        _say(path, "restored")


@app.command()
def rekey(
    path: ExistingVault,
    profile: Annotated[
        Profile | None, typer.Option(help="What a guess at the new passphrase costs. Default: as before.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: NewPassphraseFile = None,
) -> None:
    """Change the passphrase of a vault that no other process uses; without --profile, it keeps its profile."""
    with reported():
        passphrase = _passphrase_of(path, passphrase_file)
        new_passphrase = NEW.read(new_passphrase_file, path, twice=True)
        with progress_bar() as progress:
            kdf = None if profile is None else profile.kdf
            _use(path, passphrase, lambda vault: vault.rekey(new_passphrase, profile=kdf, progress=progress))
        _warn_of_cheapest(path)
        _say(path, "has a new passphrase; backups made earlier still open with the old one")


def _use(path: Path, passphrase: str, work: Callable[[Vault], Awaitable[_ResultT]]) -> _ResultT:
    """Open an existing vault, and return the result of the work on it."""

    async def open_and_work() -> _ResultT:
        async with Vault.open(path, passphrase=passphrase, create=False) as vault:
            return await work(vault)

    return run_to_end(open_and_work())


def _warn_of_cheapest(path: Path) -> None:
    if KdfProfile.of_salt(read_salt(path)) is KdfProfile.CHEAPEST:
        warn(f"{path}: {CHEAPEST_NOTE}: --profile default")


def _passphrase_of(path: Path, file: str | None) -> str:
    """Return the passphrase of a vault; if the vault does not exist, do not ask for it."""
    if not is_there(resolved(path)):
        raise VaultNotFoundError(path, f"there is no vault here; create one with {PROGRAM} create")
    return CURRENT.read(file, path)


def _require_nothing_at(path: Path, problem: str = "the path already exists; choose another name") -> None:
    if os.path.lexists(path):
        raise VaultError(path, problem)


def _say(path: Path, message: str) -> None:
    typer.echo(printable(f"{path}: {message}"))
