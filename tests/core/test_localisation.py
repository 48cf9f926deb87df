import numpy as np
import pytest

from fedsift.core.contribution import Quantised
from fedsift.core.errors import BadInput
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask
from tests.core.uploads import contribution, terms

# Three entries of a member's mask in a federation of 4: S = (6, 3, 1), C = (3, 1, 1), step = 0.5.
LEVEL_SUM, MASK_COUNT = np.array([6, 3, 1], np.uint16), np.array([3, 1, 1], np.uint16)

NOTHING = np.empty(0, np.float32)


def kept(levels: list[int], highest: int = 3, keeps_levels: bool = True) -> ClientMask:
    return ClientMask.of(Quantised(contribution(levels, highest), 1.0, 0), keeps_levels)


def served(name: str) -> list[float]:
    return Localisation(name).magnitudes(LEVEL_SUM, MASK_COUNT, step=0.5, members=4).tolist()


def test_by_hand() -> None:
    assert served("paper") == [0.75, 0.375, 0.125]
    assert served("coordinate") == [1.0, 1.5, 0.5]


def test_at_the_member_by_hand() -> None:
    """Levels 1, 3 and 2 of a step of 0.5 / 3, in the first, third and fourth of four entries."""
    mask = kept([1, 0, 3, 2])
    served = np.array([0.5, 1.0, 0.5], np.float32)
    assert Localisation("paper").localised(served, mask, terms(4)).tolist() == [0.5, 0.0, 1.0, 0.5]
    nothing = Localisation("own").magnitudes(LEVEL_SUM, MASK_COUNT, step=0.5, members=4)
    assert nothing.size == 0
    sixth = np.float32(0.5 / 3)
    assert Localisation("own").localised(nothing, mask, terms(4)).tolist() == [sixth, 0.0, 0.5, np.float32(1 / 3)]


def test_own_with_two_levels_by_hand() -> None:
    """Of a bit each: levels 1, 2 and 2 of a step of 0.25."""
    own = Localisation("own").localised(NOTHING, kept([1, 0, 2, 2], highest=2), terms(4, highest=2))
    assert own.tolist() == [0.25, 0.0, 0.5, 0.5]


def test_with_one_level_own_is_what_the_sums_say() -> None:
    mask, count = kept([1, 0, 1, 1], highest=1), np.array([7, 1, 3], np.uint16)
    by_sums = Localisation("coordinate").magnitudes(count, count, step=0.5, members=9)
    expected = Localisation("coordinate").localised(by_sums, mask, terms(4, highest=1))
    assert Localisation("own").localised(NOTHING, mask, terms(4, highest=1)).tobytes() == expected.tobytes()


def test_who_did_not_keep_its_levels_is_told() -> None:
    with pytest.raises(BadInput, match="localise = own: this member kept its mask only"):
        Localisation("own").localised(NOTHING, kept([1, 0, 3, 2], keeps_levels=False), terms(4))


@pytest.mark.parametrize(("name", "sizes"), [("paper", (0, 1, 2, 4)), ("coordinate", (0, 1, 2, 4)), ("own", (1, 3, 4))])
def test_what_is_not_of_the_masks_size_is_refused(name: str, sizes: tuple[int, ...]) -> None:
    mask = kept([1, 0, 3, 2])
    for size in sizes:
        with pytest.raises(BadInput, match=f"served magnitudes of shape .{size},.; for this member's mask they have"):
            Localisation(name).localised(np.ones(size, np.float32), mask, terms(4))


@pytest.mark.parametrize("packed", [b"", b"\x0d\x00"])
def test_a_mask_of_another_size_is_none(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"a mask of . bytes; 4 entries take 1"):
        Localisation("paper").localised(np.ones(3, np.float32), ClientMask(packed, 1.0), terms(4))


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(BadInput, match="'cordinate'; did you mean 'coordinate'"):
        Localisation("cordinate")
