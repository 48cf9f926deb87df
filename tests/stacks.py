"""Task vectors of several members, stacked: shape (members, n)."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedsift.core.contribution import SLICE

Stack = NDArray[np.float32]

# Sixteenths: zeros, ties and sums that cancel are common, and every sum is exact in float64 and in fixed point.
SIXTEENTHS = st.integers(-8, 8).map(lambda sixteenths: sixteenths / 16)
# Anything that can be merged: signed zeros and subnormals as well.
ANY_FLOAT = st.floats(-1024, 1024, width=32)


def stacks(entries: st.SearchStrategy[float], min_members: int = 1) -> st.SearchStrategy[Stack]:
    """Up to 6 members, up to 12 entries."""
    return st.integers(1, 12).flatmap(
        lambda size: st.lists(st.lists(entries, min_size=size, max_size=size), min_size=min_members, max_size=6).map(
            lambda rows: np.array(rows, np.float32)
        )
    )


def long_stack(members: int = 3) -> Stack:
    """Members whose vectors take more than one slice, the last of them short."""
    sixteenths = np.random.default_rng(0).integers(-8, 9, (members, SLICE + 5))
    return (sixteenths / 16).astype(np.float32)
