"""A ClientApp whose clients do not tune: each uploads a contribution that its worker made beforehand."""

import hashlib
from functools import lru_cache

import numpy as np
from flwr.app import Context, Message, UserConfig
from flwr.clientapp import ClientApp

from fedsift.core.contribution import Contribution, Quantised
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.federation.client_app import query
from fedsift.learning.local_trainer import Tuned
from fedsift.protocol.loaded import Loaded
from fedsift.simulations.bench.overhead import TERMS

_DENSITY = 0.3  # share of the entries that a mask keeps; what clients of the default run keep
_KINDS = 16  # contributions that differ; clients take them in turn

app = ClientApp()
app.query()(query)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Upload a contribution as if it had just been tuned."""
    client = Client(context)
    contribution = ready_made(int(context.node_config["partition-id"]) % _KINDS)
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    quantised = Quantised(contribution, 0.0, 0)
    tuned = Tuned(np.empty(0, np.float32), quantised, hashlib.sha256(client.id.encode()).digest(), steps=1)
    return client.trained(message, tuned)


def prepare(_: UserConfig) -> Loaded:
    """Make all contributions; workers call it before the clock starts."""
    for kind in range(_KINDS):
        ready_made(kind)
    return Loaded()


@lru_cache(maxsize=_KINDS)
def ready_made(kind: int) -> Contribution:
    """A contribution of TERMS.size entries, of which a share of `_DENSITY` has some level above 0."""
    generator = np.random.Generator(np.random.Philox(key=kind))
    levels = generator.integers(1, TERMS.grid.levels, TERMS.size, np.uint32, endpoint=True)
    levels[generator.random(TERMS.size) >= _DENSITY] = 0
    return Contribution.from_levels(levels, TERMS)
