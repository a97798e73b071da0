"""What a contributor follows: the files that the guide and the architecture name, forms, the locked environment."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from documents import ROOT, anchors_in, blocks_of, links_in

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")

NAMED = sorted(
    {
        word
        for word in re.findall(r"`([\w./-]+)`", GUIDE + ARCHITECTURE)
        if "/" in word or word.endswith((".md", ".toml"))
    }
)
"""Files and folders in the text of both. A name in capitals stands for one that the reader chooses."""

DRAWN = sorted(
    {word for block in blocks_of(ARCHITECTURE, "text") for word in re.findall(r"[\w/]+\.py\b|\w+/", block.text)}
)
"""Modules and folders in the drawings, which leave out the folders above them."""

MADE = {"build/site"}
"""What a command of the guide makes."""

FORMS = sorted((ROOT / ".github").rglob("*.md"))


def test_the_guide_names_files() -> None:
    """Of every step there is one, so that the next test has something to look at."""
    assert {"src/zorivest_async/database/tables.py", "tests/contract/test_NAME.py", ".ci/run"} <= set(NAMED)


@pytest.mark.parametrize("name", sorted(set(NAMED) - MADE))
def test_what_the_guide_names_is_there(name: str) -> None:
    """A file that moves takes its line in the guide along."""
    path = ROOT / name
    if "NAME" in name:
        assert list(path.parent.glob(path.name.replace("NAME", "*")))
    else:
        assert path.exists()


def test_the_architecture_has_two_drawings_or_more() -> None:
    """The layers, and the ways of a statement and of a commit; of the modules in them there are enough to look for."""
    assert len(blocks_of(ARCHITECTURE, "text")) >= 2
    assert {"vault/", "repositories/base.py", "transaction.py"} <= set(DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_what_the_architecture_draws_is_there(name: str) -> None:
    """A module that moves or is renamed takes the drawings along."""
    package = ROOT / "src/zorivest_async"
    paths = [f"/{path.relative_to(package).as_posix()}" for path in package.rglob("*")]
    assert [path for path in paths if path.endswith(f"/{name.rstrip('/')}")]


def test_the_guide_sets_up_in_three_commands() -> None:
    """The first block of commands, and nothing before it."""
    assert len(blocks_of(GUIDE, "sh")[0].text.splitlines()) == 3


@pytest.mark.parametrize("line", blocks_of(GUIDE, "sh")[1].text.splitlines())
def test_the_guides_commands_find_tests(line: str) -> None:
    """Each test, and each word of a test's name, that it gives as an example."""
    python, module, pytest_, *arguments = shlex.split(line)
    assert (python, module, pytest_) == ("python", "-m", "pytest")
    word = arguments[arguments.index("-k") + 1] if "-k" in arguments else ""
    for argument in (argument for argument in arguments if argument.startswith("tests/")):
        name, _, test = argument.partition("::")
        path = ROOT / name
        assert path.exists()
        if path.is_file():
            assert re.search(rf"^(async )?def {test or 'test_'}\w*{word}", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("part", sorted(set(re.findall(r"tox -e ([\w,]+)", GUIDE + "".join(map(str, FORMS))))))
def test_environments_of_tox_exist(part: str) -> None:
    """Those that the guide tells to run."""
    configuration = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert [name for name in part.split(",") if f"[testenv:{name}]" not in configuration] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.name)
def test_forms_link_to_files(form: Any) -> None:
    """As the documents do."""
    for link in links_in(form):
        name, _, anchor = link.partition("#")
        assert (form.parent / name).exists()
        assert not anchor or anchor in anchors_in(form.parent / name)


def test_the_documents_of_the_project_link_to_the_guide() -> None:
    """A contributor starts from the README, and finds the rest from the guide."""
    assert "CONTRIBUTING.md" in links_in(ROOT / "README.md")
    assert {
        "CODE_OF_CONDUCT.md",
        "SECURITY.md",
        "docs/architecture.md",
        "docs/versioning.md",
        "docs/platforms.md",
    } <= set(links_in(ROOT / "CONTRIBUTING.md"))


def locked() -> dict[str, list[str]]:
    """Return the versions of each package in the locked environment; markers may choose between several."""
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", LOCK, re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def wanted() -> list[Requirement]:
    """Return every requirement of the project: its own, its extras' and its groups'."""
    table = PROJECT["project"]
    lines = [*table["dependencies"], *(line for lines in table["optional-dependencies"].values() for line in lines)]
    lines += [line for group in PROJECT["dependency-groups"].values() for line in group if isinstance(line, str)]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_locked_environment_has_what_the_project_wants(requirement: Requirement) -> None:
    """A dependency that is added, or whose bound rises, is locked again."""
    versions = locked().get(canonicalize_name(requirement.name), [])
    assert versions
    assert all(requirement.specifier.contains(version, prereleases=True) for version in versions)


def test_the_locked_environment_has_a_hash_for_everything_and_no_address() -> None:
    """It installs the same files from any index, and names none."""
    entries = re.split(r"^(?=[a-z0-9])", LOCK.partition("\n")[2].partition("\n")[2], flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"\w+://\S+|^-.*|@ .*", LOCK, re.MULTILINE) == []


def test_the_package_says_where_the_project_is() -> None:
    """In its metadata, and nowhere else with another address."""
    addresses = PROJECT["project"]["urls"]
    assert {"Repository", "Documentation", "Changelog", "Issues", "Security"} <= set(addresses)
    assert {address for address in addresses.values() if not address.startswith(addresses["Repository"])} == set()
    contacts = (ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text(encoding="utf-8")
    assert all(found.startswith(addresses["Repository"]) for found in re.findall(r"https://\S+", contacts))


def test_files_that_the_addresses_name_are_there() -> None:
    """Those on the main branch."""
    names = re.findall(r"/main/(\S+)", "\n".join(PROJECT["project"]["urls"].values()))
    assert names
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_an_archive_of_the_source_has_all_that_its_tests_read() -> None:
    """A distribution that packages the project runs the tests from it."""
    included = set(PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {".ci", ".github", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "requirements-dev.txt", "typings"} <= included
    assert [name for name in included if not (ROOT / name).exists()] == []
