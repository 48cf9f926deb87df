"""What the server of a merging method keeps, however many clients there are."""

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from flwr.app import Message, RecordDict

from fedsift.protocol.messages import FINE_TUNE, client_reply
from fedsift.strategies.compared_method import ComparedRecord
from fedsift.strategies.merged_fine_tunings import MergedFineTunings
from fedsift.strategies.registry import STRATEGIES

SpeakAs = Callable[[int], None]
SIZE = 200_000
MERGES = sorted(name for name, strategy in STRATEGIES.items() if issubclass(strategy, MergedFineTunings))


def uploads(clients: int, speak_as: SpeakAs) -> Iterator[Message]:
    """A task vector from each, made as it is asked for."""
    for node in range(clients):
        task_vector = np.random.default_rng(node).standard_normal(SIZE).astype(np.float32)
        speak_as(node)
        asked = Message(RecordDict(), dst_node_id=node, message_type=FINE_TUNE)
        yield client_reply(asked, f"client {node}", {"steps": 1}, task_vectors=[task_vector])


def peak(name: str, clients: int, speak_as: SpeakAs) -> int:
    """Bytes at the most while so many join."""
    tracemalloc.start()
    strategy = STRATEGIES[name](SIZE, evaluated=())
    strategy.rounds.append(ComparedRecord())
    strategy.clients = {node: f"client {node}" for node in range(clients)}
    strategy.aggregate_train(1, uploads(clients, speak_as))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(strategy.members) == clients
    return most


@pytest.mark.parametrize("name", MERGES)
def test_memory_does_not_grow_with_the_clients(name: str, speak_as: SpeakAs) -> None:
    """Sixteen clients take what four take, to one task vector; a list of them would take 12 vectors more."""
    assert peak(name, 16, speak_as) < peak(name, 4, speak_as) + 4 * SIZE
