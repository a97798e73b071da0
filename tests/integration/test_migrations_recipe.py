"""The steps in ``docs/migrations.md`` for adding a revision, taken one by one in a copy of the project."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zorivest_async.database.tables import SCHEMA_VERSION

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "migrations.md").read_text(encoding="utf-8")
EXACTLY = "test_migrations.py::test_the_revisions_make_exactly_what_a_new_vault_has"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a developer works on."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(project: Path, command: str) -> str:
    """Run a command of the document in the copy, and return what it prints."""
    words = [word for word in shlex.split(command) if not word.startswith("PYTHONPATH=")]
    assert words[0] == "python"
    options = ["-p", "no:cacheprovider"] if "pytest" in words else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(project / "src"), str(project / "tests")))}
    done = subprocess.run(
        [sys.executable, *words[1:], *options],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands() -> list[str]:
    """Return the commands of the recipe, in order."""
    recipe = DOCUMENT.partition("## For developers: adding a revision")[2].partition("### What to look for")[0]
    return re.findall(r"^ {7}((?:PYTHONPATH=\S+ )?python .*)$", recipe, re.MULTILINE)


def add_column(project: Path, table: str, column: str, after: str, *, version: int = SCHEMA_VERSION) -> None:
    """Take step 2: declare a column behind another one of a table and of its model, and set the next version."""
    database = project / "src" / "zorivest_async" / "database"
    declared = rf"SCHEMA_VERSION: Final = {version}\b"
    change(database / "tables.py", "", declared, f"SCHEMA_VERSION: Final = {SCHEMA_VERSION + 1}")
    change(
        database / "tables.py",
        f"{table}: Final =",
        rf'(    Column\("{after}".*\n)',
        rf'\1    Column("{column}", String),\n',
    )
    change(
        database / "models.py",
        f"= {table}",
        rf"(    {after}: .*\n)",
        rf"\1    {column}: Mapped[str | None]\n",
    )


def change(file: Path, start: str, pattern: str, replacement: str) -> None:
    """Replace the first match of a pattern behind a text in a file."""
    text = file.read_text(encoding="utf-8")
    position = text.index(start)
    rest, changed = re.subn(pattern, replacement, text[position:], count=1)
    assert changed == 1
    file.write_text(text[:position] + rest, encoding="utf-8")


def test_the_recipe_has_a_command_for_each_step_that_needs_one() -> None:
    """Keeping files, writing the revision, asking what is left, testing."""
    kept, written, asked, tested = commands()
    assert "make.py" in kept
    assert "migrations revision" in written
    assert "migrations check" in asked
    assert "pytest" in tested


@pytest.mark.timeout(900)
def test_the_recipe_adds_columns(project: Path) -> None:
    """As generated, with nothing to correct: all tests that the recipe names pass, on vaults of every version."""
    keep, write, ask, test = commands()
    run(project, keep)
    add_column(project, "TRADES", "route", "sequence")
    add_column(project, "ACCOUNTS", "broker_site", "created_at", version=SCHEMA_VERSION + 1)
    run(project, write)
    (revision,) = (project / "src").rglob(f"versions/{SCHEMA_VERSION + 1:04}_*.py")
    generated = revision.read_text(encoding="utf-8")
    assert all(f"sa.Column('{column}', sa.String(), nullable=True)" in generated for column in ("route", "broker_site"))
    run(project, ask)
    assert f"revision-{SCHEMA_VERSION}-default" in run(project, f"{test} -v")


@pytest.mark.timeout(300)
def test_a_column_in_another_place_is_added_as_the_document_says(project: Path) -> None:
    """The batch of the document, in the place of what was generated."""
    _, write, ask, _ = commands()
    add_column(project, "ACCOUNTS", "broker_site", "notes")
    run(project, write)
    (revision,) = (project / "src").rglob(f"versions/{SCHEMA_VERSION + 1:04}_*.py")
    generated = revision.read_text(encoding="utf-8")
    (batch,) = re.findall(r'^ {6}(with op\.batch_alter_table\("accounts".*\n.*)$', DOCUMENT, re.MULTILINE)
    head, _, _ = generated.partition('"""Upgrade from the version before."""')
    lines = "\n".join(f"    {line.removeprefix('      ')}" for line in batch.splitlines())
    revision.write_text(f"{head.rstrip()}\n{lines}\n", encoding="utf-8")
    run(project, ask)
    run(project, f"python -m pytest tests/integration/{EXACTLY}")
