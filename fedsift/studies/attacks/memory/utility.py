"""What is left for those who stay and those who never joined: model utility (TOFU, arXiv 2401.06121).

The harmonic mean of answer probability, ROUGE-L and truthfulness, max(0, 1 - R), over rows: 0 if one of them is.
"""

import numpy as np

from fedsift.studies.attacks.evidence import NEWCOMERS, STAYERS
from fedsift.studies.attacks.memory.answer_probability import answer_probability
from fedsift.studies.attacks.memory.truth_ratio import truthfulness
from fedsift.studies.attacks.memory_metric import MemoryMetric, Values
from fedsift.studies.recall import Recall


def _three(recall: Recall) -> Values:
    return np.stack([answer_probability(recall), recall.said, truthfulness(recall)], axis=1)


def _harmonic_mean(values: Values, _reference: Values) -> float:
    means = values.mean(axis=0)
    return float(len(means) / (1 / means).sum()) if means.all() else 0.0


def _utility(part: str) -> MemoryMetric:
    return MemoryMetric(
        f"model_utility_{part}",
        f"utility for {part}",
        _three,
        ("said", "wrong_losses"),
        part=part,
        figure=_harmonic_mean,
        figure_name="harmonic_mean",
    )


OF_STAYERS, OF_NEWCOMERS = _utility(STAYERS), _utility(NEWCOMERS)
