"""`fedsift check-data`: what a data set holds, as the model will see it, and whether training on it can be repeated."""

import dataclasses
from collections import Counter
from statistics import median
from typing import Any

from fedsift.configuration.clients_of_run import choose_clients
from fedsift.configuration.run_config import RunConfig
from fedsift.core.errors import BadInput
from fedsift.core.examples import rows_digest
from fedsift.data.federated_dataset import FederatedDataset, dataset_digest
from fedsift.data.loading import load_dataset
from fedsift.data.look_alikes import look_alike_warning, look_alikes
from fedsift.data.partition import heterogeneity
from fedsift.learning.models import load_learner
from fedsift.learning.tasks.task import each_row
from fedsift.runs.federate import federate, places
from fedsift.runs.result import last_line
from fedsift.runtime.progress import PhaseBars
from fedsift.runtime.ray_session import ray_session

_CLIENTS_READ = 100  # A look at this many says what there is to say.
_LABELS_SHOWN = 12
_SAMPLES = 2


def check_data(config: RunConfig, bars: PhaseBars) -> dict[str, Any]:
    """Read the first clients, encode all their rows, and train the first client twice, in another process.

    Returns:
        `clients`, groups of their ids that are `look_alikes`, `clients_read`, `digest` of what was read; `rows` a
        client trains on and `test_rows` it is scored on (min, median, max), `tokens` a row; `rows_cut` and `tokens_cut`
        by max-length; `different_targets` and the most frequent `targets` with their shares, clients with a
        `single_target`, their `heterogeneity` (`fedsift.data.partition`), none of these for a task without texts;
        `samples` (decoded from what the model sees); `digests` of the two trainings; `profile`.

    Raises:
        BadInput: a client's rows cannot be made or encoded, or the first one's are others each time; the message names
            the client.
    """
    dataset = load_dataset(config)
    clients = choose_clients(config, dataset)
    alike = look_alikes(clients)
    bars.warn(look_alike_warning(alike))
    _, task = load_learner(config.model_settings)
    read = clients[:_CLIENTS_READ]
    reports = {client_id: each_row(task.describe, dataset.train_examples(client_id), client_id) for client_id in read}
    everything = [report for rows in reports.values() for report in rows]
    by_client = [[report.target.strip() for report in rows if report.target] for rows in reports.values()]
    targets = Counter(target for labels in by_client for target in labels)
    return {
        "clients": len(clients),
        "clients_read": len(read),
        "look_alikes": alike,
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
        "digests": _train_twice(config, dataset, clients[0], bars),
        "profile": config.profile,
    }


def _train_twice(config: RunConfig, dataset: FederatedDataset, client_id: str, bars: PhaseBars) -> list[str]:
    """Digests of what a worker, which reads the client's rows for itself, makes of them.

    Raises:
        BadInput: the client cannot be trained, or its rows are others in the worker's process than in this one.
    """
    alone = dataclasses.replace(config.leaving(), evaluate=False)
    here = rows_digest(dataset.train_examples(client_id)).hex()
    digests = []
    with bars, ray_session(1, config) as pool:
        for _ in range(2):
            outcome = federate(pool, alone, places(dataset.client_ids, [client_id]), bars)
            for why in outcome["rounds"][0]["failures"].values():
                raise BadInput(f"client {client_id!r} could not be trained: {last_line(why)}")
            if outcome["data_digests"][client_id] != here:
                raise BadInput(
                    f"client {client_id!r}: its rows are others, or in another order, in another process, so that it "
                    "could never be removed; make the same rows in the same order each time (no set, clock or hash)"
                )
            digests.append(str(outcome["member_digests"][client_id]))
        bars.finish()
    return digests


def _spread(values: list[int]) -> dict[str, float]:
    return {"min": min(values), "median": median(values), "max": max(values)}
