"""A ClientApp whose clients do not tune: each uploads a contribution that its worker made beforehand."""

import hashlib

import numpy as np
from flwr.app import Context, Message, UserConfig
from flwr.clientapp import ClientApp

from fedsift.core.contribution import Quantised
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.federation.client_app import query
from fedsift.learning.local_trainer import Tuned
from fedsift.protocol.loaded import Loaded
from fedsift.simulations.bench.arms.ready_made import KINDS, ready_made

app = ClientApp()
app.query()(query)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Upload a contribution as if it had just been tuned."""
    client = Client(context)
    contribution = ready_made(int(context.node_config["partition-id"]) % KINDS)
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    quantised = Quantised(contribution, 0.0, 0)
    tuned = Tuned(np.empty(0, np.float32), quantised, hashlib.sha256(client.id.encode()).digest(), steps=1)
    return client.trained(message, tuned)


def prepare(_: UserConfig) -> Loaded:
    """Make all contributions; workers call it before the clock starts."""
    for kind in range(KINDS):
        ready_made(kind)
    return Loaded()
