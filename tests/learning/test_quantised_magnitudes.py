"""The grid in torch, held against the grid in NumPy, by which everything that is uploaded is quantised."""

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from fedsift.core.quantisation import QuantisationGrid
from fedsift.learning.quantised_magnitudes import levels_of, quantised_magnitudes
from tests.core.uploads import highest_levels

grids = st.builds(
    QuantisationGrid,
    levels=highest_levels,
    max_magnitude=st.floats(1e-6, 1e3),
    threshold=st.one_of(st.just(0.0), st.floats(0.0, 1.0, exclude_max=True)),
)


def edges(grid: QuantisationGrid, level: int) -> list[float]:
    """Halfway to the next level, the highest level and the threshold."""
    return [(level + 0.5) * grid.step, grid.max_magnitude, grid.threshold * grid.max_magnitude]


def with_neighbours(values: list[float]) -> NDArray[np.float32]:
    """Each as float32, and the float32 below and above it; none below 0."""
    centre = np.array(values, np.float32)
    around = np.concatenate([np.nextafter(centre, np.float32(way)) for way in (-np.inf, np.inf)])
    return np.maximum(np.concatenate([centre, around]), np.float32(0))


def bits_of(values: NDArray[np.float32]) -> list[int]:
    """So that 0 and -0 differ."""
    return [int(each) for each in values.view(np.uint32)]


@given(grid=grids, share=st.floats(0, 1), drawn=st.lists(st.floats(0, 2e3, width=32), max_size=40))
def test_the_same_levels_and_the_magnitudes_served(grid: QuantisationGrid, share: float, drawn: list[float]) -> None:
    magnitudes = with_neighbours([*edges(grid, int(share * grid.levels)), *drawn])
    magnitudes = np.concatenate([magnitudes, np.array([0.0, -0.0, np.inf, 1e-45], np.float32)])
    levels = grid.quantise(magnitudes)
    tensor = torch.from_numpy(magnitudes)
    assert levels_of(tensor, grid).tolist() == levels.tolist()
    served = (levels * grid.step).astype(np.float32)
    assert bits_of(quantised_magnitudes(tensor, grid).numpy()) == bits_of(served)
    assert bits_of(tensor.numpy()) == bits_of(magnitudes)  # left as it was


@pytest.mark.parametrize(
    ("grid", "magnitudes", "levels"),
    [
        # Ties go to the even level, the highest level is not passed.
        (QuantisationGrid(3, 0.75), [0.0, 0.125, 0.126, 0.25, 0.375, 0.625, 9.0], [0, 0, 1, 1, 2, 2, 3]),
        (QuantisationGrid(1, 1.0), [0.5, 0.50000006, 1.0], [0, 1, 1]),
        # The threshold is 0.3 * 1 in float32, 0.300000012, and what is as large is kept.
        (QuantisationGrid(15, 1.0, 0.3), [0.29999998, 0.30000001192092896], [0, 5]),
        # float32 has no 1/3 of 0.3: in float64 the tie at 0.05 lies below float32's 0.05, which so gets level 1.
        (QuantisationGrid(3, 0.3), [0.05], [1]),
        (QuantisationGrid(2, 0.75), [0.1875, 0.188, 0.5625, 9.0], [0, 1, 2, 2]),
    ],
)
def test_by_hand(grid: QuantisationGrid, magnitudes: list[float], levels: list[int]) -> None:
    assert levels_of(torch.tensor(magnitudes), grid).tolist() == levels
    assert grid.quantise(np.array(magnitudes, np.float32)).tolist() == levels
