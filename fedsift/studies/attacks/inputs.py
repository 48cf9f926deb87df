"""What the attacks take: arrays of numbers, checked, with errors that name the array."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsift.core.errors import BadInput, counted

Numbers = NDArray[np.float64]


def finite(what: str, values: NDArray[Any], dimensions: int = 1) -> Numbers:
    """The values in float64.

    Raises:
        BadInput: there are none, of other dimensions, or one that is not finite.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != dimensions or numbers.size == 0:
        raise BadInput(
            f"{what}: shape {numbers.shape}; expected {counted(dimensions, 'dimension')} and at least one value"
        )
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise BadInput(
            f"{what}: {len(bad):,} of {counted(numbers.size, 'value')} not finite, the first at {int(bad[0])}"
        )
    return numbers


def probabilities(what: str, values: NDArray[Any], dimensions: int = 1) -> Numbers:
    """The values in float64, each above 0 and up to 1.

    Raises:
        BadInput: as `finite`, or a value is no such probability.
    """
    numbers = finite(what, values, dimensions)
    if numbers.min() <= 0 or numbers.max() > 1:
        raise BadInput(f"{what}: from {numbers.min()} to {numbers.max()}; expected above 0 and up to 1")
    return numbers


class References(NamedTuple):
    """What the reference models say of the examples.

    Attributes:
        confidences: shape (r, e).
        seen: which model's training had which example, shape (r, e); for each example at least one model had it not.
    """

    confidences: Numbers
    seen: NDArray[np.bool_]


def references(confidences: NDArray[Any], seen: NDArray[np.bool_], examples: int) -> References:
    """Check the reference models against the number of examples.

    Raises:
        BadInput: the shapes differ, `seen` is not boolean, or every model has seen some example.
    """
    numbers = probabilities("confidences of the reference models", confidences, dimensions=2)
    if numbers.shape[1] != examples:
        raise BadInput(
            f"confidences of the reference models: of {counted(numbers.shape[1], 'example')}; expected {examples}"
        )
    if seen.dtype != np.bool_ or seen.shape != numbers.shape:
        raise BadInput(f"seen: {seen.dtype} of shape {seen.shape}; expected booleans of shape {numbers.shape}")
    without = np.flatnonzero(seen.all(axis=0))
    if len(without):
        raise BadInput(
            f"seen: example {int(without[0])} was in the training of every reference model; "
            "at least one must have been trained without it"
        )
    return References(numbers, seen)
