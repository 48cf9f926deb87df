"""How likely the right answer is, exp of the mean log-probability of its tokens (TOFU, arXiv 2401.06121)."""

import numpy as np

from fedsift.studies.attacks.evidence import BITS, ROUNDED
from fedsift.studies.attacks.memory_metric import MemoryMetric, Values
from fedsift.studies.recall import Recall


def answer_probability(recall: Recall) -> Values:
    """Of each row; of other tasks than language modelling, exp of minus its loss."""
    return np.exp(-recall.losses)


METRIC = MemoryMetric("forget_Q_A_Prob", "answer probability", answer_probability)

# The same answers in other words, where the data have them.
OF_PARAPHRASES = MemoryMetric(
    "forget_Q_A_PARA_Prob",
    "probability of paraphrased answers",
    lambda recall: np.exp(-recall.paraphrase_losses),
    ("paraphrase_losses",),
)

# What was hidden by a small change of the weights comes back when they are rounded (arXiv 2410.16454).
AFTER_ROUNDING = MemoryMetric(
    "forget_Q_A_Prob_rounded", f"answer probability, weights of {BITS} bits", answer_probability, part=ROUNDED
)
