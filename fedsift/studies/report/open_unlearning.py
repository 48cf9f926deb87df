"""The metrics in OpenUnlearning's names (github.com/locuslab/open-unlearning), so that its tables can be made.

Its summary of a model is a JSON object from names to numbers; here there is one for each method in each state. What
differs from its own TOFU evaluation: the right answer stands in for its paraphrase where the data have none; wrong
answers are other clients'; ROUGE-L is the F measure, without a stemmer; utility is that for stayers and newcomers,
without real authors and world facts; a target's last token counts.
"""

import json
from collections.abc import Mapping
from typing import Any

from fedsift.studies.attacks.kolmogorov_smirnov import ks_p_value
from fedsift.studies.report.tables import WHEN

_SAME_NAMES = (
    "forget_Q_A_Prob",
    "forget_Q_A_ROUGE",
    "forget_Q_A_PARA_Prob",
    "forget_Q_A_PARA_ROUGE",
    "forget_truth_ratio",
    "exact_memorization",
    "extraction_strength",
)
_UTILITIES = ("model_utility_stayers", "model_utility_newcomers")
_ATTACKS = ("loss", "min_k", "min_k_plus_plus", "reference", "zlib")
_TINY = 1e-10  # OpenUnlearning adds it to what it divides by


def open_unlearning(told: Mapping[str, Any]) -> str:
    """open-unlearning.json: method -> state -> name -> number.

    Args:
        told: "attacks" of result.json.
    """
    methods = dict.fromkeys(row["method"] for row in told["membership"])
    summaries = {method: {state: _summary(told, method, state) for state in WHEN} for method in methods}
    return json.dumps(summaries, indent=1) + "\n"


def _summary(told: Mapping[str, Any], method: str, state: str) -> dict[str, float]:
    def found(part: str, figure: str, at: str = state) -> dict[str, float]:
        rows = (row for row in told[part] if row["method"] == method)
        return {row["metric"]: row[at][figure] for row in rows if figure in row[at]}

    means, utilities = found("memory", "mean"), found("memory", "harmonic_mean")
    aucs, of_oracle = found("membership", "auc"), found("membership", "auc", "oracle")
    summary = {name: means[name] for name in _SAME_NAMES if name in means}
    summary |= {f"mia_{name}": aucs[name] for name in _ATTACKS if name in aucs}
    for statistic in found("memory", "ks").values():
        summary["forget_quality"] = ks_p_value(statistic, told["examples"])
    if all(name in utilities for name in _UTILITIES):
        of_parts = [utilities[name] for name in _UTILITIES]
        summary["model_utility"] = len(of_parts) / sum(1 / each for each in of_parts) if all(of_parts) else 0.0
    if "min_k" in aucs:
        summary["privleak"] = priv_leak(aucs["min_k"], of_oracle["min_k"])
    return dict(sorted(summary.items()))


def priv_leak(auc: float, of_reference: float) -> float:
    """PrivLeak in percent (MUSE, arXiv 2407.06460): below 0 where members are known better than by the reference.

    Args:
        auc: of a membership attack on a state, members above non-members; MUSE counts 1 - AUC.
        of_reference: the same of the retrained reference.
    """
    return 100 * (of_reference - auc) / (1 - of_reference + _TINY)
