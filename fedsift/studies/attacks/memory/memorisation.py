"""How much of an answer the model goes on with by heart, the tokens before given (as OpenUnlearning measures it).

Exact memorisation is the share of tokens that are the likeliest (Tirumala et al. 2022, arXiv 2205.10770). Extraction
strength is 1 less the shortest share of the answer after which all others are: how little has to be given for the rest
to come out (Carlini et al. 2021, arXiv 2012.07805).
"""

import numpy as np

from fedsift.studies.attacks.memory_metric import MemoryMetric, Values
from fedsift.studies.recall import Recall


def exact_memorisation(recall: Recall) -> Values:
    """Of each row."""
    assert recall.tokens is not None
    return np.array([each.mean() for each in recall.tokens.by_row(recall.tokens.greedy)])


def extraction_strength(recall: Recall) -> Values:
    """Of each row; 0 if not even its last token comes out."""
    assert recall.tokens is not None
    by_row = recall.tokens.by_row(recall.tokens.greedy)
    return np.array([np.minimum.accumulate(each[::-1]).mean() for each in by_row])


EXACT_MEMORISATION = MemoryMetric("exact_memorization", "exact memorisation", exact_memorisation, ("tokens",))
EXTRACTION_STRENGTH = MemoryMetric("extraction_strength", "extraction strength", extraction_strength, ("tokens",))
