"""The server's state for a configuration: opened from its ledger, or made new."""

import json
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedsift.configuration.run_config import RunConfig
from fedsift.core.contribution import UploadTerms
from fedsift.core.errors import BadInput
from fedsift.core.ledger import Ledger
from fedsift.core.receipt import RunFacts
from fedsift.core.server_state import ServerState
from fedsift.protocol.loaded import Loaded
from fedsift.protocol.scoring import Scoring

_SOFTWARE = f"fedsift {version('fedsift')}"


def run_facts(config: RunConfig) -> RunFacts:
    """What every receipt says of the run."""
    return RunFacts(profile=config.profile, root_seed=config.seed, software=_SOFTWARE)


def scoring_of(config: RunConfig) -> Scoring:
    """Which rounds of a run end with scores, and who is scored then."""
    every = config.evaluate_every if config.evaluate else 0
    return Scoring(every, config.evaluate_clients, always=frozenset(config.leave))


def open_state(
    config: RunConfig,
    ledger: Path | None,
    capacity: int,
    loaded: Loaded | None = None,
    key: Ed25519PrivateKey | None = None,
) -> ServerState:
    """The state in a ledger, made new where there is none.

    Args:
        config: which model is tuned how.
        ledger: the file; in memory for None.
        capacity: of a new one.
        loaded: what the clients have; with None their model is looked at here, and nobody checks its weights.
        key: seals the ledger; without it, one that was sealed can only be read.

    Raises:
        BadInput: the ledger was made with another configuration, or another M0.
    """
    model_digest = loaded.model_digest if loaded else b""
    if ledger is not None and ledger.exists():
        with ExitStack() as failing:
            opened = failing.enter_context(Ledger.open(ledger, key=key))
            changed = config.changed_terms(opened.config)
            if changed:
                raise BadInput(f"{ledger} was made with other values: put back {', '.join(changed)}")
            if model_digest and opened.get("model_digest", b"") not in (b"", model_digest):
                raise BadInput(
                    f"the weights of model {config.model} changed since {ledger} was made: put the old ones back"
                )
            state = ServerState(opened, config.publication)
            failing.pop_all()
        return state
    if loaded and loaded.layout:
        layout, head = loaded.layout, loaded.head
    else:
        from fedsift.learning.models import load_head_terms, load_layout  # torch: not where workers tell

        layout, head = load_layout(config.model_settings), load_head_terms(config.model_settings)
    terms = UploadTerms(layout.digest, layout.size, config.sign_seed, config.grid, head)
    state = ServerState.create(ledger, terms, capacity, json.dumps(config.to_user_config()), model_digest, key)
    state.publication = config.publication
    return state
