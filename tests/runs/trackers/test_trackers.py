"""The ready trackers, each with its library, offline; what they keep is read back by the library itself."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest

from tests.runs.trackers.track_made_up import CLIENTS, LOSSES, PARAMETERS, ROUNDS, send

ROOT = Path(__file__).parents[3]
# A network of its own, in which there is nobody, for whoever may have one.
ALONE = ["unshare", "--map-root-user", "--net"]
OFFLINE = {"WANDB_", "MLFLOW_"}  # how variables begin that might say otherwise
HEADER, BLOCK, FULL, LAST = struct.Struct("<IHB"), 32768, 1, 4  # of the log of an offline run of wandb


def sent(tracker: str, folder: Path, *more: str) -> None:
    """The made-up run, sent by a process without a network."""
    alone = ALONE if shutil.which("unshare") and not subprocess.run([*ALONE, "true"], check=False).returncode else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith(tuple(OFFLINE))}
    command = [*alone, sys.executable, "-m", "tests.runs.trackers.track_made_up", tracker, *more]
    ended = subprocess.run(
        command, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == (1 if more else 0), ended.stderr
    assert (ended.stdout, ended.stderr) == ("", "stopped\n" if more else "")


def test_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.chdir(tmp_path)
    send("tensorboard")
    send("tensorboard")  # another run of that name
    assert sorted(each.name for each in (tmp_path / "tensorboard").iterdir()) == ["001", "001-2"]
    read = EventAccumulator(str(tmp_path / "tensorboard/001"))
    read.Reload()
    for name in ("members/served", "clients/members"):
        assert [(each.step, each.value) for each in read.Scalars(name)] == [
            (step, ROUNDS[step][name]) for step in (1, 2)
        ]
    assert [(each.step, each.value) for each in read.Scalars("loss/client 1")] == [(1, 2.0), (2, 1.0)]
    texts = {name: read.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in ("run", "clients", "removals")}
    assert json.loads(texts["run"].strip("`\n")) == PARAMETERS
    assert texts["clients"].splitlines()[2:] == ["| a | 0.5 | False |", "| b/c | nan | True |"]


@pytest.mark.slow
def test_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    sent("mlflow", tmp_path)
    sent("mlflow", tmp_path, "stopped")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("fedsift")
    assert experiment
    stopped, run = client.search_runs([experiment.experiment_id])
    assert [each.info.status for each in (run, stopped)] == ["FINISHED", "FAILED"]
    assert (run.info.run_name, run.data.tags["command"]) == ("001", "run")
    assert run.data.params == {name: str(value)[:6000] for name, value in PARAMETERS.items()}

    def history(name: str) -> list[tuple[int, float]]:
        return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]

    assert history("members/served") == [(1, 0.5), (2, 0.75)]
    assert history("loss/client 1") == [(1, 2.0), (2, 1.0)]
    assert history("loss/cl_ient_ü") == [(1, 4.0), (2, 3.0)]
    kept = tmp_path / "mlruns" / experiment.experiment_id / run.info.run_id / "artifacts"
    assert (kept / "result.json").read_text(encoding="utf-8") == "{}"
    assert (kept / "figures/scores.svg").read_text(encoding="utf-8") == "<svg/>"
    told = json.loads((kept / "tables/clients.json").read_text(encoding="utf-8"))
    assert pandas.DataFrame(told["data"], columns=told["columns"]).equals(pandas.DataFrame(CLIENTS))


@pytest.mark.slow
def test_wandb(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    sent("wandb", tmp_path)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    records = wandb_records(next(folder.glob("*.wandb")))
    runs = [each.run for each in records if each.HasField("run")]
    assert (runs[0].project, runs[0].display_name, runs[0].job_type) == ("fedsift", "001", "run")
    config = {each.key: json.loads(each.value_json) for each in runs[0].config.update}
    assert {name: config[name] for name in PARAMETERS} == PARAMETERS
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in each.history.item}
        for each in records
        if each.HasField("history")
    ]
    found = [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]
    assert found[:2] == [{"optimiser step": step, **losses} for step, losses in LOSSES.items()]
    assert found[2:4] == [{"step": step, **numbers} for step, numbers in ROUNDS.items()]
    axes = {
        (each.metric.name or each.metric.glob_name): each.metric.step_metric
        for each in records
        if each.HasField("metric")
    }
    assert axes["loss/*"] == "optimiser step"
    assert axes["*"] == "step"
    table = next(folder.glob("files/media/table/clients*.json"))
    assert json.loads(table.read_text(encoding="utf-8"))["columns"] == list(CLIENTS)
    assert [each.exit.exit_code for each in records if each.HasField("exit")] == [0]
    artifacts = [each.request.log_artifact.artifact for each in records if each.request.HasField("log_artifact")]
    artifacts += [each.artifact for each in records if each.HasField("artifact")]
    kept = [sorted(entry.path for entry in each.manifest.contents) for each in artifacts if each.type == "result"]
    assert ["figures/scores.svg", "result.json"] in kept


def wandb_records(file: Path) -> list[Any]:
    """What an offline run's file holds, which is a log as of LevelDB: records in blocks, cut where a block ends."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole, found = file.read_bytes(), 7, b"", []
    while place < len(data):
        if BLOCK - place % BLOCK < HEADER.size:
            place += BLOCK - place % BLOCK
            continue
        _, size, kind = HEADER.unpack_from(data, place)
        place += HEADER.size + size
        whole += data[place - size : place]
        if kind in (FULL, LAST):
            found.append(Record.FromString(whole))
            whole = b""
    return found
