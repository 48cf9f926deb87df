import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import fedsift
from fedsift import BadInput, Refused, Run, RunConfig, Verdict
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.models import load_model
from fedsift.learning.tasks.task import encode_rows, mean_score
from tests.api.rows_of_tests import Multiples, Threes, clients
from tests.cli import commands


@pytest.fixture
def settings(tiny_config: RunConfig) -> dict[str, Any]:
    return {"model": tiny_config.model, "steps": tiny_config.steps, "workers": 2, "dataset": clients()}


def test_a_run_from_memory_is_the_run_from_a_file(
    tiny_config: RunConfig, settings: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from_file = fedsift.simulate(tiny_config, out=tmp_path / "from file")
    run = fedsift.simulate(out=tmp_path / "run", **settings)
    assert run.result.state_digest == from_file.result.state_digest
    assert run.scores["sift_masks"] == from_file.scores["sift_masks"]
    assert run.members == sorted(clients())
    assert capfd.readouterr() == ("", "")


def test_scores_as_a_frame(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fedsift.simulate(out=tmp_path / "run", leave=["client 5"], **settings)
    told = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    frame = run.scores.to_pandas()
    assert list(frame.index) == sorted(clients())
    assert {kind: column.dropna().to_dict() for kind, column in frame.items()} == {
        kind: score["per_client"] for kind, score in told["scores"].items()
    }
    assert run.scores.metric == "answer probability"
    assert run.scores["merged"].mean == pytest.approx(frame["merged"].mean())
    after = run.scores_after_removal
    assert after is not None
    assert set(after["merged"].per_client) == set(clients())


@pytest.mark.parametrize("localise", ["own", "coordinate", "paper"])
def test_what_a_member_is_served_scores_as_told(settings: dict[str, Any], tmp_path: Path, localise: str) -> None:
    run = fedsift.simulate(out=tmp_path / "run", localise=localise, test_share=0, **settings)
    _, task = load_model(run.config.model_settings)
    for client, kind in (("client 2", "sift_masks"), (None, "merged")):
        served = run.served(client)
        who = client or "client 3"
        encoded = encode_rows(task, clients()[who], who)
        device = next(served.model.parameters()).device
        score = mean_score(task, served.model, encoded, run.config.batch_size, device)
        assert score == run.scores[kind].per_client[who]
        assert not served.model.training
        assert served.tokenizer("Q: q0?").input_ids
        signs = sign_vector(run.config.sign_seed, len(served.task_vector))
        assert (served.task_vector * signs >= 0).all()
        assert np.count_nonzero(served.task_vector) > 0


def test_a_served_model_is_a_copy_of_its_own(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fedsift.simulate(out=tmp_path / "run", evaluate=False, **settings)
    one, other = (dict(run.served(client).model.named_parameters()) for client in ("client 0", "client 1"))
    assert any((one[name] != other[name]).any() for name in one)
    assert not any(parameter.requires_grad for parameter in one.values())


def test_members_leave_and_come_back(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fedsift.simulate(out=tmp_path / "run", **settings)
    full = run.result.state_digest
    receipt = run.forget("client 1")
    assert receipt.verdict is Verdict.BIT_EXACT
    assert receipt.steps_retrained == 3
    assert [each.client for each in run.forget(["client 2", "client 0"])] == ["client 0", "client 2"]
    without = {each: rows for each, rows in clients().items() if each not in ("client 0", "client 1", "client 2")}
    never = fedsift.simulate(out=tmp_path / "never", **{**settings, "dataset": without})
    assert run.result.state_digest == never.result.state_digest
    with pytest.raises(Refused, match="client 'client 1' has left already"):
        run.forget("client 1")
    with pytest.raises(Refused, match="client 'client 1' has left already"):
        run.served("client 1")
    assert run.join(["client 0", "client 1", "client 2"]).state_digest == full
    found = run.verify(oracle=True, certificate=tmp_path / "run" / "certificates" / "0001.json")
    assert found.holds
    assert {"certificate", "oracle"} <= found.checks.keys()


@pytest.mark.exhaustive
def test_the_command_line_goes_on_with_rows_from_memory(settings: dict[str, Any], tmp_path: Path) -> None:
    """In processes that know nothing but the folder; and the other way round."""
    run = fedsift.simulate(out=tmp_path / "run", evaluate=False, **settings)
    done = commands.fedsift("forget", tmp_path / "run", "client 4", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["removals"][0]["verdict"] == "BIT_EXACT"
    assert "client 4" not in run.members
    assert Run.open(tmp_path / "run").result.removals[0].verdict is Verdict.BIT_EXACT


def test_a_rerun_on_other_data_is_refused_and_others_can_train(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fedsift.simulate(out=tmp_path / "run", evaluate=False, **settings)
    changed = {**clients(), "client 6": [("another", " row")]}
    fedsift.simulate(out=tmp_path / "other", evaluate=False, **{**settings, "dataset": changed})
    (tmp_path / "other" / "data.rows").replace(tmp_path / "run" / "data.rows")
    receipt = run.forget("client 6")
    assert receipt.verdict is Verdict.REFUSED
    assert "other data" in str(receipt.reason)
    assert "client 6" in run.members
    rebuilt = run.forget("client 6", rebuild=True)
    assert rebuilt.verdict is Verdict.REBUILT
    assert "client 6" not in run.members


@pytest.mark.parametrize("task", [Threes, Threes(), "tests.api.rows_of_tests:Threes"])
def test_a_task_of_ones_own(tmp_path: Path, task: Any) -> None:
    rows = {f"client {number}": [number, number + 1] for number in range(3)}
    run = fedsift.simulate(dataset=rows, task=task, steps=20, workers=2, test_share=0, out=tmp_path / "run")
    assert run.scores.metric == "nearness"
    served = run.served("client 1")
    assert served.tokenizer is None
    scores = Threes().scores(served.model, Threes().batch([1, 2]))
    assert scores.double().mean().item() == run.scores["sift_masks"].per_client["client 1"]


def test_a_task_that_workers_cannot_import_is_told() -> None:
    class InAFunction(Threes):
        pass

    for task in (InAFunction, InAFunction()):
        with pytest.raises(BadInput, match=r"InAFunction cannot be imported by workers.*such as my_task.py"):
            fedsift.simulate(task=task)
    with pytest.raises(BadInput, match=r"this Multiples has values of its own \(factor\)"):
        fedsift.simulate(task=Multiples(5))


def test_a_run_that_was_stopped_is_gone_on_with(settings: dict[str, Any], tmp_path: Path) -> None:
    run = fedsift.simulate(out=tmp_path / "run", **settings)
    scores = dict(run.scores)
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(BadInput, match="has no result"):
        _ = run.scores
    assert dict(run.resume().scores) == scores


def test_weights_that_changed_since_are_told(settings: dict[str, Any], tmp_path: Path, tiny_model: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    run = fedsift.simulate(out=tmp_path / "run", evaluate=False, **{**settings, "model": model})
    weights = load_file(model / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadInput, match="has other weights now than those that members tuned"):
        run.served("client 0")


SCRIPT = """
import signal, threading, fedsift, sys
signals = [signal.SIGINT, signal.SIGTERM]
before = [signal.getsignal(each) for each in signals]
rows = {f"client {n}": [("q?", f" {n}")] for n in range(3)}
run = fedsift.simulate(dataset=rows, steps=1, out="run")
receipts = []
thread = threading.Thread(target=lambda: receipts.append(run.forget("client 1")))
thread.start()
thread.join()
assert receipts[0].verdict is fedsift.Verdict.BIT_EXACT
assert [signal.getsignal(each) for each in signals] == before
"""


@pytest.mark.exhaustive
def test_nothing_is_printed_and_signals_are_left_alone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
