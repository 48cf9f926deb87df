"""How a client tunes; without torch, for whoever only reads settings."""

import math
from dataclasses import dataclass
from functools import partial

from fedsift.core.options import Group, Options, option
from fedsift.core.quantisation import FLOAT32_LEAST, FLOAT32_MOST

_option = partial(option, group=Group.TUNING)
SCHEDULES = ("constant", "linear", "cosine")
MOMENTS = ("float32", "bfloat16")
_PLACES = 6  # of a schedule's factor: cosines differ in their last place between machines


@dataclass(frozen=True, kw_only=True)
class TuningSettings(Options):
    """How a client tunes: Adam, with defaults for few steps (docs/explanation/grid.md)."""

    steps: int = _option(20, "Optimiser steps a client (the paper: 20; 10 is enough, Fig. 7).", ge=1)
    lr: float = _option(1e-2, "Adam's learning rate, in float32.", ge=FLOAT32_LEAST, le=FLOAT32_MOST)
    batch_size: int = _option(128, "Rows a step. A client with fewer uses all of them at each step.", ge=1)
    epochs: float = _option(
        0.0,
        "Passes over a client's rows, whole or in part, in at most `steps` steps. 0 for `steps` steps, whatever the "
        "rows.",
        ge=0,
    )
    lr_schedule: str = _option(
        "constant", "How lr goes over the steps: it stays, or falls to just above 0 in the last.", choices=SCHEDULES
    )
    warmup_share: float = _option(0.0, "Share of the steps, the first ones, over which lr rises.", ge=0, le=1)
    weight_decay: float = _option(
        0.0, "Share of lr by which each step shrinks the task vector, as AdamW does weights.", ge=0, lt=1
    )
    # The gradient is the same but for its rounding, so the number is part of what a rerun must repeat.
    micro_batch: int = _option(
        0, "Rows that run through the model at once, to bound its activations; 0 for all of a step.", ge=0
    )
    beta1: float = _option(0.8, "Share that Adam keeps of its first moment (the paper: 0.9).", ge=0, lt=1)
    beta2: float = _option(0.95, "Share that Adam keeps of its second moment (the paper: 0.999).", ge=0, lt=1)
    moments: str = _option(
        "float32", "Type of Adam's two moments; bfloat16 takes 4 bytes a parameter less.", choices=MOMENTS
    )
    commit_share: float = _option(
        0.0,
        "Share of the steps, the last ones, that run on the quantised model (docs/explanation/commit-steps.md).",
        ge=0,
        le=1,
    )

    @property
    def commit_steps(self) -> int:
        """How many of the last of `steps` steps run on the quantised model."""
        return round(self.commit_share * self.steps)

    def steps_for(self, rows: int) -> int:
        """How many steps a client with so many rows tunes."""
        if not self.epochs:
            return self.steps
        return min(self.steps, max(1, math.ceil(self.epochs * max(1, rows // self.batch_size))))

    def lr_factors(self, steps: int) -> list[float]:
        """What lr is multiplied by in each of so many steps.

        It rises in equal parts to 1 at the end of the warm-up, and then falls over the r steps that are left: in the
        one with place p, from 0 on, it is 1 - p / r (linear) or (1 + cos(pi p / r)) / 2 (cosine).
        """
        warm = round(self.warmup_share * steps)
        rising = [(step + 1) / warm for step in range(warm)]
        passed = [place / (steps - warm) for place in range(steps - warm)]
        falling = {
            "constant": [1.0 for _ in passed],
            "linear": [1 - share for share in passed],
            "cosine": [(1 + math.cos(math.pi * share)) / 2 for share in passed],
        }[self.lr_schedule]
        return [round(factor, _PLACES) for factor in (*rising, *falling)]

    def lr_sum(self, steps: int) -> float:
        """The sum of the learning rates of so many steps."""
        return self.lr * sum(self.lr_factors(steps))

    @property
    def reach(self) -> float:
        """How far Adam goes at most, about, in units of lr: the sum of the factors."""
        return sum(self.lr_factors(self.steps))

    @property
    def betas(self) -> tuple[float, float]:
        """Both of Adam's."""
        return self.beta1, self.beta2
