"""What a federation of the cache's clients would serve, from their trainings and without the federation around them.

The formulas are those of the server and of the methods' own strategies; nothing is computed here that is not there.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedsift.configuration.run_config import PRESETS, RunConfig
from fedsift.core.bit_packing import unpack_mask
from fedsift.core.contribution import Contribution, Quantised, UploadTerms, quantise
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask
from fedsift.core.running_sums import RunningSums
from fedsift.core.seeds import derive_seed
from fedsift.protocol.client_rounds import mean_scores
from fedsift.strategies.clusters import random_cluster
from fedsift.strategies.compared_method import VALIDATION_CLIENTS, Recipient
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.merging.fine_tune_merge import Mean
from fedsift.strategies.merging.ties import Ties
from fedsift.strategies.registry import METHODS, SIFT_MASKS, SIFT_MERGE, STRATEGIES
from fedsift.studies.reproduction.experiment import Result, has_series, series_of
from fedsift.studies.training_cache import TrainingCache
from fedsift.studies.training_calls import Vector

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
    """The server's sums over sign-fixed tunings, and what is served from them; no digests, no ledger.

    Attributes:
        terms: under which magnitudes are quantised.
        members: |T|.
    """

    def __init__(self, cache: TrainingCache, config: RunConfig, capacity: int) -> None:
        """No members.

        Args:
            cache: whose sign vector and layout it takes.
            config: whose grid and localisation it takes: the cache's, `published`, or another.
            capacity: the most members.
        """
        self.terms = UploadTerms(cache.layout.digest, cache.size, config.sign_seed, config.grid)
        self._sums = RunningSums(cache.size, config.grid.levels, capacity)
        self._localisation = Localisation(config.localise)
        self._signs = cache.signs
        self.members = 0

    def add(self, magnitudes: Vector) -> None:
        """Merge a member's magnitudes as tuned, shape (n,)."""
        self.add_contribution(quantise(magnitudes, self.terms).contribution)

    def add_contribution(self, contribution: Contribution) -> None:
        """Merge a member's magnitudes, quantised under `terms`."""
        self._sums.add(contribution)
        self.members += 1

    def subtract(self, magnitudes: Vector) -> None:
        """Remove a member."""
        self._sums.subtract(quantise(magnitudes, self.terms).contribution)
        self.members -= 1

    def served(self, magnitudes: Vector) -> Vector:
        """The task vector that a member is served under the mask of its own magnitudes; shape (n,)."""
        return self.served_quantised(quantise(magnitudes, self.terms))

    def served_quantised(self, quantised: Quantised) -> Vector:
        """The same for magnitudes quantised under `terms`."""
        mask = unpack_mask(quantised.contribution.packed_mask, self.terms.size)
        level_sum, mask_count = self._sums.level_sum[mask], self._sums.mask_count[mask]
        kept = self._localisation.magnitudes(level_sum, mask_count, self.terms.grid.step, self.members)
        own = ClientMask.of(quantised, self._localisation.keeps_levels)
        return self._localisation.localised(kept, own, self.terms) * self._signs

    def merged(self) -> Vector:
        """The task vector of the merged model, that of SIFT + Merge, which everybody without a mask is served."""
        scale = self.terms.grid.step / max(1, self.members)
        return (self._sums.level_sum * scale).astype(np.float32) * self._signs


def sift_merge(cache: TrainingCache, config: RunConfig, clients: Sequence[str], magnitudes: Trainings) -> SiftMerge:
    """The merge of some clients' sign-fixed tunings; `config` as of `SiftMerge`."""
    merge = SiftMerge(cache, config, len(clients))
    for client_id in clients:
        merge.add(magnitudes(client_id))
    return merge


def sift_merges(
    cache: TrainingCache, clients: Sequence[str], magnitudes: Trainings, config: RunConfig | None = None
) -> dict[str, SiftMerge]:
    """The merges for SIFT-Masks as configured and as published, by title; one where the two are the same.

    `config` is the cache's for None.
    """
    config = config or cache.config
    variants = {SIFT_MASKED: config, SIFT_PUBLISHED: published(config)}
    if variants[SIFT_PUBLISHED] == config:
        del variants[SIFT_PUBLISHED]
    return {name: sift_merge(cache, each, clients, magnitudes) for name, each in variants.items()}


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


class ComparedMerge:
    """Plain fine-tunings merged and served as a method of `fedsift compare` does it.

    Attributes:
        chosen: the hyper-parameters found by `choose`.
    """

    def __init__(self, name: str, cache: TrainingCache, clients: Iterable[str], task_vectors: Trainings) -> None:
        """Merge the task vectors of some clients with the method of that name, one that merges fine-tunings."""
        strategy = STRATEGIES[name](cache.size, evaluated=())
        assert isinstance(strategy, MergedFineTunings)
        for client_id in clients:
            strategy.mergers[random_cluster(client_id, strategy.clusters)].add(task_vectors(client_id))
            strategy.members.add(client_id)
        self._strategy, self._cache, self._task_vectors = strategy, cache, task_vectors
        self._shared = strategy.shared()

    @property
    def title(self) -> str:
        """Of the method."""
        return self._strategy.method.title

    @property
    def chosen(self) -> dict[str, float]:
        """The hyper-parameters that were chosen."""
        return dict(self._strategy.chosen)

    def choose(self) -> None:
        """Choose hyper-parameters on the validation clients, as the comparison does; nothing where there are none."""
        candidates = self._strategy.candidates
        if len(candidates) == 1:
            return
        validation = sorted(self._strategy.members)[:VALIDATION_CLIENTS]
        requests = (
            (client_id, {f"{place}": self._serve(client_id, each) for place, each in enumerate(candidates)})
            for client_id in validation
        )
        means = mean_scores(self._cache.scores(requests, len(validation)))
        self._strategy.chosen = candidates[max(range(len(candidates)), key=lambda place: means[f"{place}"])]
        self._strategy.settle()
        self._shared = self._strategy.shared()

    def served(self, client_id: str) -> Vector:
        """The task vector that a member is served, shape (n,)."""
        return self._serve(client_id, self._strategy.chosen)

    def _serve(self, client_id: str, chosen: Any) -> Vector:
        scores: dict[str, float] = {}  # None of these methods asks what its parts score.
        recipient = Recipient(self._task_vectors(client_id), self._shared, self._cache.layout.sizes, scores.__getitem__)
        (served,) = self._strategy.serve(recipient, **chosen, **self._strategy.own_terms(client_id))
        return served


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
    scores = scores_of(cache, ((client_id, {ZERO_SHOT: None}) for client_id in cache.clients), len(cache.clients))
    return float(np.mean(scores[ZERO_SHOT]))
