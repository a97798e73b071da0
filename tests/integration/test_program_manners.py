"""Manners of the program: where the vault and the passphrase come from, formats, exit codes, questions and help."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from command_line import (
    NEW_PASSPHRASE,
    PASSPHRASE,
    SCRIPT,
    THINKORSWIM_STATEMENT,
    call,
    environment,
    make_vault,
    warns_only_of_cheapest,
)
from zorivest_async import Vault, errors
from zorivest_async.cli.exits import MEANINGS, ExitCode, code_of, reported
from zorivest_async.cli.program import COMMANDS
from zorivest_async.cli.summary import summarize

if TYPE_CHECKING:
    from pathlib import Path

CODES = {
    "AdoptionError": 6, "CommitOutcomeUnknownError": 9, "ConfigurationError": 1, "CorruptImageError": 6,
    "CurrencyChangeError": 6, "DuplicateError": 6, "ExportError": 1, "ForeignKeyError": 6, "ImageError": 6,
    "ImageTooLargeError": 6, "ImportSourceError": 6, "ImportUndoError": 6, "InvalidQueryError": 6,
    "MissingDependencyError": 1, "NotAVaultError": 7, "NotEncryptedError": 7, "NotFoundError": 5,
    "NotOnThisBackendError": 1, "ReadOnlyError": 8,
    "RepositoryError": 6, "UnitOfWorkError": 1, "UnsupportedImageError": 6, "ValidationError": 6,
    "VaultAccessError": 3, "VaultBusyError": 4, "VaultClosedError": 1, "VaultDamagedError": 7, "VaultError": 1,
    "VaultForkedError": 1, "VaultFullError": 8, "VaultInUseError": 4, "VaultNotFoundError": 5,
    "VaultReplacedError": 7, "VaultSchemaError": 7, "VaultUnreachableError": 4, "VaultUpgradeError": 7,
    "VaultVersionError": 7, "WrongPassphraseError": 3, "ZorivestError": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with three trades, which the tests only read."""
    return make_vault(tmp_path_factory.mktemp("manners") / "journal.vault")


def made(kind: type[errors.ZorivestError]) -> errors.ZorivestError:
    """Return an error of a class."""
    given: Any = (1, 2)
    if kind in {errors.ValidationError, errors.ImageTooLargeError}:
        return kind("Trade", *given)
    return kind("here", "a problem") if kind in {errors.NotOnThisBackendError, errors.ExportError} else kind("here")


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_its_exit_code(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that raises it ends with that code, and with one line."""
    error = made(getattr(errors, name))
    with pytest.raises(SystemExit) as ended, reported():
        raise error
    assert ended.value.code == code_of(error) == CODES[name]
    assert re.fullmatch(r"zorivest: error: [^\n]+\n", capsys.readouterr().err)


def test_every_exit_code_has_a_meaning() -> None:
    """The document has them all."""
    assert {*MEANINGS} == {*ExitCode}
    assert {*CODES.values()} < {*ExitCode}


def test_errors_that_occur_reach_their_codes(vault: Path, tmp_path: Path) -> None:
    """Commands that fail on purpose end with one line, which has the path as it was typed, and print nothing."""
    plain, copy, empty = tmp_path / "plain.db", tmp_path / "copy.vault", tmp_path / "empty.xml"
    plain.write_bytes(b"SQLite format 3\0" + bytes(5000))
    other = tmp_path / "other"
    other.write_bytes(bytes(range(256)) * 32)
    empty.write_text("hello")
    add = ("trades", "add", "00000", "--time", "2024-03-08", "--instrument", "SPY", "--action", "BOT", "--price", 1)
    for code, arguments, variables in (
        (1, ("export", "trades", tmp_path / "x.txt"), {}),
        (2, ("trades", "list"), {"vault": None}),
        (2, ("trades", "list", "--since", "yesterday"), {}),
        (2, ("trades", "list", "--nonsense"), {}),
        (2, ("trades", "delete", "00000"), {}),
        (2, ("trades", "edit", "00000", "--clear", "price"), {}),
        (2, ("import", empty), {}),
        (2, ("import", empty, "--profile", "flex", "--json"), {}),
        (2, ("balances", "add", "U1", "5", "--nonsense"), {}),
        (2, ("info", vault, "--vault", vault), {}),
        (3, ("trades", "list"), {"passphrase": NEW_PASSPHRASE}),
        (5, ("trades", "list"), {"vault": tmp_path / "gone.vault"}),
        (5, ("trades", "show", "nothing"), {}),
        (5, ("import", tmp_path / "gone.xml"), {}),
        (6, (*add, "--quantity", 1, "--account", "U1"), {}),
        (6, (*add, "--quantity", 1, "--account", "U9"), {}),
        (6, (*add, "--quantity", -1, "--account", "U1"), {}),
        (6, ("trades", "list", "--sort", "nonsense"), {}),
        (6, ("images", "add", "00000", empty), {}),
        (6, ("import", empty, "--profile", "flex", "--yes"), {}),
        (6, ("stats", "--by", "day", "--zone", "Mars/Olympus"), {}),
        (7, ("trades", "list"), {"vault": plain}),
        (7, ("trades", "list"), {"vault": tmp_path}),
        (1, ("backup", vault), {}),
    ):
        named: dict[str, Any] = {"vault": vault} | variables
        ended = call(*arguments, **named)
        assert (ended.code, ended.out) == (code, ""), (arguments, ended)
        assert re.fullmatch(r"zorivest: error: [^\n]+\n", ended.err), ended
        assert PASSPHRASE not in ended.err
    assert not copy.exists()


def test_errors_name_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path stays relative."""
    monkeypatch.chdir(tmp_path)
    assert call("info", "gone.vault").err == (
        "zorivest: error: gone.vault: there is no vault here; create one with zorivest create\n"
    )
    assert call("trades", "list", vault="./gone.vault").err.startswith("zorivest: error: ./gone.vault: ")


def test_the_vault_comes_from_an_option_a_variable_or_a_file(vault: Path, tmp_path: Path) -> None:
    """In this order; a path in the file is relative to it."""
    file = vault.with_name("config.toml")
    file.write_text('vault = "journal.vault"\nzone = "Europe/Berlin"\n')
    gone = tmp_path / "gone.vault"
    cases: tuple[tuple[tuple[Any, ...], dict[str, Any], int], ...] = (
        ((), {"config": file}, 0),
        ((), {"config": file, "vault": gone}, 5),
        (("--vault", vault), {"config": file, "vault": gone}, 0),
    )
    for arguments, variables, code in cases:
        ended = call("trades", "list", *arguments, **variables)
        assert ended.code == code, ended
    assert "+01:00" in call("trades", "list", config=file).out
    shown = {each["name"]: each for each in call("config", "--json", config=file, vault=gone).json}
    assert (shown["vault"]["value"], shown["vault"]["origin"]) == (str(gone), "ZORIVEST_VAULT")
    assert (shown["zone"]["value"], shown["zone"]["origin"]) == ("Europe/Berlin", str(file))


@pytest.mark.parametrize("text", ["vault = 3", "volt = 'x'", "vault =", "keyring = 'yes'", "vault = ''"])
def test_a_wrong_configuration_is_named(tmp_path: Path, text: str) -> None:
    """One line names the file."""
    file = tmp_path / "config.toml"
    file.write_text(text)
    ended = call("trades", "list", config=file)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"zorivest: error: {file}: ")


def test_the_passphrase_comes_from_a_command(vault: Path, tmp_path: Path) -> None:
    """Its first line of output; it runs without a shell, and one that fails is said to have failed."""
    script = tmp_path / "secret.py"
    script.write_text(f"import sys\nprint({PASSPHRASE!r})\nprint('more')\nsys.exit(int(sys.argv[1]))")
    good, bad = (f"'{sys.executable}' '{script}' {code}" for code in (0, 7))
    counted = call("info", "--json", "--passphrase-command", good, vault=vault, passphrase=None)
    assert counted.json["rows"]["trades"] == 3
    assert call("trades", "list", vault=vault, passphrase="", passphrase_command=good).code == 0
    config = tmp_path / "config.toml"
    config.write_text(f'passphrase_command = "{good}"')
    assert call("trades", "list", vault=vault, passphrase="", config=config).code == 0
    for command, words in ((bad, "failed with exit code 7"), ("/no/such/program", "cannot be run"), ("'", "quotation")):
        ended = call("trades", "list", "--passphrase-command", command, vault=vault)
        assert (ended.code, PASSPHRASE in ended.err) == (1, False)
        assert words in ended.err


def test_the_passphrase_comes_from_the_keyring(vault: Path, tmp_path: Path) -> None:
    """After it was kept, and only if the keyring is asked for; forgotten, it is gone. The backend is a real one."""
    pytest.importorskip("keyring")
    backend = tmp_path / "filed_keyring.py"
    backend.write_text(KEYRING)
    own = environment(PASSPHRASE) | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "PYTHON_KEYRING_BACKEND": "filed_keyring.Filed",
        "PYTHONWARNINGS": "",
        "ZORIVEST_VAULT": str(vault),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments], env=own | more, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    assert run("keyring", "keep").returncode == 0
    assert PASSPHRASE in (tmp_path / "kept.json").read_text()
    own["ZORIVEST_PASSPHRASE"] = ""
    assert run("trades", "list").returncode == 1
    assert run("trades", "list", ZORIVEST_KEYRING="1").returncode == 0
    assert [run("keyring", "forget").returncode for _ in range(2)] == [0, 5]


KEYRING = """
import json
from pathlib import Path
from keyring.backend import KeyringBackend

FILE = Path(__file__).with_name("kept.json")

class Filed(KeyringBackend):
    priority = 1

    def _read(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def get_password(self, service, username):
        return self._read().get(service + username)

    def set_password(self, service, username, password):
        FILE.write_text(json.dumps(self._read() | {service + username: password}))

    def delete_password(self, service, username):
        kept = self._read()
        del kept[service + username]
        FILE.write_text(json.dumps(kept))
"""


def test_questions_are_asked_at_a_terminal_only(tmp_path: Path) -> None:
    """Yes goes on, everything else changes nothing; without a terminal --yes is needed."""
    vault = make_vault(tmp_path / "journal.vault")
    for typed, code, left in ((None, 2, 3), ("\n", 1, 3), ("no\n", 1, 3), ("", 1, 3), ("y\n", 0, 2)):
        ended = call("trades", "delete", "00001", typed=typed, vault=vault)
        assert ended.code == code
        assert len(call("trades", "list", "--json", vault=vault).json) == left
        assert ("Delete 00001" in ended.err) == (typed is not None)
    assert "--yes" in call("trades", "delete", "00002", vault=vault).err


def test_every_command_has_help_with_an_example(vault: Path) -> None:
    """The example names the command, and what the program says of a command in its list begins its help."""
    for name in COMMANDS:
        text = call(name, "--help").out
        if "\nCommands:\n" not in text:
            assert f"zorivest {name}" in text.partition("Example")[2], name
            continue
        for command in re.findall(r"^  ([a-z]+)  ", text.partition("\nCommands:\n")[2], re.MULTILINE):
            shown = call(name, command, "--help").out
            assert f"Usage: zorivest {name} {command}" in shown
            assert name == "server" or f"zorivest {name} {command}" in shown.partition("Example")[2], (name, command)
            for line in re.findall(r"^    zorivest (.*)$", shown, re.MULTILINE):
                assert line.startswith(f"{name} {command}")
    assert vault.exists()


def test_completion_completes_commands_and_options() -> None:
    """The shells' scripts name the program; asked as bash asks, it answers with what can follow."""
    for shell in ("bash", "zsh", "fish"):
        assert "_ZORIVEST_COMPLETE" in call("completion", shell).out
    answers = {"zorivest tr": "trades", "zorivest trades li": "list", "zorivest stats --zo": "--zone"}
    for words, expected in answers.items():
        asked = {"_ZORIVEST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run([SCRIPT], env=environment() | asked, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()) == (0, [expected])


def test_bash_takes_the_completion_script(tmp_path: Path) -> None:
    """A real bash defines the completion from it."""
    script = tmp_path / "completion.bash"
    script.write_text(call("completion", "bash").out)
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    defined = f"source '{script}' && complete -p zorivest"
    done = subprocess.run([bash, "-c", defined], capture_output=True, text=True, check=False)
    assert "_zorivest_completion" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="there are no child processes' times")
def test_help_and_version_do_not_import_the_database(tmp_path: Path) -> None:
    """They take at most a fifth of the time of a whole import, and leave the heavy packages alone."""
    script = tmp_path / "start.py"
    script.write_text("import sys\nfrom zorivest_async_program import main\nmain()\n" + HEAVY)
    for argument in ("--help", "--version"):
        assert subprocess.run([sys.executable, script, argument], check=False, capture_output=True).returncode == 0
    whole = min(cpu_s([sys.executable, "-c", "import zorivest_async"]) for _ in range(3))
    for argument in ("--help", "--version"):
        assert min(cpu_s([str(SCRIPT), argument]) for _ in range(3)) < whole * 0.2


HEAVY = """
heavy = {"sqlalchemy", "sqlcipher3", "PIL", "argon2", "rich.table"} & sys.modules.keys()
assert not heavy, heavy
"""


def cpu_s(command: list[str]) -> float:
    """Return the processor time of a command, in seconds; unlike the time by the clock, others do not lengthen it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    _, status, usage = vars(os)["wait4"](process.pid, 0)  # which Windows does not have
    process.returncode = status
    assert status == 0
    return float(usage.ru_utime + usage.ru_stime)


def test_the_library_is_whole_after_the_programs_start(vault: Path) -> None:
    """Each public name is the same object for the program as for every other importer."""
    code = (
        "import sys, zorivest_async_program.start as start\n"
        "sys.argv = ['zorivest', 'info', sys.argv[1], '--json']\n"
        "assert start.main() == 0\n"
        "import zorivest_async\n"
        "assert all(hasattr(zorivest_async, name) for name in zorivest_async.__all__)\n"
        "from zorivest_async import Vault, cli, errors\n"
        "assert Vault is sys.modules['zorivest_async.vault.vault'].Vault and type(zorivest_async) is type(sys)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, vault], env=environment(PASSPHRASE), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_finds_what_is_wrong_with_a_file(vault: Path, tmp_path: Path) -> None:
    """A second name, a plaintext database, a file that is cut off, one that is missing; each has an advice."""
    linked, plain, cut = tmp_path / "linked.vault", tmp_path / "plain.db", tmp_path / "cut.vault"
    plain.write_bytes(b"SQLite format 3\0" + bytes(4080))
    cut.write_bytes(vault.read_bytes()[:5000])
    copied = tmp_path / "copied.vault"
    copied.write_bytes(vault.read_bytes())
    linked.hardlink_to(copied)
    for path, what in ((linked, "links"), (plain, "vault"), (cut, "vault"), (tmp_path / "gone", "vault")):
        ended = call("doctor", path, "--jsonl")
        assert ended.code == 1
        wrong = [line for line in ended.out.splitlines() if '"state": "WRONG"' in line]
        assert [f'"what": "{what}"' in line and '"advice": null' not in line for line in wrong] == [True]
    assert call("doctor", vault).code == 0
    assert call("doctor", vault, "--open", passphrase=NEW_PASSPHRASE).code == 1


def test_verify_prints_problems_in_json(tmp_path: Path) -> None:
    """A program reads them as a list; the exit code is 1."""
    vault = make_vault(tmp_path / "journal.vault", trades=200)
    contents = bytearray(vault.read_bytes())
    contents[-2000] ^= 1
    vault.write_bytes(contents)
    ended = call("verify", vault, "--json")
    assert ended.code == 1
    assert '"ok": false' in ended.out
    assert warns_only_of_cheapest(ended.err)


def test_info_is_the_librarys_answer(vault: Path) -> None:
    """The numbers of rows are those that the library counts."""

    async def ask() -> Any:
        async with Vault.open(vault, passphrase=PASSPHRASE) as opened:
            return await summarize(opened)

    assert call("info", vault, "--json").json["rows"] == asyncio.run(ask()).rows


def test_messages_name_options_instead_of_arguments(vault: Path, tmp_path: Path) -> None:
    """The library's arguments are the program's options; rows that fail end an import with 1."""
    statement, target = tmp_path / "statement.csv", tmp_path / "trades.csv"
    statement.write_text(THINKORSWIM_STATEMENT)
    failed = call("import", statement, "--accounts", "require", "--dry-run", vault=vault)
    assert failed.code == 1
    assert failed.err.count("--accounts create") == 3
    assert call("export", "trades", target, vault=vault).code == 0
    assert "--overwrite" in call("export", "trades", target, vault=vault).err
