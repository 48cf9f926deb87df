"""The notebooks, run as a reader would run them; they are kept without outputs."""

import io
from collections.abc import Mapping
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


def run(notebook: str, shell: InteractiveShell, smaller: Mapping[str, str]) -> str:
    """What its cells print and show, with some of their text replaced."""
    sources = [cell.source for cell in cells_of(page(f"{notebook}.ipynb"))]
    assert all(any(each in source for source in sources) for each in smaller)
    with redirect_stdout(io.StringIO()) as told:
        for source in sources:
            for old, new in smaller.items():
                source = source.replace(old, new)
            shell.run_cell(source).raise_error()
    return told.getvalue()


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_kept_without_outputs(file: Path) -> None:
    assert file.stat().st_size < 10_000
    assert all(not cell.outputs and cell.execution_count is None for cell in cells_of(file))


def test_first_federation(shell: InteractiveShell) -> None:
    told = run("first-federation", shell, {"clients=20, newcomers=4": "clients=4, newcomers=2, steps=5"})
    members, newcomers = shell.user_ns["members"], shell.user_ns["newcomers"]
    assert members.served.mean > members.zero_shot.mean
    assert newcomers.served.mean > newcomers.zero_shot.mean
    assert "Verdict.BIT_EXACT" in told
    assert "'certificates', 'config.toml', 'ledger.sqlite', 'masks', 'result.json'" in told


def test_partitions(shell: InteractiveShell) -> None:
    pytest.importorskip("flwr_datasets", reason="pip install flwr-datasets; it asks for an older version of datasets")
    told = run("partitions", shell, {'"newcomers": 0': '"newcomers": 0, "steps": 2'})
    runs = shell.user_ns["runs"]
    for each in runs.values():
        assert each.result.members.served.mean > each.result.members.alone.mean
    assert runs["by town"].members == sorted(f"town-{number}" for number in range(12))
    assert told.count("<IPython.core.display.SVG object>") == 3


SAID = {
    "first-federation": ("Verdict.BIT_EXACT", "person-0002", "certificates", "image/svg+xml"),
    "partitions": ("town-7", "image/svg+xml"),
    "opt-out-study": ("An outsider sees", "A stayer sees", "The server was sent", "to the last digit", "image/svg+xml"),
}
SMALL_STUDY = {
    "clients = 16\nnewcomers = 8": "clients = 5\nnewcomers = 4\nsteps = 2",
    "clients=8, newcomers=4": "clients=3, newcomers=1, steps=2",
    "attacks=True": "attacks=False",  # the kernel plays them
}


def test_opt_out_study(shell: InteractiveShell) -> None:
    run("opt-out-study", shell, SMALL_STUDY)
    assert shell.user_ns["study"].result.verdict == "proven"
    assert shell.user_ns["comparison"].to_pandas()["exact_in_bits"].all()


@pytest.mark.exhaustive
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_in_a_kernel(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if file.stem == "partitions":
        pytest.importorskip("flwr_datasets")
    monkeypatch.setenv("TQDM_DISABLE", "1")  # Flower Datasets draws bars of it.
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    for said in SAID[file.stem]:
        assert said in "".join(map(str, outputs))
