"""Methods side by side, over real workers: removals against a run that the leavers never joined."""

import csv
import dataclasses
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fedsift.cli.table_layout import lay_out
from fedsift.configuration.participants import Participants
from fedsift.configuration.round_settings import RoundSettings
from fedsift.configuration.run_config import RunConfig
from fedsift.core.client_file import load_task_vector
from fedsift.core.errors import BadInput
from fedsift.data.loading import load_dataset
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.models import load_model
from fedsift.runtime.progress import PhaseBars
from fedsift.strategies.registry import METHODS
from fedsift.studies.comparison.compare import compare, default_methods
from fedsift.studies.comparison.comparison import Comparison
from fedsift.studies.comparison.method_tables import comparison_tables
from tests.cli.commands import done

ONCE = default_methods(RoundSettings())  # those that do not train in rounds (test_rounds.py)
PARTS = (range(5), (0, 2, 4), (1, 3))  # places of members, and of those who stay or leave


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare") / "out"


@pytest.fixture(scope="module")
def found(tiny_config: RunConfig, out: Path) -> Comparison:
    """All methods that train once on five clients, two of whom leave one after the other, and two newcomers."""
    config = dataclasses.replace(tiny_config, clients=5, newcomers=2, leave=("client 1", "client 3"))
    return compare(config, ONCE, out, PhaseBars())


def test_every_exact_method_ends_as_if_never_joined(found: Comparison) -> None:
    rows = {row.name: row for row in found.methods}
    assert list(rows) == ONCE
    for row in rows.values():
        if row.exact:
            assert (row.exact_in_bits, row.differing_entries, row.distance_left) == (True, 0, 0), row.name


def test_approximate_methods_are_told_apart(found: Comparison) -> None:
    """Central FT on five clients and on three are different models; subtracting does not make the one the other."""
    s3t, *rows = [row for row in found.methods if not row.exact]
    assert [row.name for row in (s3t, *rows)] == ["s3t", "task-negation", "negmerge", "msa"]
    assert s3t.trainings == [0, 0]  # What the leavers have touched is turned off.
    for row in rows:
        assert not row.exact_in_bits
        assert row.differing_entries > 0.5
        assert row.distance_left > 0.1
    scalings = [row.validation_scorings for row in rows]
    assert scalings == [21 * (5 + 4), 21 * (5 + 4), 7 * (5 + 4)]  # a leaver and four members, then three


def test_trainings_are_counted(found: Comparison) -> None:
    """Of five, then four members: the leaver, or all four and then all three others, or these in their shard."""
    expected = {"1": [1, 1], "T": [4, 3], "5": [5, 5], "6": [1 + 4, 1 + 3]}  # no more control clients than members
    for row in found.methods:
        formula = METHODS[row.name].cost.formula
        if formula in ("T/S", "T at most") or row.name == "apa":
            assert all(found <= others for found, others in zip(row.trainings, [4, 3], strict=True))
            least = 10 if row.name == "central-replay" else 0  # a step for each of its stages
            assert all(steps <= max(least + 3, 3 * others) for steps, others in zip(row.steps, [4, 3], strict=True))
        elif row.name != "s3t":
            assert row.trainings == expected[formula], row.name
            assert row.steps == [3 * each for each in row.trainings]
        if formula in ("1", "T"):
            assert row.trainings_of_all_removals == {"1": 4, "T": 4 + 3 + 2 + 1}[formula]


def test_searches_are_counted(found: Comparison) -> None:
    assert (found.clients, found.newcomers, found.leavers) == (5, 2, ["client 1", "client 3"])
    by_name = {row.name: row for row in found.methods}
    assert by_name["tall-masks"].hyper_parameters.keys() == {"density", "alpha"}
    scorings = {"tall-masks": 5 * 25, "ties": 5 * 4 * 18, "consensus-tall-masks": 5 * 25, "apa": 5 * 3, "emr": 0}
    assert {name: by_name[name].validation_scorings for name in scorings} == scorings


def test_ft_merge_is_the_mean_of_the_clients_own_vectors(found: Comparison, out: Path, tiny_config: RunConfig) -> None:
    """The vectors that the comparison kept, added up by NumPy and scored in this process: before, and of those left."""
    settings, dataset = tiny_config.model_settings, load_dataset(tiny_config)
    tuner = FineTuner(*load_model(settings), tiny_config.tuning, tiny_config.seed)
    members, stayers, leavers = ([f"client {place}" for place in places] for places in PARTS)
    newcomers = Participants.of(dataclasses.replace(tiny_config, clients=5, newcomers=2), dataset).newcomers
    assert len(newcomers) == 2

    def expected(merged: Sequence[str], scored: Sequence[str]) -> float:
        vectors = [load_task_vector(out / "vectors", each, tuner.layout.size) for each in merged]
        model = np.mean([each for each in vectors if each is not None], axis=0, dtype=np.float64).astype(np.float32)
        tests = [tuner.encode(each, dataset.test_examples(each)) for each in scored]
        return float(np.mean([tuner.score(model, each) for each in tests]))

    (row,) = (row for row in found.methods if row.name == "ft-merge")
    for state, merged in (("before", members), ("after", stayers)):
        scored = {"members": merged, "leavers": leavers, "newcomers": newcomers}
        for part, clients in scored.items():
            assert getattr(row, f"{part}_{state}") == pytest.approx(expected(merged, clients), rel=1e-4), (part, state)
    assert row.members_before != pytest.approx(row.members_after, rel=1e-3)


def test_sift_merge_is_the_run_of_sift_masks_without_masks(found: Comparison) -> None:
    masked, merged = found.methods[:2]
    assert masked.state_digest == merged.state_digest
    assert masked.members_before != merged.members_before
    assert masked.newcomers_before != merged.newcomers_before  # The one has the shared head.


def test_baselines(found: Comparison, tiny_config: RunConfig) -> None:
    """What clients have without a federation; a language model's rows have no most frequent label."""
    assert found.held_out
    zero_shot, alone = found.baselines
    assert (zero_shot.name, alone.name, alone.newcomers) == ("zero_shot", "alone", None)
    assert zero_shot.members and zero_shot.newcomers and alone.members
    assert len(zero_shot.members.per_client) == len(alone.members.per_client) == 5
    assert len(zero_shot.newcomers.per_client) == 2
    model, dataset = load_model(tiny_config.model_settings), load_dataset(tiny_config)
    tuner = FineTuner(*model, tiny_config.tuning, tiny_config.seed)
    for client, score in (zero_shot.members.per_client | zero_shot.newcomers.per_client).items():
        rows = tuner.encode(client, dataset.test_examples(client))
        assert tuner.score(np.zeros(tuner.layout.size, np.float32), rows) == pytest.approx(score, rel=1e-6)


def test_members_are_held_against_alone(found: Comparison) -> None:
    alone = found.baselines[-1].members
    assert alone
    for row in found.methods:
        assert None not in (row.members_before, row.members_low, row.members_high, row.better_than_alone)
        assert row.members_low <= row.members_before <= row.members_high  # type: ignore[operator]
        assert row.better_than_alone + row.worse_than_alone <= 5  # type: ignore[operator]
        if row.better_than_alone == 5:
            assert row.members_before > alone.mean  # type: ignore[operator]
        if row.worse_than_alone == 5:
            assert row.members_before < alone.mean  # type: ignore[operator]


def test_baselines_need_no_sift_masks_among_the_methods(
    found: Comparison, tiny_config: RunConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(tiny_config, clients=5, newcomers=2, leave=("client 1", "client 3"))
    single = compare(config, ["ties"], tmp_path / "out", PhaseBars())
    assert single.baselines == found.baselines
    assert not (tmp_path / "out" / "masks").exists()
    (ties,) = (row for row in found.methods if row.name == "ties")
    assert dataclasses.replace(single.methods[0], seconds=0) == dataclasses.replace(ties, seconds=0)


def test_the_table(found: Comparison) -> None:
    console = Console(width=80, record=True, file=StringIO())
    for table in comparison_tables(found):
        assert lay_out(table, console) <= 80
        console.print(table)
    shown = console.export_text()
    assert "on rows that nobody trained on (held-out)" in shown
    first_word = found.baselines[-1].title.split()[0]  # The others may stand in the next line.
    alone = next(line for line in shown.splitlines() if line.startswith(first_word))
    assert str(found.baselines[-1].members) in alone
    ours = found.methods[0]
    row = next(line for line in shown.splitlines() if line.startswith("SIFT-Masks ") and "/" in line)
    assert f"{ours.better_than_alone} / {ours.worse_than_alone}" in row


def test_the_files_of_a_comparison(found: Comparison, out: Path) -> None:
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == dataclasses.asdict(found)
    with (out / "methods.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["zero_shot", "alone", *ONCE]
    assert not any(mark in cell for row in rows for cell in row.values() for mark in "[]{}")
    zero_shot = found.baselines[0].members
    assert zero_shot
    assert [float(rows[0][f"members_{each}"]) for each in ("before", "low", "high")] == [
        zero_shot.mean, zero_shot.low, zero_shot.high,
    ]  # fmt: skip


def test_table_1() -> None:
    """The paper's arithmetic at T = 500: the first removal, and removing all."""
    found = {name: (method.cost(500), method.cost.of_all(500)) for name, method in METHODS.items()}
    assert found["sift-masks"] == found["ft-merge"] == found["ties"] == found["iso-c"] == (1, 499)
    assert found["central-ft"] == (499, 124_750)
    assert found["sisa"][0] == found["clustered-central-ft"][0] == 100  # 499/S
    assert found["tall-masks"] == found["emr"] == found["apa"] == (499, 124_750)
    storage = {name: method.storage(1600, 320) for name, method in METHODS.items()}
    assert storage["sift-masks"] == storage["emr"] == 6400 + 320 * 200  # M (1 + T/32) = 11 M
    assert storage["ft-merge"] == storage["ties"] == 6400


def test_the_methods_command() -> None:
    titles = [row["title"] for row in json.loads(done("methods", "--json"))]
    assert titles == [method.title for method in METHODS.values()]
    printed = done("methods")
    assert all(name in printed for name in METHODS)


def test_who_chose_settings_is_not_reported(tiny_config: RunConfig, tmp_path: Path) -> None:
    row = '{{"who": "client {0:02}", "question": "q{1}?", "answer": "{2}{2}{1}"}}\n'.format
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(row(each, place, "abcdefghijkl"[each]) for each in range(12) for place in range(4)))
    config = dataclasses.replace(tiny_config, dataset=str(table), clients=12, leave=("client 01", "client 11"))
    found = compare(config, ["ft-merge", "task-arithmetic"], tmp_path / "out", PhaseBars())
    assert found.chosen_on == [f"client {each:02}" for each in range(6)]  # client 05 once client 01 has left
    zero_shot = found.baselines[0].members
    assert zero_shot
    assert list(zero_shot.per_client) == [f"client {each:02}" for each in range(6, 12)]
    with (tmp_path / "out" / "methods.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    assert float(last["hyper_parameters_scale"]) == found.methods[1].hyper_parameters["scale"]
    assert [last["trainings_first_removal"], last["trainings_all_removals"]] == ["1", "2"]
    # Without a search nobody is left out.
    assert compare(config, ["ft-merge"], tmp_path / "again", PhaseBars()).chosen_on == []


def test_mistakes(tiny_config: RunConfig, tmp_path: Path) -> None:
    bars = PhaseBars()
    with pytest.raises(BadInput, match="unknown method 'tise'; did you mean 'ties'"):
        compare(tiny_config, ["tise"], tmp_path, bars)
    with pytest.raises(BadInput, match="needs somebody who leaves: give leave-count, or leave"):
        compare(tiny_config, ["ties"], tmp_path, bars)
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    with pytest.raises(BadInput, match="the folder is not empty; give one that is new or empty"):
        compare(dataclasses.replace(tiny_config, leave_count=1), ["ties"], tmp_path, bars)
