"""Small terms and contributions for the tests of the ground floor."""

import numpy as np
from hypothesis import strategies as st

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.quantisation import QuantisationGrid

# Highest levels: small ones, and those around the powers of two.
highest_levels = st.one_of(
    st.integers(1, 511),
    st.integers(2, 31).flatmap(lambda bits: st.integers(2**bits - 1, 2**bits + 1)),
    st.integers(1, 2**32 - 1),
)


def terms(size: int, highest: int = 3) -> UploadTerms:
    return UploadTerms(b"L" * 32, size, 0x1122334455667788, QuantisationGrid(highest, 0.5, 0.25))


def contribution(levels: list[int], highest: int = 3) -> Contribution:
    return Contribution.from_levels(np.array(levels, np.uint32), terms(len(levels), highest))


def upload(levels: list[int], highest: int = 3) -> bytes:
    return contribution(levels, highest).to_bytes()


def level_lists(size: int, highest: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, highest), min_size=size, max_size=size)
