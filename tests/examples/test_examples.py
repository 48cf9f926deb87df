"""Each example does what its README says: its commands with the workers of the tests, and whole as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

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


@pytest.mark.parametrize("here", ["csv-classification"], indirect=True)
def test_the_exported_classifier_predicts_what_is_served(here: Path) -> None:
    printed = play(here / "run.sh")
    run = fedsift.Run.open("federation")
    messages = ["The parcel with my kettle has not arrived yet.", "I want to return the kettle."]
    likely = run.served("Bergen kettles").log_probabilities([(message, "returns") for message in messages])
    for message, logs in zip(messages, likely, strict=True):
        assert f"{run.config.choices[logs.argmax()]:<10} {np.exp(logs.max()):.2f}  {message}\n" in printed


@pytest.mark.parametrize("here", ["chat-lora"], indirect=True)
def test_a_chat_model_is_made_tuned_exported_and_asked(here: Path) -> None:
    model = here / "make_model.py"
    model.write_text(model.read_text(encoding="utf-8").replace("STEPS = 150", "STEPS = 2"), encoding="utf-8")
    printed = play(here / "run.sh")
    assert result_of(here / "federation")["oracle"]["bit_identical"] is True
    assert "learned  " in printed
    assert "Which desk is mine?\n  " in printed


@pytest.mark.parametrize("here", ["sensors"], indirect=True)
def test_a_module_of_ones_own_is_tuned(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sensors", raising=False)
    play(here / "run.sh")
    assert result_of(here / "federation")["oracle"]["bit_identical"] is True
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


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """Runs an example as its README says; returns its folder, and what it printed."""

    def run(name: str) -> tuple[Path, str]:
        folder = tmp_path_factory.mktemp("examples") / name
        shutil.copytree(EXAMPLES / name, folder)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        environment["PORT"] = str(free_port())
        done = subprocess.run(
            [folder / "run.sh"], env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return folder, done.stdout

    return run


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("csv-classification", r"delivery +[01]\.\d\d  The parcel .*\nreturns +[01]\.\d\d  I want to return"),
        ("chat-lora", r"Which desk is mine\?\n  Desk 25 by the printer\.\nWho is my mentor\?\n  Bo Novak\."),
        ("sensors", "byte for byte the state of a run they never joined"),
    ],
)
def test_it_is_worth_joining(ran: Callable[[str], tuple[Path, str]], name: str, told: str) -> None:
    """On rows that nobody tuned on, members are better off than alone, and newcomers than with the base model."""
    folder, printed = ran(name)
    assert re.search(told, printed), printed
    result = result_of(folder / "federation")
    assert result["held_out"] is True
    members, newcomers = result["members"], result["newcomers"]
    assert members["served"]["low"] > members["alone"]["high"]
    assert members["better_than_alone"] > 4 * members["worse_than_alone"]
    assert newcomers["served"]["mean"] > newcomers["zero_shot"]["mean"]


@pytest.mark.exhaustive
def test_the_audit_at_full_size(ran: Callable[[str], tuple[Path, str]]) -> None:
    folder, printed = ran("opt-out-audit")
    assert (folder / "study" / "report.html").is_file()
    assert "exit code 3" in printed
    assert "oracle       ok" in printed


@pytest.mark.exhaustive
def test_of_the_deployment_nothing_goes_on_running(ran: Callable[[str], tuple[Path, str]]) -> None:
    folder, printed = ran("deployment")
    assert "verdict            BIT_EXACT" in printed
    started = list(_started_in(folder))  # Flower's own children see every few seconds whether their parent lives.
    assert psutil.wait_procs(started, timeout=60)[1] == []


def _started_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                yield process
