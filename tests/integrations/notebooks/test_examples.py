"""The notebooks among the examples: they are stored without outputs, and run to their end in a real kernel."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(180)]

FOLDER = Path(__file__).parents[3] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PASSPHRASE = "correct horse battery staple"


def read(path: Path) -> Any:
    """Read a notebook, which must be a valid one."""
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    return notebook


def run(path: Path, folder: Path) -> list[dict[str, Any]]:
    """Run a notebook in a folder, and return its outputs; an error in a cell is raised here."""
    notebook = read(path)
    NotebookClient(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures_in(outputs: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return the sizes of the pictures that are shown, all of which can be decoded."""
    sizes = []
    for output in outputs:
        if "image/png" in output.get("data", {}):
            with Image.open(BytesIO(base64.b64decode(output["data"]["image/png"]))) as picture:
                picture.load()
                sizes.append(picture.size)
    return sizes


def tables_in(outputs: list[dict[str, Any]]) -> list[str]:
    """Return what is shown as HTML."""
    return [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]


def test_there_are_notebooks() -> None:
    """Which the document on notebooks names."""
    document = (FOLDER.parents[1] / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) >= 2
    assert [path.name for path in NOTEBOOKS if f"examples/notebooks/{path.name}" not in document] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_stored_without_outputs(path: Path) -> None:
    """What a cell shows belongs to whoever ran it; a change of a notebook is a change of its cells."""
    for cell in read(path).cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run_in_silence(path: Path, tmp_path: Path) -> None:
    """No error, nothing on stderr, no secret in what is shown, and nothing left in the folder."""
    outputs = run(path, tmp_path)
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data", "stream"}
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert PASSPHRASE not in str(outputs)
    assert [*tmp_path.iterdir()] == []


def test_first_steps_shows_trades_and_charts(tmp_path: Path) -> None:
    """A table of the trades, a gallery, the chart itself, and the review."""
    outputs = run(FOLDER / "first_steps.ipynb", tmp_path)
    assert "inserted=3 duplicate=0 updated=0 failed=0 warnings=0" in str(outputs)
    trades, trade, gallery, chart, review = tables_in(outputs)
    assert all(f">{exec_id}<" in trades for exec_id in ("A-1", "A-2", "A-3"))
    assert ">SLD</b>" in trades
    assert ">159.61<" in trade
    assert gallery.count('<img src="data:image/png;base64,') == 2
    assert "the entry" in chart
    assert "breakout, earnings" in review
    assert pictures_in(outputs) == [(800, 480)]


def test_last_month_shows_a_frame_a_curve_and_a_calendar(tmp_path: Path) -> None:
    """The month's trades, sums by instrument, positions, two plots, and the month in words."""
    outputs = run(FOLDER / "last_month.ipynb", tmp_path)
    trades, sums, positions = tables_in(outputs)
    assert "average_exit" in positions
    assert "exec_ids" not in positions
    assert "… " in trades
    assert all(instrument in sums for instrument in ("SPY", "QQQ", "GLD"))
    assert "datetime64[us, UTC]" in str(outputs)
    assert [width > 500 and height > 250 for width, height in pictures_in(outputs)] == [True, True]
    assert " USD in " in str(outputs)
