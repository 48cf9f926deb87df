"""Small terms and contributions for the tests of the ground floor."""

import numpy as np
from hypothesis import strategies as st

from fedsift.core.contribution import Contribution, UploadTerms
from fedsift.core.head_statistics import Decisions, HeadStatistics, HeadTerms, quantised
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.upload import Upload

HEAD = HeadTerms(features=4, labels=5)

# Highest levels: small ones, and those around the powers of two.
highest_levels = st.one_of(
    st.integers(1, 511),
    st.integers(2, 31).flatmap(lambda bits: st.integers(2**bits - 1, 2**bits + 1)),
    st.integers(1, 2**32 - 1),
)


def terms(size: int, highest: int = 3, head: HeadTerms | None = HEAD) -> UploadTerms:
    return UploadTerms(b"L" * 32, size, 0x1122334455667788, QuantisationGrid(highest, 0.5, 0.25), head)


def contribution(levels: list[int], highest: int = 3) -> Contribution:
    return Contribution.from_levels(np.array(levels, np.uint32), terms(len(levels), highest))


def head_statistics(levels: list[int]) -> HeadStatistics:
    """Of one to three decisions whose features and labels follow from the levels."""
    seed = sum(place * level for place, level in enumerate(levels, start=1))
    chance = np.random.default_rng(seed)
    count = 1 + seed % 3
    features = quantised(chance.normal(size=(count, HEAD.features - 1)))
    labels = chance.integers(HEAD.labels, size=count).astype(np.int32)
    return HeadStatistics.of(Decisions(features, labels, np.arange(count, dtype=np.int32)), HEAD)


def whole(levels: list[int], highest: int = 3) -> Upload:
    return Upload(contribution(levels, highest), head_statistics(levels))


def upload(levels: list[int], highest: int = 3) -> bytes:
    return whole(levels, highest).to_bytes()


def level_lists(size: int, highest: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, highest), min_size=size, max_size=size)
