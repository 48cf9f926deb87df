"""The notebooks, run as a reader would run them; they are kept without outputs."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient

from tests.documents.pages import NOTEBOOKS, page


def cells_of(notebook: Path) -> list[Any]:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """What runs a notebook's cells, in this process, so that they take the workers of the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return InteractiveShell()


def run(notebook: str, shell: InteractiveShell) -> str:
    """What its cells print and show."""
    with redirect_stdout(io.StringIO()) as told:
        for cell in cells_of(page(f"{notebook}.ipynb")):
            shell.run_cell(cell.source).raise_error()
    return told.getvalue()


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_kept_without_outputs(file: Path) -> None:
    assert file.stat().st_size < 10_000
    assert all(not cell.outputs and cell.execution_count is None for cell in cells_of(file))


def test_first_federation(shell: InteractiveShell) -> None:
    told = run("first-federation", shell)
    members, newcomers = shell.user_ns["members"], shell.user_ns["newcomers"]
    assert members.served.low > members.alone.high
    assert newcomers.served.mean > newcomers.zero_shot.mean
    assert "Verdict.BIT_EXACT" in told
    assert "'certificates', 'config.toml', 'ledger.sqlite', 'masks', 'result.json'" in told


def test_partitions(shell: InteractiveShell) -> None:
    pytest.importorskip("flwr_datasets", reason="pip install flwr-datasets; it asks for an older version of datasets")
    told = run("partitions", shell)
    runs = shell.user_ns["runs"]
    for each in runs.values():
        assert each.result.members.served.mean > each.result.members.alone.mean
    assert runs["by town"].members == [f"town-{number}" for number in range(8)]
    assert told.count("<IPython.core.display.SVG object>") == 3


def test_opt_out_study(shell: InteractiveShell) -> None:
    told = run("opt-out-study", shell)
    assert shell.user_ns["study"].result.verdict == "proven"
    for observer in ("An outsider", "A stayer", "The server was sent"):
        assert f"\n{observer}" in told
    assert "to the last digit" in told
    assert shell.user_ns["comparison"].to_pandas()["exact_in_bits"].all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_in_a_kernel(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if file.stem == "partitions":
        pytest.importorskip("flwr_datasets")
    monkeypatch.setenv("TQDM_DISABLE", "1")  # Flower Datasets draws bars of it.
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
