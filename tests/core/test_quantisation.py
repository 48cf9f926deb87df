import numpy as np
import pytest

from fedsift.core.errors import BadInput
from fedsift.core.quantisation import QuantisationGrid


def levels(grid: QuantisationGrid, *magnitudes: float) -> list[int]:
    return grid.quantise(np.array(magnitudes, np.float32)).tolist()


def test_two_bits_by_hand() -> None:
    """With a step of 0.75 / 3 = 0.25; ties go to the even level; what lies above the highest level is cut."""
    grid = QuantisationGrid(levels=3, max_magnitude=0.75)
    assert levels(grid, 0.0, 0.125, 0.126, 0.25, 0.375, 0.4, 0.625, 0.75, 9.0) == [0, 0, 1, 1, 2, 2, 2, 3, 3]


def test_one_level_by_hand() -> None:
    assert levels(QuantisationGrid(levels=1, max_magnitude=1.0), 0.5, 0.51, 1.0, 3.0) == [0, 1, 1, 1]


def test_two_levels_by_hand() -> None:
    """With a step of 0.75 / 2 = 0.375, which is level 1 from above half of it on."""
    grid = QuantisationGrid(levels=2, max_magnitude=0.75)
    assert levels(grid, 0.0, 0.1875, 0.188, 0.5625, 0.75, 9.0) == [0, 0, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("highest", "level_bits", "level_type"),
    [
        (1, 0, "u1"),
        (2, 1, "u1"),
        (3, 2, "u1"),
        (4, 2, "u1"),
        (5, 3, "u1"),
        (255, 8, "u1"),
        (256, 8, "u2"),
        (511, 9, "u2"),
        (512, 9, "u2"),
        (65535, 16, "u2"),
        (65536, 16, "u4"),
        (2**31, 31, "u4"),
        (2**31 + 1, 32, "u4"),
        (2**32 - 1, 32, "u4"),
    ],
)
def test_what_a_level_takes(highest: int, level_bits: int, level_type: str) -> None:
    grid = QuantisationGrid(highest, 1.0)
    assert (grid.level_bits, grid.level_type) == (level_bits, level_type)


def test_the_threshold_drops_what_rounding_would_keep() -> None:
    grid = QuantisationGrid(levels=15, max_magnitude=1.5, threshold=1 / 3)
    assert levels(grid, 0.1, 0.49, 0.5, 1.5) == [0, 0, 5, 15]


def test_32_bits_keep_every_float32() -> None:
    grid = QuantisationGrid(levels=2**32 - 1, max_magnitude=1.0)
    assert levels(grid, 1.0, 2.0, 0.5) == [2**32 - 1, 2**32 - 1, 2**31]


def test_saturated_entries_are_counted() -> None:
    grid = QuantisationGrid(levels=3, max_magnitude=0.75)
    assert grid.saturated(np.array([0.5, 0.75, 0.874, 0.876, 2.0], np.float32)) == 2


@pytest.mark.parametrize(
    ("highest", "max_magnitude", "threshold"),
    [(0, 1.0, 0.0), (2**32, 1.0, 0.0), (2, 0.0, 0.0), (2, float("inf"), 0.0), (2, 1.0, 1.0), (2, 1.0, -0.1)],
)
def test_bad_grids(highest: int, max_magnitude: float, threshold: float) -> None:
    with pytest.raises(BadInput):
        QuantisationGrid(highest, max_magnitude, threshold)
