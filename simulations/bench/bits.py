"""Bits a magnitude: what an upload takes, what entropy coding would still save of it, and what members then score."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import Contribution, quantise
from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.quantisation import highest_level
from fedsift.learning.models import metric_of
from fedsift.runtime.progress import PhaseBars
from fedsift.simulations.bench.measurement import Measurement, Part
from fedsift.simulations.figures.bits import requests
from fedsift.studies.reproduction.merges import SiftMerge, Trainings, scores_of
from fedsift.studies.training_cache import TrainingCache

_BITS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_FLOAT_BYTES = 4
_SERVED = "as served"


def measure_bits(config: RunConfig, _: int) -> Part:
    """Tune all clients once, then quantise and merge them with each number of bits.

    Nothing here is timed: the same configuration gives the same figures again, in however many rounds.
    """
    with TemporaryDirectory() as folder, PhaseBars(Console(stderr=True)) as bars:
        with TrainingCache(config, Path(folder), bars) as cache:
            magnitudes = cache.sign_fixed(cache.clients)
            measured = [each for bits in _BITS for each in _at(cache, bits, magnitudes)]
        bars.finish()
    notes = (
        f"{len(cache.clients)} clients, {cache.size:,} tuned parameters; means over clients; {config.localise} served",
        "entropy coded: an ideal coder that knows each tensor's shares of 0, 1, 2, ... (order 0); from some "
        "12 bits on it would know most entries one by one, so that no real coder comes near",
    )
    return Part("bits a magnitude", measured, notes, compared=False)


def _at(cache: TrainingCache, bits: int, magnitudes: Trainings) -> Iterator[Measurement]:
    config = dataclasses.replace(cache.config, levels=highest_level(bits))
    merge = SiftMerge(cache, config, len(cache.clients))
    sizes = []
    for client_id in cache.clients:
        upload = quantise(magnitudes(client_id), merge.terms).contribution
        merge.add_contribution(upload)
        sizes.append((upload.nonzero, len(upload.to_bytes()), entropy_bytes(upload, cache.layout)))
    arm = "1 bit" if bits == 1 else f"{bits} bits"
    asked = requests(cache, merge.terms, {_SERVED: merge}, magnitudes)
    for name, scores in scores_of(cache, asked, len(cache.clients)).items():
        yield Measurement(arm, name, metric_of(config.model_settings), (float(np.mean(scores)),))
    kept, coded, ideal = (float(each) / cache.size for each in np.mean(sizes, axis=0))
    yield Measurement(arm, "kept", "% of entries", (100 * kept,))
    yield Measurement(arm, "upload", "bytes a parameter", (coded,))
    yield Measurement(arm, "of dense float32", "%", (100 * coded / _FLOAT_BYTES,))
    yield Measurement(arm, "entropy coded", "bytes a parameter", (ideal,))


def entropy_bytes(contribution: Contribution, layout: ParameterLayout) -> float:
    """Bytes that an ideal order-0 coder takes for the levels, 0 included; it knows the shares of each tensor."""
    levels = contribution.levels()
    bits = 0.0
    for offset, size in zip(layout.offsets, layout.sizes, strict=True):
        bits += _entropy(levels[offset : offset + size])
    return bits / 8


def _entropy(levels: NDArray[np.integer]) -> float:
    """In bits: n log2 n - sum of c log2 c over how often each level is there."""
    counts = np.unique(levels, return_counts=True)[1].astype(np.float64)
    return float(len(levels) * np.log2(len(levels)) - (counts * np.log2(counts)).sum())
