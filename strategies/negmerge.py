"""NegMerge (Kim et al. 2025, arXiv 2410.05583), on top of Central FT."""

from collections.abc import Mapping

from fedsift.strategies.compared_method import Vector
from fedsift.strategies.merging.negation import SCALES, SignConsensus, negated
from fedsift.strategies.method import Method, model, several
from fedsift.strategies.negated_central_ft import NegatedCentralFineTuning

_LR_FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)  # the varied hyper-parameter; ours, the paper varies what its models have


class NegMerge(NegatedCentralFineTuning):
    """theta_D - lambda * tau, tau the entries in which K trainings on the leavers' data agree in sign."""

    method = Method(
        "negmerge",
        "NegMerge",
        "Kim et al. 2025, arXiv 2410.05583",
        False,
        several(len(_LR_FACTORS)),
        str(len(_LR_FACTORS)),
        model,
        "M",
    )
    searched = tuple({"scale": scale} for scale in SCALES)
    lr_factors = _LR_FACTORS

    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """The consensus."""
        consensus = SignConsensus(self.size)
        for each in forget:
            consensus.add(each)
        return {"consensus": consensus.merged()}

    @staticmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """tau_D - lambda * tau."""
        return negated(model, parts["consensus"], terms["scale"])
