"""The command line shows no passphrase, wherever it comes from and whatever goes wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from canaries import NEW_PASSPHRASE, PASSPHRASE, found_in, shown_by
from command_line import at_terminal, run_vault_command
from zorivest_async import ConfigurationError, KdfProfile, Vault
from zorivest_async.cli import main
from zorivest_async.cli.passphrases import CURRENT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def made(vault_path: Path) -> Path:
    """A vault."""

    async def make() -> None:
        async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST):
            pass

    asyncio.run(make())
    return vault_path


def test_a_passphrase_from_a_file_is_not_shown(vault_path: Path) -> None:
    """Making a vault with it says where the vault is."""
    secret = vault_path.with_name("secret")
    secret.write_text(f"{PASSPHRASE}\n")
    secret.chmod(0o600)
    result = run_vault_command("create", vault_path, "--passphrase-file", secret)
    assert result.returncode == 0
    assert not found_in(result.stdout + result.stderr)


@pytest.mark.parametrize("command", ["info", "verify", "backup", "restore", "rekey", "create"])
def test_output_holds_no_passphrase(made: Path, command: str) -> None:
    """Not where it is wrong, nor in a message about arguments."""
    other = [made.with_name("other")] if command in {"backup", "restore"} else []
    for arguments in ([], ["--passphrase"]):
        result = run_vault_command(
            command, made, *other, *arguments, passphrase=NEW_PASSPHRASE, new_passphrase=NEW_PASSPHRASE
        )
        assert result.returncode
        assert not found_in(result.stdout + result.stderr)


def test_what_is_typed_is_not_shown(made: Path) -> None:
    """A wrong passphrase is neither echoed nor part of the message."""
    pytest.importorskip("pty")
    with at_terminal("verify", made) as terminal:
        terminal.wait_for("Passphrase of journal.vault: ")
        terminal.type(NEW_PASSPHRASE)
        result = terminal.finish()
    assert result.returncode == 3
    assert not found_in(result.stdout + result.stderr)


@pytest.mark.parametrize("command", ["info", "verify", "backup", "restore", "rekey"])
def test_an_error_that_nobody_expected_shows_none_in_its_frames(
    made: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Its traceback, even one with local variables, shows masks, and the journal without its passphrase."""

    async def fail(*_arguments: object, **_options: object) -> None:
        raise ZeroDivisionError

    for name in ("verify", "backup", "restore", "rekey"):
        monkeypatch.setattr(Vault, name, fail)
    monkeypatch.setattr("zorivest_async.cli.summary.summarize", fail)
    monkeypatch.setenv("ZORIVEST_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("ZORIVEST_NEW_PASSPHRASE", NEW_PASSPHRASE)
    other = [str(made.with_name("other"))] if command in {"backup", "restore"} else []
    with pytest.raises(ZeroDivisionError) as caught:
        main([command, str(made), *other])
    shown = shown_by(caught.value)
    assert "Journal(" in shown
    assert not found_in(shown)


def test_a_passphrase_that_is_refused_is_in_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vault_path: Path
) -> None:
    """One that is no UTF-8, and two that differ."""
    file = tmp_path / "secret"
    file.write_bytes(PASSPHRASE.encode() + b"\xff\n")
    file.chmod(0o600)
    with pytest.raises(ConfigurationError) as no_text:
        CURRENT.read(str(file), vault_path)
    typed = iter([PASSPHRASE, NEW_PASSPHRASE])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.delenv("ZORIVEST_PASSPHRASE", raising=False)
    with pytest.raises(ConfigurationError, match="differ") as differing:
        CURRENT.read(None, vault_path, twice=True)
    for caught in (no_text, differing):
        assert not found_in(shown_by(caught.value))
