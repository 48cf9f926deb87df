"""Packing in torch, held against packing in NumPy, by which everything that is uploaded from a CPU is made."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from fedsift.core.contribution import quantise
from fedsift.core.quantisation import QuantisationGrid
from fedsift.learning import encoding
from tests.core.uploads import highest_levels, terms


@pytest.fixture(autouse=True, scope="module")
def several_slices() -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(encoding, "_SLICE", 24)


@given(
    highest=st.one_of(st.sampled_from([1, 2, 3, 15, 16, 32, 255, 256, 2**32 - 1]), highest_levels),
    threshold=st.sampled_from([0.0, 0.3]),
    drawn=st.lists(st.one_of(st.just(0.0), st.floats(0, 2, width=32)), min_size=1, max_size=90),
)
def test_the_same_bytes(highest: int, threshold: float, drawn: list[float]) -> None:
    """Of 1 to 32 bits, with empty masks, and with slices whose levels do not end on a byte."""
    agreed = replace(terms(len(drawn)), grid=QuantisationGrid(highest, 1.25, threshold))
    magnitudes = np.array(drawn, np.float32)
    expected, made = quantise(magnitudes, agreed), encoding.encode(torch.from_numpy(magnitudes), agreed)
    assert made.contribution.to_bytes() == expected.contribution.to_bytes()
    assert (made.contribution.nonzero, made.saturated) == (expected.contribution.nonzero, expected.saturated)
    assert made.l1 == expected.l1


def test_by_hand() -> None:
    """Levels 0 1 2 3 (cut), 0: the mask 0b01110, and 1, 2, 3 of two bits each, 0b111001."""
    agreed = replace(terms(5), grid=QuantisationGrid(3, 0.75))
    made = encoding.encode(torch.tensor([0.0, 0.25, 0.5, 9.0, 0.1]), agreed)
    assert (bytes(made.contribution.packed_mask), bytes(made.contribution.packed_levels)) == (b"\x0e", b"\x39")
    assert (made.l1, made.saturated) == (1.5, 1)
