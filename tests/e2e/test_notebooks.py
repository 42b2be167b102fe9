"""The notebooks: each runs from top to bottom with this interpreter, and lies in git without outputs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIMIT = 300
"""Seconds for one notebook."""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a kernel that is this interpreter; Jupyter's files go to a temporary folder."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "this interpreter",
        "language": "python",
    }
    place = tmp_path / "jupyter" / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("MPLBACKEND", "agg")
    # The notebook sees this checkout, installed or not.
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(":")
    )
    return "python3"


def execute(book: nbformat.NotebookNode, kernel: str, folder: Path) -> None:
    """Run every cell; a cell that raises, or a notebook over the limit, is an error."""
    client = NotebookClient(book, kernel_name=kernel, resources={"metadata": {"path": str(folder)}})
    asyncio.run(asyncio.wait_for(client.async_execute(), LIMIT))


def test_the_kernel_is_this_interpreter(kernel: str, tmp_path: Path) -> None:
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import sys, dcpt; print(sys.executable, dcpt.__file__, sep='\\n')")]
    )
    execute(book, kernel, tmp_path)
    executable, package = book.cells[0].outputs[0]["text"].split()
    assert (executable, Path(package).parent) == (sys.executable, ROOT / "dcpt")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_runs(path: Path, kernel: str) -> None:
    execute(nbformat.read(path, as_version=4), kernel, path.parent)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_lies_in_git_without_outputs(path: Path) -> None:
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells, start=1):
        if cell.cell_type == "code":
            assert not cell.outputs, f"cell {number} has outputs: clear them before committing"
            assert cell.execution_count is None, f"cell {number} has a count: clear it before committing"
