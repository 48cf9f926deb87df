"""Each example does what its README says: its commands with the workers of the tests, and whole as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import fedsift
from fedsift.configuration.run_config import RunConfig
from fedsift.configuration.server_settings import ServerSettings, app_config, split
from tests.cli.commands import result_of
from tests.documents.command_line import fault_of
from tests.documents.pages import EXAMPLES, commands, commands_in
from tests.examples.script import play
from tests.simulations.flower.deployment import free_port

NAMES = ("chat-lora", "csv-classification", "deployment", "opt-out-audit", "sensors")


@pytest.fixture
def here(request: pytest.FixtureRequest, own_code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of an example, in the folder in which the workers run; they go again, with all that it writes."""
    before = set(own_code.iterdir())
    shutil.copytree(EXAMPLES / request.param, own_code, dirs_exist_ok=True)
    monkeypatch.chdir(own_code)
    yield own_code
    for each in set(own_code.iterdir()) - before:
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def assert_worth_joining(result: dict[str, Any]) -> None:
    """On rows that nobody tuned on, members are better off than alone, and newcomers than with the base model."""
    members, newcomers = result["members"], result["newcomers"]
    assert result["held_out"] is True
    assert members["served"]["low"] > members["alone"]["high"]
    assert members["better_than_alone"] > 2 * members["worse_than_alone"]
    assert newcomers["served"]["mean"] > newcomers["zero_shot"]["mean"]


@pytest.mark.parametrize("here", ["csv-classification"], indirect=True)
def test_the_exported_classifier_predicts_what_is_served(here: Path) -> None:
    printed = play(here / "run.sh")
    assert_worth_joining(result_of(here / "federation"))
    messages = ["My parcel is late, where is it?", "There is an error when I log in."]
    served = fedsift.Run.open("federation").served("kettle shop")
    likely = served.log_probabilities([(message, "returns") for message in messages])
    labels = fedsift.Run.open("federation").config.choices
    for message, logs in zip(messages, likely, strict=True):
        assert f"{labels[logs.argmax()]:<10} {np.exp(logs.max()):.2f}  {message}\n" in printed


@pytest.mark.parametrize("here", ["chat-lora"], indirect=True)
def test_the_exported_adapter_answers(here: Path) -> None:
    printed = play(here / "run.sh")
    result = result_of(here / "federation")
    assert_worth_joining(result)
    assert result["oracle"]["bit_identical"] is True
    assert re.search(r"Which desk is mine\?\n  Desk \d\d by the \w+\.", printed)


@pytest.mark.parametrize("here", ["sensors"], indirect=True)
def test_what_nobody_recorded_alone_is_recognised(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sensors", raising=False)
    play(here / "run.sh")
    result = result_of(here / "federation")
    assert_worth_joining(result)
    assert result["oracle"]["bit_identical"] is True
    assert (here / "federation" / "figures" / "gain.svg").is_file()


@pytest.mark.parametrize("here", ["opt-out-audit"], indirect=True)
def test_an_auditor_sees_what_holds(here: Path) -> None:
    printed = play(here / "run.sh")
    assert result_of(here / "study")["verdict"] == "proven"
    for told in ("The server is byte for byte the run", "client             person-0003", "log          ok"):
        assert told in printed
    assert "person-0004" not in printed


def test_the_deployment_is_configured_as_the_server_wants_it() -> None:
    """`flwr run` refuses a key that the app does not have."""
    folder = EXAMPLES / "deployment"
    given = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8"))
    known = app_config(RunConfig(), ServerSettings())
    assert given.keys() <= known.keys()
    config, settings = split(known | given)
    assert (config.dataset, settings.min_nodes) == ("own", 3)
    for clinic in ("clinic-a", "clinic-b", "clinic-c"):
        made = subprocess.check_output([sys.executable, folder / "make_rows.py", clinic], text=True).splitlines()
        assert {line.rpartition(",")[2] for line in made[1:]} <= set(config.choices)
        assert len(made) == 41


@pytest.mark.parametrize("name", NAMES)
def test_a_readme_is_short_and_a_script_s_commands_are_valid(name: str) -> None:
    """Those of the readme are checked with all other pages'."""
    folder = EXAMPLES / name
    readme = folder / "README.md"
    assert ["./run.sh"] in commands(readme)
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 60
    for words in commands_in((folder / "run.sh").read_text(encoding="utf-8")):
        if words[0] == "fedsift":
            assert fault_of(words[1:]) == "", " ".join(words)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 100_000


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_a_user_runs_it(name: str, tmp_path: Path) -> None:
    """Of the deployment nothing goes on running."""
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PORT"] = str(free_port())
    ran = subprocess.run([folder / "run.sh"], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                left.append(process.cmdline())
    assert left == []
