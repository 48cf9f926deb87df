"""Methods side by side, over real workers: removals against a run that the leavers never joined."""

import csv
import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord
from rich.console import Console

from fedsift.configuration.run_config import RunConfig
from fedsift.core.client_file import load_task_vector
from fedsift.core.errors import BadInput
from fedsift.learning.models import load_layout
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_grid import RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.fine_tune_merge import FineTuneMerge
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.compare import compare
from tests.cli.commands import invoke


@pytest.fixture(scope="module")
def told(pool: WorkerPool, tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All methods on five clients, two of whom leave one after the other, with two held out."""
    out = tmp_path_factory.mktemp("compare") / "out"
    config = dataclasses.replace(tiny_config, clients=5, leave=("client 1", "client 3"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedsift.studies.comparison.compare.ray_session", lambda *_: nullcontext(pool))
        told = compare(config, list(METHODS), 2, out, PhaseBars(Console(quiet=True)))
    return {**told, "out": out}


def test_every_exact_method_ends_as_if_never_joined(told: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in told["methods"]}
    assert list(rows) == list(METHODS)
    for row in rows.values():
        if row["exact"]:
            assert (row["exact_in_bits"], row["differing_entries"], row["distance_left"]) == (True, 0, 0), row["name"]


def test_approximate_methods_are_told_apart(told: dict[str, Any]) -> None:
    """Central FT on five clients and on three are different models; subtracting does not make the one the other."""
    rows = [row for row in told["methods"] if not row["exact"]]
    assert [row["name"] for row in rows] == ["task-negation", "negmerge", "msa"]
    for row in rows:
        assert not row["exact_in_bits"]
        assert row["differing_entries"] > 0.5
        assert row["distance_left"] > 0.1
    scalings = [row["validation_scorings"] for row in rows]
    assert scalings == [21 * (5 + 4), 21 * (5 + 4), 7 * (5 + 4)]  # a leaver and four members, then three


def test_trainings_are_counted(told: dict[str, Any]) -> None:
    """Of five, then four members: the leaver, or all four and then all three others, or these in their shard."""
    expected = {"1": [1, 1], "T": [4, 3], "5": [5, 5], "6": [1 + 4, 1 + 3]}  # no more control clients than members
    for row in told["methods"]:
        formula = METHODS[row["name"]].cost_formula
        if formula == "T/S" or row["name"] == "apa":
            assert all(found <= others for found, others in zip(row["trainings"], [4, 3], strict=True))
            assert sum(row["steps"]) <= 3 * (4 + 3)
        else:
            assert row["trainings"] == expected[formula], row["name"]
            assert row["steps"] == [3 * each for each in row["trainings"]]
        if formula in ("1", "T"):
            assert row["trainings_of_all_removals"] == {"1": 4, "T": 4 + 3 + 2 + 1}[formula]


def test_scores_are_there_for_all(told: dict[str, Any]) -> None:
    assert (told["clients"], told["held_out"], told["leavers"]) == (5, 2, ["client 1", "client 3"])
    for row in told["methods"]:
        for name in ("members_before", "members_after", "leavers_before", "leavers_after"):
            assert 0 <= row[name] <= 1
        assert 0 <= row["held_out_before"] <= 1
        assert 0 <= row["held_out_after"] <= 1
    by_name = {row["name"]: row for row in told["methods"]}
    assert by_name["tall-masks"]["hyper_parameters"].keys() == {"density", "alpha"}
    assert by_name["tall-masks"]["validation_scorings"] == 5 * 25
    assert by_name["ties"]["validation_scorings"] == 5 * 4 * 18
    assert by_name["consensus-tall-masks"]["validation_scorings"] == 5 * 25
    assert by_name["apa"]["validation_scorings"] == 5 * 3
    assert by_name["emr"]["validation_scorings"] == 0


def test_ft_merge_is_the_mean_of_the_clients_own_vectors(
    told: dict[str, Any], pool: WorkerPool, tiny_config: RunConfig
) -> None:
    """Another run over the vectors that the comparison kept, held against NumPy."""
    size = load_layout(tiny_config.model_settings).size
    vectors = [load_task_vector(told["out"] / "vectors", f"client {number}", size) for number in (0, 2, 4)]
    expected = np.mean(np.stack([vector for vector in vectors if vector is not None]).astype(np.float64), axis=0)
    strategy = FineTuneMerge(len(expected), evaluated=())
    nodes = node_configs(
        {f"client {number}": number for number in (0, 2, 4)}, {"vector-folder": str(told["out"] / "vectors")}
    )
    strategy.start(RayGrid(pool, nodes, tiny_config.to_user_config()), ArrayRecord(), num_rounds=1)
    np.testing.assert_allclose(strategy.shared()["0"], expected, rtol=1e-5, atol=1e-9)
    rows = {row["name"]: row for row in told["methods"]}
    assert strategy.digest() == rows["ft-merge"]["state_digest"]


def test_the_files_of_a_comparison(told: dict[str, Any]) -> None:
    with (told["out"] / "methods.csv").open(encoding="utf-8") as file:
        assert [row["name"] for row in csv.DictReader(file)] == list(METHODS)


def test_table_1() -> None:
    """The paper's arithmetic at T = 500: the first removal, and removing all."""
    found = {name: (method.cost(500), method.all_removals(500)) for name, method in METHODS.items()}
    assert found["sift-masks"] == found["ft-merge"] == (1, 499)
    assert found["central-ft"] == (499, 124_750)
    assert found["sisa"][0] == found["clustered-central-ft"][0] == 100  # 499/S
    assert found["ties"] == found["tall-masks"] == found["emr"] == found["apa"] == (499, 124_750)
    storage = {name: method.storage(1600, 320) for name, method in METHODS.items()}
    assert storage["sift-masks"] == storage["emr"] == 6400 + 320 * 200  # M (1 + T/32) = 11 M
    assert storage["ft-merge"] == storage["ties"] == 6400


def test_the_methods_command() -> None:
    code, printed, _ = invoke("methods", "--json")
    assert code == 0
    assert [row["title"] for row in json.loads(printed)] == [method.title for method in METHODS.values()]
    code, printed, _ = invoke("methods")
    assert code == 0
    assert all(name in printed for name in METHODS)


def test_mistakes(tiny_config: RunConfig, tmp_path: Path) -> None:
    bars = PhaseBars(Console(quiet=True))
    with pytest.raises(BadInput, match="unknown method 'tise'; did you mean 'ties'"):
        compare(tiny_config, ["tise"], 0, tmp_path, bars)
    for held_out in (-1, 10**400):
        with pytest.raises(BadInput, match=r"held-out = .*: give a number of clients from 0 to 1,000,000,000"):
            compare(dataclasses.replace(tiny_config, leave_count=1), ["ties"], held_out, tmp_path, bars)
    with pytest.raises(BadInput, match="needs somebody who leaves: give leave-count, or leave"):
        compare(tiny_config, ["ties"], 0, tmp_path, bars)
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    with pytest.raises(BadInput, match="the folder is not empty; give one that is new or empty"):
        compare(dataclasses.replace(tiny_config, leave_count=1), ["ties"], 0, tmp_path, bars)
