"""Methods that train on members' data pooled in one place: Central FT, its clustered form, and SISA.

Clients are dealt out to pools, and within a pool to slices, by their ids alone, so that who else is a member changes
nothing. A pool's model is trained stage by stage, on the first slice, then the first two, and so on, with a checkpoint
after each; a removal trains again from the checkpoint before the leaver's slice (Bourtoule et al. 2021, arXiv
1912.03817). One pool of one slice is Central FT.
"""

import hashlib
import json
from collections.abc import Container, Iterable, Iterator
from typing import ClassVar

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedsift.errors import Refused
from fedsift.seeds import derive_seed
from strategies import messages
from strategies.compared_method import ComparedMethod, ComparedRecord, Vector
from strategies.messages import JOINED, POOLED, Wish

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


class PooledTraining(ComparedMethod):
    """Train pools of clients; a subclass says how many, in how many slices, and which model serves whom."""

    pools: ClassVar[int] = 1
    slices: ClassVar[int] = 1

    def __init__(self, size: int, evaluated: Container[int]) -> None:
        """Begin without members; arguments as of `ComparedMethod`."""
        super().__init__(size, evaluated)
        self._checkpoints: list[list[Vector]] = [[] for _ in range(self.pools)]

    def digest(self) -> str:
        """Of the members and all checkpoints."""
        digest = hashlib.sha256(json.dumps(sorted(self.members)).encode())
        for checkpoints in self._checkpoints:
            digest.update(len(checkpoints).to_bytes(8, "little"))
            for checkpoint in checkpoints:
                digest.update(checkpoint.data)
        return digest.hexdigest()

    def shared(self) -> dict[str, Vector]:
        """Each pool's last checkpoint, by its number."""
        return {str(pool): checkpoints[-1] for pool, checkpoints in enumerate(self._checkpoints) if checkpoints}

    def own_terms(self, client_id: str) -> dict[str, float]:
        """A member's pool; nothing for others."""
        return {"pool": self._pool(client_id)} if client_id in self.members else {}

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
        first: dict[int, int] = {}
        for client_id in joining | leaving:
            pool = self._pool(client_id)
            first[pool] = min(first.get(pool, len(self._checkpoints[pool])), self._slice(client_id))
        return list(self._train(server_round, first, sorted(self.clients)))

    def _train(self, server_round: int, first: dict[int, int], nodes: list[int]) -> Iterator[Message]:
        for pool in sorted(first):
            slices: list[list[str]] = [[] for _ in range(self.slices)]
            for client_id in sorted(self.members):
                if self._pool(client_id) == pool:
                    slices[self._slice(client_id)].append(client_id)
            self._checkpoints[pool] = self._checkpoints[pool][: first[pool]]
            if not any(slices):
                self._checkpoints[pool] = []
                continue
            config = ConfigRecord({"pool": pool, "first": first[pool], "slices": json.dumps(slices)})
            content = RecordDict({"config": config})
            if self._checkpoints[pool]:
                content["start"] = ArrayRecord({"values": messages.float_array(self._checkpoints[pool][-1])})
            node = nodes[pool % len(nodes)]
            yield Message(content, dst_node_id=node, message_type=POOLED, group_id=str(server_round))

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Keep the checkpoints."""
        record = self.rounds[-1]
        for reply in replies:
            try:
                client = self.client_record(reply)
                pool = messages.field(client, "pool", int)
                self._checkpoints[pool] += messages.reply_task_vectors(reply, self.size)
            except Refused as error:
                self.failed(self.name(reply), POOLED, error)
                continue
            if record.left:
                record.trainings += sum(self._pool(client_id) == pool for client_id in self.members)
                record.steps += messages.field(client, "steps", int)
        record.members, record.state_digest = len(self.members), self.digest()
        return None, MetricRecord({"members": record.members})

    def _pool(self, client_id: str) -> int:
        return derive_seed(0, "pool", client_id) % self.pools

    def _slice(self, client_id: str) -> int:
        return derive_seed(0, "slice", client_id) % self.slices
