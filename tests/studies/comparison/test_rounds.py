"""Methods that train in rounds, over real workers."""

import csv
import dataclasses
import hashlib
import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.local_training import LocalTraining
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.models import load_model
from fedsift.protocol.method import Method
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.compare import compare, default_methods
from fedsift.studies.comparison.comparison import Comparison, MethodRow

IN_ROUNDS = [name for name, method in METHODS.items() if method.in_rounds]
EXACT = ["fedavg", "fedavg-replay", "fedprox", "fedadam", "scaffold", "knot"]
ROUNDS = RoundSettings(rounds=3, sample=0.5, stragglers=0.4, local_steps=2)


def played(config: RunConfig, folder: Path, names: list[str], rounds: RoundSettings = ROUNDS) -> Comparison:
    leaving = dataclasses.replace(config, clients=6, newcomers=1, leave=("client 1", "client 3"))
    return compare(leaving, names, folder, PhaseBars(), rounds)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rounds") / "out"


@pytest.fixture(scope="module")
def rows(tiny_config: RunConfig, out: Path) -> dict[str, MethodRow]:
    """All methods in rounds, beside SIFT-Masks, on six clients of whom two leave."""
    found = played(tiny_config, out, ["sift-masks", *IN_ROUNDS, "scaffold+npo"])
    assert not (out / "vectors" / "rounds").exists()  # They are many, and of no use to anybody.
    return {row.name: row for row in found.methods}


def test_a_removal_is_a_run_that_the_leavers_never_joined(rows: dict[str, MethodRow]) -> None:
    assert list(rows) == ["sift-masks", *IN_ROUNDS, "scaffold+npo"]
    for name in EXACT:
        row = rows[name]
        assert (row.exact, row.exact_in_bits, row.differing_entries, row.distance_left) == (True, True, 0, 0), name
    assert len({rows[name].state_digest for name in EXACT}) == len(EXACT)
    for name in set(IN_ROUNDS) - {*EXACT}:
        row = rows[name]
        assert (row.exact, row.exact_in_bits) == (False, False), name
        assert row.differing_entries > 0.1  # type: ignore[operator]


def test_what_removals_cost(rows: dict[str, MethodRow]) -> None:
    """Of five, then four members two or three are asked, and one does not count; beside SIFT-Masks' one client."""
    for name in ("fedavg", "fedprox", "fedadam", "scaffold"):
        row = rows[name]
        assert (row.trainings, row.steps) == ([3, 3], [6, 6]), name
        up, down = row.removals.up, row.removals.down
        assert up * 2 == down  # Two are asked, and one counts.
        one_up = up / 6
        assert row.removals.seconds == pytest.approx(6 * (2 * 1.0 + one_up / 1e6 + one_up / 5e6))
    assert rows["scaffold"].removals.up == 2 * rows["fedavg"].removals.up
    ours = rows["sift-masks"]
    assert (ours.trainings, ours.steps, ours.removals.down) == ([1, 1], [3, 3], 0)
    assert 0 < ours.removals.up < rows["fedavg"].removals.up
    assert ours.removals.seconds == pytest.approx(2 * 3 * 1.0 + ours.removals.up / 1e6)
    assert rows["gradient-ascent"].trainings == rows["npo"].trainings == [1, 1]
    assert sum(rows["federaser"].steps) < sum(rows["fedavg"].steps)


def test_digests_do_not_depend_on_workers(
    rows: dict[str, MethodRow], tiny_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker instead of two, and none of the other methods' trainings to take over."""
    single = WorkerPool("tests.client_app:app", 1)
    monkeypatch.setattr("fedsift.studies.comparison.compare.ray_session", lambda *_: nullcontext(single))
    for name in ("fedavg", "scaffold", "federaser"):
        (row,) = played(tiny_config, tmp_path / name, [name]).methods
        assert row.state_digest == rows[name].state_digest
        assert (row.first, row.removals) == (rows[name].first, rows[name].removals)


def test_two_clients_and_two_rounds_are_a_bare_loop(tiny_config: RunConfig, tmp_path: Path) -> None:
    """To the bit: training, sums in units of 2^-40, division, and the next round from there."""
    config = dataclasses.replace(tiny_config, clients=3, newcomers=0, leave=("client 1",))
    (row,) = compare(config, ["fedavg"], tmp_path / "out", PhaseBars(), RoundSettings(rounds=2)).methods
    tuner = FineTuner(*load_model(config.model_settings), config.tuning, config.seed)
    rows_of, members = load_dataset(config).train_examples, ["client 0", "client 2"]
    model = np.zeros(tuner.layout.size, np.float32)
    for number in (1, 2):
        units, weight = np.zeros(tuner.layout.size, np.int64), 0
        for client_id in members:
            encoded = tuner.encode(client_id, rows_of(client_id))
            trained = tuner.local(client_id, number, encoded, model, LocalTraining(config.steps)).task_vector
            units += len(encoded) * np.rint(trained.astype(np.float64) * 2.0**40).astype(np.int64)
            weight += len(encoded)
        model = (units / (weight * 2.0**40)).astype(np.float32)
    expected = hashlib.sha256(json.dumps(members).encode() + model.tobytes()).hexdigest()
    assert row.state_digest == expected


def test_the_files_have_what_was_spent(rows: dict[str, MethodRow], out: Path) -> None:
    with (out / "methods.csv").open(encoding="utf-8") as file:
        (told,) = (row for row in csv.DictReader(file) if row["name"] == "fedavg")
    spent = rows["fedavg"].removals
    assert [float(told[f"removals_{each}"]) for each in ("seconds", "up", "down", "joules")] == [
        spent.seconds, spent.up, spent.down, spent.joules,
    ]  # fmt: skip
    assert float(told["first_up"]) == rows["fedavg"].first.up > 0


def test_low_rank_adapters(tiny_config: RunConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny_config, lora_rank=2)
    for row in played(config, tmp_path / "out", ["fedavg"]).methods:
        assert row.exact_in_bits


def test_rounds_have_to_be_asked_for(tiny_config: RunConfig, tmp_path: Path) -> None:
    assert [name for name in METHODS if name not in IN_ROUNDS] == default_methods(RoundSettings())
    assert list(METHODS) == default_methods(ROUNDS)
    with pytest.raises(BadInput, match="method fedavg trains in rounds: give --rounds"):
        played(tiny_config, tmp_path, ["fedavg"], RoundSettings())


def test_a_method_of_ones_own(
    tiny_config: RunConfig, tmp_path: Path, own_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By module:Class, from a file in the folder where fedsift runs."""
    code = """
from fedsift.strategies.fedavg import FedAvg

class Halved(FedAvg):
    title, exact = "halved steps", True

    def moved(self, mean):
        return (self.model + mean) / 2

class Unfinished(FedAvg.__mro__[2]):
    pass

NOTHING = 3
"""
    (own_code / "own_rounds.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(own_code)
    own, plain = played(tiny_config, tmp_path / "out", ["own_rounds:Halved", "fedavg"]).methods[::-1]
    assert (own.name, own.title, own.exact_in_bits) == ("own_rounds:Halved", "halved steps", True)
    assert own.state_digest != plain.state_digest
    for name, told in (
        ("own_rounds:Unfinished", "does not define change, digest, serve, shared"),
        ("own_rounds:NOTHING", "unknown class 'NOTHING'"),
        ("own_rounds:Halvde", "did you mean 'Halved'"),
        ("no_such_module:Halved", "ModuleNotFoundError"),
        ("pathlib:Path", "no subclass of"),
    ):
        with pytest.raises(BadInput, match=told):
            played(tiny_config, tmp_path / "no", [name])


def test_all_methods_say_what_they_are() -> None:
    for name in IN_ROUNDS:
        method: type[Method] = METHODS[name]
        assert method.facts()["cost_formula"]
        assert method.cost(20, rounds=5) <= 19 * 5
