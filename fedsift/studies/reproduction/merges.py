"""What a federation of the cache's clients would serve, from their trainings and without the federation around them.

The formulas are those of the server and of the methods; nothing is computed here that is not there.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedsift.configuration.run_config import PRESETS, RunConfig
from fedsift.core.contribution import Quantised, UploadTerms, quantise
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask
from fedsift.core.merged_sums import MergedSums
from fedsift.core.seeds import derive_seed
from fedsift.core.task_vectors import Vector
from fedsift.core.upload import Upload
from fedsift.strategies.fine_tune_merge import Mean
from fedsift.strategies.registry import COMPARED, METHODS, SIFT_MASKS, SIFT_MERGE
from fedsift.strategies.ties import Ties
from fedsift.studies.cached_clients import CachedClients
from fedsift.studies.reproduction.experiment import Result, has_series, series_of
from fedsift.studies.training_cache import TrainingCache

# Titles of series.
FT_MERGED = METHODS["ft-merge"].title
SIFT_MASKED = METHODS[SIFT_MASKS].title
SIFT_PUBLISHED = f"{SIFT_MASKED} as published"
SIFT_MERGED = METHODS[SIFT_MERGE].title
TALL_MASKED = METHODS["tall-masks"].title
TIES_MERGED = METHODS["ties"].title
ZERO_SHOT = "zero-shot"

Request = tuple[str, Mapping[str, Vector | None]]  # a client, with task vectors to score, by name
Trainings = Callable[[str], Vector]  # a client's task vector, or its magnitudes, shape (n,)


def published(config: RunConfig) -> RunConfig:
    """The configuration with SIFT-Masks as published: fine magnitudes, divided by the number of members."""
    return dataclasses.replace(config, **PRESETS["paper"])


class SiftMerge:
    """A server's sums over sign-fixed tunings, and the task vectors that are served from them.

    Attributes:
        terms: under which magnitudes are quantised.
        sums: S and C, and the number of members.
    """

    def __init__(self, cache: TrainingCache, config: RunConfig, capacity: int) -> None:
        """No members.

        Args:
            cache: whose sign vector and layout it takes.
            config: whose grid and localisation it takes: the cache's, `published`, or another.
            capacity: the most members.
        """
        self.terms = UploadTerms(cache.layout.digest, cache.size, config.sign_seed, config.grid)
        self.sums = MergedSums.empty(self.terms, capacity)
        self._localisation, self._merge_scale = Localisation(config.localise), config.merge_scale
        self._signs = cache.signs

    def add(self, magnitudes: Vector) -> None:
        """Merge a member's magnitudes as tuned, shape (n,)."""
        self.sums.add(Upload(quantise(magnitudes, self.terms).contribution))

    def subtract(self, magnitudes: Vector) -> None:
        """Remove a member."""
        self.sums.subtract(Upload(quantise(magnitudes, self.terms).contribution))

    def served(self, magnitudes: Vector) -> Vector:
        """The task vector that a member is served under the mask of its own magnitudes; shape (n,)."""
        return self.served_quantised(quantise(magnitudes, self.terms))

    def served_quantised(self, quantised: Quantised) -> Vector:
        """The same for magnitudes quantised under `terms`."""
        own = ClientMask.of(quantised, self._localisation.keeps_levels)
        served = self.sums.served_magnitudes(own.packed, self._localisation)
        return self._localisation.localised(served, own, self.terms) * self._signs

    def own(self, quantised: Quantised) -> Vector:
        """A client's own task vector as quantised, which nobody merged; shape (n,)."""
        return (quantised.contribution.levels() * self.terms.grid.step).astype(np.float32) * self._signs

    def merged(self) -> Vector:
        """The task vector of the merged model, that of SIFT + Merge, which everybody without a mask is served."""
        return self.sums.merged_magnitudes(self._merge_scale) * self._signs


def sift_merge(cache: TrainingCache, config: RunConfig, clients: Sequence[str], magnitudes: Trainings) -> SiftMerge:
    """The merge of some clients' sign-fixed tunings; `config` as of `SiftMerge`."""
    merge = SiftMerge(cache, config, len(clients))
    for client_id in clients:
        merge.add(magnitudes(client_id))
    return merge


class SiftMerges(dict[str, SiftMerge]):
    """Several merges of the same clients, by title."""

    def served(self, magnitudes: Vector) -> dict[str, Vector]:
        """What each of them serves a member under the mask of its own magnitudes."""
        return {name: merge.served(magnitudes) for name, merge in self.items()}


def sift_merges(
    cache: TrainingCache, clients: Sequence[str], magnitudes: Trainings, config: RunConfig | None = None
) -> SiftMerges:
    """The merges for SIFT-Masks as configured and as published, by title; one where the two are the same.

    `config` is the cache's for None.
    """
    config = config or cache.config
    variants = {SIFT_MASKED: config, SIFT_PUBLISHED: published(config)}
    if variants[SIFT_PUBLISHED] == config:
        del variants[SIFT_PUBLISHED]
    return SiftMerges((name, sift_merge(cache, each, clients, magnitudes)) for name, each in variants.items())


def mean_of(cache: TrainingCache, clients: Iterable[str], task_vectors: Trainings) -> Vector:
    """FT + Merge: the mean of some clients' task vectors, shape (n,)."""
    merge = Mean(cache.size)
    for client_id in clients:
        merge.add(task_vectors(client_id))
    return merge.merged()


def ties_of(cache: TrainingCache, clients: Iterable[str], task_vectors: Trainings, density: float) -> Vector:
    """TIES of some clients' task vectors with scale 1, shape (n,)."""
    merge = Ties(cache.size, density=density)
    for client_id in clients:
        merge.add(task_vectors(client_id))
    return merge.merged()


class ComparedMerge(NamedTuple):
    """A method with members, and its hyper-parameters chosen."""

    title: str  # of the method
    chosen: dict[str, float]  # the hyper-parameters; none where there is nothing to choose
    served: Callable[[str], Vector]  # the way to the task vector that a member is served, shape (n,)


def compared_merge(name: str, cache: TrainingCache, clients: Iterable[str], steps: int = 0) -> ComparedMerge:
    """Have a method of `fedsift compare` merge some clients, tuned for so many steps (the configuration's for 0)."""
    method, cached_clients = COMPARED[name](cache.layout), CachedClients(cache, steps)
    method.change(cached_clients, set(clients), set())
    method.choose(cached_clients)
    served = cached_clients.served(method)

    def only(client_id: str) -> Vector:
        (vector,) = served(client_id)
        return vector

    return ComparedMerge(method.title, dict(method.chosen), only)


def groups(cache: TrainingCache, number: int) -> list[list[str]]:
    """The clients in groups of `number`, in an order drawn from the seed; those left over are in none.

    So each number merged is measured on all clients (but for those left over), and 1 is the local models.
    """
    seed = cache.config.seed
    order = sorted(cache.clients, key=lambda client_id: derive_seed(seed, "merge groups", client_id))
    return [order[start : start + number] for start in range(0, len(order) - number + 1, number)]


def numbers_merged(clients: int) -> list[int]:
    """1, 2, 5, 10, 20, ... up to the number of clients, which is the last."""
    rounded = [factor * 10**power for power in range(len(str(clients))) for factor in (1, 2, 5)]
    return [number for number in rounded if number < clients] + [clients]


def scores_of(cache: TrainingCache, requests: Iterable[Request], total: int) -> dict[str, list[float]]:
    """Name -> the scores of the clients, in the order of their ids; arguments as of `TrainingCache.scores`."""
    scores = cache.scores(requests, total)
    names = dict.fromkeys(name for each in scores.values() for name in each)
    return {name: [scores[client_id][name] for client_id in sorted(scores)] for name in names}


def scores_of_clients(
    cache: TrainingCache, clients: Sequence[str], served: Callable[[str], Mapping[str, Vector | None]]
) -> dict[str, list[float]]:
    """As of `scores_of`; `served` makes the task vectors of a client, by name."""
    return scores_of(cache, ((client_id, served(client_id)) for client_id in clients), len(clients))


def scores_of_groups(
    cache: TrainingCache, number: int, served: Callable[[Sequence[str]], Iterable[Request]]
) -> dict[str, list[float]]:
    """Name -> the scores of the clients in `groups` of a number; `served` makes the requests of a group's clients."""
    dealt = groups(cache, number)
    return scores_of(cache, (request for group in dealt for request in served(group)), len(dealt) * number)


def held_against_paper(result: Result) -> dict[str, Any]:
    """The series of SIFT-Masks that the paper's claims are about: as published, where that is not as configured."""
    return series_of(result, SIFT_PUBLISHED if has_series(result, SIFT_PUBLISHED) else SIFT_MASKED)


def note_published(result: Result, scores: str) -> str:
    """Words for the scores of SIFT-Masks as published; none where that is as configured."""
    return f" (as published {scores})" if has_series(result, SIFT_PUBLISHED) else ""


def zero_shot(cache: TrainingCache) -> float:
    """The mean score of M0."""
    return float(np.mean(scores_of_clients(cache, cache.clients, lambda _: {ZERO_SHOT: None})[ZERO_SHOT]))
