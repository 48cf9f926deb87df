"""How long a client's training takes, tried on one client before a run begins."""

import time
from typing import NamedTuple

from fedsift.configuration.run_config import RunConfig

_SHARE = 100  # of what a run takes that two steps may be, so that they cost next to nothing
_PASS = 1 / 3  # of a step's time that its rows take to run through the model once: backward is twice that


class Work(NamedTuple):
    """What the training of a client comes to, in steps."""

    steps: float  # the tuning
    head: float  # what the shared head takes, for which each of its rows runs through M0 once

    def is_worth_it(self, clients: float) -> bool:
        """Whether so many clients have so many steps that two more do not matter."""
        return clients * (self.steps + self.head) >= 2 * _SHARE


def work_of(config: RunConfig, rows: int, labels: int) -> Work:
    """Of a client with so many rows; without labels there is no shared head."""
    has_head = config.shared_head and labels > 0
    return Work(config.tuning.steps_for(rows), _PASS * rows / min(rows, config.batch_size) if has_head else 0.0)


def training_seconds(config: RunConfig, client_id: str, clients: float) -> tuple[float, float] | None:
    """Seconds of one client's tuning, and of its part in the shared head; None where so few clients are soon done.

    They are made of the time of a second step, since the first makes ready what all later ones use.

    Args:
        config: says what is trained.
        client_id: who is tried.
        clients: for each worker.
    """
    from fedsift.federation import loaded  # torch: not where this is only sent to a worker
    from fedsift.learning.gradient import Gradient
    from fedsift.learning.tasks.task import encode_rows, to_device, training_steps

    model, task = loaded.model_and_task(config.model_settings)
    rows = loaded.dataset_of(config).train_examples(client_id)
    work = work_of(config, len(rows), task.labels)
    if not work.is_worth_it(clients):
        return None
    model.load_base()
    device, gradient, began = model.weights.device, Gradient(model), 0.0
    encoded = encode_rows(task, rows, client_id)
    for step in training_steps(task, encoded, 2, config.batch_size, config.micro_batch, seed=0):
        began = time.perf_counter()
        on_device = [(to_device(batch, device), share) for batch, share in step]
        gradient.of_step(on_device, task.loss, lambda _entries, _part: None)
    seconds = time.perf_counter() - began
    return seconds * work.steps, seconds * work.head
