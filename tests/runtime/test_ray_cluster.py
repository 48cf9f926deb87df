"""Runs on a Ray cluster of two nodes: a lost node leaves no trace, and a rerun goes where its member was merged."""

import dataclasses
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.errors import BadInput
from fedsift.federation.run_state import open_state
from fedsift.learning.models import load_model
from fedsift.protocol.loaded import Loaded
from fedsift.runs.federate import federate, places
from fedsift.runtime.cluster import connected
from fedsift.runtime.in_flight import NoWorkers
from fedsift.runtime.worker import CLIENT_APP
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import COMMAND, fedsift, result_of, run_until
from tests.ray_cluster import ray_cluster

# A recorded variable with its default value: the node has another fingerprint and computes the same bits.
OTHER = {"ONEDNN_MAX_CPU_ISA": "DEFAULT"}
# Rows that are others where that variable is set: a rerun on the other node differs, and is refused.
CODE = """
import os
def rows():
    where = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return {f"client {n:02}": [(f"q{row}", f" {n}{where}") for row in range(3)] for n in range(12)}
"""
OTHER_MODELS = """
import os
import torch
from fedsift.learning.tasks.task import CustomTask

def rows(): return {"ann": [(0.0, 1.0)]}

class Line(CustomTask):
    def model(self):
        line = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(line.weight, os.getpid())
        return line
    def batch(self, rows): return torch.tensor(rows)
    def loss(self, model, batch): return (model(batch[:, :1]) - batch[:, 1:]).square().mean()
    def scores(self, model, batch): return -(model(batch[:, :1]) - batch[:, 1:]).abs()[:, 0]
"""


@pytest.mark.slow
@pytest.mark.parametrize(("clients", "workers"), [(12, 2), (100, 4)])
def test_a_lost_node_leaves_no_trace(
    pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clients: int, workers: int
) -> None:
    config = RunConfig(clients=clients, steps=40, evaluate=False)
    ids = [f"person-{place:04}" for place in range(clients)]
    undisturbed = federate(pool, config, places(ids, ids))
    file, out = tmp_path / "config.toml", tmp_path / "out"
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    (tmp_path / "token").write_text("0123456789abcdef" * 4, encoding="ascii")
    with ray_cluster(token) as cluster:
        node = cluster.add(OTHER)
        write_toml(dataclasses.replace(config, ray_address=cluster.address, workers=workers), file)
        stranger = fedsift("run", file, "--out", out)
        assert (
            "the cluster wants a token, and this command has none: give it the RAY_AUTH_MODE=token" in stranger.stderr
        )
        assert stranger.returncode == 2
        assert not out.exists()
        for name, value in token.items():
            monkeypatch.setenv(name, value)
        command = [*COMMAND, "run", str(file), "--out", str(out)]
        process = run_until(lambda: len(list((out / "masks").glob("*.mask"))) >= clients // 4, command, seconds=300)
        node.kill()
        assert process.wait(timeout=120) == 0
    result = result_of(out)
    assert result["state_digest"] == undisturbed.state_digest
    assert result["failures"] == {}
    assert [each["ONEDNN_MAX_CPU_ISA"] for each in result["environment"]] == ["", "DEFAULT"]


@pytest.mark.slow
def test_a_rerun_goes_where_its_member_was_merged(tiny_model: Path, tmp_path: Path) -> None:
    """Six of twelve leave in the cluster, and are removed; of the rest, on the head's kind of node alone, only some."""
    (tmp_path / "on_nodes.py").write_text(CODE, encoding="utf-8")
    options = ["--dataset", "on_nodes:rows", "--model", tiny_model, "--steps", "3", "--leave-count=6", "--out=out"]
    options += ["--newcomers", "0", "--no-evaluate"]
    with ray_cluster() as cluster:
        cluster.add(OTHER)
        done = fedsift("run", *options, "--ray-address", cluster.address, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"the Ray cluster at {cluster.address} has no token: whoever reaches it can" in done.stderr
        removals = result_of(tmp_path / "out")["removals"]
        assert [removal["verdict"] for removal in removals] == ["BIT_EXACT"] * 6
    config = tmp_path / "out" / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(cluster.address, ""), encoding="utf-8")
    stayed = {f"client {place:02}" for place in range(12)} - {removal["client"] for removal in removals}
    done = fedsift("forget", "out", *sorted(stayed), folder=tmp_path)
    assert done.returncode == 3, done.stderr
    verdicts = [removal["verdict"] for removal in result_of(tmp_path / "out")["removals"][6:]]
    assert set(verdicts) == {"BIT_EXACT", "REFUSED"}


@pytest.fixture
def nobodys_address() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def test_no_cluster_at_the_address(nobodys_address: str) -> None:
    started = time.monotonic()
    with pytest.raises(BadInput, match=f"ray-address = {nobodys_address}: no Ray cluster answers there; start one "):
        connected(nobodys_address).__enter__()
    assert time.monotonic() - started < 30


@pytest.mark.slow
def test_the_command_without_a_cluster_leaves_nothing(nobodys_address: str, tmp_path: Path) -> None:
    done = fedsift("run", "--clients", "2", "--ray-address", nobodys_address, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no Ray cluster answers there; start one with `ray start --head" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["somewhere", "ray://head:10001", "head:port"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(BadInput, match="give host:port"):
        RunConfig(ray_address=address)
    RunConfig(workers=100_000, ray_address="head:6379")  # More than one machine has use for.


def test_masks_must_be_seen_by_all_nodes(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"the masks' folder {tmp_path} is not there .* file system that all nodes sh"):
        pool.prepare(tiny_config.to_user_config(), str(tmp_path / "seen"))
    assert len(pool) == 2


def test_workers_with_different_models(
    pool: WorkerPool, own_code: Path, monkeypatch: pytest.MonkeyPatch, tiny_config: RunConfig
) -> None:
    """A model whose weights depend on the process: no two workers have the same."""
    (own_code / "other_models.py").write_text(OTHER_MODELS, encoding="utf-8")
    config = RunConfig(dataset="other_models:rows", task="other_models:Line")
    with pytest.raises(BadInput, match=r"the nodes differ in the model's weights: .* put the same on all of them"):
        pool.prepare(config.to_user_config())
    assert len(pool) == 2
    assert len(pool.prepare(tiny_config.to_user_config())) == 1


def test_a_model_that_changed(pool: WorkerPool, tiny_model: Path, tiny_config: RunConfig, tmp_path: Path) -> None:
    config, ledger = dataclasses.replace(tiny_config, evaluate=False), tmp_path / "ledger.sqlite"
    federate(pool, config, {"client 0": 0}, ledger=ledger)
    model = shutil.copytree(tiny_model, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["transformer.h.0.mlp.c_fc.bias"] += 1
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    changed = load_model(dataclasses.replace(config, model=str(model)).model_settings)[0].base_digest()
    with pytest.raises(BadInput, match=f"the weights of model {tiny_model} changed since"):
        open_state(config, ledger, 2, Loaded(changed))
    open_state(config, ledger, 2, Loaded(load_model(config.model_settings)[0].base_digest())).ledger.close()


def test_no_worker_and_none_to_come(pool: WorkerPool, tiny_config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """More GPUs than there are: the worker finds no place, as after the loss of a node."""
    monkeypatch.setattr("fedsift.runtime.worker_pool._START_SECONDS", 1.0)
    homeless = WorkerPool(CLIENT_APP, 1, gpus_per_worker=1000)
    with pytest.raises(NoWorkers, match=r"no worker has started within 1 seconds: .* start another node"):
        homeless.prepare(tiny_config.to_user_config())
