"""How a client tunes; without torch, for whoever only reads settings."""

from dataclasses import dataclass

from fedsift.errors import BadInput


@dataclass(frozen=True)
class TuningSettings:
    """How a client tunes.

    Attributes:
        steps: optimiser steps (the paper: 20; 10 is enough, Fig. 7).
        lr: Adam's learning rate.
        batch_size: rows a step; a client with fewer rows uses all of them at each step.
        micro_batch: rows that run through the model at once, to bound its activations; 0 for all of a step's. The
            gradient is the same but for its rounding, so the number is part of what a rerun must repeat.
    """

    steps: int
    lr: float
    batch_size: int
    micro_batch: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadInput(f"steps = {self.steps}: a client tunes for at least 1 step")
        if not 0 < self.lr < float("inf"):
            raise BadInput(f"lr = {self.lr}: the learning rate must be a finite number above 0")
        if self.batch_size < 1:
            raise BadInput(f"batch-size = {self.batch_size}: a batch has at least 1 row")
        if self.micro_batch < 0:
            raise BadInput(f"micro-batch = {self.micro_batch}: give the rows that run at once, or 0 for all of a step")
