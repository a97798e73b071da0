"""What the documents show, works as printed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from command_line import NEW_PASSPHRASE, PASSPHRASE, opens_with, run_vault_command
from documents import PAGES, ROOT, blocks_of
from zorivest_async import KdfProfile, SearchKind, Vault
from zorivest_async.database.repositories.search_query import MAX_QUERY_LENGTH, MAX_QUERY_WORDS
from zorivest_async.database.sqlcipher.search_schema import SEARCH_FIELDS
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.rendering.pictures import LONGEST_SIDE_PX
from zorivest_async.rendering.tables import DEFAULT_ROWS, FIRST_TEXT_IN_LIST
from zorivest_async.rendering.text import FIRST_TEXT
from zorivest_async.vault.file_format import APPLICATION_ID

if TYPE_CHECKING:
    from pathlib import Path

RUN_ELSEWHERE = {
    "bots.md": "tests/integrations/bots/test_document.py",
    "testing.md": "tests/integrations/test_pytest_plugin.py",
    "web.md": "tests/integrations/web/test_document.py",
}
"""Pages whose blocks are run in another way, and where."""

RUN_HERE = [
    page for page in PAGES if page.name not in RUN_ELSEWHERE and blocks_of(page.read_text(encoding="utf-8"), "python")
]


def read(name: str) -> str:
    """Return a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def run_python(*arguments: str | Path, cwd: Path) -> str:
    """Run Python where warnings are errors, and return what it printed; it must not complain."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT / "tests")},
    )
    assert finished.stderr == ""
    return finished.stdout


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.name)
def test_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    """Its Python blocks run in order; each text block is all that was printed since the one before."""
    outputs = iter(json.loads(run_python(ROOT / "tests/workers/document.py", page, cwd=tmp_path)))
    printed, shown = [""], []
    for block in blocks_of(page.read_text(encoding="utf-8"), "python", "text"):
        if block.language == "text":
            shown.append(block.text)
            printed.append("")
        else:
            printed[-1] += next(outputs)
    assert printed == [*shown, ""]


def test_pages_that_are_run_elsewhere_are() -> None:
    """The tests that run them name them."""
    for page, test in RUN_ELSEWHERE.items():
        assert page in read(test)


def test_the_readmes_example_runs(tmp_path: Path) -> None:
    """Copied into a file and run, it prints the trade that it stored."""
    (block,) = blocks_of(read("README.md"), "python")
    (tmp_path / "example.py").write_text(block.text, encoding="utf-8")
    assert run_python("example.py", cwd=tmp_path).startswith("[Trade(exec_id='0001'")


def test_the_commands_of_the_page_on_backups_run(tmp_path: Path) -> None:
    """One after another, on one vault; the last of them changes its passphrase and not its backup's."""
    assert run_vault_command("create", "journal.vault", passphrase=PASSPHRASE, cwd=tmp_path).returncode == 0
    for block in blocks_of(read("docs/backups.md"), "sh"):
        for line in block.text.splitlines():
            program, *arguments = line.split()
            assert program == "zorivest"
            result = run_vault_command(*arguments, passphrase=PASSPHRASE, new_passphrase=NEW_PASSPHRASE, cwd=tmp_path)
            assert (result.returncode, result.stderr) == (0, ""), line
    assert opens_with(tmp_path / "journal.vault", NEW_PASSPHRASE) == 0
    assert opens_with(tmp_path / "tuesday.vault", PASSPHRASE) == 0


@pytest.mark.asyncio
async def test_a_vault_opens_as_the_file_format_says(vault: Vault, vault_path: Path) -> None:
    """The document's own function reads the vault, and its numbers are the real ones."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("found", value=True)
        await uow.commit()
    await vault.aclose()

    def open_and_read() -> tuple[Any, ...]:
        names: dict[str, Any] = {}
        (block,) = blocks_of(read("docs/file-format.md"), "python")
        exec(compile(block.text, "file-format.md", "exec"), names)
        connection = names["open_vault"](str(vault_path), "correct horse battery staple")
        try:
            return (
                connection.execute("SELECT value, value_type FROM settings WHERE key = 'found'").fetchone(),
                connection.execute("PRAGMA application_id").fetchone()[0],
                connection.execute("PRAGMA user_version").fetchone()[0],
            )
        finally:
            connection.close()

    assert await asyncio.to_thread(open_and_read) == (("true", "bool"), APPLICATION_ID, SCHEMA_VERSION)


def test_the_document_about_searching_names_every_field() -> None:
    """Its table of kinds is the index's, and its limits are the real ones."""
    document = read("docs/full-text-search.md")
    rows = re.findall(r"^\| `(\w+)` \| (`.*?`) \|", document, re.MULTILINE)
    assert [kind for kind, _ in rows] == list(SearchKind)
    assert {field.strip("`") for _, fields in rows for field in fields.split(", ")} == set(SEARCH_FIELDS)
    assert f"{MAX_QUERY_LENGTH:,} characters and {MAX_QUERY_WORDS} words" in document


def test_the_file_format_names_every_profile() -> None:
    """Its table of profiles is the code's."""
    document = read("docs/file-format.md")
    for profile in KdfProfile:
        memory = f"{profile.memory_kib // 1024} MiB" if profile.memory_kib >= 1024 else f"{profile.memory_kib} KiB"
        assert f"| {profile.value} | {profile.time_cost} | {memory} | {profile.parallelism} |" in document
    assert str(APPLICATION_ID) in document


def test_the_numbers_of_notebooks_are_the_codes() -> None:
    """How much of a list, a text and an image is shown."""
    said = " ".join(read("docs/notebooks.md").split())
    assert f"its first {DEFAULT_ROWS} rows" in said
    assert f"its first {FIRST_TEXT:,} characters, in a list {FIRST_TEXT_IN_LIST}." in said
    assert f"at most {LONGEST_SIDE_PX} px on its longer side" in said
