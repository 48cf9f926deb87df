"""The pages on opting out and on the paper's figures, run as a reader would run them, with fewer clients and steps."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fedsift.studies.reproduction.reproduce import reproduce
from fedsift.studies.training_cache import Session
from tests.cli.commands import done, invoke, result_of
from tests.documents.pages import commands, page, write_files

OPT_OUT = [words[1:] for words in commands(page("opt-out.md"), run=True)]
READY, OWN, RESUMED, METHODS = OPT_OUT
FEWER = ["--steps", 1, "--newcomers", 2]
WRITTEN = ("report.html", "figures", "tables", "result.json", "scenario.toml", "config.toml", "ledger.sqlite", "masks")
OPEN_UNLEARNING = "open-unlearning.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def proven(run: Path) -> list[dict[str, Any]]:
    """The steps of a scenario, each with the state of its oracles."""
    steps: list[dict[str, Any]] = result_of(run)["steps"]
    assert all(step["same_as_incremental"] and step["same_as_full"] is not False for step in steps)
    assert any(step["same_as_full"] for step in steps)
    return steps


def play_own(*attacks: str) -> Path:
    """The scenario of the page, of which two of eleven leave: as it says, the one with other data is refused."""
    assert write_files(page("opt-out.md"), Path()) == ["mine.toml"]
    arguments = [each for each in OWN if each != "--attacks"]
    code, printed, told = invoke(*arguments, *attacks, *FEWER, "--clients", 11, "--out", "own")
    assert (code, "1 removal was refused" in printed) == (3, True), told
    steps = proven(Path("own"))
    assert [(len(step["left"]), len(step["joined"])) for step in steps[1:]] == [(0, 0), (1, 0), (0, 0), (0, 1)]
    (reason,) = steps[1]["refused"].values()
    assert "data" in reason
    return Path("own")


@pytest.mark.exhaustive
def test_a_ready_scenario_and_one_that_goes_on() -> None:
    printed = done(*READY, *FEWER, "--clients", 6)
    assert "1 of 6 clients left. The server is byte for byte the run without it." in printed
    run = Path("runs/001")
    assert [name for name in (*WRITTEN, "certificates") if not (run / name).exists()] == []
    assert [step["members"] for step in proven(run)] == [6, 5]
    assert "report   runs/001/report.html" in done(*RESUMED)


def test_the_scenario_of_the_page() -> None:
    assert not (play_own() / OPEN_UNLEARNING).exists()


@pytest.mark.exhaustive
def test_the_scenario_of_the_page_attacked() -> None:
    assert (play_own("--attacks") / OPEN_UNLEARNING).exists()


@pytest.mark.exhaustive
def test_methods_that_are_attacked() -> None:
    done(*METHODS, *FEWER, "--clients", 6, "--rounds", 2, "--local-steps", 1, "--out", "attacked")
    table = Path("attacked/tables/relearning.csv").read_text(encoding="utf-8")
    titles = {line.partition(",")[0] for line in table.splitlines()}
    assert {"SIFT-Masks", "FedAvg", "SCAFFOLD + NPO", "FT + Merge"} <= titles


LISTED, MEASURED = (words[1:] for words in commands(page("figures-of-the-paper.md"), run=True))


def test_what_figures_there_are() -> None:
    named = [line.split()[0] for line in done(*LISTED).splitlines()]
    assert {*(f"fig{number}" for number in range(3, 14)), *MEASURED[1:]} < {*named}


@pytest.mark.parametrize("names", [MEASURED[1:2], pytest.param(MEASURED[1:], marks=pytest.mark.exhaustive)], ids=str)
def test_figures_of_the_paper(names: list[str], session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn on the workers of all tests; the last one trains for thousands of steps."""
    monkeypatch.setattr("fedsift.studies.reproduction.reproduce.reproduce", partial(reproduce, session=session))
    printed = done(MEASURED[0], *names, "--clients", 3, "--steps", 1)
    for name in names:
        assert f"written  runs/reproduced/{name}.json, .csv, .svg, .png, .md" in printed
        files = Path("runs/reproduced").glob(f"{name}.*")
        assert {file.suffix for file in files} == {".json", ".csv", ".svg", ".png", ".md"}
    assert any(Path("runs/reproduced/trainings").rglob("*.vector"))
