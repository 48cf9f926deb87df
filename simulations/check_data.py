"""`fedsift check-data`: what a data set holds, as the model will see it, and whether training on it can be repeated."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from fedsift.causal_lm import CausalLanguageModelling
from fedsift.models import load_model
from simulations.configuration import RunConfig
from simulations.data import choose_clients, load_dataset
from simulations.engine import federate, places, ray_session
from simulations.progress import PhaseBars

_CLIENTS_READ = 100  # A look at this many says what there is to say.
_LABELS_SHOWN = 12
_SAMPLES = 2


def check_data(config: RunConfig, bars: PhaseBars) -> dict[str, Any]:
    """Read the first clients, encode all their rows, and train the first client twice.

    Returns:
        `clients`, `clients_read`; `rows` a client and `tokens` a row (min, median, max); `rows_cut` and `tokens_cut` by
        max-length; `different_targets` and the most frequent `targets` with their shares; `samples` (prompt and target
        decoded from what the model sees); `digests` of the two trainings; `profile`.

    Raises:
        BadInput: a client's rows cannot be made or encoded; the message names it.
    """
    dataset = load_dataset(config)
    clients = choose_clients(config, dataset)
    module, tokenizer = load_model(config.model)
    task = CausalLanguageModelling(tokenizer, module, config.max_length)
    read = clients[:_CLIENTS_READ]
    rows: list[int] = []
    lengths: list[int] = []
    cut: list[int] = []
    targets: Counter[str] = Counter()
    samples: list[dict[str, str]] = []
    for client_id in read:
        examples = dataset.examples(client_id)
        rows.append(len(examples))
        for example in examples:
            ids, kept = task.encode(example)
            lengths.append(len(ids))
            cut.append(len(task.tokens(example)[1]) - kept)
            targets[example.target.strip()] += 1
            if len(samples) < _SAMPLES:
                decoded = {"prompt": tokenizer.decode(ids[:-kept]), "target": tokenizer.decode(ids[-kept:])}
                samples.append({"client": client_id, **decoded})
    return {
        "clients": len(clients),
        "clients_read": len(read),
        "rows": _spread(rows),
        "tokens": _spread(lengths),
        "rows_cut": sum(each > 0 for each in cut),
        "tokens_cut": sum(cut),
        "different_targets": len(targets),
        "targets": {target: count / targets.total() for target, count in targets.most_common(_LABELS_SHOWN)},
        "samples": samples,
        "digests": _train_twice(config, dataset.client_ids, clients[0], bars),
        "profile": config.profile,
    }


def _train_twice(config: RunConfig, client_ids: Sequence[str], client_id: str, bars: PhaseBars) -> list[str]:
    alone = dataclasses.replace(config, leave=0, evaluate=False)
    with bars, ray_session(1, config.profile) as pool:
        outcomes = [federate(pool, alone, places(client_ids, [client_id]), bars) for _ in range(2)]
        bars.finish()
    return [str(outcome["member_digests"].get(client_id, "")) for outcome in outcomes]


def _spread(values: list[int]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}
