"""The command itself, in processes of its own."""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from fedsift.configuration.run_config import RunConfig, write_toml
from fedsift.core.contribution import Contribution
from fedsift.core.receipt import Verdict
from fedsift.core.running_sums import RunningSums
from fedsift.runs.federate import federate
from fedsift.runs.result import Oracle, RunResult
from fedsift.runtime.worker_pool import WorkerPool
from tests.cli.commands import COMMAND, SHELL, done, fedsift, result_of, run_until

ROWS = """
def rows():
    return {f"client {n}": [(f"q{row}?", f" {chr(97 + n) * 3}{row}") for row in range(3)] for n in range(8)}
"""


@pytest.fixture(scope="module")
def config_file(tiny_config: RunConfig, own_code: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that code makes: workers find it in the folder in which the command runs."""
    (own_code / "made.py").write_text(ROWS, encoding="utf-8")
    path = tmp_path_factory.mktemp("run") / "config.toml"
    columns = {"client_column": "", "prompt": "", "target": ""}
    write_toml(dataclasses.replace(tiny_config, dataset="made:rows", **columns), path)
    return path


@pytest.fixture(scope="module")
def first(config_file: Path, own_code: Path) -> Path:
    """A run of 8 clients, three of whom leave, with the oracle."""
    out = config_file.parent / "first"
    options = ["--leave-count", "3", "--oracle", "--workers", "1", "--json", "--out", out]
    ended = fedsift("run", config_file, *options, folder=own_code)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == result_of(out)
    return out


def test_the_state_is_that_of_a_run_never_joined(first: Path) -> None:
    result = result_of(first)
    assert result["oracle"] == {"state_digest": result["state_digest"], "bit_identical": True}
    assert [removal["verdict"] for removal in result["removals"]] == ["BIT_EXACT"] * 3
    assert {removal["steps_retrained"] for removal in result["removals"]} == {3}
    assert {removal["state_digest_after"] for removal in result["removals"]} == {result["state_digest"]}


def test_what_result_json_holds(first: Path) -> None:
    result = result_of(first)
    assert result["clients"] == 8
    assert result["dense_bytes"] == 4 * result["tuned_parameters"]
    kinds = ["zero_shot", "local", "own_head", "merged", "sift_masks_paper", "sift_masks", "shared_head", "served"]
    assert list(result["scores"]) == kinds
    for score in result["scores"].values():
        assert len(score["per_client"]) == 8
        assert score["mean"] == pytest.approx(sum(score["per_client"].values()) / 8)
    leavers = {removal["client"] for removal in result["removals"]}
    for removal in result["removals"]:
        assert removal["score_before"] == result["scores"]["served"]["per_client"][removal["client"]]
        assert removal["score_after"] == result["scores_after_removal"]["served"]["per_client"][removal["client"]]
    assert set(result["scores_after_removal"]["sift_masks"]["per_client"]).isdisjoint(leavers)
    assert set(result["scores_after_removal"]["merged"]["per_client"]) == set(result["scores"]["merged"]["per_client"])
    assert {"start", "query", "train", "forget", "evaluate", "oracle train", "total"} <= set(result["seconds"])
    (environment,) = result["environment"]
    assert environment["threads"] == "1"
    vendor = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2,STRICT"}
    assert {name: environment[name] for name in SHELL} == vendor


def test_only_members_keep_a_mask(first: Path) -> None:
    files = ["certificates", "config.toml", "ledger.sqlite", "masks", "result.json"]
    assert sorted(path.name for path in first.iterdir()) == files
    assert len(list((first / "masks").iterdir())) == 5


def test_a_run_is_repeated_from_its_config(first: Path, own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, with another number of workers."""
    monkeypatch.chdir(own_code)
    again = first.parent / "again"
    printed = done("run", first / "config.toml", "--no-oracle", "--workers", 2, "--out", again)
    assert result_of(again)["state_digest"] == result_of(first)["state_digest"]
    assert result_of(again)["scores"] == result_of(first)["scores"]
    assert result_of(again)["oracle"] is None
    for shown in ("zero-shot", "SIFT-Masks (paper)", "BIT_EXACT", result_of(again)["state_digest"]):
        assert shown in printed


def test_a_single_wrong_bit_is_found(
    pool: WorkerPool, tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The removal leaves one bit of the sums wrong, as a bug or a faulty memory might."""
    subtract = RunningSums.subtract

    def faulty(sums: RunningSums, contribution: Contribution) -> None:
        subtract(sums, contribution)
        sums.level_sum[0] ^= 1

    monkeypatch.setattr(RunningSums, "subtract", faulty)
    config = dataclasses.replace(tiny_config, leave=("client 2",))
    never_joined = dataclasses.replace(tiny_config, evaluate=False)
    everyone = {f"client {index}": index for index in range(8)}
    outcome = federate(pool, config, everyone, masks=tmp_path)
    oracle = federate(pool, never_joined, {each: place for each, place in everyone.items() if place != 2})
    result = RunResult.of(config, "answer probability", outcome, oracle.state_digest, {})
    assert result.removals[0].verdict == Verdict.BIT_EXACT  # The upload matched; only the oracle sees the rest.
    assert result.oracle == Oracle(oracle.state_digest, bit_identical=False)
    assert oracle.state_digest != result.state_digest
    assert not result.proven


@pytest.mark.parametrize(
    ("ending", "to_all", "code", "said"),
    [
        (signal.SIGTERM, False, 143, "terminated"),
        pytest.param(signal.SIGINT, True, 130, "interrupted", marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGTERM, True, 143, "terminated", marks=pytest.mark.exhaustive),
    ],
)
def test_ctrl_c_and_sigterm_end_cleanly(
    config_file: Path, own_code: Path, ending: signal.Signals, to_all: bool, code: int, said: str
) -> None:
    """They come to the whole group, as from a terminal or Slurm, or to the command alone, as from Docker."""
    out = config_file.parent / f"{said} {to_all}"
    command = [*COMMAND, "run", str(config_file), "--steps", "500", "--workers", "1", "--out", str(out)]
    merged = (out / "masks").glob
    process = run_until(lambda: any(merged("*.mask")), command, seconds=300, folder=own_code, stderr=subprocess.PIPE)
    started = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if to_all else os.kill)(process.pid, ending)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert told.rstrip().endswith(f"fedsift: {said}; go on with: fedsift run --resume {shlex.quote(str(out))}")
    assert "Traceback" not in told
    assert psutil.wait_procs(started, timeout=20)[1] == []
