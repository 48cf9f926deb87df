import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import BadInput
from fedsift.core.quantisation import QuantisationGrid, grid_for


@pytest.mark.parametrize(
    ("grid", "magnitudes", "expected"),
    [
        # With a step of 0.75 / 3 = 0.25; ties go to the even level; what lies above the highest level is cut.
        (QuantisationGrid(3, 0.75), (0, 0.125, 0.126, 0.25, 0.375, 0.4, 0.625, 0.75, 9), [0, 0, 1, 1, 2, 2, 2, 3, 3]),
        (QuantisationGrid(1, 1.0), (0.5, 0.51, 1.0, 3.0), [0, 1, 1, 1]),
        # With a step of 0.75 / 2 = 0.375, which is level 1 from above half of it on.
        (QuantisationGrid(2, 0.75), (0.0, 0.1875, 0.188, 0.5625, 0.75, 9.0), [0, 0, 1, 2, 2, 2]),
        (QuantisationGrid(15, 1.5, threshold=1 / 3), (0.1, 0.49, 0.5, 1.5), [0, 0, 5, 15]),  # Rounding would keep 0.49.
        (QuantisationGrid(2**32 - 1, 1.0), (1.0, 2.0, 0.5), [2**32 - 1, 2**32 - 1, 2**31]),  # as float32 has them
    ],
)
def test_by_hand(grid: QuantisationGrid, magnitudes: tuple[float, ...], expected: list[int]) -> None:
    assert grid.quantise(np.array(magnitudes, np.float32)).tolist() == expected


@pytest.mark.parametrize(
    ("highest", "level_bits", "level_type"),
    [
        *((1, 0, "u1"), (2, 1, "u1"), (3, 2, "u1"), (4, 2, "u1"), (5, 3, "u1"), (255, 8, "u1")),
        *((256, 8, "u2"), (511, 9, "u2"), (512, 9, "u2"), (65535, 16, "u2")),
        *((65536, 16, "u4"), (2**31, 31, "u4"), (2**31 + 1, 32, "u4"), (2**32 - 1, 32, "u4")),
    ],
)
def test_what_a_level_takes(highest: int, level_bits: int, level_type: str) -> None:
    grid = QuantisationGrid(highest, 1.0)
    assert (grid.level_bits, grid.level_type) == (level_bits, level_type)


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


@pytest.mark.parametrize(
    ("steps", "levels", "lr_a_level"),  # 1.25 * steps / levels
    [
        *((1, 16, 0.078125), (5, 16, 0.390625), (10, 16, 0.78125), (12, 16, 0.9375), (13, 32, 0.5078125)),
        *((20, 32, 0.78125), (50, 64, 0.9765625), (100, 128, 0.9765625), (500, 1024, 0.6103515625)),
    ],
)
def test_the_grid_follows_the_tuning_by_hand(steps: int, levels: int, lr_a_level: float) -> None:
    grid = grid_for(2.0, steps)
    assert (grid.levels, grid.step) == (levels, 2 * lr_a_level)


@given(lr=st.floats(1e-9, 10), steps=st.integers(1, 5 * 10**8))
def test_a_level_is_worth_at_most_a_step_of_adam(lr: float, steps: int) -> None:
    grid, longer = grid_for(lr, steps), grid_for(lr, 2 * steps)
    assert grid.step <= lr
    assert grid.max_magnitude >= lr * steps
    assert longer.max_magnitude == pytest.approx(2 * grid.max_magnitude)
    assert longer.levels in (grid.levels, 2 * grid.levels)
