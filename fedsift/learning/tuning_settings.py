"""How a client tunes; without torch, for whoever only reads settings."""

from dataclasses import dataclass

from fedsift.core.errors import BadInput
from fedsift.core.quantisation import FLOAT32_LEAST, FLOAT32_MOST


@dataclass(frozen=True)
class TuningSettings:
    """How a client tunes.

    Attributes:
        steps: optimiser steps (the paper: 20; 10 is enough, Fig. 7).
        lr: Adam's learning rate.
        beta1, beta2: how far back Adam's two moments reach. In so few steps less is better (docs/served.md); the paper
            has PyTorch's defaults, 0.9 and 0.999.
        batch_size: rows a step; a client with fewer rows uses all of them at each step.
        micro_batch: rows that run through the model at once, to bound its activations; 0 for all of a step's. The
            gradient is the same but for its rounding, so the number is part of what a rerun must repeat.
        commit_steps: how many of the last steps run on the quantised model (docs/commit-steps.md); the paper: 0.
    """

    steps: int
    lr: float
    batch_size: int
    micro_batch: int = 0
    commit_steps: int = 0
    beta1: float = 0.8
    beta2: float = 0.95

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise BadInput(f"steps = {self.steps}: a client tunes for at least 1 step")
        if not 0 < self.lr < float("inf"):
            raise BadInput(f"lr = {self.lr}: the learning rate must be a finite number above 0")
        if not FLOAT32_LEAST <= self.lr <= FLOAT32_MOST:
            raise BadInput(
                f"lr = {self.lr}: clients tune in float32, whose numbers are {FLOAT32_LEAST:.2g} to {FLOAT32_MOST:.2g}"
            )
        if self.batch_size < 1:
            raise BadInput(f"batch-size = {self.batch_size}: a batch has at least 1 row")
        if self.micro_batch < 0:
            raise BadInput(f"micro-batch = {self.micro_batch}: give the rows that run at once, or 0 for all of a step")
        for name, beta in zip(("beta1", "beta2"), self.betas, strict=True):
            if not 0 <= beta < 1:
                raise BadInput(f"{name} = {beta}: it is a share that Adam keeps of a moment, from 0 to below 1")
        if not 0 <= self.commit_steps <= self.steps:
            raise BadInput(
                f"commit-steps = {self.commit_steps}: give how many of the {self.steps} steps, the last ones, run on "
                "the quantised model, or 0 for none"
            )

    @property
    def betas(self) -> tuple[float, float]:
        """Both of Adam's."""
        return self.beta1, self.beta2
