"""docs/how-to/python.md and the example of README.md, run as a reader would run them."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def run_blocks(page: Path) -> None:
    """All blocks of Python that are no files, one after the other, as one program."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        exec(compile(block, page.name, "exec"), names)


def test_the_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(DOCS / "how-to/python.md")
    printed = capsys.readouterr().out
    for told in ("Scores(answer probability: zero_shot", "['ann', 'bob', 'cem']", "\n3\n", "SIFT-Masks", "report.html"):
        assert told in printed
    assert sorted(each.name for each in (tmp_path / "runs").iterdir()) == ["001", "002", "003", "004"]


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_blocks(DOCS.parent / "README.md")
