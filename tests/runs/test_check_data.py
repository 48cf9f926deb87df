import json
from pathlib import Path

import pytest
import typer

from fedsift.cli import app
from fedsift.configuration.run_config import RunConfig, write_toml
from tests.cli.commands import done, failed, invoke
from tests.models import save_model

LABELS = ("--client-column", "who", "--prompt", "{text}", "--target", "label")
IN_NO_ORDER = """
import os

def of_a_set(): return {"ann": list({(f"question {n}", f" answer {n}") for n in range(20)})}
def of_this_process(): return {"ann": lambda: [("p", f" {os.getpid()}")]}
def in_order(): return {"ann": sorted({(f"question {n}", f" answer {n}") for n in range(20)})}
"""


def test_what_a_file_holds(tiny_model: Path, table_file: Path) -> None:
    """Eight clients of three rows: nine byte tokens of prompt, five of target; to fit in 12, a prompt loses two."""
    options = ["--client-column=who", "--prompt=Q: {question}\\nA:", "--target=answer", "--model", tiny_model]
    told = json.loads(done("check-data", table_file, *options, "--max-length", "12", "--json"))
    assert (told["clients"], told["clients_read"]) == (8, 8)
    assert told["rows"] == {"min": 2, "median": 2, "max": 2}
    assert told["tokens"] == {"min": 12, "median": 12, "max": 12}
    assert (told["rows_cut"], told["tokens_cut"]) == (16, 16 * 2)
    assert told["different_targets"] == 16
    target = told["samples"][0]["target"]
    sample = {"client": "client 0", "prompt": "Q: q\nA:", "target": target, "learned": [*target]}
    assert told["samples"][0] == sample
    assert told["test_rows"] == {"min": 1, "median": 1, "max": 1}
    assert (told["held_out"], told["not_scored"], told["newcomers"], told["group_column"]) == (True, 0, 0, "")
    assert (told["single_target"], told["heterogeneity"]) == (0, pytest.approx(7 / 8))  # no target is two clients'
    assert told["digests"][0] == told["digests"][1] != ""
    assert told["profile"] == "vendor"

    printed = done("check-data", table_file, *options)
    assert "cut      0 rows, 0 tokens" in printed
    assert "trained  the same bits twice, profile vendor" in printed


def test_a_chat_as_it_is_rendered_and_what_of_it_is_learned(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", "gpt2", chat=True)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    file = tmp_path / "rows.jsonl"
    rows = [{"who": who, "chat": [*turns, *turns]} for who in ("ann", "ann", "bob", "bob")]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    options = ["check-data", file, "--client-column", "who", "--messages", "chat", "--model", folder]
    printed = done(*options, "--chat", "--system", "be brief")
    asked = "[system]be brief<eos>[user]hi<eos>[assistant]yo<eos>[user]hi<eos>[assistant]"
    assert f"sample   ann: '{asked}' -> 'yo<eos>'\nlearned  3 tokens: 'y' 'o' '<eos>'\n" in printed
    assert "trained  the same bits twice" in printed
    assert "messages are conversations, which the model's own chat template renders: give --chat" in failed(*options)


def test_labels_and_mistakes(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("who,text,label\na,x,yes\na,y,no\nb,z,yes\nb,w,yes\n", encoding="utf-8")
    options = [*LABELS, "--model", tiny_model, "--test-share", "0"]
    printed = done("check-data", file, *options)
    assert "scored   on 2 held-in rows a client" in printed
    assert "75.0%  yes" in printed
    assert "25.0%  no" in printed
    assert failed("check-data", tmp_path / "missing.csv", *options).endswith("does not exist\n")


@pytest.mark.parametrize("task", ["language-modelling", "classification"])
@pytest.mark.parametrize("wrong", range(4, 8))
def test_a_wrong_label_is_found_in_every_row(tiny_model: Path, tmp_path: Path, task: str, wrong: int) -> None:
    """Half of bob's rows are held out, or he never joins; each is found, by its number in the table."""
    rows = [("ann" if row < 4 else "bob", "Bugg" if row == wrong else ["Bug", "Praise"][row % 2]) for row in range(8)]
    file = tmp_path / "rows.csv"
    lines = [f"{who},text {row},{label}" for row, (who, label) in enumerate(rows)]
    file.write_text("\n".join(["who,text,label", *lines]), encoding="utf-8")
    options = [*LABELS, "--model", tiny_model, "--choices", "Bug,Praise", "--task", task, "--test-share", "0.5"]
    for more in ((), ("--clients", "1", "--newcomers", "1")):
        told = failed("check-data", file, *options, *more)
        assert f"client 'bob', row {wrong + 1} of the table: target: unknown choice 'Bugg'; did you mean 'Bug'" in told


def test_ids_that_look_alike_are_named(tiny_model: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("who,text,label\nann,x,yes\nAnn,y,no\nann ,z,yes\n007,w,yes\n7,w,yes\n", encoding="utf-8")
    options = [*LABELS, "--model", tiny_model]
    code, printed, warned = invoke("check-data", file, *options, "--json")
    assert code == 0
    assert json.loads(printed)["clients"] == 5
    assert json.loads(printed)["look_alikes"] == [["ann", "Ann", "ann "]]
    assert "warning: different clients whose ids look alike: 'ann', 'Ann', 'ann '\n" in warned
    _, _, warned = invoke("run", "--dataset", file, *options, "--steps", 1, "--out", tmp_path / "run")
    assert "warning: different clients whose ids look alike: 'ann', 'Ann', 'ann '\n" in warned


def test_rows_that_are_others_elsewhere(own_code: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was a set has an order of its own in each process; what is made of a process's state differs, too."""
    (own_code / "in_no_order.py").write_text(IN_NO_ORDER, encoding="utf-8")
    monkeypatch.chdir(own_code)
    monkeypatch.syspath_prepend(own_code)
    for function in ("of_a_set", "of_this_process"):
        told = failed("check-data", f"in_no_order:{function}", "--model", tiny_model)
        assert "client 'ann': its rows are others, or in another order, in another process" in told.splitlines()[-1]
    assert "the same bits twice" in done("check-data", "in_no_order:in_order", "--model", tiny_model)


def test_it_takes_all_that_says_what_a_run_is() -> None:
    """So that a command line of `fedsift run` is one of `fedsift check-data`."""
    run, check = (typer.main.get_command(app).commands[name] for name in ("run", "check-data"))  # type: ignore[attr-defined]
    of_run, of_check = ({each.name: each.to_info_dict() for each in command.params} for command in (run, check))
    assert of_run.keys() - of_check.keys() == {"config", "out", "resume", "seeds", "track", "track_losses"}
    assert of_check.keys() - of_run.keys() == {"data"}
    assert all(of_run[name]["help"] == of_check[name]["help"] for name in of_run.keys() & of_check.keys())


def test_a_configuration_and_who_is_to_leave(tiny_config: RunConfig, tmp_path: Path) -> None:
    write_toml(tiny_config, tmp_path / "config.toml")
    told = json.loads(done("check-data", tmp_path / "config.toml", "--leave", "client 1", "--json"))
    assert told["clients"] == 8
    assert "unknown client 'client 9'" in failed("check-data", tmp_path / "config.toml", "--leave", "client 9")
    assert "two data sets: a.csv and --dataset" in failed("check-data", "a.csv", "--dataset", tiny_config.dataset)
