"""`fedsift reproduce` on the command line."""

from pathlib import Path

from fedsift.studies.reproduction.registry import EXPERIMENTS
from tests.cli.commands import invoke


def test_it_lists_what_there_is() -> None:
    code, printed, _ = invoke("reproduce")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()] == list(EXPERIMENTS)


def test_figure_9_takes_no_training(tmp_path: Path) -> None:
    """Removing all of 500 one by one: 499 trainings against 124,750."""
    code, printed, _ = invoke("reproduce", "fig9", "--out", str(tmp_path))
    assert code == 0
    assert "124,750" in printed
    assert {file.name for file in tmp_path.glob("fig9.*")} == {
        f"fig9.{end}" for end in ("json", "csv", "svg", "png", "md")
    }


def test_mistakes(tmp_path: Path) -> None:
    code, _, told = invoke("reproduce", "fig3", "fig99", "--out", str(tmp_path))
    assert code == 2
    assert "unknown experiment 'fig99'" in told
    assert not list(tmp_path.iterdir())
