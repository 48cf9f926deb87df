"""What the model says of its own accord after a question: ROUGE-L beside the right answer.

Greedily (TOFU, arXiv 2401.06121), and the best of several answers drawn at temperature 1: what a greedy answer hides,
a sampled one may tell (leak@k, arXiv 2511.04934).
"""

from fedsift.studies.attacks.evidence import SAMPLES
from fedsift.studies.attacks.memory_metric import MemoryMetric

ROUGE = MemoryMetric("forget_Q_A_ROUGE", "ROUGE-L of the answer", lambda recall: recall.said, ("said",))
OF_PARAPHRASES = MemoryMetric(
    "forget_Q_A_PARA_ROUGE",
    "ROUGE-L beside paraphrased answers",
    lambda recall: recall.paraphrase_said,
    ("paraphrase_said",),
)
LEAK = MemoryMetric(
    f"leak_at_{SAMPLES}", f"best ROUGE-L of {SAMPLES} answers", lambda recall: recall.drawn.max(axis=1), ("drawn",)
)
