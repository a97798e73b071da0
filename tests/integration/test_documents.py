"""What the documents show, works as printed."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zorivest_async import KdfProfile, Vault
from zorivest_async.database.vault_file import APPLICATION_ID

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[2]


def example_in(name: str) -> str:
    """Return the one Python block of a document."""
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


async def test_the_readmes_example_runs(tmp_path: Path) -> None:
    """Copied into a file and run, it prints the trade that it stored."""
    script = tmp_path / "example.py"
    await asyncio.to_thread(script.write_text, await asyncio.to_thread(example_in, "README.md"))
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert finished.stderr == ""
    assert finished.stdout.startswith("[Trade(exec_id='0001'")


async def test_a_vault_opens_as_the_file_format_says(vault: Vault, vault_path: Path) -> None:
    """The document's own function reads the vault, and its numbers are the real ones."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("found", value=True)
        await uow.commit()
    await vault.aclose()

    def read() -> tuple[Any, ...]:
        names: dict[str, Any] = {}
        exec(compile(example_in("docs/file-format.md"), "file-format.md", "exec"), names)
        connection = names["open_vault"](str(vault_path), "correct horse battery staple")
        try:
            return (
                connection.execute("SELECT value, value_type FROM settings WHERE key = 'found'").fetchone(),
                connection.execute("PRAGMA application_id").fetchone()[0],
                connection.execute("PRAGMA user_version").fetchone()[0],
            )
        finally:
            connection.close()

    assert await asyncio.to_thread(read) == (("true", "bool"), APPLICATION_ID, 1)


async def test_the_file_format_names_every_profile() -> None:
    """Its table of profiles is the code's."""
    document = await asyncio.to_thread((ROOT / "docs/file-format.md").read_text, encoding="utf-8")
    for profile in KdfProfile:
        memory = f"{profile.memory_kib // 1024} MiB" if profile.memory_kib >= 1024 else f"{profile.memory_kib} KiB"
        assert f"| {profile.value} | {profile.time_cost} | {memory} | {profile.parallelism} |" in document
    assert str(APPLICATION_ID) in document


@pytest.mark.parametrize("name", ["importing", "analytics"])
async def test_the_examples_run(tmp_path: Path, name: str) -> None:
    """One after another in a folder of their own, and they print what the document says.

    Those that plot run with the tests of the integrations.
    """
    document = await asyncio.to_thread((ROOT / "docs" / f"{name}.md").read_text, encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    script = "\n".join(block for block in blocks if "integrations.charts" not in block)
    await asyncio.to_thread((tmp_path / "example.py").write_text, script, encoding="utf-8")
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert finished.stderr == ""
    said = re.findall(r"```text\n(.*?)```", document, re.DOTALL)
    assert finished.stdout == "".join(said)
