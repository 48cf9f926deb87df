"""Independent counterparts of a scenario's states: they only ever add, from trainings of their own.

The **incremental** oracle goes through the steps backwards. It merges those who are members after the last step, then
those who left in it, and so on, and tells the state's digest at each size: one training for each client. It never
subtracts. Where clients rejoined, the members before are no superset of those after: there it begins anew, with all
who were members before. The **full** oracle of a step is a federation of exactly the members after it.

A digest depends on the members alone, so each step has its counterpart.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid

from fedsift.configuration.run_config import RunConfig
from fedsift.core.seeds import derive_seed
from fedsift.core.server_state import ServerState
from fedsift.federation.run_state import open_state
from fedsift.protocol.scoring import NEVER
from fedsift.runs.federate import places
from fedsift.runtime.ray_grid import Progress, RayGrid, node_configs
from fedsift.runtime.worker_pool import WorkerPool
from fedsift.strategies.sift_masks import SiftMasks
from fedsift.studies.optout.step_log import Step, members_after

# The members after a step, as those who are merged into the members of the link before.
Link = tuple[int, Sequence[str]]


def chains(steps: Sequence[Step]) -> list[list[Link]]:
    """The steps of a scenario, the first of which is step 0, backwards in chains along which the members grow."""
    members = members_after(steps)
    found: list[list[Link]] = []
    added: Sequence[str] | None = None
    for step in reversed(steps):
        if added is None:
            found.append([(step.step, sorted(members))])
        else:
            found[-1].append((step.step, added))
        members = (members - set(step.joined)) | set(step.left)
        added = None if step.joined else step.left
    return found


def chain_digests(
    pool: WorkerPool,
    config: RunConfig,
    client_ids: Sequence[str],
    chain: Sequence[Link],
    progress: Progress,
    on_link: Callable[[], None],
) -> dict[int, str]:
    """The state digest for each step of a chain.

    Args:
        pool: the workers.
        config: nobody leaves.
        client_ids: of the data.
        chain: as `chains` makes it.
        progress: is told of every message.
        on_link: is called after each step.
    """
    clients = places(client_ids, [client_id for _, added in chain for client_id in added])
    state = open_state(config, None, capacity=max(1, len(clients)))
    strategy = _Chain(state, chain, on_link)
    grid = RayGrid(pool, node_configs(clients), config.to_user_config(), progress)
    strategy.start(grid, ArrayRecord(), num_rounds=1, timeout=math.inf)
    state.ledger.close()
    return strategy.digests


def full_steps(number: int, last: int, seed: int) -> list[int]:
    """Which of the steps 1 to `last` are held against a full oracle: so many, drawn from the seed."""
    drawn = sorted(range(1, last + 1), key=lambda step: derive_seed(seed, "full oracle", str(step)))
    return sorted(drawn[:number])


class _Chain(SiftMasks):
    """Merges clients in the order of their nodes, and keeps the state's digest after each link, by step."""

    def __init__(self, state: ServerState, chain: Sequence[Link], on_link: Callable[[], None]) -> None:
        super().__init__(state, (), scoring=NEVER)
        self.digests: dict[int, str] = {}
        self._chain, self._on_link = chain, on_link
        self._asked: list[int] = []

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Address the clients in the order of the chain."""
        addressed = super().configure_train(server_round, arrays, config, grid)
        ordered = sorted(addressed, key=lambda message: message.metadata.dst_node_id)
        self._asked = [message.metadata.dst_node_id for message in ordered]
        return ordered

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Merge link by link."""
        ordered = self._in_order(replies)
        asked = {self.clients[node_id] for node_id in self._asked}
        merged: tuple[ArrayRecord | None, MetricRecord | None] = (None, None)
        for step, added in self._chain:
            merged = super().aggregate_train(server_round, islice(ordered, len(asked.intersection(added))))
            self.digests[step] = self.rounds[-1].state_digest
            self._on_link()
        return merged

    def _in_order(self, replies: Iterable[Message]) -> Iterator[Message]:
        """Replies in the order of the nodes; those that come early wait, no more than are in flight."""
        early: dict[int, Message] = {}
        expected = iter(self._asked)
        following = next(expected, None)
        for reply in replies:
            early[reply.metadata.src_node_id] = reply
            while following in early:
                yield early.pop(following)
                following = next(expected, None)
