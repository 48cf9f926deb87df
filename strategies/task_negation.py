"""Task negation (Ilharco et al. 2023, arXiv 2212.04089), on top of Central FT."""

from collections.abc import Mapping

from fedsift.strategies.compared_method import Vector
from fedsift.strategies.merging.negation import SCALES, negated
from fedsift.strategies.method import Method, model, one
from fedsift.strategies.negated_central_ft import NegatedCentralFineTuning


class TaskNegation(NegatedCentralFineTuning):
    """theta_D - lambda * tau_f, with tau_f trained from theta_D on the leavers' data."""

    method = Method(
        "task-negation", "task negation", "Ilharco et al. 2023, arXiv 2212.04089", False, one, "1", model, "M"
    )
    searched = tuple({"scale": scale} for scale in SCALES)

    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """tau_f."""
        return {"forget": forget[0]}

    @staticmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """tau_D - lambda * tau_f."""
        return negated(model, parts["forget"], terms["scale"])
