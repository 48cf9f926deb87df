"""What a client is asked for in a round: steps from the model that the server sent, and what they are to minimise."""

from enum import StrEnum
from typing import NamedTuple

from fedsift.core.task_vectors import Vector


class Objective(StrEnum):
    """What is minimised."""

    LOSS = "loss"  # the task's
    ASCENT = "ascent"  # its negative: gradient ascent
    NPO = "npo"  # negative preference optimisation (`fedsift.learning.preference`), and
    SIMNPO = "simnpo"  # its simpler form, which asks no earlier model


class LocalTraining(NamedTuple):
    """A client's training in a round."""

    steps: int  # of the optimiser, whose state is fresh
    objective: Objective = Objective.LOSS
    proximal: float = 0.0  # mu of FedProx: mu / 2 |w - w_server|^2 is added to what is minimised
    correction: Vector | None = None  # of SCAFFOLD, shape (n,): c - c_i is added to the direction of each step

    @property
    def kind(self) -> str:
        """What decides its bits beside the client, the round and the model, where it has no correction."""
        return f"{self.steps} {self.objective} {self.proximal}"


class LocallyTrained(NamedTuple):
    """What comes of it."""

    task_vector: Vector  # of the client's model, relative to M0; shape (n,)
    rows: int  # that it trained on
    steps: int  # of the optimiser
    reach: float  # the sum of their learning rates
