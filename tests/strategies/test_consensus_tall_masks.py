import numpy as np
import pytest
from hypothesis import given, strategies as st

from fedsift.core.errors import Refused
from fedsift.core.task_vectors import Mask
from fedsift.strategies.consensus_tall_masks import ConsensusCount
from tests.stacks import stacks

THREE = np.array([[1, 1, 0, 0, 1, 0], [1, 0, 0, 1, 1, 0], [1, 1, 0, 0, 0, 0]], np.bool_)
MASKS = stacks(st.booleans()).map(lambda stack: stack > 0)


def count(masks: Mask) -> ConsensusCount:
    consensus = ConsensusCount(masks.shape[1])
    for mask in masks:
        consensus.add(mask)
    return consensus


def test_by_hand() -> None:
    """Counts 3 2 0 1 2 0."""
    consensus = count(THREE)
    assert consensus.mask().tolist() == [True, True, False, False, True, False]


@given(data=st.data(), masks=MASKS)
def test_counts_commute(data: st.DataObject, masks: Mask) -> None:
    consensus = count(np.array(data.draw(st.permutations(list(masks)))))
    assert (consensus.mask() == (masks.sum(0) >= 2)).all()
    assert consensus.digest() == count(masks).digest()


def test_a_refusal_changes_nothing() -> None:
    consensus = count(THREE)
    before = consensus.digest()
    for wrong in (THREE[0, :5], THREE[0].astype(np.uint8)):
        with pytest.raises(Refused, match=r"takes bool \(6,\)"):
            consensus.add(wrong)
    assert consensus.digest() == before


def test_without_members() -> None:
    assert not ConsensusCount(2).mask().any()
