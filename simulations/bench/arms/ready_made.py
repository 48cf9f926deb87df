"""Contributions that are made beforehand, for clients that do not tune; without torch, for a server that has none."""

from functools import lru_cache

import numpy as np

from fedsift.core.contribution import SLICE, Contribution, UploadTerms
from fedsift.simulations.bench.overhead import DENSITY

KINDS = 16  # contributions that differ; clients take them in turn


@lru_cache(maxsize=KINDS)
def ready_made(kind: int, terms: UploadTerms) -> Contribution:
    """A contribution under some terms, of whose entries a share of `DENSITY` has some level above 0."""
    generator = np.random.Generator(np.random.Philox(key=kind))
    levels = np.zeros(terms.size, terms.grid.level_type)
    for start in range(0, terms.size, SLICE):
        piece = levels[start : start + SLICE]
        piece[:] = generator.integers(1, terms.grid.levels, len(piece), endpoint=True)
        piece[generator.random(len(piece)) >= DENSITY] = 0
    return Contribution.from_levels(levels, terms)
