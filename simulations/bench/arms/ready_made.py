"""Contributions that are made beforehand, for clients that do not tune; without torch, for a server that has none."""

from functools import lru_cache

import numpy as np

from fedsift.core.contribution import Contribution
from fedsift.simulations.bench.overhead import TERMS

KINDS = 16  # contributions that differ; clients take them in turn
_DENSITY = 0.3  # share of the entries that a mask keeps; what clients of the default run keep


@lru_cache(maxsize=KINDS)
def ready_made(kind: int) -> Contribution:
    """A contribution of TERMS.size entries, of which a share of `_DENSITY` has some level above 0."""
    generator = np.random.Generator(np.random.Philox(key=kind))
    levels = generator.integers(1, TERMS.grid.levels, TERMS.size, np.uint32, endpoint=True)
    levels[generator.random(TERMS.size) >= _DENSITY] = 0
    return Contribution.from_levels(levels, TERMS)
