"""The benchmark of a GPU: its arithmetic and its JSON with runs that are made up, and all of it for real on a CPU."""

import dataclasses
import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.simulations.bench import gpu
from fedsift.studies.bench.processes import ArmRun
from fedsift.studies.bench.registry import BENCHMARKS
from tests.cli.commands import done

H100 = "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        (H100, 989.5e12),
        ("NVIDIA H100 PCIe", 756.5e12),
        ("NVIDIA H200", 989.5e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L40", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("cpu", None),
    ],
)
def test_peaks_are_known_by_name(name: str, peak: float | None) -> None:
    assert gpu.peak_flops(name) == peak


class MadeUp:
    """Runs of 2 seconds, a bare loop of 1.6, 1.2 of which it tunes, on a device."""

    def __init__(self, device: str, sums: str = "aa") -> None:
        self.device, self.sums, self.asked = device, sums, list[tuple[str, RunConfig]]()

    def __call__(self, module: str, config: RunConfig) -> ArmRun:
        arm = module.rpartition(".")[2]
        self.asked.append((arm, config))
        if arm == "removal_run":
            told = {"seconds": 9.0, "clients": 3, "verdicts": ["BIT_EXACT"], "state": "cc", "reference": "cc"}
            return ArmRun(10.0, {**told, "environments": [{"device": self.device}]})
        bare_loop = {"seconds": 1.6, "tuning": 1.2, "sums": "aa"}
        return ArmRun(10.0, bare_loop if arm == "bare_loop" else {"seconds": 2.0, "sums": self.sums})


def found(monkeypatch: pytest.MonkeyPatch, config: RunConfig, made_up: MadeUp) -> dict[str, Any]:
    monkeypatch.setattr(gpu, "run_arm", made_up)
    config = dataclasses.replace(config, batch_size=2, max_length=24)
    told: dict[str, Any] = json.loads(json.dumps(gpu.measure_gpu(config, 5, gpu.REHEARSAL).to_json()))
    return told


def test_what_is_found_by_hand(monkeypatch: pytest.MonkeyPatch, tiny_config: RunConfig) -> None:
    """4 clients x 2 rows x 24 tokens x 3 steps are 576 tokens, 480 a second."""
    made_up = MadeUp(H100)
    monkeypatch.setattr("fedsift.runtime.gpu_share.check_device", lambda _: None)
    told = found(monkeypatch, dataclasses.replace(tiny_config, device="cuda"), made_up)
    facts, figures = told["facts"], {(each["arm"], each["quantity"]): each for each in told["measurements"]}
    assert figures["model, 1 at a time", "after start-up"]["values"] == [2.0] * 3
    assert figures["model, 4 at a time", "tokens while tuning"]["median"] == pytest.approx(480)
    assert figures["Llama, 1 at a time", "time / bare loop's"]["median"] == 1.25
    used = 480 * 6 * facts["parameters"]["Llama"] / 989.5e12
    assert facts["flop_utilisation"]["Llama, 1 at a time"] == pytest.approx(used)
    assert (facts["digests_are_equal"], facts["reference_is_equal"], facts["verdicts"]) == (True, True, ["BIT_EXACT"])
    shares = [(arm, config.clients_per_gpu) for arm, config in made_up.asked]
    of_own = [*[("fedsift_run", 1)] * 3, ("bare_loop", 1), ("fedsift_run", 2), ("bare_loop", 2)]
    of_own += [("fedsift_run", 4), ("bare_loop", 4)]
    assert shares == [*of_own, ("fedsift_run", 1), ("bare_loop", 1), ("removal_run", 4)]
    leaving = made_up.asked[-1][1]
    assert (leaving.dataset, leaving.leave_count, leaving.oracle) == (tiny_config.dataset, 1, True)


def test_unequal_digests_are_told_and_an_unknown_device_has_no_share(
    monkeypatch: pytest.MonkeyPatch, tiny_config: RunConfig
) -> None:
    made_up = MadeUp("cpu", sums="bb")
    told = found(monkeypatch, tiny_config, made_up)
    assert told["facts"]["digests"]["Llama"] == ["aa", "bb"]
    assert told["facts"]["digests_are_equal"] is False
    assert told["facts"]["flop_utilisation"] is told["facts"]["peak_flops"] is None
    assert any("NOT EQUAL" in note for note in told["notes"])
    assert [config.workers for _, config in made_up.asked[3:6]] == [1, 2, 2]


def test_it_is_what_a_gpu_is_measured_by(tiny_config: RunConfig) -> None:
    on_gpu = dataclasses.replace(tiny_config, device="cuda")
    assert [name for name, each in BENCHMARKS.items() if each.is_meant(on_gpu)] == ["gpu"]
    assert {name for name, each in BENCHMARKS.items() if each.is_meant(tiny_config)} == {*BENCHMARKS} - {"gpu"}


@pytest.mark.slow
def test_all_of_it_on_a_cpu(tiny_config: RunConfig, tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    options = {"--model": tiny_config.model, "--clients": 4, "--steps": 3, "--lr": 1e-3, "--out": file}
    sizes = {"--device": "cpu", "--dtype": "float32", "--batch-size": 2, "--max-length": 24}
    print(done("bench", "--gpu", "--rounds", 1, "--no-chat", *chain.from_iterable((options | sizes).items())))
    facts = json.loads(file.read_text(encoding="utf-8"))["parts"]["gpu"]["facts"]
    assert facts["digests_are_equal"] and facts["reference_is_equal"]
    assert facts["verdicts"] == ["BIT_EXACT"]
    assert facts["environments"][0]["device"] == "cpu"
