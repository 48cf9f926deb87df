"""What a worker does for the cache of trainings: tune and score, with model and data that its process keeps.

In all of these `config` is the cache's; `rows` are those of clients that its data set does not have, or that have
others here than there, by id.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.configuration.run_config import RunConfig
from fedsift.core.blend import BLENDS
from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.core.head_statistics import Decisions, HeadTerms
from fedsift.core.local_training import LocallyTrained, LocalTraining
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.regression import Regression, regression
from fedsift.core.seeds import derive_seed
from fedsift.core.shared_head import HeadSums, choose_ridge
from fedsift.core.task_vectors import Vector
from fedsift.federation import loaded
from fedsift.federation.method_client import scores_of_served
from fedsift.learning.blended_predictor import BlendedPredictor, SaidOf
from fedsift.learning.decisions import said_by_base
from fedsift.learning.fine_tuning import FineTuner
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.local_trainer import tune_sign_fixed
from fedsift.learning.models import load_head_terms
from fedsift.learning.tasks.task import Task, encode_rows, to_device
from fedsift.learning.tuning_settings import TuningSettings
from fedsift.protocol.compared_method import Recipient, Terms
from fedsift.strategies.registry import compared_named

Rows = Mapping[str, Sequence[Row]]


class FineTuning(NamedTuple):
    """A plain fine-tuning on rows of whatever clients."""

    name: str  # from which the order of the rows derives
    rows: Sequence[Row]  # what to tune on
    steps: int  # how many
    start: Vector | None = None  # the task vector to start from, shape (n,); M0 for None
    lr_factor: float = 1.0  # of the configuration's learning rate
    entries: slice | None = None  # that are tuned alone; all for None


def tune(config: RunConfig, asked: FineTuning) -> Vector:
    """A plain fine-tuning on rows that are sent along."""
    tuner = _fine_tuner(config)
    encoded = tuner.encode(asked.name, asked.rows)
    lr = config.lr * asked.lr_factor
    return tuner.fine_tune(asked.name, encoded, asked.steps, asked.start, lr, asked.entries)


def local(
    config: RunConfig, client_id: str, rows: Sequence[Row], number: int, start: Vector, asked: LocalTraining
) -> LocallyTrained:
    """A client's training in a round, on rows that are sent along."""
    tuner = _fine_tuner(config)
    return tuner.local(client_id, number, tuner.encode(client_id, rows), start, asked)


def regress(config: RunConfig, client_id: str, rows: Sequence[Row], own: Vector, steps: int) -> Regression:
    """The Grams of a client's linear layers under its own task vector, which took so many steps."""
    tuner = _fine_tuner(config)
    return regression(own, tuner.input_grams(own, tuner.encode(client_id, rows)), tuner.layout, steps)


def embed(config: RunConfig, client_id: str, rows: Sequence[Row]) -> Vector:
    """The mean hidden state of a client's rows under M0, shape (d,)."""
    tuner = _fine_tuner(config)
    return tuner.embed(tuner.encode(client_id, rows))


def score_served(
    config: RunConfig,
    client_id: str,
    rows: Sequence[Row],
    method: str,
    own: Vector | None,
    candidates: Sequence[Terms],
    shared: Mapping[str, Vector],
) -> list[float]:
    """A client's score of what a method serves it with each candidate; none where it has no rows to be scored on.

    Args:
        config: of the cache.
        client_id: who is served.
        rows: that it tunes on.
        method: by its name.
        own: a member's own task vector, shape (n,).
        candidates: hyper-parameters of `serve`, with the client's own terms.
        shared: what the server sends to everybody.
    """
    tuner = _fine_tuner(config)

    @cache
    def score_of(name: str) -> float:
        return tuner.score(shared[name], tuner.encode(client_id, rows))

    recipient = Recipient(own, shared, tuner.layout.sizes, score_of)
    held = loaded.dataset_of(config).test_examples(client_id)
    return scores_of_served(tuner, client_id, held, compared_named(method), recipient, candidates)


def fine_tune(config: RunConfig, rows: Rows, name: str, client_ids: Sequence[str], steps: int) -> Vector:
    """A plain fine-tuning on the rows of clients, one after the other; their order derives from `name`."""
    encoded = [row for client_id in client_ids for row in _encoded(config, rows, client_id)]
    return _fine_tuner(config).fine_tune(name, encoded, steps)


def sign_fixed(
    config: RunConfig,
    rows: Rows,
    client_id: str,
    settings: TuningSettings,
    grid: QuantisationGrid,
    signs: NDArray[np.int8],
    noise: float,
) -> Vector:
    """Magnitudes u >= 0 as tuned under `signs`, with normal noise of that standard deviation planted in M0."""
    model, task = loaded.model_and_task(config.model_settings)
    seed = derive_seed(config.seed, "batches", client_id)
    on_device = torch.from_numpy(signs.copy()).to(model.weights.device)
    encoded = _encoded(config, rows, client_id)
    with _disturbed(model, noise, derive_seed(config.seed, "noise", client_id)):
        return tune_sign_fixed(model, task, on_device, encoded, settings, grid, seed).cpu().numpy()


@contextmanager
def _disturbed(model: FlatModel, noise: float, seed: int) -> Iterator[None]:
    base = model.base
    if noise:
        generator = torch.Generator().manual_seed(seed >> 1)
        drawn = [torch.randn(part.shape, generator=generator).to(part) for part in base]
        model.base = [part + noise * each for part, each in zip(base, drawn, strict=True)]
    try:
        yield
    finally:
        model.base = base


@torch.no_grad()
def example_losses(config: RunConfig, vector: Vector | None, rows: Sequence[Row]) -> NDArray[np.float64]:
    """The loss of each row under M0 + tau, under M0 alone for None; shape (rows,)."""
    model, task = loaded.model_and_task(config.model_settings)
    encoded = encode_rows(task, rows, "rows to score")
    if vector is None:
        model.load_base()
    else:
        model.load_task_vector(vector)
    return row_losses(task, model, encoded, config.batch_size)


def row_losses(task: Task, model: FlatModel, encoded: Sequence[Any], size: int) -> NDArray[np.float64]:
    """The loss of each row under the weights that are loaded, shape (rows,); of language modelling `size` at once."""
    module, device = model.module, model.weights.device
    if not task.is_of_tokens:
        return np.array([float(task.loss(module, to_device(task.batch([row]), device))) for row in encoded])
    batches = (task.score_batch(encoded[start : start + size]) for start in range(0, len(encoded), size))
    # An answer probability is exp(-loss) of its row.
    scores = [task.scores(module, to_device(batch, device)).double().cpu() for batch in batches]
    return -torch.cat(scores).log().numpy()


def score(config: RunConfig, rows: Rows, client_id: str, vectors: Mapping[str, Vector | None]) -> dict[str, float]:
    """A client's score of M0 + tau by name, of M0 alone for None."""
    tuner = _fine_tuner(config)
    held = rows[client_id] if client_id in rows else loaded.dataset_of(config).test_examples(client_id)
    if not held:
        raise BadInput(
            f"client {client_id!r} has a single row, and so none to be scored on: leave it out, or give test-share = 0"
        )
    test = tuner.encode(client_id, held)
    return {name: tuner.score(vector, test) for name, vector in vectors.items()}


def decisions(config: RunConfig, rows: Rows, client_id: str) -> Decisions:
    """What a client has of its rows for a shared head.

    Raises:
        BadInput: the task has no shared head.
    """
    model, task = loaded.model_and_task(config.model_settings)
    encoded = _encoded(config, rows, client_id)
    return said_by_base(task, model, encoded, config.batch_size, _head_terms(config), answers=False).decisions


def head_score(config: RunConfig, rows: Rows, client_id: str, known: Sequence[Decisions]) -> float:
    """What a head of others' decisions scores on the rows that a client tunes on; the best of all ways to serve it."""
    terms = _head_terms(config)
    parts = [HeadSums.of(each.features, each.labels, terms.labels) for each in known]
    sums = HeadSums(*(sum(each[1:], each[0]) for each in zip(*parts, strict=True)))
    model, task = loaded.model_and_task(config.model_settings)
    encoded = _encoded(config, rows, client_id)
    made, logits = said_by_base(task, model, encoded, config.batch_size, terms, answers=True)
    said, blends = SaidOf.of(task, encoded, made, logits), [blend for blend in BLENDS if not blend.own]
    predictor = BlendedPredictor(task, sums, choose_ridge(sums), directions=task.label_directions(model.module))
    return max(predictor.score(said, blend) for blend in blends)


def _head_terms(config: RunConfig) -> HeadTerms:
    terms = load_head_terms(dataclasses.replace(config.model_settings, shared_head=True))
    if terms is None:
        raise BadInput("the task has no labels, so it has no shared head")
    return terms


def _fine_tuner(config: RunConfig) -> FineTuner:
    return loaded.fine_tuner(config.model_settings, config.tuning)


def _encoded(config: RunConfig, rows: Rows, client_id: str) -> Sequence[Any]:
    held = rows[client_id] if client_id in rows else loaded.dataset_of(config).train_examples(client_id)
    return encode_rows(loaded.model_and_task(config.model_settings)[1], held, client_id)
