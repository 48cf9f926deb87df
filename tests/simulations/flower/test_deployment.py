"""A real deployment: TLS, authenticated nodes that come and go, clients that bring their data and ask to leave."""

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.data.kinds.own import EACH_ITS_OWN
from fedsift.federation.client_folder import ClientFolder
from fedsift.runs.federate import federate
from fedsift.runtime.credentials import digest_of_key_file, make_certificates, make_node_key
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import done, result_of
from tests.simulations.flower.deployment import Deployment, Process, wait_for

CLIENTS = ("client 0", "client 1")
Nodes = dict[str, Process]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, table_file: Path) -> Iterator[Deployment]:
    """Two registered nodes, each with the rows of its client in a file."""
    deployed = Deployment(tmp_path_factory.mktemp("deployment"))
    rows = [json.loads(line) for line in table_file.read_text(encoding="utf-8").splitlines()]
    for name in CLIENTS:
        deployed.register(name)
        own = [json.dumps(row) + "\n" for row in rows if row["who"] == name]
        (deployed.folder / name / "rows.jsonl").write_text("".join(own), encoding="utf-8")
    yield deployed
    deployed.end()


@pytest.fixture(scope="module")
def nodes(deployment: Deployment, tiny_model: Path) -> dict[str, Process]:
    return {name: start_node(deployment, tiny_model, name) for name in CLIENTS}


def start_node(deployment: Deployment, model: Path, name: str) -> Process:
    data = deployment.folder / name / "rows.jsonl"
    return deployment.start_node(name, {"data": str(data), "model": str(model)})


@pytest.fixture(scope="module")
def config(tiny_config: RunConfig) -> RunConfig:
    """What the clients have on their own machines, their data, the server knows nothing of."""
    return dataclasses.replace(tiny_config, dataset=EACH_ITS_OWN, client_column="")


def settings(deployment: Deployment, **changed: Any) -> ServerSettings:
    usual = {"rounds": 1, "min_nodes": len(CLIENTS), "round_timeout": 90.0}
    return ServerSettings(**{**usual, **changed})


def simulated_digest(pool: WorkerPool, config: RunConfig, clients: list[str]) -> str:
    places = {client_id: place for place, client_id in enumerate(CLIENTS) if client_id in clients}
    return federate(pool, dataclasses.replace(config, evaluate=False), places).state_digest


@pytest.fixture(autouse=True)
def everybody_wants_to_join(deployment: Deployment) -> None:
    for name in CLIENTS:
        folder = deployment.folder / name / "client"
        folder.mkdir(exist_ok=True)
        ClientFolder(folder).undo()


@pytest.mark.parametrize("evaluate", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_merge_and_leave(
    deployment: Deployment, nodes: Nodes, config: RunConfig, tiny_config: RunConfig, pool: WorkerPool, evaluate: bool
) -> None:
    out = deployment.folder / f"run, evaluate {evaluate}"
    backup = deployment.folder / f"backup, evaluate {evaluate}"
    changed = dataclasses.replace(config, evaluate=evaluate)
    run = deployment.run(changed, settings(deployment, out=str(out), rounds=2))
    wait_for("the merge", lambda: "2 members, 2 joined" in run.told)
    with closing(sqlite3.connect(out / "ledger.sqlite")) as before, closing(sqlite3.connect(backup)) as copy:
        before.backup(copy)
    own = ClientFolder(deployment.folder / "client 1" / "client")
    assert len(list(own.masks.iterdir())) == 1
    own.ask_to_leave()
    assert run.wait() == 0
    assert f"state {simulated_digest(pool, tiny_config, list(CLIENTS))}" in run.told
    left = result_of(out)
    assert left["clients"] == 2
    assert left["failures"] == {}
    names = {"zero_shot", "local", "own_head", "merged", "sift_masks_paper", "sift_masks", "shared_head", "served"}
    assert set(left["scores"]) == (names if evaluate else set())
    (removal,) = left["removals"]
    assert (removal["client"], removal["verdict"]) == ("client 1", "BIT_EXACT")
    assert left["state_digest"] == simulated_digest(pool, tiny_config, ["client 0"])
    assert own.has_left
    assert list(own.masks.iterdir()) == []
    ledger = Ledger.open(out / "ledger.sqlite", read_only=True)
    assert ledger.node_key("client 1") == ""
    assert len(ledger.node_key("client 0")) == 64
    assert ServerState(ledger).head_sums().rows > 0
    ledger.close()
    certificate, key = out / "certificates" / "0001.json", own.path / "public-key"
    assert "verdict            BIT_EXACT" in done("verify-certificate", certificate, "--public-key", key)

    if not evaluate:
        return  # The rest has rounds of its own, and takes as long again.
    shutil.copy(backup, out / "ledger.sqlite")  # The older ledger: its client leaves again, unasked.
    run = deployment.run(changed, settings(deployment, out=str(out), rounds=1))
    assert run.wait() == 0
    assert "client 1 left, and is a member again in an older ledger" in run.told
    assert "1 member, 0 joined; removals: client 1 BIT_EXACT" in run.told
    assert result_of(out)["state_digest"] == left["state_digest"]
    head = out / "head"
    done("log-head", out, "--since", 1, "--out", head)
    assert "log          ok" in done("verify-log", certificate, head, "--public-key", key)
    done("verify", out)


def test_an_unregistered_key_is_refused(deployment: Deployment) -> None:
    make_node_key(deployment.folder / "stranger" / "key")
    node = deployment.start_node("stranger", {})
    wait_for("the stranger's end", lambda: node.ended)
    assert "not registered" in node.told or "2004" in node.told or "denied" in node.told.lower()


def test_a_certificate_of_somebody_else_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    """The node does not trust a SuperLink whose certificate another authority signed, and never says a word to it."""
    make_certificates(tmp_path, ["localhost"])
    node = deployment.start_node("client 0", {}, authority=tmp_path / "ca.crt")
    wait_for("a refusal", lambda: "CERTIFICATE_VERIFY_FAILED" in node.told or node.ended)
    assert "SuperNode ID" not in node.told
    node.kill()


@pytest.mark.slow
@pytest.mark.parametrize("stolen", ["client 1", "client 5"])
def test_a_node_without_a_name_is_nobody(
    deployment: Deployment, config: RunConfig, tiny_model: Path, tmp_path: Path, stolen: str
) -> None:
    """Whether the client whose name it takes is away, as here, or there is none."""
    thief = f"thief of {stolen}"
    deployment.register(thief, named=False)
    data = deployment.folder / "client 1" / "rows.jsonl"
    node = deployment.start_node(thief, {"client-id": stolen, "data": str(data), "model": str(tiny_model)})
    wait_for("the node", lambda: "SuperNode ID" in node.told)
    quick = dataclasses.replace(config, evaluate=False)
    run = deployment.run(quick, settings(deployment, out=str(tmp_path / "out"), min_nodes=1))
    assert run.wait() == 0
    node.kill()
    told = f"the node that claims to be client '{stolen}' was registered without a name"
    assert told in run.told
    ledger = Ledger.open(tmp_path / "out" / "ledger.sqlite", read_only=True)
    assert stolen not in ledger.members() or ledger.node_key(stolen) != digest_of_key_file(
        deployment.folder / thief / "key.pub"
    )
    ledger.close()


@pytest.mark.slow
def test_a_node_killed_in_mid_training_is_merged_in_the_next_round(
    deployment: Deployment, nodes: Nodes, config: RunConfig, tiny_config: RunConfig, tiny_model: Path, pool: WorkerPool
) -> None:
    out = deployment.folder / "killed node"
    quick = dataclasses.replace(config, evaluate=False)
    before = nodes["client 1"].told.count("Receiving: train message")
    run = deployment.run(quick, settings(deployment, out=str(out), rounds=2, round_timeout=120.0))
    wait_for("a training", lambda: nodes["client 1"].told.count("Receiving: train message") > before)
    nodes["client 1"].kill()

    def is_back() -> bool:
        """It is let in when the SuperLink has missed its heartbeat; until then it ends, and is started again."""
        nodes["client 1"] = start_node(deployment, tiny_model, "client 1")
        wait_for("an answer", lambda: nodes["client 1"].ended or "SuperNode ID" in nodes["client 1"].told)
        return not nodes["client 1"].ended

    wait_for("the node's return", is_back)
    assert run.wait() == 0
    assert "1 member, 1 joined" in run.told
    assert "2 members, 1 joined" in run.told
    assert result_of(out)["state_digest"] == simulated_digest(pool, tiny_config, list(CLIENTS))


@pytest.mark.slow
def test_a_server_that_is_killed_goes_on_from_its_ledger(
    deployment: Deployment, nodes: Nodes, config: RunConfig, tiny_config: RunConfig, pool: WorkerPool
) -> None:
    out = deployment.folder / "killed server"
    quick = dataclasses.replace(config, evaluate=False)

    def members() -> set[str]:
        if not (out / "ledger.sqlite").exists():
            return set()
        ledger = Ledger.open(out / "ledger.sqlite", read_only=True)
        found = set(ledger.members())
        ledger.close()
        return found

    run = deployment.run(quick, settings(deployment, out=str(out)))
    wait_for("a member", lambda: bool(members()))
    deployment.superlink.kill()
    run.kill()
    merged = members()
    assert merged
    deployment.start_superlink()
    run = deployment.run(quick, settings(deployment, out=str(out)))
    assert run.wait() == 0
    assert f"2 members, {2 - len(merged)} joined" in run.told
    assert f"state {simulated_digest(pool, tiny_config, list(CLIENTS))}" in run.told
