"""The task with labels of own-task.md: what its members are served is no worse than what they have."""

from pathlib import Path

import pytest

from tests.cli.commands import done, result_of
from tests.documents.pages import blocks, page


@pytest.fixture
def gestures(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both pieces of code as one module, in the folder in which the command and its workers run."""
    pieces = [block.content for block in blocks(page("own-task.md")) if block.language == "python"]
    assert "labels = 4" in pieces[1]
    (own_code / "labelled_gestures.py").write_text("\n".join(pieces[:2]), encoding="utf-8")
    monkeypatch.chdir(own_code)


def test_sharing_a_task_of_ones_own_does_not_lose(gestures: None, tmp_path: Path) -> None:
    """Each person has a manner of its own, so that there is little to share; removal is exact all the same."""
    task = ["--task", "labelled_gestures:GesturesWithLabels", "--dataset", "labelled_gestures:clients"]
    some = ["--clients", 10, "--newcomers", 2, "--steps", 20, "--leave-count", 1, "--oracle"]
    done("run", *task, *some, "--out", tmp_path / "out")
    result = result_of(tmp_path / "out")
    assert result["failures"] == {}
    assert result["held_out"] is True
    assert result["oracle"]["bit_identical"] is True
    for members in (result["members"], result["members_after_removal"]):
        assert members["served"]["mean"] >= members["alone"]["mean"] - 0.01
        assert members["served"]["mean"] > members["zero_shot"]["mean"]
    newcomers = result["newcomers"]
    assert len(newcomers["served"]["per_client"]) == 2
    assert newcomers["served_own_rows"]["mean"] > newcomers["zero_shot"]["mean"]
