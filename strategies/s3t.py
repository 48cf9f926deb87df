"""S3T: sequence-aware sharded sliced training (Chowdhury et al. 2025, arXiv 2406.16257).

Clients are dealt out to shards and slices as by SISA. A shard has several sequences of its slices, here all rotations
of their order; along each a model is trained stage by stage: stage i on the first i slices of the sequence, and only
the layers that are its own, from the top of the model down. So the first i stages alone are a model, too.

A removal turns off the layers of the leaver's slice, and of all slices after it, in each sequence: nothing that has
seen the leaver is left, and nobody trains. The shard is then served by the sequence with most clients left. When none
has any, its remaining members train all sequences again; so they do when somebody joins.

With the layers go what other clients of the slice, and of those after it, have put in. So the state is not that of
never having joined, which would still have them, and the method stands among the approximate ones, though what it
serves has not seen the leaver. With --lora-rank the layers are adapters, as its authors have it.
"""

from collections.abc import Set

from fedsift.core.ensemble import Ensemble
from fedsift.core.task_vectors import Vector
from fedsift.protocol.compared_method import Clients, Recipient, Work
from fedsift.protocol.method import Cost, models
from fedsift.strategies.families.clusters import CLUSTERS, random_cluster
from fedsift.strategies.families.pooled_training import Pool, PooledTraining, common, train
from fedsift.strategies.sisa import SLICES

# Removals until each slice of a shard was hit once, so that no sequence is left; in the mean, L (1 + 1/2 + ... + 1/L).
_REMOVALS = SLICES * sum(1 / number for number in range(1, SLICES + 1))


def _trainings(members: int) -> int:
    """A shard's others train L sequences again, once in so many removals in the shard."""
    return round(SLICES * (members - 1) / CLUSTERS / _REMOVALS)


class S3t(PooledTraining):
    """A shard is served by what is left of its best sequence, everybody by the mean of all shards' probabilities."""

    number, slices, ensemble = CLUSTERS, SLICES, Ensemble.MEAN
    name, title, paper, place = "s3t", "S3T", "Chowdhury et al. 2025, arXiv 2406.16257", 29
    exact, cost, storage = False, Cost(_trainings, "T/(S H)"), models(CLUSTERS * SLICES, "M S L")

    def deal(self, clients: Clients) -> list[list[list[str]]]:
        """All sequences of the first shard, then of the next: the rotations of its slices."""
        shards = super().deal(clients)
        return [slices[turn:] + slices[:turn] for slices in shards for turn in range(len(slices))]

    def change(self, clients: Clients, joining: Set[str], leaving: Set[str]) -> Work:
        """Turn off what leavers have touched; train the shards that somebody joins, or that have nothing left."""
        self.members = (self.members | joining) - leaving
        joined = {random_cluster(client_id, self.number) for client_id in joining}
        earlier, self.pools = [_without(pool, leaving) for pool in self.pools], []
        dealt, untrained = self.deal(clients), list[Pool]()
        for shard in range(self.number):
            places = range(shard * self.slices, (shard + 1) * self.slices)
            anew = [Pool(dealt[place], in_layers=True) for place in places]
            kept = [earlier[place] for place in places] if earlier else anew
            if shard not in joined and any(pool.clients for pool in kept):
                self.pools += kept
                continue
            self.pools += anew
            for pool in anew if anew[0].clients else ():
                pool.checkpoints = max((common(pool, each) for each in kept), key=len)
                untrained += [pool] if len(pool.checkpoints) < len(pool.slices) else []
        work = train(clients, untrained)
        return work if leaving else Work()

    def shared(self) -> dict[str, Vector]:
        """Of each shard's sequences the one with most clients left, of equally many the first."""
        shards = [self.pools[start : start + self.slices] for start in range(0, len(self.pools), self.slices)]
        best = [max(pools, key=lambda pool: len(pool.clients)) for pools in shards]
        return {str(shard): pool.checkpoints[-1] for shard, pool in enumerate(best) if pool.clients}

    @staticmethod
    def serve(recipient: Recipient, **terms: float) -> list[Vector]:
        """All shards' models."""
        return list(recipient.shared.values())


def _without(pool: Pool, leaving: Set[str]) -> Pool:
    """What is left of a sequence before the first slice with one of the leavers: later layers are 0 there."""
    stages = next((stage for stage, ids in enumerate(pool.slices) if not leaving.isdisjoint(ids)), len(pool.slices))
    return Pool(pool.slices[:stages], pool.checkpoints[:stages], in_layers=True)
