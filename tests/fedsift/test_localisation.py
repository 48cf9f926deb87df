import numpy as np
import pytest

from fedsift.errors import BadInput
from fedsift.localisation import Localisation, restore_l1

# Three entries of a member's mask in a federation of 4: S = (6, 3, 1), C = (3, 1, 1), step = 0.5.
LEVEL_SUM, MASK_COUNT = np.array([6, 3, 1], np.uint16), np.array([3, 1, 1], np.uint16)


def served(name: str) -> list[float]:
    return Localisation(name).magnitudes(LEVEL_SUM, MASK_COUNT, step=0.5, members=4).tolist()


def test_paper_by_hand() -> None:
    assert served("paper") == served("paper+l1") == [0.75, 0.375, 0.125]


def test_coordinate_by_hand() -> None:
    assert served("coordinate") == served("coordinate+l1") == [1.0, 1.5, 0.5]


def test_l1_by_hand() -> None:
    assert restore_l1(np.array([1.0, 1.5, 0.5], np.float32), own_l1=6.0).tolist() == [2.0, 3.0, 1.0]


def test_l1_of_an_empty_mask() -> None:
    assert restore_l1(np.zeros(0, np.float32), own_l1=0.0).tolist() == []


def test_who_restores() -> None:
    assert [Localisation(name).restores_l1 for name in ("paper", "paper+l1", "coordinate+l1")] == [False, True, True]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(BadInput, match="'cordinate'; did you mean 'coordinate'"):
        Localisation("cordinate")
