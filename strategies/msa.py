"""MSA (arXiv 2506.20941), on top of Central FT: with M0 for the checkpoint from before the data."""

from collections.abc import Mapping
from itertools import product

from fedsift.strategies.compared_method import VALIDATION_CLIENTS, Vector
from fedsift.strategies.merging.negation import ALPHAS, BETAS, msa
from fedsift.strategies.method import Method, model, several
from fedsift.strategies.negated_central_ft import NegatedCentralFineTuning


class Msa(NegatedCentralFineTuning):
    """theta_D - alpha * tau_f + beta * tau_r, trained from M0 on the leavers' data, and on the control clients'."""

    method = Method(
        "msa",
        "MSA",
        "arXiv 2506.20941",
        False,
        several(1 + VALIDATION_CLIENTS),
        str(1 + VALIDATION_CLIENTS),
        model,
        "M",
    )
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
