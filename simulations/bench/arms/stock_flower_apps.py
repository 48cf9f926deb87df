"""ClientApps for stock Flower, in a module that its workers import: what is loaded stays as long as the worker.

Nothing heavy is imported at the top: the process of Flower's server imports this module as well.
"""

import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fedsift.federation.client import Client

ARRAYS, CONFIG, METRICS, WORKER = "arrays", "config", "metrics", "worker"
fine_tuning = ClientApp()
ready_made = ClientApp()


@fine_tuning.query()
def load(message: Message, context: Context) -> Message:
    """Load model and data, and tell which worker has."""
    client = _client(message, context)
    _ = client.fine_tuner, client.train_examples
    return _worker(message)


@fine_tuning.train()
def fine_tune(message: Message, context: Context) -> Message:
    """Plain fine-tuning that goes on from the task vector sent; replies with the client's own, shape (n,)."""
    client = _client(message, context)
    tuner, start = client.fine_tuner, message.content.array_records[ARRAYS].to_numpy_ndarrays()[0]
    rows = client.train_examples
    return _update(message, tuner.fine_tune(client.id, tuner.encode(client.id, rows), start=start), len(rows))


@ready_made.query()
def start(message: Message, _: Context) -> Message:
    """Tell which worker has started."""
    return _worker(message)


@ready_made.train()
def send(message: Message, _: Context) -> Message:
    """No step of training: reply with a vector of the size sent, made once a worker."""
    size = message.content.array_records[ARRAYS].to_numpy_ndarrays()[0].size
    return _update(message, _vector(size), 1)


def _client(message: Message, context: Context) -> "Client":
    """The client as fedsift knows it, under the same rules for its worker."""
    from fedsift.federation.client import Client

    _make_deterministic()
    run_config: UserConfig = json.loads(str(message.content.config_records[CONFIG]["run"]))
    return Client(Context(context.run_id, context.node_id, context.node_config, RecordDict(), run_config))


@lru_cache(maxsize=1)
def _make_deterministic() -> None:
    from fedsift.learning.reproducibility import make_deterministic

    make_deterministic()


@lru_cache(maxsize=1)
def _vector(size: int) -> NDArray[np.float32]:
    return np.random.Generator(np.random.Philox(key=0)).standard_normal(size, np.float32)


def _worker(message: Message) -> Message:
    return Message(RecordDict({WORKER: ConfigRecord({"process": os.getpid()})}), reply_to=message)


def _update(message: Message, vector: NDArray[np.float32], rows: int) -> Message:
    """A reply as FedAvg takes it."""
    content = RecordDict({ARRAYS: ArrayRecord([vector]), METRICS: MetricRecord({"num-examples": rows})})
    return Message(content, reply_to=message)
