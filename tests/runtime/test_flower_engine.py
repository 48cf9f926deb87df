"""`fedsift run --engine flower`: the same run through `flwr run`, and nothing is left of it but its folder."""

import dataclasses
import json
import os
import subprocess
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.configuration.server_settings import ServerSettings, split
from fedsift.core.audit import audit
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.runs.federate import federate, places
from fedsift.runtime.flower_app import make_app
from fedsift.runtime.flower_engine import _started_under
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import COMMAND, SHELL, done, failed
from tests.processes import LOOPBACK, listening


def processes_with(text: str) -> list[str]:
    """Command lines that hold a text, of all processes."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command, environment = process.cmdline(), process.environ()
            if any(text in each for each in (*command, *environment.values())):
                found.append(" ".join(command))
    return found


def test_the_same_run_on_flowers_own_engine(pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, clients=4, leave_count=1, engine="flower", workers=1)
    write_toml(config, tmp_path / "config.toml")
    out = tmp_path / "run"
    command = [*COMMAND, "run", str(tmp_path / "config.toml"), "--out", str(out), "--json"]
    run = subprocess.Popen(command, env=os.environ | SHELL, stdout=subprocess.PIPE, text=True)
    found = set()
    while run.poll() is None:
        time.sleep(0.5)
        found |= listening(_started_under(str(out / "flower")))
    assert run.returncode == 0
    assert len(found) >= 7  # SuperLink, and Ray with a worker
    assert {address for address, _ in found} <= LOOPBACK
    assert (out / "flower").stat().st_mode & 0o777 == 0o700
    told = json.loads(run.communicate()[0])
    (removal,) = told["removals"]
    assert removal["verdict"] == "BIT_EXACT"
    assert told["failures"] == {}
    assert {"zero_shot", "local", "own_head", "merged", "shared_head", "sift_masks", "served"} <= set(told["scores"])
    assert told["members"]["blend"]
    assert not processes_with(str(tmp_path))

    clients = [f"client {place}" for place in range(4)]
    stayed = places(clients, [each for each in clients if each != removal["client"]])
    never_joined = federate(pool, dataclasses.replace(tiny_config, evaluate=False), stayed)
    assert told["state_digest"] == never_joined.state_digest
    ledger = Ledger.open(out / "ledger.sqlite", read_only=True)
    assert [finding.problems for finding in audit(ledger)] == [[]] * 5
    assert ServerState(ledger).head_sums().rows > 0
    assert ledger.node_key(clients[0]) == ""  # Simulated nodes have no keys to be tied to.
    ledger.close()


def test_the_app_that_flower_gets_has_this_configuration(tiny_config: RunConfig, tmp_path: Path) -> None:
    make_app(tmp_path / "app", tiny_config, ServerSettings(out="x"))
    app, ours = (_app_in(folder / "pyproject.toml") for folder in (tmp_path / "app", Path(__file__).parents[2]))
    assert split(app["config"]) == (tiny_config, ServerSettings(out="x"))
    assert app["components"] == ours["components"]


def test_the_app_of_a_deployment_has_every_option(tmp_path: Path) -> None:
    """`flwr run` refuses a key that the app does not have."""
    assert "app/pyproject.toml" in done("make-app", tmp_path / "app")
    assert split(_app_in(tmp_path / "app" / "pyproject.toml")["config"]) == (RunConfig(), ServerSettings())
    assert "the folder is not empty" in failed("make-app", tmp_path / "app")


def _app_in(file: Path) -> dict[str, Any]:
    app: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["tool"]["flwr"]["app"]
    return app


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--oracle", "oracle belongs to engine ray; `fedsift verify RUN --oracle` compares afterwards"),
        ("--partial-sums", "partial-sums belongs to engine ray"),
    ],
)
def test_what_it_cannot_do_is_said_before_anything_starts(option: str, reason: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert failed("run", "--clients", 4, "--engine", "flower", option, "--out", out) == f"fedsift: {reason}\n"
    assert not out.exists()


def test_it_cannot_be_resumed(tmp_path: Path, tiny_config: RunConfig) -> None:
    write_toml(dataclasses.replace(tiny_config, engine="flower"), tmp_path / "config.toml")
    assert "was made on Flower's engine" in failed("run", "--resume", tmp_path)
