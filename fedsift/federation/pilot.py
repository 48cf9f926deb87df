"""How long a step takes, tried on one client before a run begins."""

import time

from fedsift.configuration.run_config import RunConfig
from fedsift.federation import loaded
from fedsift.learning.gradient import Gradient
from fedsift.learning.tasks.task import encode_rows, to_device, training_steps

_SHARE = 100  # of a run's steps that two of them may be, so that they cost next to nothing


def is_worth_it(config: RunConfig, clients: int, workers: int) -> bool:
    """Whether a run has so many steps for each worker that two more do not matter."""
    return clients > 0 and clients * config.steps >= 2 * _SHARE * workers


def step_seconds(config: RunConfig, client_id: str) -> float:
    """Seconds of a step of one client: of its second one, since the first makes ready what all later ones use."""
    model, task = loaded.model_and_task(config.model_settings)
    encoded = encode_rows(task, loaded.dataset_of(config).train_examples(client_id), client_id)
    model.load_base()
    device, gradient, began = model.weights.device, Gradient(model), 0.0
    for step in training_steps(task, encoded, 2, config.batch_size, config.micro_batch, seed=0):
        began = time.perf_counter()
        on_device = [(to_device(batch, device), share) for batch, share in step]
        gradient.of_step(on_device, task.loss, lambda _entries, _part: None)
    return time.perf_counter() - began
