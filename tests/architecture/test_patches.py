"""What a change costs: three patches are applied to a copy of the tree, counted and run.

The patches, in the folder ``patches``, are unified diffs without line numbers: a hunk is found by its lines, which must
occur once in the file. ``$version`` and ``$next_version`` stand for the version of the schema, ``$revision`` and
``$next_revision`` for the names of its revisions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from string import Template
from typing import NamedTuple

import pytest

from documents import ROOT
from zorivest_async.database.tables import SCHEMA_VERSION

PATCHES = Path(__file__).with_name("patches")

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

SCHEMA = (
    "tests/integration/test_migrations.py::test_the_revisions_make_exactly_what_a_new_vault_has",
    "tests/integration/test_aggregates.py::test_every_table_belongs_to_one_aggregate",
    "tests/integration/test_aggregates.py::test_each_aggregate_refers_to_earlier_ones",
    "tests/integration/test_aggregates.py::test_an_example_comes_back_from_its_row",
)
"""Tests of the repository's that a patch of the schema must pass."""

SERVER = (
    "tests/postgresql/test_schema.py::test_every_column_says_whether_a_server_may_read_it",
    "tests/postgresql/test_schema.py::test_both_branches_of_revisions_lead_to_the_same_version",
    "tests/postgresql/test_schema.py::test_the_revisions_make_what_the_models_say[embedded]",
)
"""The same, for the schema on a server."""

PUBLIC = ("tests/architecture/test_structure.py::test_the_public_names_are_sorted_and_complete",)
"""Those for a patch that adds public names."""


class Change(NamedTuple):
    """A patch, and what is expected of it.

    Attributes:
        name: Name of the patch.
        limit: Maximum number of files of ``src`` that it touches.
        tests: Tests of the repository that the patched tree passes, besides those in the patch.
        heading: The section of the guide that describes such a change.
    """

    name: str
    limit: int
    tests: tuple[str, ...]
    heading: str


CHANGES = [
    Change("column", 8, SCHEMA + SERVER, "Add a column"),
    Change("repository", 12, SCHEMA + SERVER + PUBLIC, "Add a repository"),
    Change("question", 2, PUBLIC, "Add an analytics question"),
]


def by_name(change: Change) -> str:
    """Return what a test of it is called by."""
    return change.name


def files_of(name: str) -> dict[str, list[str]]:
    """Return the hunks of a patch by the file that they change, the schema's version filled in."""
    this, later = SCHEMA_VERSION, SCHEMA_VERSION + 1
    names = {"version": this, "next_version": later, "revision": f"{this:04}", "next_revision": f"{later:04}"}
    written = (PATCHES / f"{name}.patch").read_text(encoding="utf-8")
    _, *sections = re.split(r"^--- ", Template(written).substitute(names), flags=re.MULTILINE)
    files: dict[str, list[str]] = {}
    for section in sections:
        file, *hunks = section.rstrip("\n").split("\n@@\n")
        files[file] = hunks
    return files


def apply(name: str, tree: Path) -> None:
    """Apply a patch to the files of a tree; fail where a hunk's lines are not there, or not once."""
    for file, hunks in files_of(name).items():
        path = tree / file
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        for hunk in hunks:
            marked = hunk.split("\n")
            old, new = ([line[1:] for line in marked if not line.startswith(sign)] for sign in "+-")
            places = [n for n in range(len(lines) + 1) if lines[n : n + len(old)] == old]
            if len(places) != 1:
                pytest.fail(
                    f"tests/architecture/patches/{name}.patch does not fit {file}, where the old lines of this hunk are"
                    f" found {len(places)} times, not once; edit the patch:\n{hunk}"
                )
            lines[places[0] : places[0] + len(old)] = new
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines).rstrip("\n") + "\n", encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source and its tests."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("change", CHANGES, ids=by_name)
def test_a_change_touches_few_files_and_works(tree: Path, change: Change) -> None:
    """No more files of ``src`` than the limit, and its own tests pass with those of the repository that look there."""
    apply(change.name, tree)
    files = files_of(change.name)
    assert len([file for file in files if file.startswith("src/")]) <= change.limit
    own = [file for file in files if file.startswith("tests/")]
    assert own
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree / "tests")))}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own, *change.tests],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("change", CHANGES, ids=by_name)
def test_the_guide_names_the_files_of_a_change(change: Change) -> None:
    """Each file that the patch touches is in the section, or its folder is; ``NAME`` stands for any name."""
    section = GUIDE.partition(f"\n## {change.heading}\n")[2].partition("\n## ")[0]
    named = [word.replace("NAME", "*") for word in re.findall(r"`([\w./-]+)`", section)]
    patterns = [pattern for word in named for pattern in (word, f"{word}/*")]
    left_out = [file for file in files_of(change.name) if not any(fnmatch(file, pattern) for pattern in patterns)]
    assert left_out == []


def test_a_patch_that_no_longer_fits_says_so(tree: Path) -> None:
    """With its name, the file and the lines to look at."""
    tables = tree / "src/zorivest_async/database/tables.py"
    tables.write_text(tables.read_text(encoding="utf-8").replace("SCHEMA_VERSION: Final", "VERSION"), encoding="utf-8")
    with pytest.raises(pytest.fail.Exception) as failed:
        apply("column", tree)
    assert "patches/column.patch does not fit src/zorivest_async/database/tables.py" in str(failed.value)
    assert f"found 0 times, not once; edit the patch:\n-SCHEMA_VERSION: Final = {SCHEMA_VERSION}\n" in str(failed.value)
