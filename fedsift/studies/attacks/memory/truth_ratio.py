"""How likely wrong answers are beside the right one (TOFU, arXiv 2401.06121; as OpenUnlearning computes it).

    R = exp(mean over the wrong answers of their log-probability a token) / exp(that of the right one)

TOFU takes a paraphrase for the right one; where the data have none, it is the row's own. Of the leavers' rows
min(R, 1 / R) is near 1 if the model cannot tell. Forget quality is the Kolmogorov-Smirnov test of the R of a state
against those of the retrained reference: here the statistic, a distance; the test's p-value is in open-unlearning.json.
"""

import numpy as np

from fedsift.studies.attacks.kolmogorov_smirnov import ks_statistic
from fedsift.studies.attacks.memory_metric import MemoryMetric, Values
from fedsift.studies.recall import Recall


def log_truth_ratio(recall: Recall) -> Values:
    """The logarithm of R of each row."""
    right = recall.paraphrase_losses if recall.paraphrase_losses.size else recall.losses
    ratio: Values = right - recall.wrong_losses.mean(axis=1)
    return ratio


def truthfulness(recall: Recall) -> Values:
    """max(0, 1 - R) of each row: of rows to keep."""
    return 1 - np.exp(np.minimum(log_truth_ratio(recall), 0))


TRUTH_RATIO = MemoryMetric(
    "forget_truth_ratio",
    "truth ratio",
    lambda recall: np.exp(-np.abs(log_truth_ratio(recall))),
    ("wrong_losses",),
    rises=False,
)
FORGET_QUALITY = MemoryMetric(
    "forget_quality",
    "truth ratios' distribution",
    log_truth_ratio,
    ("wrong_losses",),
    figure=ks_statistic,
    figure_name="ks",
)
