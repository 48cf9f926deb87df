"""Methods that train on members' data pooled in one place: Central FT, its clustered form, SISA and APA.

Clients are dealt out to pools, and within a pool to slices. A pool's model is trained stage by stage, on the first
slice, then the first two, and so on, with a checkpoint after each; a removal trains again from the checkpoint before
the first slice that changes (Bourtoule et al. 2021, arXiv 1912.03817). One pool of one slice is Central FT.

A stage's training depends on the clients of its slices and on nothing else, so a pool goes on from the checkpoints of
any earlier pool that began with the same slices.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import ClassVar

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsift.core.errors import Refused
from fedsift.protocol import messages
from fedsift.protocol.messages import JOINED, POOLED, Wish
from fedsift.strategies.clusters import random_cluster
from fedsift.strategies.compared_method import ComparedMethod, ComparedRecord, Vector

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


@dataclass
class Pool:
    """Clients whose data are trained on together.

    Attributes:
        slices: client ids, sorted within each slice.
        checkpoints: task vectors of shape (n,), one after each slice; fewer while it is being trained.
    """

    slices: list[list[str]]
    checkpoints: list[Vector] = field(default_factory=list)

    @property
    def clients(self) -> list[str]:
        """Of all slices."""
        return list(chain.from_iterable(self.slices))


class PooledTraining(ComparedMethod):
    """Train pools of clients; a subclass says how many, in how many slices, and which model serves whom."""

    number: ClassVar[int] = 1  # of pools
    slices: ClassVar[int] = 1

    def __init__(self, size: int, evaluated: Container[int], chosen: Mapping[str, float] | None = None) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated, chosen)
        self.pools: list[Pool] = []
        self.in_training: list[Pool] = []  # of this round; replies say which

    def deal(self) -> list[list[list[str]]]:
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

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every node what it wants; train the pools whose members change, from the first slice that changes."""
        record = ComparedRecord()
        self.rounds.append(record)
        wishes = self.query(server_round, grid)
        joining = {self.clients[node] for node, wish in wishes.items() if wish is Wish.JOIN}
        leaving = {self.clients[node] for node, wish in wishes.items() if wish is Wish.LEAVE} & self.members
        self.members = (self.members | joining) - leaving
        record.joined, record.left = sorted(joining), sorted(leaving)
        self.tell(JOINED, server_round, joining, grid)
        return list(self.train(server_round, grid))

    def train(self, server_round: int, grid: Grid) -> Iterator[Message]:
        """Deal the members out, and have trained what no earlier pool has."""
        earlier = self.pools
        self.pools = self.in_training = [Pool(slices) for slices in self.deal()]
        for number, pool in enumerate(self.pools):
            if pool.clients:
                pool.checkpoints = max((_common(pool, each) for each in earlier), key=len, default=[])
            if pool.clients and len(pool.checkpoints) < len(pool.slices):
                start = pool.checkpoints[-1] if pool.checkpoints else None
                yield self.training(server_round, number, start)

    def training(self, server_round: int, number: int, start: Vector | None, lr_factor: float = 1.0) -> Message:
        """Have some node train a pool's missing stages: pooled data lie in one place, so any will do.

        Args:
            server_round: this one.
            number: of the pool, among those in training.
            start: the task vector to start from, shape (n,); M0 for None.
            lr_factor: of the clients' learning rate.
        """
        pool = self.in_training[number]
        first, slices = len(pool.checkpoints), json.dumps(pool.slices)
        config = ConfigRecord({"pool": number, "first": first, "slices": slices, "lr-factor": lr_factor})
        content = RecordDict({"config": config})
        if start is not None:
            content["start"] = ArrayRecord({"values": messages.float_array(start)})
        nodes = sorted(self.clients)
        node = nodes[number % len(nodes)]
        return Message(content, dst_node_id=node, message_type=POOLED, group_id=str(server_round))

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Keep the checkpoints."""
        record = self.rounds[-1]
        for reply in replies:
            try:
                client = self.client_record(reply)
                pool = self.in_training[messages.field(client, "pool", int)]
                pool.checkpoints += messages.reply_task_vectors(reply, self.size)
            except Refused as error:
                self.failed(self.name(reply), POOLED, error)
                continue
            if record.left:
                record.trainings += len(pool.clients)
                record.steps += messages.field(client, "steps", int)
        record.members, record.state_digest = len(self.members), self.digest()
        return None, MetricRecord({"members": record.members})


def _common(pool: Pool, earlier: Pool) -> list[Vector]:
    """The checkpoints of an earlier pool after the slices with which this one begins as well."""
    pairs = zip(pool.slices, earlier.slices, earlier.checkpoints, strict=False)
    return [checkpoint for _, _, checkpoint in takewhile(lambda pair: pair[0] == pair[1], pairs)]
