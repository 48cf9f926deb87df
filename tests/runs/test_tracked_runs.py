"""Runs with a tracker, through the real commands: that of docs/how-to/track.md, and others."""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedsift
from fedsift import BadInput, RunConfig, TrackedOutcome, TrackedRun
from fedsift.configuration.run_config import write_toml
from fedsift.core.other_names import our_name
from fedsift.data.loading import load_dataset
from fedsift.learning.models import load_model
from fedsift.learning.tasks.task import encode_rows
from tests.cli.commands import done, failed, invoke, result_of
from tests.documents.pages import commands, page, run_python, write_files

PAGE = page("track.md")


class Kept:
    """Keeps what it is sent."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self.logged: list[tuple[int, Mapping[str, float]]] = []
        self.outcome: TrackedOutcome | None = None
        self.files: dict[str, bytes] = {}
        MADE.append(self)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.logged.append((step, numbers))

    def finish(self, outcome: TrackedOutcome | None) -> None:
        self.outcome = outcome
        self.files = {name: file.read_bytes() for name, file in outcome.files.items()} if outcome else {}


class Fails(Kept):
    """Fails at the first number."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        raise OSError("disk full")


class Stops(Kept):
    """Has the run interrupted when its first round is over."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        raise KeyboardInterrupt


def fails_at_once(run: TrackedRun) -> Kept:
    raise OSError("no account")


MADE: list[Kept] = []
HERE = __name__


@pytest.fixture(autouse=True)
def _none_is_left() -> None:
    MADE.clear()


@pytest.fixture(scope="module")
def config_file(tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tracked") / "config.toml"
    write_toml(dataclasses.replace(tiny_config, newcomers=2, leave_count=2), file)
    return file


@pytest.fixture(scope="module")
def untracked(config_file: Path) -> Path:
    out = config_file.parent / "untracked"
    done("run", config_file, "--out", out)
    return out


def numbers(kept: Kept, name: str) -> dict[int, float]:
    return {step: each[name] for step, each in kept.logged if name in each}


@pytest.fixture(scope="module")
def tracked(config_file: Path) -> tuple[Path, Kept]:
    """The same run with a tracker, and with losses."""
    out = config_file.parent / "tracked"
    code, _, told = invoke("run", config_file, "--out", out, "--track", f"{HERE}:Kept", "--track-losses")
    assert code == 0
    assert "Kept keeps what it is sent of clients that leave" in told
    return out, MADE.pop()


def test_a_run_is_the_same_with_a_tracker(tracked: tuple[Path, Kept], untracked: Path) -> None:
    """What it is sent is what result.json says; nothing of it stays in the run's folder."""
    out, kept = tracked
    result = result_of(out)
    changing = {"seconds", "server_peak_memory_bytes"}
    assert {k: v for k, v in result.items() if k not in changing} == {
        k: v for k, v in result_of(untracked).items() if k not in changing
    }
    assert sorted(each.name for each in out.rglob("*")) == sorted(each.name for each in untracked.rglob("*"))
    assert (kept.run.command, kept.run.name) == ("run", "tracked")
    assert kept.run.parameters == fedsift.Run.open(out).config.to_user_config()
    for who in ("members", "newcomers"):
        rounds = {1: result[who], 2: result[f"{who}_after_removal"]}
        for kind in ("zero_shot", "served"):
            for end, field in (("", "mean"), ("_low", "low"), ("_high", "high")):
                expected = {number: each[kind][field] for number, each in rounds.items()}
                assert numbers(kept, f"{who}/{kind}{end}") == expected
    assert numbers(kept, "members/alone") == {
        1: result["members"]["alone"]["mean"],
        2: result["members_after_removal"]["alone"]["mean"],
    }
    assert numbers(kept, "clients/members") == {1: 6, 2: 4}
    assert numbers(kept, "removals/done") == {1: 0, 2: 2}
    assert numbers(kept, "removals/steps_retrained") == {1: 0, 2: 6}
    assert kept.outcome
    assert kept.outcome.tables["removals"]["verdict"].tolist() == ["BIT_EXACT"] * 2
    clients = kept.outcome.tables["clients"].set_index(["step", "client"])
    assert len(clients) == 16
    assert clients.loc[1]["served"][~clients.loc[1]["newcomer"]].to_dict() == result["scores"]["served"]["per_client"]
    assert json.loads(kept.files["result.json"]) == result


def test_losses_are_those_of_each_clients_tuning(
    tracked: tuple[Path, Kept], tiny_config: RunConfig, untracked: Path
) -> None:
    """Of the first step, all of a client's rows are in the batch: the loss is the base model's on them."""
    _, kept = tracked
    members = set(result_of(untracked)["scores"]["local"]["per_client"])
    losses = {client: numbers(kept, f"loss/{client}") for client in members}
    assert {tuple(each) for each in losses.values()} == {(1, 2, 3)}
    assert {name for _, each in kept.logged for name in each if name.startswith("loss/")} == {
        f"loss/{m}" for m in members
    }
    (model, task), dataset = load_model(tiny_config.model_settings), load_dataset(tiny_config)
    for client, of_steps in losses.items():
        model.load_base()
        rows = encode_rows(task, dataset.train_examples(client), client)
        assert of_steps[1] == pytest.approx(task.loss(model.module, task.batch(rows)).item(), rel=1e-4)
        assert of_steps[3] < of_steps[1]


def toml(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def test_a_run_that_was_stopped_is_sent_whole(config_file: Path, untracked: Path) -> None:
    out, own = config_file.parent / "stopped", f"{HERE}:Kept"
    assert invoke("run", config_file, "--out", out, "--track", f"{HERE}:Stops")[0] == 130
    assert MADE.pop().outcome is None
    done("run", "--resume", out, "--track", own)
    result, kept = result_of(out), MADE[0]
    assert result["state_digest"] == result_of(untracked)["state_digest"]
    assert numbers(kept, "members/served") == {
        1: result["members"]["served"]["mean"],
        2: result["members_after_removal"]["served"]["mean"],
    }


def test_a_tracker_that_fails_does_not_stop_a_run(config_file: Path, untracked: Path) -> None:
    out = config_file.parent / "fails"
    code, _, told = invoke("run", config_file, "--out", out, "--track", f"{HERE}:Fails")
    assert code == 0
    assert told.count("disk full") == 1
    assert result_of(out)["state_digest"] == result_of(untracked)["state_digest"]
    assert MADE[0].outcome is None


def test_what_cannot_be_tracked_is_said_first(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = config_file.parent / "none"
    run = ("run", config_file, "--out", out)
    assert f"track {HERE}:fails_at_once: OSError: no account" in failed(*run, "--track", f"{HERE}:fails_at_once")
    assert "unknown tracker 'wanb'; did you mean 'wandb'" in failed(*run, "--track", "wanb")
    assert "unknown class 'Kep'" in failed(*run, "--track", f"{HERE}:Kep")
    assert "track-losses needs a tracker" in failed(*run, "--track-losses")
    own = (*run, "--track", f"{HERE}:Kept", "--track-losses")
    assert "does not go with partial-sums" in failed(*own, "--partial-sums")
    assert "does not go with engine flower" in failed(*own, "--engine", "flower")
    assert our_name("--tensorboard", ["--track", "--out"]) == ("--track", "as in --track tensorboard")
    monkeypatch.setattr("fedsift.runs.trackers.find_spec", lambda _: None)
    assert failed(*run, "--track", "wandb") == "fedsift: wandb is not installed: pip install 'fedsift[wandb]'\n"
    assert not out.exists()
    assert MADE == []
    with pytest.raises(BadInput, match="makes no tracker; give its class"):
        fedsift.simulate(track=5)


def test_a_run_that_is_over_is_sent_again(config_file: Path, untracked: Path) -> None:
    done("run", "--resume", untracked, "--track", f"{HERE}:Kept")
    (kept,) = MADE
    result = result_of(untracked)
    assert numbers(kept, "newcomers/served") == {
        1: result["newcomers"]["served"]["mean"],
        2: result["newcomers_after_removal"]["served"]["mean"],
    }


def test_seeds_are_runs_of_their_own(config_file: Path) -> None:
    out = config_file.parent / "seeds"
    done("run", config_file, "--no-evaluate", "--seeds", 2, "--out", out, "--track", f"{HERE}:Kept")
    assert [kept.run.name for kept in MADE] == ["seeds/seed-0", "seeds/seed-1"]
    assert [kept.run.parameters["seed"] for kept in MADE] == [0, 1]
    digests = [json.loads(kept.files["result.json"])["state_digest"] for kept in MADE]
    assert digests == [result_of(out / f"seed-{seed}")["state_digest"] for seed in (0, 1)]


def test_a_comparison(config_file: Path) -> None:
    out = config_file.parent / "compared"
    done("compare", config_file, "--methods", "sift-masks,ft-merge", "--out", out, "--track", f"{HERE}:Kept")
    (kept,), result = MADE, result_of(out)
    assert kept.run.parameters["methods"] == "sift-masks,ft-merge"
    for row in result["methods"]:
        assert numbers(kept, f"{row['name']}/members") == {0: row["members_before"], 2: row["members_after"]}
        assert numbers(kept, f"{row['name']}/trainings") == {2: sum(row["trainings"])}
    assert kept.outcome
    assert kept.outcome.tables["methods"]["name"].tolist()[-2:] == ["sift-masks", "ft-merge"]
    clients = kept.outcome.tables["clients"]
    newcomers = clients["alone"].isna()
    for row in result["methods"]:
        assert clients[f"{row['name']} before"][~newcomers].mean() == pytest.approx(row["members_before"])
    assert set(kept.files) == {"result.json", "methods.csv"}


def test_a_scenario(config_file: Path, tiny_config: RunConfig) -> None:
    """Steps as they are played, and the report among the files."""
    out, scenario = config_file.parent / "scenario", config_file.parent / "scenario.toml"
    options = toml(config_file)
    told = "\n".join(
        f"{key} = {json.dumps(options[key])}" for key in ("dataset", "client-column", "prompt", "target", "model")
    )
    scenario.write_text(
        f"title = 'One leaves'\n[run]\n{told}\nsteps = 3\nnewcomers = 1\n[[leave]]\nnumber = 1\n", "utf-8"
    )
    done("optout", scenario, "--full-oracles", 0, "--out", out, "--track", f"{HERE}:Kept", "--track-losses")
    (kept,), result = MADE, result_of(out)
    assert kept.run.parameters["scenario"] == "One leaves"
    scored = {step["step"]: step["scores"] for step in result["steps"] if step["scores"]}
    assert numbers(kept, "members/served") == pytest.approx({step: each["members"] for step, each in scored.items()})
    assert numbers(kept, "members/worst_decile") == {step: each["worst_decile"] for step, each in scored.items()}
    assert numbers(kept, "clients/members") == {step["step"]: step["members"] for step in result["steps"]}
    assert numbers(kept, "trainings") == {step["step"]: step["trainings"] for step in result["steps"]}
    assert (
        np.isfinite([value for step, each in kept.logged for name, value in each.items() if "loss/" in name]).sum()
        == 21
    )
    assert kept.outcome
    assert kept.outcome.tables["costs"]["SIFT-Masks"].tolist() == result["costs"]["SIFT-Masks"]
    assert kept.outcome.tables["removals"]["client"].tolist() == [each["client"] for each in result["removals"]]
    assert {"result.json", "report.html", "figures/scores.png"} <= set(kept.files)


def test_the_page(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is written, its command runs, and so does its Python."""
    monkeypatch.chdir(own_code)
    monkeypatch.syspath_prepend(str(own_code))
    assert write_files(PAGE, own_code) == ["my_tracker.py"]
    ((_, *command),) = commands(PAGE, run=True)
    done(*command, "--steps", 2, "--workers", 2)
    lines = [json.loads(line) for line in Path("tracked.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[0]["steps"] == 2
    assert lines[1]["step"] == 1
    assert lines[1]["members/served"] == result_of(Path("tracked"))["members"]["served"]["mean"]
    run_python(PAGE)
    assert "loss/ann" in Path("001.jsonl").read_text(encoding="utf-8")
