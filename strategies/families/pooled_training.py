"""Methods that train on members' data pooled in one place: Central FT, SISA, S3T, APA, and forms of these.

Clients are dealt out to pools, and within a pool to slices. A pool's model is trained stage by stage, on the first
slice, then the first two, and so on, with a checkpoint after each; a removal trains again from the checkpoint before
the first slice that changes (Bourtoule et al. 2021, arXiv 1912.03817). One pool of one slice is Central FT.

A stage's training depends on the clients of its slices and on nothing else, so a pool goes on from the checkpoints of
any earlier pool that began with the same slices.
"""

import hashlib
import json
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import ClassVar

from fedsift.core.parameter_layout import ParameterLayout
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, ComparedMethod, PoolTraining, Terms, Work
from fedsift.strategies.families.clusters import random_cluster

_MOST_STEPS = 800  # of a pool's training (arXiv 2504.04626, appendix B)
_EPOCHS = 20  # in which SISA counts a client's steps; the more, the finer its stages


def stage_steps(client_steps: int, clients: int, stage: int, slices: int) -> int:
    """Steps of one stage, on the clients of its slices; they depend on no later slice.

    SISA's own code gives stage s int((s+1) a) - int(s a) epochs with a = 2E / (R+1), so that all stages together cost
    as much as E epochs on everything. Here an epoch is 1/E of the steps that clients of this number take on their own.
    """
    average = 2 * _EPOCHS / (slices + 1)
    epochs = int((stage + 1) * average) - int(stage * average)
    most = _MOST_STEPS * (stage + 1) / slices
    return max(1, round(min(most, client_steps * clients) * epochs / _EPOCHS))


def stage_entries(size: int, stage: int, slices: int) -> slice:
    """Of n entries, those that are a stage's own: equal runs, from the model's top, where the vector ends, down.

    So they are whole layers, but for those through which a cut goes.
    """
    below = slices - stage - 1
    return slice(size * below // slices, size * (below + 1) // slices)


@dataclass
class Pool:
    """Clients whose data are trained on together."""

    slices: list[list[str]]  # client ids, sorted within each slice
    # task vectors of shape (n,), one after each slice; fewer while it is being trained
    checkpoints: list[Vector] = field(default_factory=list)
    start: Vector | None = None  # the task vector that the first stage starts from, shape (n,); M0 for None
    lr_factor: float = 1.0  # of the clients' learning rate
    in_layers: bool = False  # whether each stage tunes entries of its own (`stage_entries`), and no others

    @property
    def clients(self) -> list[str]:
        """Of all slices."""
        return list(chain.from_iterable(self.slices))


class PooledTraining(ComparedMethod):
    """Train pools of clients; a subclass says how many, in how many slices, and which model serves whom."""

    number: ClassVar[int] = 1  # of pools
    slices: ClassVar[int] = 1

    def __init__(self, layout: ParameterLayout, chosen: Terms | None = None) -> None:
        super().__init__(layout, chosen)
        self.pools: list[Pool] = []

    def deal(self, clients: Clients) -> list[list[list[str]]]:
        """Pools of slices of the members; by their ids alone, so that who else is a member moves nobody."""
        dealt: list[list[list[str]]] = [[[] for _ in range(self.slices)] for _ in range(self.number)]
        for client_id in sorted(self.members):
            slices = dealt[random_cluster(client_id, self.number)]
            slices[random_cluster(client_id, self.slices, "slice")].append(client_id)
        return dealt

    def digest(self) -> str:
        """Of the pools' members and all checkpoints."""
        digest = hashlib.sha256()
        for pool in self.pools:
            digest.update(hashlib.sha256(json.dumps(pool.slices).encode()).digest())
            for checkpoint in pool.checkpoints:
                digest.update(hashlib.sha256(checkpoint.data).digest())
        return digest.hexdigest()

    def shared(self) -> dict[str, Vector]:
        """Each pool's last checkpoint, by its number."""
        return {str(number): pool.checkpoints[-1] for number, pool in enumerate(self.pools) if pool.checkpoints}

    def own_terms(self, client_id: str) -> dict[str, float]:
        """A member's pool; nothing for others."""
        return next(({"pool": float(place)} for place, pool in enumerate(self.pools) if client_id in pool.clients), {})

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Deal the members out, and train the pools that change, from the first slice that changes."""
        self.members = (self.members | joining) - leaving
        earlier, self.pools = self.pools, [Pool(slices) for slices in self.deal(clients)]
        peopled = [pool for pool in self.pools if pool.clients]
        for pool in peopled:
            pool.checkpoints = max((common(pool, each) for each in earlier), key=len, default=[])
        work = train(clients, [pool for pool in peopled if len(pool.checkpoints) < len(pool.slices)])
        return work if leaving else Work()


def train(clients: Clients, pools: Sequence[Pool]) -> Work:
    """Train the stages that pools lack, and say what that took."""
    starts = [pool.checkpoints[-1] if pool.checkpoints else pool.start for pool in pools]
    trainings = [
        PoolTraining(pool.slices, len(pool.checkpoints), start, pool.lr_factor, pool.in_layers)
        for pool, start in zip(pools, starts, strict=True)
    ]
    work = Work()
    for number, (checkpoints, steps) in clients.pooled(trainings):
        pools[number].checkpoints += checkpoints
        work.trainings += len(pools[number].clients)
        work.steps += steps
    return work


def common(pool: Pool, earlier: Pool) -> list[Vector]:
    """The checkpoints of an earlier pool after the slices with which this one begins as well."""
    pairs = zip(pool.slices, earlier.slices, earlier.checkpoints, strict=False)
    return [checkpoint for _, _, checkpoint in takewhile(lambda pair: pair[0] == pair[1], pairs)]
