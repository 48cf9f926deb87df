"""What a command will need and cannot have is said before the first step, in one line, and nothing is left behind."""

import dataclasses
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from fedsift.cli.terminal import errors_in_one_line, how_to_resume
from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.ledger import Ledger
from fedsift.core.server_state import ServerState
from fedsift.learning.cpp_compiler import cpp_compiler
from fedsift.runs.run_folder import RunFolder
from fedsift.studies.optout.scenario_folder import ScenarioFolder
from tests.cli.commands import done, invoke, result_of
from tests.core.uploads import terms, upload

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config_file(tiny_config: RunConfig, tmp_path: Path) -> Path:
    write_toml(dataclasses.replace(tiny_config, steps=1), tmp_path / "config.toml")
    return tmp_path / "config.toml"


@pytest.fixture
def scenario(config_file: Path) -> Path:
    lines = config_file.read_text(encoding="utf-8").splitlines()
    run = [line for line in lines if not line.startswith(("leave", "oracle"))]
    text = "\n".join(["title = 'One leaves'", "[run]", *run, "[[leave]]", "number = 1"])
    file = config_file.with_name("scenario.toml")
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture
def merged(config_file: Path) -> Path:
    """A run that nobody has left."""
    done("run", config_file, "--out", config_file.parent / "merged")
    return config_file.parent / "merged"


@pytest.fixture(params=["a home that is none", "a damaged key", "a key that others may read"])
def no_key(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A signing key that cannot be had; returns what is told of it."""
    if request.param == "a home that is none":
        monkeypatch.delenv("XDG_CONFIG_HOME")
        monkeypatch.setenv("HOME", "/dev/null/nohome")
        return "cannot be made or read (Not a directory); set XDG_CONFIG_HOME"
    key = tmp_path / "home" / "fedsift" / "signing-key.pem"
    key.parent.mkdir(parents=True)
    key.write_bytes(b"damaged")
    key.chmod(0o644 if "others" in request.param else 0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(key.parent.parent))
    return "can be read by others" if "others" in request.param else "is no private key in PEM"


def said(*arguments: object, folder: Path) -> str:
    """What a command says; checks that it is one line and exit code 2, and that no file came or went."""
    before = sorted(folder.rglob("*"))
    code, printed, told = invoke(*arguments)
    assert (code, printed) == (2, ""), told
    assert told.startswith("fedsift: ") and told.count("\n") == 1
    assert sorted(folder.rglob("*")) == before
    return told


def test_no_key_to_seal_with(no_key: str, config_file: Path, scenario: Path) -> None:
    run = ["run", config_file]
    for command in (run, [*run, "--engine", "flower"], ["optout", scenario, "--newcomers", 0]):
        assert no_key in said(*command, "--out", config_file.parent / "out", folder=config_file.parent)


def test_no_key_for_what_is_merged(merged: Path, no_key: str) -> None:
    assert no_key in said("forget", merged, "client 1", folder=merged)
    config = merged / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("leave = []", 'leave = ["client 1"]'), "utf-8")
    assert no_key in said("run", "--resume", merged, folder=merged)
    assert RunFolder(merged).members() == {f"client {number}" for number in range(8)}


def test_another_key_than_the_run_began_with(merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done("forget", merged, "client 1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert "bring the key back that the run began with" in said("forget", merged, "client 2", folder=merged)
    (merged / "certificates" / "0001.json").unlink()
    assert "bring the key back that the run began with" in said("run", "--resume", merged, folder=merged)
    assert RunFolder(merged).members() == {f"client {number}" for number in range(8) if number != 1}
    assert len(result_of(merged)["removals"]) == 1


MANY = """
import json, sys
from tests.cli.commands import invoke
print(json.dumps([invoke(*arguments) for arguments in json.load(sys.stdin)]))
"""


def test_a_temporary_folder_that_ray_cannot_use(
    merged: Path, config_file: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: these commands start a Ray of their own, or would."""
    folder = config_file.parent
    taken = folder / ("x" * 90)
    taken.mkdir()
    out = str(folder / "out")
    commands = [
        ["run", str(config_file), "--out", out],
        ["run", str(config_file), "--engine", "flower", "--out", out],
        ["run", "--resume", str(merged)],
        ["compare", str(config_file), "--methods", "ties", "--leave-count", "1", "--newcomers", "0", "--out", out],
        ["optout", str(scenario), "--newcomers", "0", "--out", out],
        ["reproduce", "fig3", "--clients", "2", "--out", out],
        ["bench", str(config_file), "--runs", "--out", out],
    ]
    before = sorted(folder.rglob("*"))
    monkeypatch.setenv("TMPDIR", str(taken))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    program, given = [sys.executable, "-c", MANY], json.dumps(commands)
    ended = subprocess.run(program, input=given, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stderr
    for command, (code, _, told) in zip(commands, json.loads(ended.stdout.splitlines()[-1]), strict=True):
        assert (code, told.count("fedsift: "), told.count("\n")) == (2, 1, 1), (command, told)
        assert "bytes too long for Ray's sockets; set RAY_TMPDIR" in told
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("/proc/nowhere", "out = /proc/nowhere: cannot be written (No such file or directory)"),
        ("/dev/null/below", "out = /dev/null/below: cannot be written (Not a directory)"),
        ("x" * 300, "cannot be written (File name too long)"),
    ],
)
def test_an_output_that_cannot_be_written(out: str, told: str, config_file: Path, scenario: Path) -> None:
    folder = config_file.parent
    commands: list[list[object]] = [
        ["run", config_file],
        ["run", config_file, "--engine", "flower"],
        ["compare", config_file, "--leave-count", 1, "--newcomers", 0],
        ["optout", scenario, "--newcomers", 0],
        ["reproduce", "fig3", "--clients", 2],
    ]
    for command in commands:
        assert told in said(*command, "--out", out, folder=folder)


@pytest.mark.parametrize(
    ("out", "told"),
    [
        (".", "it is a folder; give a file"),
        ("missing/x.json", "there is no folder missing"),
        ("/proc/x.json", "cannot be written ("),
        ("x" * 250, "cannot be written (File name too long)"),
    ],
)
def test_figures_that_cannot_be_written(out: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in said("bench", "--codec", "--out", out, folder=tmp_path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk is full")])
def test_what_stops_a_command(error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and how to go on where something is there to go on with."""
    for advice in ("nothing was written", f"go on with: fedsift run --resume '{tmp_path}/a b'"):
        out = tmp_path / "a b"
        with pytest.raises(typer.Exit) as code, errors_in_one_line(how_to_resume("run", out), out):
            raise error
        assert code.value.exit_code == 1
        assert capsys.readouterr().err == f"fedsift: {error}; {advice}\n"
        out.mkdir(exist_ok=True)
        (out / "config.toml").touch()


@pytest.fixture(params=["new", "empty before"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunFolder]:
    """A run's folder; what is there in the end tells its state, and here has to be as it was or kept."""
    path = tmp_path / "run"
    if request.param == "empty before":
        path.mkdir()
    yield RunFolder.create(path, RunConfig())
    assert path.exists() == (request.param == "empty before" or (path / "config.toml").exists())


@pytest.mark.parametrize("error", [RuntimeError, OSError, MemoryError])
def test_a_run_that_fails_before_anything_is_merged_goes(folder: RunFolder, error: type[Exception]) -> None:
    with pytest.raises(error), folder.kept_once_merged():
        ServerState.create(folder.ledger, terms(4), capacity=1)
        folder.masks()
        raise error
    assert not (folder.path / "config.toml").exists()


@pytest.mark.parametrize("left", [False, True])
def test_a_run_with_members_or_receipts_stays(folder: RunFolder, left: bool) -> None:
    """And so does one that somebody interrupts, which `--resume` goes on with."""
    with pytest.raises(KeyboardInterrupt), folder.kept_once_merged():
        raise KeyboardInterrupt
    with pytest.raises(RuntimeError), folder.kept_once_merged():
        state = ServerState.create(folder.ledger, terms(4), capacity=1)
        state.merge("client 0", upload([1, 0, 3, 0]))
        if left:
            state.remove("client 0", upload([1, 0, 3, 0]))
        raise RuntimeError
    ledger = Ledger.open(folder.ledger)
    assert bool(ledger.members()) is not left
    ledger.close()


def test_a_ledger_that_cannot_be_read_stays(folder: RunFolder) -> None:
    with pytest.raises(RuntimeError), folder.kept_once_merged():
        folder.ledger.write_bytes(b"what may be somebody's last copy")
        raise RuntimeError
    assert folder.ledger.exists()


@pytest.mark.parametrize(
    ("module", "command", "told"),
    [
        ("jinja2", ["optout", "one-client"], "a report needs jinja2: pip install 'fedsift[plots]'"),
        ("matplotlib", ["optout", "one-client"], "a figure needs matplotlib: pip install 'fedsift[plots]'"),
        ("tensorboard", ["optout", "one-client", "--track", "tensorboard"], "pip install 'fedsift[tensorboard]'"),
        ("peft", ["run", "--lora-rank", "2"], "lora-rank needs peft: pip install 'fedsift[lora]'"),
        ("dp_accounting", ["run", "--publish-noise", "1", "--no-shared-head"], "publish-noise needs dp-accounting: "),
    ],
)
def test_a_library_that_is_not_installed(
    module: str, command: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert told in said(*command, "--out", tmp_path / "out", folder=tmp_path)


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpp_compiler.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "there is no no-such-compiler" in said("run", "--compile", "--out", tmp_path / "out", folder=tmp_path)
    cpp_compiler.cache_clear()


def test_attacks_that_cannot_be(scenario: Path) -> None:
    command = ["optout", scenario, "--attacks", "--out", scenario.parent / "out"]
    told = said(*command, "--newcomers", 1, folder=scenario.parent)
    assert told == (
        "fedsift: 1 client never joins; attacks need at least 2: give --newcomers 2 or more, and play the scenario "
        "again where it has been played\n"
    )
    told = said(*command, "--newcomers", 2, "--epochs", 1, folder=scenario.parent)
    assert told.startswith("fedsift: epochs = 1: trainings are compared at equal steps here")


def test_paraphrases_of_other_rows(tmp_path: Path) -> None:
    rows = [f"{number}?,{number % 2},{'one' if number % 3 else 'two'}" for number in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["q,a,p", *rows]), encoding="utf-8")
    (tmp_path / "one.toml").write_text('title = "One"\n[[leave]]\nnumber = 1\n', encoding="utf-8")
    table = [
        "--dataset",
        tmp_path / "rows.csv",
        "--prompt",
        "{q}",
        "--target",
        "a",
        "--partition",
        "dirichlet",
        "--clients",
        4,
    ]
    command = ["optout", tmp_path / "one.toml", "--attacks", *table, "--newcomers", 2, "--out", tmp_path / "out"]
    assert "neither with partition = dirichlet" in said(*command, "--paraphrase", "p", folder=tmp_path)


def test_a_python_without_blazefl(tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out.json"]
    assert "blazefl-python = nowhere" in said("bench", "--runs", "--blazefl-python", "nowhere", *out, folder=tmp_path)
    told = said("bench", "--codec", "--blazefl-python", "nowhere", *out, folder=tmp_path)
    assert "blazefl-python is an arm of --runs, which is not asked for" in told


def test_a_tuned_configuration_that_cannot_be_written(config_file: Path) -> None:
    folder = config_file.parent
    told = said("tune", config_file, "--newcomers", 2, "--out", folder / "missing" / "tuned.toml", folder=folder)
    assert f"there is no folder {folder / 'missing'}" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        *(
            ([*command, "--dataset", "missing.csv"], "dataset file missing.csv does not exist")
            for command in (["run"], ["check-data"], ["compare"], ["tune"], ["bench"], ["reproduce", "fig3"])
        ),
        (["optout", "one-client", "--dataset", "missing.csv"], "dataset file missing.csv does not exist"),
        (["check-data", "missing.csv"], "dataset file missing.csv does not exist"),
        (["run", "--task", "classification", "--model", "./missing"], "model folder ./missing does not exist"),
        *(
            ([command, "missing.toml", "--steps", "0"], "configuration missing.toml: No such file")
            for command in ("run", "check-data", "compare", "tune", "bench")
        ),
        (["run", "missing.csv"], "missing.csv does not exist: give a data set as --dataset missing.csv"),
        (["optout", "missing.toml"], "scenario missing.toml: No such file"),
        (["sweep", "missing.toml"], "sweep missing.toml: No such file"),
        *(([command, "missing"], "missing is no run folder: it does not exist") for command in ("forget", "join")),
        *(([command, "missing"], "missing is no run folder: it does not exist") for command in ("export", "rekey")),
        (["verify-certificate", "missing.json"], "missing.json does not exist"),
        (["verify-log", "missing.json"], "missing.json does not exist"),
    ],
)
def test_a_missing_file_comes_before_missing_options(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert told in said(*arguments, folder=tmp_path)


def test_a_data_set_in_the_place_of_a_configuration(table_file: Path, tmp_path: Path) -> None:
    assert f"give a data set as --dataset {table_file}" in said("run", table_file, folder=tmp_path)


def test_a_scenario_that_another_version_played(tmp_path: Path) -> None:
    folder = ScenarioFolder.create(tmp_path / "old", RunConfig())
    folder.scenario.write_text("title = 'One leaves'\n[[leave]]\nnumber = 1\n", encoding="utf-8")
    folder.result.write_text('{"clients": 3, "members": 3}', encoding="utf-8")
    _, _, told = invoke("optout", "--resume", folder.path)
    assert told == (
        f"fedsift: {folder.result} is damaged, or of another version, at result (it lacks attacks, it has members): "
        "bring back a copy, take the version of fedsift that wrote it, or play the scenario anew: "
        f"fedsift optout {folder.scenario} --out ANOTHER, with the options that it had\n"
    )
