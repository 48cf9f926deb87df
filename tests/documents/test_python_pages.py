"""The pages on Python and on export, the notebooks, and the examples of other pages, run as a reader would run them."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.documents.pages import README, REPOSITORY, page, run_python

OTHERS = [README, page("export.md"), page("method.md")]
PACKAGE = pytest.param(REPOSITORY / "PACKAGE.md", marks=pytest.mark.exhaustive)


def test_the_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(page("python.md"))
    printed = capsys.readouterr().out
    for told in ("Scores(answer probability: zero_shot", "['ann', 'bob', 'cem']", "\n3\n", "SIFT-Masks", "report.html"):
        assert told in printed
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == ["001", "002", "003", "004"]


@pytest.mark.parametrize("page", [*OTHERS, PACKAGE], ids=lambda page: page.name)
def test_other_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(page)


@pytest.mark.exhaustive
def test_the_notebook_runs_and_shows_no_error(tmp_path: Path) -> None:
    """It is kept without outputs."""
    file = page("first-federation.ipynb")
    notebook = nbformat.read(file, as_version=4)
    assert file.stat().st_size < 10_000
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    files = "'certificates', 'config.toml', 'ledger.sqlite', 'masks', 'result.json'"
    for told in ("Verdict.BIT_EXACT", "person-0009", files):
        assert told in "".join(map(str, outputs))
