"""The commands of ``zorivest-vault``."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from zorivest_async import AdoptionError, KdfProfile, Vault, VaultError, VaultNotFoundError, __version__
from zorivest_async.cli.adoption import count_table, note_table
from zorivest_async.cli.exits import PROGRAM, ExitCode, printable, reported
from zorivest_async.cli.passphrases import CURRENT, NEW
from zorivest_async.cli.progress import progress_bar
from zorivest_async.cli.running import run_to_end
from zorivest_async.cli.summary import summarize

__all__ = ["run"]

_ResultT = TypeVar("_ResultT")

app = typer.Typer(
    help="Look after encrypted trading journals.",
    epilog="Exit codes: 0 done; 1 a problem was found, or the command failed; 2 wrong usage; 3 wrong passphrase; "
    "4 the vault is in use or busy; 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback that shows local variables would show the passphrase.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


class Profile(StrEnum):
    """What a guess at a new passphrase costs."""

    DEFAULT = "default"
    STRONG = "strong"

    @property
    def kdf(self) -> KdfProfile:
        """The library's profile of this name."""
        return KdfProfile[self.name]


ExistingVault = Annotated[Path, typer.Argument(metavar="PATH", help="The vault.")]
NewVault = Annotated[Path, typer.Argument(metavar="PATH", help="Where to put the vault; nothing must be there.")]
PassphraseFile = Annotated[
    str | None,
    typer.Option(
        CURRENT.option,
        metavar="FILE",
        help=f"A file whose first line is the passphrase; - is stdin. Default: {CURRENT.variable}, else a prompt.",
    ),
]
NewPassphraseFile = Annotated[
    str | None,
    typer.Option(
        NEW.option,
        metavar="FILE",
        help=f"A file whose first line is the new passphrase; - is stdin. Default: {NEW.variable}, else a prompt.",
    ),
]
ProfileOption = Annotated[Profile, typer.Option(help="What a guess at the passphrase costs.")]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: What follows the program's name; the default is ``sys.argv[1:]``.
    """
    code: str | int | None = None
    try:
        app(arguments, prog_name=PROGRAM)
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    return int(code or ExitCode.OK)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold what comes before a command."""


@app.command()
def create(path: NewVault, profile: ProfileOption = Profile.DEFAULT, passphrase_file: PassphraseFile = None) -> None:
    """Make an empty vault. Its passphrase cannot be recovered: keep it somewhere safe."""
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
        bool, typer.Option("--skip-invalid", help="Leave out rows that cannot be right, and say how many.")
    ] = False,
    profile: ProfileOption = Profile.DEFAULT,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a vault of a plaintext SQLite journal, and tell what is not in it as it was."""
    with reported():
        _require_nothing_at(path)
        if not plaintext.exists():
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
            problem = "rows of this journal cannot be right, so no vault was made; correct them, or pass --skip-invalid"
            raise AdoptionError(plaintext, problem) from error
        Console().print(count_table(report))
        if report.notes:
            Console().print(note_table(report.notes))
        _say(path, f"made; {plaintext} is as it was, unencrypted: delete it when the vault has proved itself")


@app.command()
def info(
    path: ExistingVault,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show how large a vault is and what is in it, in numbers."""
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
        if not report.ok:
            raise typer.Exit(ExitCode.FAILED)
        _say(path, f"nothing is wrong with its {report.page_count:,} pages")


@app.command()
def backup(
    path: ExistingVault,
    destination: Annotated[Path, typer.Argument(help="Where to put the copy; nothing must be there.")],
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
    replace: Annotated[bool, typer.Option("--replace", help="Replace the vault that is at PATH.")] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a vault of a backup, which is checked first."""
    with reported():
        if not replace:
            _require_nothing_at(path, "something is there already; --replace puts the backup in its place")
        passphrase = _passphrase_of(backup_path, passphrase_file)
        with progress_bar() as progress:
            run_to_end(Vault.restore(backup_path, path, passphrase=passphrase, progress=progress))
        _say(path, "restored")


@app.command()
def rekey(
    path: ExistingVault,
    profile: ProfileOption = Profile.DEFAULT,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: NewPassphraseFile = None,
) -> None:
    """Change the passphrase of a vault that nobody else uses."""
    with reported():
        passphrase = _passphrase_of(path, passphrase_file)
        new_passphrase = NEW.read(new_passphrase_file, path, twice=True)
        with progress_bar() as progress:
            _use(path, passphrase, lambda vault: vault.rekey(new_passphrase, profile=profile.kdf, progress=progress))
        _say(path, "has a new passphrase; backups made earlier still open with the old one")


def _use(path: Path, passphrase: str, work: Callable[[Vault], Awaitable[_ResultT]]) -> _ResultT:
    """Open an existing vault, and return what the work on it gives."""

    async def open_and_work() -> _ResultT:
        async with Vault.open(path, passphrase=passphrase, create=False) as vault:
            return await work(vault)

    return run_to_end(open_and_work())


def _passphrase_of(path: Path, file: str | None) -> str:
    """Return the passphrase of an existing vault, without asking for one that could open nothing."""
    if not path.exists():
        raise VaultNotFoundError(path, f"there is no vault here; {PROGRAM} create makes one")
    return CURRENT.read(file, path)


def _require_nothing_at(path: Path, problem: str = "something is there already; choose another name") -> None:
    if path.exists() or path.is_symlink():
        raise VaultError(path, problem)


def _say(path: Path, message: str) -> None:
    typer.echo(printable(f"{path}: {message}"))
