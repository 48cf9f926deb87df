"""`fedsift check-data`: what a data set holds, as the model will see it, and whether training on it can be repeated."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from fedsift.data.federated_dataset import dataset_digest
from fedsift.data.look_alikes import look_alike_warning, look_alikes
from fedsift.data.partition import heterogeneity
from fedsift.models import load_learner
from fedsift.tasks.task import each_row
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
        `clients`, groups of their ids that are `look_alikes`, `clients_read`, `digest` of what was read; `rows` a
        client trains on and `test_rows` it is scored on (min, median, max), `tokens` a row; `rows_cut` and `tokens_cut`
        by max-length; `different_targets` and the most frequent `targets` with their shares, clients with a
        `single_target`, their `heterogeneity` (`fedsift.data.partition`), none of these for a task without texts;
        `samples` (decoded from what the model sees); `digests` of the two trainings; `profile`.

    Raises:
        BadInput: a client's rows cannot be made or encoded; the message names it.
    """
    dataset = load_dataset(config)
    clients = choose_clients(config, dataset)
    bars.warn(look_alike_warning(clients))
    _, task = load_learner(config.model_settings)
    read = clients[:_CLIENTS_READ]
    reports = {client_id: each_row(task.describe, dataset.train_examples(client_id), client_id) for client_id in read}
    everything = [report for rows in reports.values() for report in rows]
    by_client = [[report.target.strip() for report in rows if report.target] for rows in reports.values()]
    targets = Counter(target for labels in by_client for target in labels)
    return {
        "clients": len(clients),
        "clients_read": len(read),
        "look_alikes": look_alikes(clients),
        "digest": dataset_digest(dataset, read).hex(),
        "rows": _spread([len(rows) for rows in reports.values()]),
        "test_rows": _spread([len(dataset.test_examples(client_id)) for client_id in read]),
        "tokens": _spread([report.tokens for report in everything]),
        "rows_cut": sum(report.cut > 0 for report in everything),
        "tokens_cut": sum(report.cut for report in everything),
        "different_targets": len(targets),
        "targets": {target: count / targets.total() for target, count in targets.most_common(_LABELS_SHOWN)},
        "single_target": sum(len(set(labels)) == 1 for labels in by_client),
        "heterogeneity": heterogeneity(by_client) if targets else None,
        "samples": [
            {"client": client_id, "prompt": report.prompt, "target": report.target}
            for client_id, rows in reports.items()
            for report in rows
        ][:_SAMPLES],
        "digests": _train_twice(config, dataset.client_ids, clients[0], bars),
        "profile": config.profile,
    }


def _train_twice(config: RunConfig, client_ids: Sequence[str], client_id: str, bars: PhaseBars) -> list[str]:
    alone = dataclasses.replace(config.leaving(), evaluate=False)
    with bars, ray_session(1, config) as pool:
        outcomes = [federate(pool, alone, places(client_ids, [client_id]), bars) for _ in range(2)]
        bars.finish()
    return [str(outcome["member_digests"].get(client_id, "")) for outcome in outcomes]


def _spread(values: list[int]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}
