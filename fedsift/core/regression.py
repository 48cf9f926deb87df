"""RegMean's sums (Jin et al. 2023, arXiv 2212.09849): each linear layer as the solution of a regression for all.

A client has for the weight W0 + D of a linear layer, shape (out, d), the Gram G of its inputs. The merged weight is the
one whose outputs are nearest to those of all members, each on its own inputs: W0 + (sum D_i G_i) (sum G_i)^-1. What is
summed is G and D G, and of everything else the task vector, whose mean is taken.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector

KEPT = 0.9  # of a Gram's entries off the diagonal: the reference's factor, which keeps weights from overfitting
_RIDGE = 1e-6  # of the mean of the diagonal, so that inputs which are always 0 do no harm


class Regression(NamedTuple):
    """What a client sends: n floats, and d (d + 1) / 2 for each linear layer."""

    products: Vector  # shape (n,): D G of linear layers, the task vector of all else
    grams: Mapping[str, Vector]  # by the weight's name, the upper triangle of G row by row
    steps: int  # of the optimiser, for the task vector


def regression(
    task_vector: Vector, grams: Mapping[str, NDArray[np.float64]], layout: ParameterLayout, steps: int
) -> Regression:
    """What a client sends, from its task vector, shape (n,), and the Grams of its linear layers, shape (d, d) each."""
    products = task_vector.copy()
    sent: dict[str, Vector] = {}
    for name, offset, size, shape in zip(layout.names, layout.offsets, layout.sizes, layout.shapes, strict=True):
        if name in grams:
            gram = KEPT * grams[name] + (1 - KEPT) * np.diag(np.diag(grams[name]))
            sent[name] = gram[np.triu_indices(len(gram))].astype(np.float32)
            entries = slice(offset, offset + size)
            products[entries] = (task_vector[entries].reshape(shape) @ symmetric(sent[name])).reshape(-1)
    return Regression(products, sent, steps)


def merged_regression(products: Vector, grams: Mapping[str, Vector], layout: ParameterLayout) -> Vector:
    """The merged task vector, shape (n,), from the means over the members of what they sent."""
    merged = products.copy()
    for name, offset, size, shape in zip(layout.names, layout.offsets, layout.sizes, layout.shapes, strict=True):
        if name in grams and (gram := symmetric(grams[name])).any():
            gram += _RIDGE * np.diag(gram).mean() * np.eye(len(gram))
            entries = slice(offset, offset + size)
            merged[entries] = np.linalg.solve(gram, products[entries].reshape(shape).T.astype(np.float64)).T.reshape(-1)
    return merged


def symmetric(triangle: Vector) -> NDArray[np.float64]:
    """The matrix of shape (d, d) with this upper triangle, shape (d (d + 1) / 2,)."""
    width = int((2 * len(triangle)) ** 0.5)
    matrix = np.zeros((width, width))
    matrix[np.triu_indices(width)] = triangle
    return matrix + np.triu(matrix, 1).T
