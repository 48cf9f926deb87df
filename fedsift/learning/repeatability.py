"""Whether a model says the same of the same rows when it is asked again."""

from collections.abc import Sequence
from typing import Any

import torch

from fedsift.core.errors import BadInput
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import Task, to_device


@torch.no_grad()
def check_repeatable(task: Task, model: FlatModel, encoded: Sequence[Any]) -> None:
    """See that the loss of encoded rows under M0 has the same bits twice in a row.

    What a module changes in its buffers and plain attributes is put back between the two (`ModuleState`). State that
    lies elsewhere, and random numbers, would make a client's upload depend on who came before it in its process.

    Raises:
        BadInput: it has not.
    """
    batch = to_device(task.batch(encoded), model.weights.device)
    losses = []
    for _ in range(2):
        model.load_base()
        losses.append(task.loss(model.module, batch).detach().clone())
    if not torch.equal(*losses) and all(map(torch.isfinite, losses)):
        raise BadInput(
            f"the loss of the same row under the same weights is {losses[0].item()!r}, then {losses[1].item()!r}: "
            "model or task draw random numbers, or keep what they have seen where it cannot be put back, so no removal "
            "would be exact; keep it in a buffer (register_buffer), which is put back for each client, or do without"
        )
