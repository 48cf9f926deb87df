"""A ClientApp whose clients do not tune: each uploads a contribution that its worker made beforehand."""

import hashlib

import torch
from flwr.app import Context, Message, UserConfig
from flwr.clientapp import ClientApp

from fedsift.core.contribution import Quantised
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.federation.client_app import query
from fedsift.learning.local_trainer import Tuned
from fedsift.protocol.loaded import Loaded
from fedsift.protocol.messages import read_terms
from fedsift.simulations.bench.arms.ready_made import KINDS, ready_made
from fedsift.simulations.bench.overhead import TERMS

app = ClientApp()
app.query()(query)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Upload a contribution as if it had just been tuned."""
    client = Client(context)
    kind = int(context.node_config["partition-id"]) % KINDS
    contribution = ready_made(kind, read_terms(message.content))
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    quantised = Quantised(contribution, 0.0, 0)
    tuned = Tuned(torch.empty(0), quantised, hashlib.sha256(client.id.encode()).digest(), steps=1)
    return client.trained(message, tuned)


def prepare(_: UserConfig) -> Loaded:
    """Make all contributions; workers call it before the clock starts."""
    for kind in range(KINDS):
        ready_made(kind, TERMS)
    return Loaded()
