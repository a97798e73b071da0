"""The commands that create, check, copy and rekey a vault."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zorivest_async.cli.commands import area, journal_command, one_vault
from zorivest_async.cli.exits import ExitCode, warn
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import NewPassphraseFile, NewVault  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Record
from zorivest_async.errors import AdoptionError, VaultError, VaultNotFoundError

if TYPE_CHECKING:
    from zorivest_async import KdfProfile, Vault

__all__ = ["app"]

app = area()


class Profile(StrEnum):
    """Key derivation profile: what a guess at a new passphrase costs."""

    DEFAULT = "default"
    STRONG = "strong"

    @property
    def kdf(self) -> KdfProfile:
        """The library's profile of this name."""
        from zorivest_async import KdfProfile

        return KdfProfile[self.name]


ProfileOption = Annotated[Profile, typer.Option(help="What a guess at the passphrase costs.")]
NewProfile = Annotated[
    Profile | None, typer.Option(help="What a guess at the new passphrase costs. Default: as before.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the vault at PATH.")]
AllowChangedSchema = Annotated[
    bool, typer.Option("--allow-changed-schema", help="Accept triggers and other changes that are not the library's.")
]
SkipInvalid = Annotated[bool, typer.Option("--skip-invalid", help="Leave out invalid rows, and say how many.")]


@journal_command(app, "create", "create journal.vault", has_times=False, is_file=True)
def create(journal: Journal, path: NewVault, profile: ProfileOption = Profile.DEFAULT) -> Done:
    """Create an empty vault. Its passphrase cannot be recovered: keep it somewhere safe."""
    from zorivest_async import Vault
    from zorivest_async.cli.running import run_to_end

    _require_nothing_at(path)
    passphrase = journal.new_passphrase(path)

    async def work() -> None:
        async with Vault.open(path, passphrase=passphrase, profile=profile.kdf):
            pass

    run_to_end(work())
    return Done(f"{path}: created", {"path": path, "profile": profile})


@journal_command(app, "adopt", "adopt journal.db journal.vault --skip-invalid", has_times=False, is_file=True)
def adopt(
    journal: Journal,
    plaintext: Annotated[Path, typer.Argument(metavar="PLAINTEXT", help="The SQLite file; it is only read.")],
    path: NewVault,
    skip_invalid: SkipInvalid = False,
    profile: ProfileOption = Profile.DEFAULT,
) -> Done:
    """Create a vault from a plaintext SQLite journal, and report what was converted or left out."""
    from rich.console import Console

    from zorivest_async import Vault
    from zorivest_async.cli.adoption import count_table, note_table, report_values
    from zorivest_async.cli.progress import progress_bar
    from zorivest_async.cli.running import run_to_end
    from zorivest_async.database.sqlcipher.paths import is_there, resolved

    _require_nothing_at(path)
    if not is_there(resolved(plaintext)):
        raise VaultNotFoundError(plaintext, "there is no file to adopt")
    passphrase = journal.new_passphrase(path)
    console = Console(stderr=not journal.prints_text)
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
        console.print(note_table(note for note in error.report.problems if note.what == "refused"))
        problem = "rows of this journal are invalid, so no vault was made; correct them, or pass --skip-invalid"
        raise AdoptionError(plaintext, problem) from error
    if journal.prints_text:
        console.print(count_table(report))
        if report.notes:
            console.print(note_table(report.notes))
    said = f"{path}: created; {plaintext} is unchanged and unencrypted: delete it once you trust the vault"
    return Done(said, report_values(report))


@journal_command(app, "info", "info journal.vault", "info --json", names_vault=True)
def info(journal: Journal) -> Record:
    """Show the size of a vault and the numbers of its rows."""
    from zorivest_async.cli.summary import summarize

    summary = journal.use(summarize)
    return Record(summary.values(), shown=summary.lines(journal.time_zone))


@journal_command(app, "verify", "verify journal.vault", has_times=False, names_vault=True)
def verify(journal: Journal) -> Done:
    """Check every page, structure and reference of a vault, and print what is wrong."""
    from zorivest_async.cli.progress import progress_bar

    with progress_bar() as progress:
        report = journal.use(lambda vault: vault.verify(progress=progress))
    for note in report.notes:
        warn(f"{journal.label}: {note}")
    said = f"{journal.label}: nothing is wrong with its {report.page_count:,} pages"
    values = {"ok": report.ok, "problems": report.problems, "notes": report.notes, "page_count": report.page_count}
    return Done(
        said if report.ok else tuple(report.problems),
        values,
        ExitCode.OK if report.ok else ExitCode.FAILED,
    )


@journal_command(app, "backup", "backup journal.vault backup.vault", "backup backup.vault", has_times=False)
def backup(
    journal: Journal,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The vault. Default: ZORIVEST_VAULT, or configured.")],
    destination: Annotated[
        str | None, typer.Argument(metavar="DESTINATION", help="Where to put the copy; the path must not exist.")
    ] = None,
) -> Done:
    """Copy a vault, which may be in use, to a new file that the same passphrase opens."""
    from zorivest_async.cli.progress import progress_bar

    target = path
    if destination is not None:
        journal.vault, target = one_vault(path, journal.vault), destination
    with progress_bar() as progress:
        journal.use(lambda vault: vault.backup(target, progress=progress))
    return Done(f"{target}: backed up, and read back", {"path": target})


@journal_command(app, "restore", "restore backup.vault journal.vault --replace", has_times=False, is_file=True)
def restore(
    journal: Journal,
    backup_path: Annotated[Path, typer.Argument(metavar="BACKUP", help="The backup; it is only read.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where to put the vault.")],
    replace: Replace = False,
    allow_changed_schema: AllowChangedSchema = False,
) -> Done:
    """Create a vault from a backup, which is checked first."""
    from zorivest_async import Vault
    from zorivest_async.cli.progress import progress_bar
    from zorivest_async.cli.running import run_to_end

    if not replace:
        _require_nothing_at(path, "the path already exists; pass --replace to replace it with the backup")
    journal.vault = str(backup_path)
    passphrase = journal.passphrase
    with progress_bar() as progress:
        restoring = Vault.restore(
            backup_path, path, passphrase=passphrase, allow_changed_schema=allow_changed_schema, progress=progress
        )
        run_to_end(restoring)
    return Done(f"{path}: restored", {"path": path})


@journal_command(app, "rekey", "rekey journal.vault", "rekey --profile strong", has_times=False, names_vault=True)
def rekey(
    journal: Journal,
    profile: NewProfile = None,
    new_passphrase_file: NewPassphraseFile = None,
) -> Done:
    """Change the passphrase of a vault that no other process uses; without --profile, it keeps its profile."""
    from zorivest_async.cli.passphrases import NEW
    from zorivest_async.cli.progress import progress_bar

    _ = journal.passphrase  # the old one is read first, also from stdin
    new_passphrase = NEW.read(new_passphrase_file, journal.label, twice=True)
    kdf = None if profile is None else profile.kdf

    async def work(vault: Vault) -> None:
        await vault.rekey(new_passphrase, profile=kdf, progress=progress)

    with progress_bar() as progress:
        journal.use(work)
    _warn_of_cheapest(journal.label)
    said = f"{journal.label}: has a new passphrase; backups made earlier still open with the old one"
    return Done(said, {"path": journal.label})


def _warn_of_cheapest(place: str) -> None:
    from zorivest_async import KdfProfile
    from zorivest_async.vault.file_format import read_salt
    from zorivest_async.vault.verify_report import CHEAPEST_NOTE

    if KdfProfile.of_salt(read_salt(Path(place))) is KdfProfile.CHEAPEST:
        warn(f"{place}: {CHEAPEST_NOTE}: --profile default")


def _require_nothing_at(path: Path, problem: str = "the path already exists; choose another name") -> None:
    if os.path.lexists(path):
        raise VaultError(path, problem)
