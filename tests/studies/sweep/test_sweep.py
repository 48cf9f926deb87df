"""What a sweep plays, what it goes on with, and what it says, of a command whose figures are made up."""

import csv
import dataclasses
import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.table import Table

from fedsift.cli.table_layout import lay_out
from fedsift.core.errors import BadInput
from fedsift.runtime.progress import PhaseBars
from fedsift.studies.sweep.search import OptunaSearch, Range
from fedsift.studies.sweep.sweep import Score, Sweep, play_sweep
from fedsift.studies.sweep.sweep_tables import printed
from fedsift.studies.sweep.write import write_sweep
from tests.studies.sweep.made_up import MadeUp

GRID = {"steps": [5, 10], "lr": [0.01, 0.03]}
NEWCOMERS = Score("served", "newcomers")
FOLDERS = [f"steps={steps},lr={lr}/seed-{seed}" for steps in (5, 10) for lr in (0.01, 0.03) for seed in (0, 1)]


def sweep(command: MadeUp, **changes: object) -> Sweep:
    return dataclasses.replace(Sweep(command, {"clients": 5}, 2, NEWCOMERS, GRID), **changes)  # type: ignore[arg-type]


def test_every_point_is_played_with_every_seed(tmp_path: Path) -> None:
    command = MadeUp()
    swept = play_sweep(sweep(command), tmp_path / "out", PhaseBars)
    assert command.played == FOLDERS
    assert [point.changes for point in swept.points] == [{"steps": s, "lr": r} for s in (5, 10) for r in (0.01, 0.03)]
    assert swept.best and swept.best.changes == {"steps": 10, "lr": 0.01}
    served = swept.best.figures["served"]
    assert served["newcomers"].mean == pytest.approx(1.005)  # 1 and 1.01
    assert served["newcomers"].high == pytest.approx(1.005 + 12.7062047 * 0.005)
    assert served["newcomers"].per_seed == {0: 1.0, 1: 1.01}


def test_seeds_go_on_from_the_options_own(tmp_path: Path) -> None:
    command = MadeUp()
    swept = play_sweep(sweep(command, options={"seed": 7}, grid={}), tmp_path / "out", PhaseBars)
    assert command.played == ["out/seed-7", "out/seed-8"]
    assert not swept.varies
    assert swept.points[0].figures["served"]["members"].per_seed == pytest.approx({7: 0.87, 8: 0.88})  # 20 steps


@pytest.mark.parametrize("stop_after", range(8))
def test_a_stop_anywhere_loses_nothing(tmp_path: Path, stop_after: int) -> None:
    out = tmp_path / "out"
    stopped, again = MadeUp(stop_after), MadeUp()
    with pytest.raises(KeyboardInterrupt):
        play_sweep(sweep(stopped), out, PhaseBars)
    swept, undisturbed = (
        play_sweep(sweep(again), out, PhaseBars),
        play_sweep(sweep(MadeUp()), tmp_path / "2", PhaseBars),
    )
    assert stopped.played + again.played == FOLDERS
    assert [vars(point) for point in swept.points] == [vars(point) for point in undisturbed.points]
    assert not list(out.rglob("*.partial"))


def test_the_same_files_come_of_what_is_there(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        write_sweep(play_sweep(sweep(MadeUp(), grid={"steps": [5, 10]}), tmp_path, PhaseBars), tmp_path)
        names = ("result.json", "table.csv", "table.tex", "figure.svg", "figure.png")
        found.append([(tmp_path / name).read_bytes() for name in names])
    assert found[0] == found[1]


def test_more_values_and_seeds_are_played_beside_those_that_are_there(tmp_path: Path) -> None:
    play_sweep(sweep(MadeUp()), tmp_path, PhaseBars)
    command = MadeUp()
    play_sweep(sweep(command, seeds=3, grid={"steps": [5, 10, 20], "lr": [0.01]}), tmp_path, PhaseBars)
    own = tmp_path.name
    assert own not in command.played[0]
    assert command.played == [
        "steps=5,lr=0.01/seed-2",
        "steps=10,lr=0.01/seed-2",
        *(f"steps=20,lr=0.01/seed-{seed}" for seed in range(3)),
    ]


def test_another_sweeps_folder_is_refused(tmp_path: Path) -> None:
    play_sweep(sweep(MadeUp()), tmp_path / "out", PhaseBars)
    with pytest.raises(BadInput, match=r"is another sweep's, with clients = 5: give another --out"):
        play_sweep(sweep(MadeUp(), options={"clients": 6}), tmp_path / "out", PhaseBars)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(BadInput, match="not empty"):
        play_sweep(sweep(MadeUp()), tmp_path / "full", PhaseBars)


def test_a_point_that_fails_is_told_and_others_go_on(tmp_path: Path) -> None:
    swept = play_sweep(sweep(MadeUp(), grid={"lr": [0.01, 1.0]}), tmp_path / "out", PhaseBars)
    assert [bool(point.found) for point in swept.points] == [True, False]
    assert swept.points[1].failures == {0: "the loss is nan", 1: "the loss is nan"}
    assert [str(line) for line in printed(swept)[5:]] == [f"failed   lr = 1, seed {s}  the loss is nan" for s in (0, 1)]


def test_where_all_fail_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the loss is nan"):
        play_sweep(sweep(MadeUp(), grid={"lr": [1.0]}), tmp_path / "out", PhaseBars)
    assert not (tmp_path / "out").exists()


def test_a_value_that_cannot_be_is_said_before_anything_is_played(tmp_path: Path) -> None:
    command = MadeUp()
    with pytest.raises(BadInput, match="steps = -1"):
        play_sweep(sweep(command, grid={"steps": [5, -1]}), tmp_path / "out", PhaseBars)
    assert not command.played
    assert not (tmp_path / "out").exists()


def test_folders_have_plain_names_and_differ(tmp_path: Path) -> None:
    command = MadeUp()
    models = ["../x", ".._x", "a" * 300, "a" * 301]
    swept = play_sweep(sweep(command, seeds=1, grid={"model": models}), tmp_path / "out", PhaseBars)
    names = [point.folder for point in swept.points]
    assert len(set(names)) == 4
    assert all("/" not in name and len(name) < 100 for name in names)


def search(trials: int, **changes: object) -> Sweep:
    space = {"steps": Range(1, 40), "lr": Range(1e-3, 1e-1, log=True), "localise": ["own", "paper"]}
    return sweep(MadeUp(), grid={}, search=OptunaSearch(space, trials), **changes)


def test_a_search_finds_better_points_and_the_same_ones_again(tmp_path: Path) -> None:
    found = [play_sweep(search(30), tmp_path / name, PhaseBars) for name in ("one", "other")]
    assert [point.changes for point in found[0].points] == [point.changes for point in found[1].points]
    assert found[0].best and abs(found[0].best.changes["steps"] - 10) <= 3
    assert (
        found[0].points[0].changes
        != play_sweep(search(1, options={"seed": 1}), tmp_path / "seed", PhaseBars).points[0].changes
    )


def test_a_search_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    stopped = dataclasses.replace(search(12), command=MadeUp(stop_after=9))
    with pytest.raises(KeyboardInterrupt):
        play_sweep(stopped, tmp_path / "out", PhaseBars)
    swept = play_sweep(search(12), tmp_path / "out", PhaseBars)
    undisturbed = play_sweep(search(12), tmp_path / "undisturbed", PhaseBars)
    assert [vars(point) for point in swept.points] == [vars(point) for point in undisturbed.points]
    command = swept.sweep.command
    assert isinstance(command, MadeUp)
    assert len(command.played) == 2 * len(swept.points) - 9


def test_tables_have_a_number_a_cell_and_fit_80_columns(tmp_path: Path) -> None:
    swept = play_sweep(sweep(MadeUp()), tmp_path, PhaseBars)
    write_sweep(swept, tmp_path)
    titles, *rows = csv.reader(StringIO((tmp_path / "table.csv").read_text(encoding="utf-8")))
    assert titles[:4] == ["steps", "lr", "model", "seeds"]
    assert titles[4:7] == ["members", "members_low", "members_high"]
    assert len(rows) == 2 * 4
    for row in rows:
        for name, cell in zip(titles, row, strict=True):
            assert name == "model" or cell == "" or isinstance(float(cell), float)
    assert rows[0][4] == str(swept.points[0].figures["served"]["members"].mean)
    told = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert told["seeds"] == [0, 1]
    assert told["best"] == {"steps": 10, "lr": 0.01}
    assert told["points"][0]["figures"]["served"]["newcomers"]["per_seed"] == {"0": 0.95, "1": 0.96}
    latex = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert latex.startswith("% mean accuracy on rows that nobody trained on (held-out)\n% 2 seeds from 0; in brackets")
    assert r"\toprule" in latex
    row, first, second, table, best = printed(swept)
    assert str(row) == "served:"
    assert isinstance(table, Table)
    assert lay_out(table, Console(width=80)) <= 80
    assert str(first) == "mean accuracy on rows that nobody trained on (held-out)"
    assert str(second) == "2 seeds from 0; in brackets 95% over seeds (Student's t), where they differ"
    assert str(best) == "best     steps = 10, lr = 0.01, by served of newcomers"


def test_the_figure_says_in_words_what_it_shows(tmp_path: Path) -> None:
    write_sweep(play_sweep(sweep(MadeUp()), tmp_path / "grid", PhaseBars), tmp_path / "grid")
    write_sweep(play_sweep(search(5), tmp_path / "search", PhaseBars), tmp_path / "search")
    grid, searched = (
        ElementTree.parse(tmp_path / name / "figure.svg").getroot().findtext("{http://www.w3.org/2000/svg}desc")
        for name in ("grid", "search")
    )
    assert grid and "steps = 10, lr = 0.01: 1.005 (0.941 to 1.069)" in grid
    assert searched and "Highest: steps = " in searched
    drawn = ElementTree.parse(tmp_path / "search" / "figure.svg").getroot()
    texts = ["".join(each.itertext()) for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"steps", "lr", "localise", "own", "paper", "served of newcomers"} <= {*texts}
