"""Small terms and contributions for the tests of the ground floor."""

import numpy as np
from hypothesis import strategies as st

from fedsift.contribution import Contribution, UploadTerms
from fedsift.quantisation import QuantisationGrid


def terms(size: int, bits: int = 2) -> UploadTerms:
    return UploadTerms(b"L" * 32, size, 0x1122334455667788, QuantisationGrid(bits, 0.5, 0.25))


def contribution(levels: list[int], bits: int = 2) -> Contribution:
    return Contribution.from_levels(np.array(levels, np.uint32), terms(len(levels), bits))


def upload(levels: list[int], bits: int = 2) -> bytes:
    return contribution(levels, bits).to_bytes()


def level_lists(size: int, bits: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 2**bits - 1), min_size=size, max_size=size)
