"""What a task is: rows become batches, a batch a loss to tune on, and batches scores.

A task of one's own is a class with `model`, `batch`, `loss` and `scores` (docs/how-to/own-task.md).
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.core.errors import BadInput, counted
from fedsift.core.examples import Row, shown
from fedsift.core.numbered_rows import each_row
from fedsift.core.seeds import random_order

_MANY = 10_000  # rows of a client; so many are not all encoded at once
_LEAST = sys.float_info.min  # of a probability whose logarithm is taken


class RowReport(NamedTuple):
    """A row as the model sees it."""

    tokens: int  # its length; 0 where the task has no tokens
    cut: int  # tokens that did not fit max-length
    prompt: str  # decoded from what is left; a task without texts shows the row here
    target: str  # likewise; empty without texts
    learned: Sequence[str] = ()  # each token that the loss is about, decoded; empty without tokens of a target


class Measure(NamedTuple):
    """How well a model does on some rows."""

    score: float  # the mean of the task's metric
    nll: float | None = None  # negative log-likelihood a token of the targets; None where the metric says nothing of it


class Task(ABC):
    """Encoded rows and batches are for the task to define; tensors in a batch may stand in tuples, lists and dicts."""

    metric = "score"  # what `scores` measures, for people
    labels = 0  # how many there are to decide between, once a row or once a token; with 0 there is no shared head
    has_prior = True  # whether a client's own frequencies of the labels say something of its next row
    is_of_tokens = False  # whether the metric is exp of the mean log-probability of the `terms` of a row
    base_answers = False  # whether M0's own logits say something before anything is tuned

    def targets(self, encoded: Any) -> list[int]:
        """The right label of each decision of a row, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no labels")

    def features(self, model: nn.Module, batch: Any) -> Tensor:
        """What the model makes of each decision of a batch made by `batch`, before its labels; (decisions, d)."""
        raise NotImplementedError(f"{type(self).__name__} has no labels")

    def logits(self, model: nn.Module, batch: Any) -> Tensor:
        """Of each decision of a batch made by `score_batch`, unnormalised; shape (decisions, labels)."""
        raise NotImplementedError(f"{type(self).__name__} has no labels")

    def features_and_logits(self, model: nn.Module, batch: Any, score_batch: Any) -> tuple[Tensor, Tensor]:
        """Both of the same rows; by default in two passes, where a task does not know how to make both in one."""
        return self.features(model, batch), self.logits(model, score_batch)

    def label_directions(self, model: nn.Module) -> NDArray[np.float32] | None:
        """Of each label in the space of the features, where its own text says one; shape (labels, d)."""
        return None

    def score_decisions(self, log_probabilities: NDArray[Any], targets: NDArray[Any], rows: NDArray[Any]) -> float:
        """The metric's mean over rows, from what is said of their decisions; by default the share that is right.

        By default a row counts once, however many decisions it has.

        Args:
            log_probabilities: shape (decisions, labels).
            targets: the right labels, shape (decisions,).
            rows: the row of each decision, from 0 on without a gap, shape (decisions,).
        """
        right = np.bincount(rows, log_probabilities.argmax(1) == targets)
        return float((right / np.bincount(rows)).mean())

    def encode(self, row: Row) -> Any:
        """What the model needs to know of a row; done once a row. By default the row itself.

        Raises:
            BadInput: the row is not one for this task.
        """
        return row

    def terms(self, encoded: Any) -> int:
        """Over how many terms of this row the loss takes its mean; by which micro-batches are weighed."""
        return 1

    @abstractmethod
    def batch(self, encoded: Sequence[Any]) -> Any:
        """One batch to tune on, on the CPU."""

    def score_batch(self, encoded: Sequence[Any]) -> Any:
        """One batch to score; by default as for tuning."""
        return self.batch(encoded)

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """A scalar to minimise: the mean over the batch's terms."""

    @abstractmethod
    def scores(self, model: nn.Module, batch: Any) -> Tensor:
        """The metric of each row of a batch made by `score_batch`, shape (rows,); the mean over rows is reported."""

    def generated(self, model: nn.Module, encoded: Any) -> tuple[str, str]:
        """What a model says greedily after a row's prompt, in at most as many tokens as its target, and the target."""
        raise NotImplementedError(f"{type(self).__name__} generates nothing")

    def sampled(self, model: nn.Module, encoded: Any, number: int, seed: int) -> list[str]:
        """So many texts that a model says after a row's prompt, drawn at temperature 1; a seed gives the same ones."""
        raise NotImplementedError(f"{type(self).__name__} generates nothing")

    def describe(self, row: Row) -> RowReport:
        """A row as the model sees it, for people."""
        return RowReport(0, 0, shown(row), "")


def report(tokenizer: Any, whole: int, prompt: Sequence[int], target: Sequence[int]) -> RowReport:
    """Of a row of so many tokens, from the ids that are left of its prompt and its target."""
    kept, decode = len(prompt) + len(target), tokenizer.decode
    return RowReport(kept, whole - kept, decode(prompt), decode(target), [decode([each]) for each in target])


class CustomTask(Task):
    """A task with a model of your own: `model`, `batch`, `loss` and `scores` have to be there.

    With `labels`, `targets` and `logits` members share a head. What encoded rows and batches are is for the task to
    define; tensors in a batch may stand in tuples, lists and dicts.
    """

    @abstractmethod
    def model(self) -> nn.Module:
        """A new model, with the same weights each time: torch's generator is seeded before the call."""

    def features(self, model: nn.Module, batch: Any) -> Tensor:
        """What the model makes of each decision before its labels; shape (decisions, d).

        By default the input of the model's last linear layer.
        """
        return input_of_last_layer(model, lambda: self.logits(model, batch))

    def feature_size(self, model: nn.Module) -> int:
        """The number of features, d; a task with its own `features` has to say it."""
        return last_layer(model).in_features


def last_layer(model: nn.Module) -> nn.Linear:
    """The last linear layer of a model.

    Raises:
        BadInput: it has none.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise BadInput(f"{type(model).__name__} has no linear layer: a task with labels then says features itself")
    return layers[-1]


def input_of_last_layer(model: nn.Module, run: Callable[[], object]) -> Tensor:
    """What goes into the last linear layer while something runs; shape (rows, d).

    Raises:
        BadInput: the layer is not called as a module of its own.
    """
    seen: list[Tensor] = []
    hook = last_layer(model).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    try:
        run()
    finally:
        hook.remove()
    if not seen:
        raise BadInput("the last linear layer is never called: a task with labels then says features itself")
    return seen[-1].flatten(0, -2)


def encode_rows(task: Task, rows: Sequence[Row], client_id: str) -> Sequence[Any]:
    """All rows of a client, encoded; of many, each only when it is asked for, since few of them may be.

    Raises:
        BadInput: there are none, or one is not for this task; the message names client and row.
    """
    if not rows:
        raise BadInput(f"client {client_id!r} has no rows; a client needs at least one")
    return list(each_row(task.encode, rows, client_id)) if len(rows) <= _MANY else _EncodedRows(task, rows, client_id)


class _EncodedRows(Sequence[Any]):
    """Rows that are encoded each time they are asked for: what a forward pass takes is far more."""

    def __init__(self, task: Task, rows: Sequence[Row], client_id: str) -> None:
        self._task, self._rows, self._client_id = task, rows, client_id

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return list(self._encoded(self._rows[place], range(len(self))[place]))
        return next(self._encoded([self._rows[place]], [place]))

    def __iter__(self) -> Iterator[Any]:
        return each_row(self._task.encode, self._rows, self._client_id)

    def _encoded(self, chosen: Iterable[Row], places: Iterable[int]) -> Iterator[Any]:
        return each_row(self._task.encode, self._rows, self._client_id, zip(places, chosen, strict=True))


def training_steps(
    task: Task, encoded: Sequence[Any], steps: int, batch_size: int, micro_batch: int, seed: int
) -> Iterator[list[tuple[Any, float]]]:
    """The micro-batches of each step, each with its share of the step's loss.

    A step takes the whole client where it fits, else consecutive rows of a new random order each epoch.

    Args:
        task: makes the batches.
        encoded: the client's rows.
        steps: how many.
        batch_size: rows a step.
        micro_batch: rows that run through the model at once; 0 for all of the step's.
        seed: of the random orders.
    """
    if len(encoded) <= batch_size:
        whole = _micro_batches(task, encoded, micro_batch)
        yield from (whole for _ in range(steps))
        return
    per_epoch = len(encoded) // batch_size
    for step in range(steps):
        epoch, index = divmod(step, per_epoch)
        if not index:
            order = random_order(seed, len(encoded), epoch)
        chosen = [encoded[i] for i in order[index * batch_size : (index + 1) * batch_size]]
        yield _micro_batches(task, chosen, micro_batch)


def _micro_batches(task: Task, encoded: Sequence[Any], size: int) -> list[tuple[Any, float]]:
    terms = sum(map(task.terms, encoded))
    parts = [encoded[start : start + size] for start in range(0, len(encoded), size)] if size else [encoded]
    return [(task.batch(part), sum(map(task.terms, part)) / terms) for part in parts]


def mean_score(task: Task, model: nn.Module, encoded: Sequence[Any], batch_size: int, device: torch.device) -> float:
    """Mean of the task's metric over rows; raises as `measure` does."""
    return measure(task, model, encoded, batch_size, device).score


@torch.no_grad()
def measure(task: Task, model: nn.Module, encoded: Sequence[Any], batch_size: int, device: torch.device) -> Measure:
    """The task's metric over rows, and the likelihood of their tokens.

    Raises:
        BadInput: the score is no number.
    """
    total = likelihood = 0.0
    for start in range(0, len(encoded), batch_size):
        rows = encoded[start : start + batch_size]
        scores = task.scores(model, to_device(task.score_batch(rows), device)).double().cpu()
        if len(scores) != len(rows):
            raise BadInput(
                f"{counted(len(scores), 'score')} for {counted(len(rows), 'row')}; expected one number a row"
            )
        total += scores.sum().item()
        if task.is_of_tokens:
            logs = scores.clamp_min(_LEAST).log()
            likelihood += (logs * torch.tensor([task.terms(row) for row in rows])).sum().item()
    if not math.isfinite(total):
        raise BadInput("the score is no number: the weights are out of range; try a smaller lr")
    nll = -likelihood / sum(map(task.terms, encoded)) if task.is_of_tokens else None
    return Measure(total / len(encoded), nll)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with its tensors on a device, whatever tuples, lists and dicts they stand in."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
