"""The command ``zorivest keyring``."""

from __future__ import annotations

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Done
from zorivest_async.errors import NotFoundError

__all__ = ["app"]

app = area(
    "keyring",
    "Keep the passphrase in the keyring of the system, with the extra keyring. Commands use it after you have set "
    "ZORIVEST_KEYRING=1, or keyring = true in the configuration file. It protects the passphrase from other users and "
    "while the computer is off; programs of yours can read it while you are logged in.",
)


@journal_command(app, "keep", "keyring keep journal.vault", has_times=False, names_vault=True)
def keep(journal: Journal) -> Done:
    """Store the passphrase of a vault in the keyring, after the vault has been opened with it."""
    from zorivest_async.cli.keyrings import keep_passphrase

    journal.read(lambda uow: uow.accounts.count_all())
    keep_passphrase(journal.label, journal.passphrase)
    return Done(f"{journal.label}: the keyring has its passphrase", {"path": journal.label, "kept": True})


@journal_command(app, "forget", "keyring forget journal.vault", has_times=False, names_vault=True)
def forget(journal: Journal) -> Done:
    """Delete the passphrase of a vault from the keyring."""
    from zorivest_async.cli.keyrings import forget_passphrase

    if not forget_passphrase(journal.label):
        raise NotFoundError("Passphrase", problem="the keyring has none of this vault")
    return Done(f"{journal.label}: the keyring has its passphrase no longer", {"path": journal.label, "kept": False})
