"""Magnitudes on the grid as tensors, for a model that runs as it will be served; `QuantisationGrid` in torch."""

import torch
from torch import Tensor

from fedsift.core.quantisation import QuantisationGrid


def levels_of(magnitudes: Tensor, grid: QuantisationGrid) -> Tensor:
    """The levels that `grid.quantise` gives, the same numbers, here as float64, from float32 u >= 0 of any shape.

    They take twice the bytes of the magnitudes: give slices of a long vector.
    """
    # A divisor on the same device: by a number of the host's, CUDA multiplies with the reciprocal, which rounds twice.
    levels = magnitudes.double().div_(torch.tensor(grid.step, dtype=torch.float64, device=magnitudes.device))
    levels.round_().clamp_(max=grid.levels)
    if grid.threshold:
        levels.mul_(magnitudes >= float(grid.lowest))
    return levels.abs_()  # Integers have no -0.


def quantised_magnitudes(magnitudes: Tensor, grid: QuantisationGrid) -> Tensor:
    """Q(u): levels times step in float64, rounded once to float32, as a server's magnitudes are (`Localisation`)."""
    return levels_of(magnitudes, grid).mul_(grid.step).float()
