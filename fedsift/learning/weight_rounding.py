"""Weights of few bits: round to nearest, each row of a matrix on a scale of its own."""

import torch

from fedsift.learning.flat_model import FlatModel


@torch.no_grad()
def round_weights(model: FlatModel, bits: int) -> None:
    """Round what the model has loaded to 2^bits - 1 values a row, from -max to max; the next loading undoes it.

    Tuned matrices only: vectors, such as biases and norms, are left in full by those who quantise models, too.

    Args:
        model: with the weights to round.
        bits: 2 or more.
    """
    most = 2 ** (bits - 1) - 1
    layout = model.layout
    for offset, size, shape in zip(layout.offsets, layout.sizes, layout.shapes, strict=True):
        if len(shape) > 1:
            matrix = model.weights[offset : offset + size].view(shape[0], -1)
            scale = matrix.abs().amax(1, keepdim=True).clamp_min(torch.finfo(matrix.dtype).tiny) / most
            matrix.copy_((matrix / scale).round() * scale)
