"""The document about the command line is what its generator writes: its commands run, its tables are the program's."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from zorivest_async.cli.program import app

GENERATOR = Path(__file__).parents[2] / "docs" / "command_line.py"


@pytest.fixture(scope="module")
def generator() -> Any:
    """The generator of the page."""
    spec = importlib.util.spec_from_file_location("command_line_page", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words_of(picture: str) -> list[str]:
    """Return the words that a picture shows, with its border left out."""
    shown = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture)).replace("&#160;", " ")
    return [word for word in shown.split() if any(map(str.isalnum, word))]


def test_the_page_and_its_pictures_are_what_would_be_written(generator: Any) -> None:
    """Run ``python docs/command_line.py`` where this fails: a command prints something else than the page shows."""
    page = generator.PAGE.read_text(encoding="utf-8")
    written, pictures = generator.generated(page)
    assert written == page
    for name, picture in pictures.items():
        stored = words_of(generator.picture_of(name).read_text(encoding="utf-8"))
        assert stored == words_of(picture)
        assert "zorivest" in stored


def test_the_page_names_every_command(generator: Any) -> None:
    """Its tables have a row for each."""
    page, root = generator.PAGE.read_text(encoding="utf-8"), typer.main.get_command(app)
    group: Any = root
    for name in group.list_commands(None):
        inner = getattr(group.get_command(None, name), "commands", None)
        for command in [name] if inner is None else [f"{name} {each}" for each in inner]:
            assert f"\n| `{command}" in page
