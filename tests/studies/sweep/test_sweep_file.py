"""A sweep's file: what it says, and how what is wrong in it is said."""

from pathlib import Path

import pytest

from fedsift.core.errors import BadInput
from fedsift.studies.sweep.commands import Compare
from fedsift.studies.sweep.search import OptunaSearch, Range
from fedsift.studies.sweep.sweep import Score, Sweep
from fedsift.studies.sweep.sweep_file import read_sweep


def read(folder: Path, text: str) -> Sweep:
    file = folder / "sweep.toml"
    file.write_text(text, encoding="utf-8")
    return read_sweep(file)


def test_a_grid(tmp_path: Path) -> None:
    sweep = read(tmp_path, "clients = 20\nseeds = 3\n[sweep]\nsteps = [10, 20]\nlr = [0.01]\n")
    assert (sweep.command.name, sweep.options, sweep.seeds) == ("run", {"clients": 20}, 3)
    assert sweep.grid == {"steps": [10, 20], "lr": [0.01]}
    assert sweep.score == Score("served", "newcomers")


def test_newcomers_decide_where_there_are_any(tmp_path: Path) -> None:
    assert read(tmp_path, "newcomers = 0\n[sweep]\nsteps = [1]\n").score == Score("served", "members")


def test_a_search_of_a_comparison(tmp_path: Path) -> None:
    text = 'command = "compare"\nmethods = ["ties", "sift-masks"]\nsearch = "optuna"\ntrials = 7\nrounds = 2\n[sweep]\n'
    sweep = read(tmp_path, text + "lr = { low = 1e-3, high = 0.1, log = true }\nsample = [0.5, 1]\n")
    assert isinstance(sweep.command, Compare)
    assert sweep.command.methods == ["ties", "sift-masks"]
    assert sweep.search == OptunaSearch({"lr": Range(0.001, 0.1, log=True), "sample": [0.5, 1]}, 7)
    assert sweep.score == Score("sift-masks", "newcomers")
    assert sweep.options == {"rounds": 2}


WRONG = {
    "client = 20\n[sweep]\nsteps = [1]": "unknown key 'client'; did you mean 'clients'?",
    "trial = 20\n[sweep]\nsteps = [1]": "unknown key 'trial'; did you mean 'trials'?",
    "[sweep]\nstep = [1]": r"\[sweep\]: unknown option 'step'; did you mean 'steps'?",
    "learning_rate = 1\n[sweep]\nsteps = [1]": "unknown key 'learning_rate'; learning_rate is called lr here",
    '[sweep]\ndataset = ["people", "missing.csv"]': "dataset file missing.csv does not exist",
    "[sweep]\nrounds = [1]": r"\[sweep\]: unknown option 'rounds'; valid: ",
    "[sweep]\nseed = [1]": r"\[sweep\]: seed has no place there: seeds = 3",
    "steps = 2\n[sweep]\nsteps = [1]": r"steps stands in \[sweep\] and outside of it",
    "steps = 2": r"\[sweep\] is missing",
    "[sweep]\nsteps = 1": r"\[sweep\]: steps = 1: expected a list of values",
    "[sweep]\nsteps = []": r"\[sweep\]: steps = \[\]: expected a list of values",
    "[sweep]\nsteps = [1, 2.5]": "steps = 2.5: expected a whole number",
    "[sweep]\nlr = {low = 1, high = 2}": "ranges belong to a search",
    'search = "optuna"\n[sweep]\nlr = {low = 2, high = 1}': "low below high",
    'search = "optuna"\n[sweep]\nlr = {low = 0, high = 1, log = true}': "above 0 with log = true",
    'search = "optuna"\n[sweep]\nlr = {low = 1, hig = 2}': "lr: unknown key 'hig'; did you mean 'high'?",
    'search = "optuna"\n[sweep]\nlr = {low = -1.0, high = 1.0}': "lr = -1.0: give",
    'search = "optun"\n[sweep]\nlr = [1]': "unknown search 'optun'; did you mean 'optuna'?",
    "trials = 3\n[sweep]\nlr = [1]": 'trials belong to search = "optuna"',
    "seeds = 0\n[sweep]\nlr = [1]": "seeds = 0: expected a whole number from 1",
    'score = "serve of members"\n[sweep]\nlr = [1]': "unknown model 'serve'; did you mean 'served'?",
    'score = "served of member"\n[sweep]\nlr = [1]': "unknown column 'member'; did you mean 'members'?",
    'command = "compar"\n[sweep]\nlr = [1]': "unknown command 'compar'; did you mean 'compare'?",
    'methods = ["ties"]\n[sweep]\nlr = [1]': 'methods belong to command = "compare"',
    'command = "compare"\nmethods = ["tie"]\n[sweep]\nlr = [1]': "unknown method 'tie'; did you mean 'ties'?",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=rf"^sweep {tmp_path}/sweep.toml: .*{told}"):
        read(tmp_path, text)
