"""Metrics of memory, by hand and on a tiny model."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.examples import Example
from fedsift.data.loading import load_dataset
from fedsift.learning.token_scores import TokenScores
from fedsift.studies.attacks.measure_memory import METRICS
from fedsift.studies.attacks.paraphrases import paraphrases
from fedsift.studies.attacks.wrong_answers import wrong_answers
from fedsift.studies.recall import Recall

WORDS = ("Ann", "Ben", "Cas")


def recall(
    losses: list[float], wrong: list[list[float]], greedy: list[list[int]], reworded: Sequence[float] = ()
) -> Recall:
    counts = np.array([len(each) for each in greedy])
    flat = np.array([bool(each) for row in greedy for each in row])
    tokens = TokenScores(counts, np.zeros(len(flat)), np.zeros(len(flat)), flat)
    said, drawn = np.array([0.5, 1.0]), np.array([[0.0, 0.75], [0.25, 0.5]])
    of_reworded = np.array(reworded), said[: len(reworded)] / 2
    return Recall(np.array(losses), np.array(wrong), said, drawn, *of_reworded, tokens)


def test_values_by_hand() -> None:
    half, quarter = np.log(2), np.log(4)
    known = recall([half, quarter], [[quarter, quarter], [half, half]], [[1, 0, 1, 1], [1, 0]])
    values = {name: metric.values(known).tolist() for name, metric in METRICS.items() if metric.has_all(known)}
    assert values.pop("forget_Q_A_Prob") == pytest.approx([0.5, 0.25])
    assert values.pop("forget_Q_A_Prob_rounded") == pytest.approx([0.5, 0.25])
    assert values.pop("forget_truth_ratio") == pytest.approx([0.5, 0.5])  # 0.25 / 0.5, and the inverse of 0.5 / 0.25
    assert values.pop("forget_quality") == pytest.approx([-half, half])
    for part in ("stayers", "newcomers"):
        three = values.pop(f"model_utility_{part}")
        assert three == [pytest.approx([0.5, 0.5, 0.5]), pytest.approx([0.25, 1.0, 0.0])]
    assert values == {
        "exact_memorization": [0.75, 0.5],
        "extraction_strength": [0.5, 0.0],
        "forget_Q_A_ROUGE": [0.5, 1.0],
        "leak_at_8": [0.75, 0.5],
    }


def test_a_paraphrase_is_the_right_answer_of_a_truth_ratio() -> None:
    half, quarter = np.log(2), np.log(4)
    known = recall([half, quarter], [[quarter, quarter], [half, half]], [[1], [1]], [quarter, half])
    values = {name: metric.values(known).tolist() for name, metric in METRICS.items()}
    assert values["forget_Q_A_Prob"] == pytest.approx([0.5, 0.25])
    assert values["forget_Q_A_PARA_Prob"] == pytest.approx([0.25, 0.5])
    assert values["forget_Q_A_PARA_ROUGE"] == [0.25, 0.5]
    assert values["forget_truth_ratio"] == pytest.approx([1.0, 1.0])
    assert values["forget_quality"] == pytest.approx([0.0, 0.0])


def test_paraphrases_are_those_of_the_same_rows(tmp_path: Path, tiny_config: RunConfig) -> None:
    table = tmp_path / "rows.jsonl"
    row = '{{"who": "{0}", "q": "{0} {1}?", "a": "{0}{1}", "other": "{1} of {0}"}}\n'.format
    table.write_text("".join(row(who, number) for number in range(8) for who in "xy"), encoding="utf-8")
    given = {"dataset": str(table), "client_column": "who", "prompt": "{q}", "target": "a", "paraphrase": "other"}
    config = dataclasses.replace(tiny_config, **given)
    data = load_dataset(config)
    held = {each: data.train_examples(each) for each in "xy"}
    found = paraphrases(config, "xy", held)
    assert len(found["x"]) == 6  # a quarter is kept out
    for row, reworded in zip(held["x"], found["x"], strict=True):
        assert reworded == f"{row.prompt[2]} of x"
    assert paraphrases(dataclasses.replace(config, paraphrase=""), "xy", held) == {}
    with pytest.raises(BadInput, match="'x' has other rows than with target"):
        paraphrases(config, "x", {"x": held["y"]})
    with pytest.raises(BadInput, match="did you mean 'other'"):
        load_dataset(dataclasses.replace(config, paraphrase="othr"))


def test_figures_by_hand() -> None:
    utility = METRICS["model_utility_stayers"].figure
    values = np.array([[0.25, 0.5, 1.0], [0.75, 1.0, 0.0]])
    assert utility(values, values) == pytest.approx(3 / (2 + 4 / 3 + 2))
    assert utility(values * [1, 1, 0], values) == 0.0
    ratios = np.array([1.0, 2.0, 3.0, 4.0])
    assert METRICS["forget_quality"].figure(ratios, ratios + 2) == 0.5


def test_what_is_not_there_is_not_measured() -> None:
    nothing = np.empty((2, 0))
    bare = Recall._make([np.array([0.1, 0.2]), *[nothing] * 5, None])
    assert [name for name, metric in METRICS.items() if metric.has_all(bare)] == [
        "forget_Q_A_Prob",
        "forget_Q_A_Prob_rounded",
    ]


def test_wrong_answers_are_those_to_the_most_alike_questions() -> None:
    def asked(name: str, number: int) -> list[Example]:
        return [
            Example(f"When was {name} born?", f" in {number}"),
            Example(f"{name} likes what food?", f" dish {number}"),
        ]

    others = {f"client {place}": asked(name, place) for place, name in enumerate(WORDS)}
    rows = {"someone": asked("Dan", 1), "client 0": others["client 0"]}
    found = wrong_answers(rows, others, 0)
    assert [set(each[:2]) for each in found["someone"]] == [{"in 0", "in 2"}, {"dish 0", "dish 2"}]
    assert [set(each[:2]) for each in found["client 0"]] == [{"in 1", "in 2"}, {"dish 1", "dish 2"}]
    assert {len(each) for held in found.values() for each in held} == {4}  # client 0 has no more: its own are left out
    assert found == wrong_answers(rows, dict(reversed(others.items())), 0)
    assert wrong_answers(rows, {}, 0)["someone"] == [[], []]
