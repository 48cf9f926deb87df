"""The pages on Python and on export, and the examples of other pages, run as a reader would run them."""

from pathlib import Path

import pytest

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
