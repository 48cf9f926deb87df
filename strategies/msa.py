"""MSA (arXiv 2506.20941), on top of Central FT: with M0 for the checkpoint from before the data."""

from collections.abc import Mapping
from itertools import product

import numpy as np

from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import VALIDATION_CLIENTS
from fedsift.protocol.method import MODEL, several
from fedsift.strategies.families.negated_central_ft import NegatedCentralFineTuning, negated

# The search of the authors.
ALPHAS = (1.0, 1.5, 2.0)
BETAS = (0.0, 1.0)


def msa(trained: Vector, forget: Vector, retain: Vector, alpha: float, beta: float) -> Vector:
    """tau_D - alpha * tau_f + beta * tau_r (`mehrdadsaberi/MSA_unlearning`, src/tv_unlearn.py); all of shape (n,).

    tau_f and tau_r are relative to theta_0; tau_D and the task vector after unlearning to M0.
    """
    unlearned = negated(trained, forget, alpha)
    unlearned += np.float32(beta) * retain
    return unlearned


class Msa(NegatedCentralFineTuning):
    """theta_D - alpha * tau_f + beta * tau_r, trained from M0 on the leavers' data, and on the control clients'."""

    name, title, paper, place = "msa", "MSA", "arXiv 2506.20941", 32
    cost, storage = several(1 + VALIDATION_CLIENTS), MODEL
    searched = tuple({"alpha": alpha, "beta": beta} for alpha, beta in [(0.0, 0.0), *product(ALPHAS, BETAS)])
    from_model = False
    uses_retain_data = True

    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """tau_f and tau_r."""
        return {"forget": forget[0], "retain": last}

    @staticmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """tau_D - alpha * tau_f + beta * tau_r."""
        return msa(model, parts["forget"], parts["retain"], terms["alpha"], terms["beta"])
