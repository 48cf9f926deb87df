"""How a client tunes; without torch, for whoever only reads settings."""

from dataclasses import dataclass
from functools import partial

from fedsift.core.options import Group, Options, option
from fedsift.core.quantisation import FLOAT32_LEAST, FLOAT32_MOST

_option = partial(option, group=Group.TUNING)


@dataclass(frozen=True, kw_only=True)
class TuningSettings(Options):
    """How a client tunes: Adam, whose defaults here are better in few steps than PyTorch's (docs/served.md)."""

    steps: int = _option(20, "Optimiser steps a client (the paper: 20; 10 is enough, Fig. 7).", ge=1)
    lr: float = _option(1e-2, "Adam's learning rate, in float32.", ge=FLOAT32_LEAST, le=FLOAT32_MOST)
    beta1: float = _option(0.8, "Share that Adam keeps of its first moment (the paper: 0.9).", ge=0, lt=1)
    beta2: float = _option(0.95, "Share that it keeps of the second (the paper: 0.999).", ge=0, lt=1)
    batch_size: int = _option(128, "Rows a step. A client with fewer uses all of them at each step.", ge=1)
    # The gradient is the same but for its rounding, so the number is part of what a rerun must repeat.
    micro_batch: int = _option(
        0, "Rows that run through the model at once, to bound its activations; 0 for all of a step.", ge=0
    )
    commit_share: float = _option(
        0.0, "Share of the steps, the last ones, that run on the quantised model (docs/commit-steps.md).", ge=0, le=1
    )

    @property
    def commit_steps(self) -> int:
        """How many of the last steps run on the quantised model."""
        return round(self.commit_share * self.steps)

    @property
    def betas(self) -> tuple[float, float]:
        """Both of Adam's."""
        return self.beta1, self.beta2
