"""Plain fine-tuning, which the methods that SIFT-Masks is compared with build on: Adam on all tuned weights."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.core.ensemble import Ensemble
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.local_training import LocallyTrained, LocalTraining, Objective
from fedsift.core.seeds import derive_seed
from fedsift.learning.device import enough_memory
from fedsift.learning.ensemble import score_together
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.gradient import Gradient
from fedsift.learning.linear_inputs import input_grams
from fedsift.learning.preference import NegativePreference
from fedsift.learning.tasks.task import Task, encode_rows, mean_score, to_device, training_steps
from fedsift.learning.tuning import check_finite, check_loss, set_lr
from fedsift.learning.tuning_settings import TuningSettings


class FineTuner:
    """A base model and a task; tunes and scores any number of clients, or pools of them, one after the other."""

    def __init__(self, model: FlatModel, task: Task, settings: TuningSettings, root_seed: int) -> None:
        """Tune under the same settings, and from the same seeds, as sign-fixed tuning does.

        Raises:
            BadInput: the weights are bfloat16, in which small steps are lost.
        """
        if model.weights.dtype != torch.float32:
            raise BadInput("plain fine-tuning keeps no float32 magnitudes beside the weights; use dtype = float32")
        self.layout = model.layout
        self._model, self._task, self._settings, self._root_seed = model, task, settings, root_seed

    def encode(self, client_id: str, rows: Sequence[Row]) -> Sequence[Any]:
        """A client's rows as `fine_tune` and `score` take them."""
        return encode_rows(self._task, rows, client_id)

    def fine_tune(
        self,
        name: str,
        encoded: Sequence[Any],
        steps: int | None = None,
        start: NDArray[np.float32] | None = None,
        lr: float | None = None,
        entries: slice | None = None,
    ) -> NDArray[np.float32]:
        """Tune on encoded rows with Adam, its state fresh.

        Args:
            name: the client's id or the pool's name, from which the order of the rows derives.
            encoded: what to tune on.
            steps: how many; the settings' for None.
            start: the task vector to start from, shape (n,); M0 for None.
            lr: the settings' for None.
            entries: of the flat vector, that are tuned alone; all for None.

        Returns:
            The task vector M - M0 in float32, shape (n,).

        Raises:
            BadInput: the loss, or an entry in the end, is infinite or no number; or a GPU's memory is short.
        """
        steps, lr = steps or self._settings.steps_for(len(encoded)), lr or self._settings.lr
        trained = self._trained(name, encoded, start, lr, LocalTraining(steps), entries)
        if entries is None:
            return trained
        kept = np.zeros_like(trained) if start is None else start.copy()  # the weights less M0 would be rounded
        kept[entries] = trained[entries]
        return kept

    def local(
        self, client_id: str, number: int, encoded: Sequence[Any], start: NDArray[np.float32], asked: LocalTraining
    ) -> LocallyTrained:
        """A client's training in a round, with Adam, its state fresh.

        Args:
            client_id: from which, with the round, the order of the rows derives.
            number: of the round.
            encoded: what to tune on.
            start: the model that the server sent, relative to M0; shape (n,).
            asked: steps, and what they minimise.

        Raises:
            BadInput: the loss, or an entry in the end, is infinite or no number; or a GPU's memory is short.
        """
        lr = self._settings.lr
        task_vector = self._trained(f"{client_id} round {number}", encoded, start, lr, asked)
        return LocallyTrained(task_vector, len(encoded), asked.steps, self._settings.lr_sum(asked.steps))

    @enough_memory()
    def _trained(
        self,
        name: str,
        encoded: Sequence[Any],
        start: NDArray[np.float32] | None,
        lr: float,
        asked: LocalTraining,
        entries: slice | None = None,
    ) -> NDArray[np.float32]:
        model, settings, task = self._model, self._settings, self._task
        if start is None:
            model.load_base()
        else:
            model.load_task_vector(start)
        micro_batch, loss = settings.micro_batch, task.loss
        if asked.objective in (Objective.NPO, Objective.SIMNPO):
            task, micro_batch = NegativePreference(self._task, simple=asked.objective is Objective.SIMNPO), 1
            encoded, loss = task.pairs(model, encoded), task.loss
        sign = -1.0 if asked.objective is Objective.ASCENT else 1.0
        weights, gradient = model.weights.detach(), Gradient(model)
        weights.grad = slopes = torch.empty_like(weights)
        sent = weights.clone() if asked.proximal else None
        correction = None if asked.correction is None else torch.from_numpy(asked.correction).to(weights.device)
        decay, factors = settings.weight_decay, settings.lr_factors(asked.steps)
        tuned = weights
        if entries is not None:
            tuned = weights[entries]
            tuned.grad = slopes[entries]
        optimizer = torch.optim.AdamW([tuned], lr=lr, betas=settings.betas, weight_decay=decay, fused=True)
        seed = derive_seed(self._root_seed, "batches", name)
        batches = training_steps(task, encoded, asked.steps, settings.batch_size, micro_batch, seed)
        for number, step in enumerate(batches, start=1):
            on_device = [(to_device(batch, weights.device), sign * share) for batch, share in step]
            value = gradient.of_step(on_device, loss, lambda entries, part: slopes[entries].copy_(part))
            check_loss(value, number, lr)
            if sent is not None:
                slopes.add_(weights - sent, alpha=asked.proximal)
            rate = lr * factors[number - 1]
            set_lr(optimizer, rate)
            optimizer.step()
            if correction is not None:
                weights.sub_(correction, alpha=rate)
        task_vector = model.task_vector()
        check_finite(task_vector, lr)
        return task_vector.numpy()

    def embed(self, encoded: Sequence[Any]) -> NDArray[np.float32]:
        """What the last tuned layer puts out under M0, in the mean over rows and positions; shape (d,).

        In a language model whose final norm is tuned, that is the mean last hidden state. Of adapters it is the layer
        that has the last of them.

        Raises:
            BadInput: the layer is not called as a module of its own.
        """
        self._model.load_base()
        path = self.layout.names[-1].rpartition(".")[0].partition(".lora_")[0]  # an adapter adds nothing under M0
        means: list[torch.Tensor] = []

        def keep(_module: torch.nn.Module, _inputs: Any, output: Any) -> None:
            means.append(output.double().flatten(0, -2).mean(dim=0).cpu())

        hook = self._model.module.get_submodule(path).register_forward_hook(keep)
        try:
            with torch.no_grad():
                for row in encoded:  # one at a time: no padding
                    batch = to_device(self._task.batch([row]), self._model.weights.device)
                    self._task.loss(self._model.module, batch)
        finally:
            hook.remove()
        if not means:
            raise BadInput(f"layer {path} is tuned but never called, so it has no hidden states to compare clients by")
        return torch.stack(means).mean(dim=0).float().numpy()

    def input_grams(self, task_vector: NDArray[np.float32], encoded: Sequence[Any]) -> dict[str, NDArray[np.float64]]:
        """X^T X / m of each linear layer with weights M0 + tau, as of `linear_inputs.input_grams`."""
        self._model.load_task_vector(task_vector)
        return input_grams(self._model, self._task, encoded)

    def score(self, task_vector: NDArray[np.float32] | None, encoded: Sequence[Any]) -> float:
        """The task's metric over encoded rows with weights M0 + tau; with M0 alone for None."""
        if task_vector is None:
            self._model.load_base()
        else:
            self._model.load_task_vector(task_vector)
        batch_size, device = self._settings.batch_size, self._model.weights.device
        return mean_score(self._task, self._model.module, encoded, batch_size, device)

    def score_of_several(
        self, task_vectors: Sequence[NDArray[np.float32]], encoded: Sequence[Any], ensemble: Ensemble
    ) -> float:
        """The task's metric over encoded rows, of models that serve together; without labels their mean score."""
        if ensemble is Ensemble.DRAWN or not self._task.labels:
            return mean(self.score(each, encoded) for each in task_vectors)
        return score_together(self._task, self._model, task_vectors, encoded, self._settings.batch_size, ensemble)
