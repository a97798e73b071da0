"""Commands that install the package, in documents and notebooks: they work from a checkout, as it is on no index."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest

from documents import PAGES, ROOT

COMMAND = re.compile(r"pip install ([^`\n&#]+)")
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *PAGES,
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "examples").rglob("*.ipynb"),
    ]
)
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def requirements() -> list[tuple[str, str]]:
    """Return what the documents tell to install, each with the document that does."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "".join(line for cell in json.loads(text)["cells"] for line in (*cell["source"], "\n"))
        for command in COMMAND.findall(text):
            found += [(path.relative_to(ROOT).as_posix(), word) for word in shlex.split(command)]
    return found


REQUIREMENTS = requirements()


def test_the_documents_have_commands() -> None:
    """Those of the README, the tutorial and both notebooks are among them."""
    named = {document for document, _ in REQUIREMENTS}
    assert {"README.md", "docs/tutorial.md", "examples/notebooks/first_steps.ipynb", "docs/web.md"} <= named


@pytest.mark.parametrize(("document", "requirement"), REQUIREMENTS)
def test_the_package_is_installed_from_a_checkout(document: str, requirement: str) -> None:
    """By its path, not by its name, and with extras that exist."""
    name, _, extras = requirement.rstrip("]").partition("[")
    assert name != "zorivest-async", f"{document}: no index has the package"
    if extras:
        assert name in {".", "../zorivest-async"}
        assert set(extras.split(",")) <= EXTRAS
