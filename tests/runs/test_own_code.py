"""Client data and tasks of a user's own, whatever is wrong with them, through the real command."""

from pathlib import Path

import pytest

from tests.cli.commands import done, failed, result_of

CODE = """
import torch
from fedsift.learning.tasks.task import CustomTask

def first_bad(): return {"ann": [("p", 3)], "bob": [("p", " t")]}
def no_rows(): return {"ann": [], "bob": [("p", " t")]}
def raising(): return {"ann": lambda: open("no-such-file"), "bob": [("p", " t")]}
def twice():
    class Data:
        client_ids = ["ann", "ann"]
        def train_examples(self, client_id): return [("p", " t")]
    return Data()
def surrogate(): return {"ann": [("p\\ud800", " t")]}

def no_task(): return 5

class Line(CustomTask):
    def model(self): return torch.nn.Linear(1, 1)
    def batch(self, rows): return torch.tensor(rows)
    def loss(self, model, batch): return (model(batch[:, :1]) - batch[:, 1:]).square().mean()
    def scores(self, model, batch): return -(model(batch[:, :1]) - batch[:, 1:]).abs()[:, 0]

class BatchRaises(Line):
    def batch(self, rows): raise KeyError("no column")
class Late(Line):
    def scores(self, model, batch): return super().scores(model, batch).mean()
class Vector(Line):
    def loss(self, model, batch): return super().scores(model, batch)
class NoNumber(Line):
    def loss(self, model, batch): return super().loss(model, batch) * float("nan")

class Remembers(Line):
    seen = []
    def loss(self, model, batch):
        self.seen.append(1)
        return super().loss(model, batch) + len(self.seen)

class NoModel(Line):
    def model(self): return "a model"

def points(): return {f"line {n}": [(float(x), float(n * x)) for x in range(4)] for n in range(3)}

def mixed():
    return {
        "ann": [("p", " t"), ("q", " u")],
        "no rows": [],
        "raising": lambda: 1 / 0,
        "number": [("p", " t"), ("p", 3)],
        "surrogate": [("p\\ud800", " t")],
        "long": [("x" * 100_000, "y" * 100_000)],
        "single": [("p", " t")] * 5,
    }

class Other:
    pass
def needy(something):
    pass
"""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "mine:twice"], "dataset mine:twice: client 'ann' is there 2 times; merge its rows under one id"),
        (["--dataset", "mine:clientz"], "dataset mine:clientz: unknown function 'clientz'"),
        (["--dataset", "mine:points", "--task", "mine:no_task"], "task mine:no_task returned int; expected a fedsift."),
        (["--dataset", "mine:points", "--task", "mine:NoModel"], "task mine:NoModel: model() returned str; expected a"),
        (
            ["--dataset", "mine:points", "--task", "mine:Other"],
            "mine:Other: it is no subclass of fedsift.learning.t",
        ),
        (["--dataset", "mine:points", "--task", "mine:needy"], "TypeError: needy() missing 1 required"),
        (["--dataset", "mine:points", "--task", "mine:Lime"], "unknown class 'Lime'; did you mean 'Line'"),
        (
            ["--dataset", "mine:points", "--task", "mine:Q"],
            "unknown class 'Q'; valid: BatchRaises, Late, Line, NoM",
        ),
        (["--dataset", "mine:points", "--task", "mine:Line", "--dtype", "bfloat16"], "dtype belongs to a transformers"),
    ],
)
def test_one_line_before_anything_starts(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    told = failed("run", *options, "--out", "out")
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def mine(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code above, as a module of the folder in which the command and its workers run."""
    monkeypatch.chdir(own_code)
    (own_code / "all_mine.py").write_text(CODE, encoding="utf-8")


def test_the_first_client_is_tried_by_the_workers(mine: None, tmp_path: Path) -> None:
    last = failed("run", "--dataset", "all_mine:first_bad", "--out", tmp_path / "out").splitlines()[-1]
    assert last == "fedsift: client 'ann', row 1: ('p', 3) is no pair (prompt, target) of texts that are not empty"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("BatchRaises", "task all_mine:BatchRaises: batch: KeyError: 'no column' (all_mine.py, line 24)"),
        ("Late", "task all_mine:Late: scores returned a tensor of shape (); expected a tensor of shape (rows,), one a"),
        ("Vector", "task all_mine:Vector: loss returned a tensor of shape (3,); expected a tensor with one number"),
        ("Remembers", "the loss of the same row under the same weights is"),
        ("NoNumber", "the loss is nan at step 1 of the tuning: nothing has been tuned yet, so look at the data and"),
    ],
)
def test_what_goes_wrong_in_a_task_is_told_as_its_own(mine: None, tmp_path: Path, task: str, message: str) -> None:
    options = ["--dataset", "all_mine:points", "--task", f"all_mine:{task}", "--steps", 2]
    told = failed("run", *options, "--out", tmp_path / "out")
    assert message in told.splitlines()[-1]
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_bad_clients_are_listed_and_the_others_go_on(mine: None, tmp_path: Path) -> None:
    done("run", "--dataset", "all_mine:mixed", "--steps", 2, "--test-share", 0, "--out", tmp_path / "out")
    result = result_of(tmp_path / "out")
    assert set(result["scores"]["local"]["per_client"]) == {"ann", "long", "single"}
    failures = {
        client: why.removeprefix("train: ").replace("dataset all_mine:mixed: ", "")
        for client, why in result["failures"].items()
    }
    assert failures == {
        "no rows": "client 'no rows' has no rows; a client needs at least one",
        "raising": "client 'raising': ZeroDivisionError: division by zero (all_mine.py, line 47)",
        "number": "client 'number', row 2: ('p', 3) is no pair (prompt, target) of texts that are not empty",
        "surrogate": "client 'surrogate', row 1: ('p\\ud800', ' t') is no valid Unicode at character 2; "
        "decode the source as UTF-8",
    }


def test_a_task_of_ones_own(mine: None, tmp_path: Path) -> None:
    options = ["--dataset", "all_mine:points", "--task", "all_mine:Line", "--lr", "0.1", "--steps", "30"]
    done("run", *options, "--leave", "line 1", "--oracle", "--out", tmp_path / "out")
    result = result_of(tmp_path / "out")
    assert (result["metric"], result["tuned_parameters"]) == ("score", 2)
    assert result["scores"]["local"]["mean"] > result["scores"]["zero_shot"]["mean"]
    assert result["oracle"]["bit_identical"]
