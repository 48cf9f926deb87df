"""`fedsift reproduce` on the command line."""

from pathlib import Path

from fedsift.studies.reproduction.registry import EXPERIMENTS
from tests.cli.commands import done, failed


def test_it_lists_what_there_is() -> None:
    assert [line.split()[0] for line in done("reproduce").splitlines()] == list(EXPERIMENTS)


def test_figure_9_takes_no_training(tmp_path: Path) -> None:
    """Removing all of 500 one by one: 499 trainings against 124,750."""
    assert "124,750" in done("reproduce", "fig9", "--out", tmp_path)
    assert {file.suffix for file in tmp_path.glob("fig9.*")} == {".json", ".csv", ".svg", ".png", ".md"}


def test_mistakes(tmp_path: Path) -> None:
    assert "unknown experiment 'fig99'" in failed("reproduce", "fig3", "fig99", "--out", tmp_path)
    assert not list(tmp_path.iterdir())
