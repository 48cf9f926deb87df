"""Task negation (Ilharco et al. 2023, arXiv 2212.04089), on top of Central FT."""

from collections.abc import Mapping

from fedsift.core.task_vectors import Vector
from fedsift.protocol.method import MODEL, ONE
from fedsift.strategies.families.negated_central_ft import SCALES, NegatedCentralFineTuning, negated


class TaskNegation(NegatedCentralFineTuning):
    """theta_D - lambda * tau_f, with tau_f trained from theta_D on the leavers' data."""

    name, title, paper, place = "task-negation", "task negation", "Ilharco et al. 2023, arXiv 2212.04089", 30
    cost, storage = ONE, MODEL
    searched = tuple({"scale": scale} for scale in SCALES)

    def parts(self, forget: list[Vector], last: Vector) -> dict[str, Vector]:
        """tau_f."""
        return {"forget": forget[0]}

    @staticmethod
    def arithmetic(model: Vector, parts: Mapping[str, Vector], **terms: float) -> Vector:
        """tau_D - lambda * tau_f."""
        return negated(model, parts["forget"], terms["scale"])
