"""The workflows of the code host: valid, pinned, and running what .ci/run runs, on every version that is promised."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from documents import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
SCHEMAS = [
    *((path, "vendor.github-workflows") for path in WORKFLOWS),
    *((GITHUB / f"ISSUE_TEMPLATE/{name}.yml", "vendor.github-issue-forms") for name in ("bug", "feature")),
    (GITHUB / "ISSUE_TEMPLATE/config.yml", "vendor.github-issue-config"),
    (GITHUB / "dependabot.yml", "vendor.dependabot"),
]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OFFERED = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
"""The versions of Python that the package says it runs on."""


def read(path: Path) -> Any:
    """Return a YAML file's content."""
    return YAML(typ="safe").load(path)


CI: dict[str, Any] = read(GITHUB / "workflows/ci.yml")
RELEASE: dict[str, Any] = read(GITHUB / "workflows/release.yml")


def parts_of_script() -> list[str]:
    """Return what .ci/run runs where nothing is named."""
    (line,) = re.findall(r"^parts=\((.*)\)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    return str(line).split()


@pytest.mark.parametrize(("path", "schema"), SCHEMAS, ids=lambda value: getattr(value, "name", value))
def test_files_of_the_code_host_match_their_schema(path: Path, schema: str) -> None:
    """The schemas come with check-jsonschema: no network is needed."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_file_of_the_code_host_has_a_schema() -> None:
    """A new one is checked, too, by this file and by ``tox -e lint``."""
    assert {path for path, _ in SCHEMAS} == set(GITHUB.rglob("*.yml"))
    checked = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert [path.name for path, _ in SCHEMAS if path.relative_to(ROOT).as_posix() not in checked] == []


def test_each_version_that_is_offered_is_tested_on_each_system() -> None:
    """Classifiers, the lower bound and both matrices agree."""
    matrix = CI["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["python"] == OFFERED
    assert [system.partition("-")[0] for system in matrix["system"]] == ["ubuntu", "macos", "windows"]
    oldest = SpecifierSet(PROJECT["requires-python"])
    minor = int(OFFERED[0].partition(".")[2])
    assert oldest.contains(OFFERED[0])
    assert not oldest.contains(f"3.{minor - 1}")
    assert [f"3.{minor + number}" for number in range(len(OFFERED))] == OFFERED
    assert [f"py{version.replace('.', '')}" for version in OFFERED] == [
        part for part in parts_of_script() if part.startswith("py")
    ]


def test_the_workflow_runs_the_parts_of_the_script() -> None:
    """Each by itself, with the interpreter that it needs; the last one named is the default, which runs tox."""
    job = CI["jobs"]["parts"]
    assert job["strategy"]["matrix"]["part"] == parts_of_script()
    *_, setup, run = job["steps"]
    assert run["run"] == '.ci/run "$PART"'
    versions = setup["with"]["python-version"].split()
    assert sorted(versions) == OFFERED
    assert versions[-1] == OFFERED[0]


@pytest.mark.parametrize("part", parts_of_script())
def test_parts_of_the_script_are_environments_of_tox(part: str) -> None:
    """A misspelt one would pass without running anything."""
    assert re.search(
        rf"^\[testenv:{part}\]|^env_list = .*\b{part}\b", (ROOT / "tox.ini").read_text("utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    """A tag can be moved to other code; the comment says which version a commit is."""
    uses = re.findall(r"^\s*-? ?uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert uses
    assert [
        use for use in uses if not re.fullmatch(r"\./\S+.*|[\w-]+/[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use)
    ] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_jobs_may_do_what_they_name_and_no_more(path: Path) -> None:
    """Nothing is allowed by default; no job writes to the repository, and each ends."""
    workflow = read(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        writes = {name for name, right in job["permissions"].items() if right == "write"}
        assert writes <= {"id-token", "attestations"}
        assert "uses" in job or job["timeout-minutes"] <= 90


def test_only_what_was_tested_and_attested_is_published() -> None:
    """The job that publishes builds nothing, has no password, and waits for all tests and a maintainer."""
    publish = RELEASE["jobs"]["publish"]
    assert publish["needs"] == ["ci", "build"]
    assert publish["environment"] == "release"
    assert publish["permissions"] == {"id-token": "write"}
    assert all("run" not in step and "password" not in step.get("with", {}) for step in publish["steps"])
    assert RELEASE["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "workflow_call" in CI["on"]
    assert any("attest" in step.get("uses", "") for step in RELEASE["jobs"]["build"]["steps"])
