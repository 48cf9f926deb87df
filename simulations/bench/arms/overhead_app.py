"""A ClientApp whose clients do not tune: each uploads a contribution that its worker made beforehand."""

import hashlib
from functools import lru_cache

import numpy as np
from flwr.app import Context, Message, UserConfig
from flwr.clientapp import ClientApp

from fedsift.core.contribution import SLICE, Contribution, Quantised, UploadTerms
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.federation.client_app import query
from fedsift.learning.local_trainer import Tuned
from fedsift.protocol.loaded import Loaded
from fedsift.protocol.messages import read_terms
from fedsift.simulations.bench.overhead import DENSITY, TERMS

_KINDS = 16  # contributions that differ; clients take them in turn

app = ClientApp()
app.query()(query)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Upload a contribution as if it had just been tuned."""
    client = Client(context)
    kind = int(context.node_config["partition-id"]) % _KINDS
    contribution = ready_made(kind, read_terms(message.content))
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    quantised = Quantised(contribution, 0.0, 0)
    tuned = Tuned(np.empty(0, np.float32), quantised, hashlib.sha256(client.id.encode()).digest(), steps=1)
    return client.trained(message, tuned)


def prepare(_: UserConfig) -> Loaded:
    """Make all contributions; workers call it before the clock starts."""
    for kind in range(_KINDS):
        ready_made(kind, TERMS)
    return Loaded()


@lru_cache(maxsize=_KINDS)
def ready_made(kind: int, terms: UploadTerms) -> Contribution:
    """A contribution under some terms, of whose entries a share of `DENSITY` has some level above 0."""
    generator = np.random.Generator(np.random.Philox(key=kind))
    levels = np.zeros(terms.size, terms.grid.level_type)
    for start in range(0, terms.size, SLICE):
        piece = levels[start : start + SLICE]
        piece[:] = generator.integers(1, terms.grid.levels, len(piece), endpoint=True)
        piece[generator.random(len(piece)) >= DENSITY] = 0
    return Contribution.from_levels(levels, terms)
