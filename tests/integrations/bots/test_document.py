"""What docs/bots.md shows is what the recipes do."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.integrations

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/bots.md").read_text(encoding="utf-8"), re.DOTALL)
RECIPES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "examples/bots").glob("*_bot.py")}
INDENTS = ("", "    ", "        ")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_its_code_is_the_recipes(block: str) -> None:
    """Line by line, at whatever depth: the tests of the recipes run it."""
    depths = [textwrap.indent(block, indent) for indent in INDENTS]
    assert any(text in recipe for recipe in RECIPES.values() for text in depths)


def test_it_shows_each_recipe() -> None:
    """None is left out."""
    assert len(BLOCKS) == 5
    assert sorted(RECIPES) == ["aiogram_bot.py", "discord_bot.py", "ptb_bot.py"]
