"""What a model knows of rows: scores of their answers, of wrong ones beside them, and what it says itself.

All that is to be asked of the same model and rows is asked at once: the model is loaded once, and a row's own answer
runs through it once.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.configuration.run_config import RunConfig
from fedsift.core.examples import Row, rows_digest
from fedsift.core.rouge import rouge_l
from fedsift.core.seeds import derive_seed
from fedsift.core.task_vectors import Vector
from fedsift.federation import loaded
from fedsift.learning.flat_model import FlatModel
from fedsift.learning.tasks.task import encode_rows
from fedsift.learning.token_scores import TokenScores, token_scores
from fedsift.learning.weight_rounding import round_weights
from fedsift.studies.training_calls import row_losses

_ROWS = "rows to score"  # in errors


class Asked(NamedTuple):
    """What is asked of a model about some rows.

    Beyond the losses all is for language modelling, and asked together with `tokens`.
    """

    rows: Sequence[Row]
    tokens: bool = False  # the scores of their answers' tokens
    wrong: Sequence[Sequence[str]] = ()  # as many wrong answers of each row, whose losses are wanted
    says: bool = False  # what it says greedily after their prompts
    samples: int = 0  # and so many texts that are drawn
    bits: int = 0  # of each weight; 0 for all it has
    paraphrases: Sequence[str] = ()  # each row's answer in other words, to be scored like it; none for ()


class Recall(NamedTuple):
    """What came of it; empty arrays where it was not asked.

    Attributes:
        losses: of the answers, shape (rows,).
        wrong_losses: shape (rows, wrong answers).
        said: ROUGE-L of what it says greedily, shape (rows,).
        drawn: ROUGE-L of what it says by lot, shape (rows, samples).
        paraphrase_losses: of the paraphrased answers, shape (rows,).
        paraphrase_said: ROUGE-L of what it says greedily beside them, shape (rows,).
        tokens: of the answers.
    """

    losses: NDArray[np.float64]
    wrong_losses: NDArray[np.float64]
    said: NDArray[np.float64]
    drawn: NDArray[np.float64]
    paraphrase_losses: NDArray[np.float64]
    paraphrase_said: NDArray[np.float64]
    tokens: TokenScores | None

    @classmethod
    def mean(cls, models: Sequence["Recall"]) -> "Recall":
        """Of what several models say of the same rows; of a single one that, to the bit."""
        if len(models) == 1:
            return models[0]
        parts = [np.mean(each, axis=0) for each in zip(*(each[:-1] for each in models), strict=True)]
        tokens = [each.tokens for each in models if each.tokens]
        return cls._make([*parts, TokenScores.mean(tokens) if tokens else None])

    @classmethod
    def joined(cls, parts: Sequence["Recall"]) -> "Recall":
        """Of all rows of several that were asked the same, in their order."""
        whole = [np.concatenate(each) for each in zip(*(part[:-1] for part in parts), strict=True)]
        tokens = [part.tokens for part in parts if part.tokens]
        return cls._make([*whole, TokenScores.joined(tokens) if tokens else None])


@torch.no_grad()
def recall(config: RunConfig, vector: Vector | None, asked: Asked) -> Recall:
    """Ask M0 + tau, or M0 alone for None."""
    model, task = loaded.model_and_task(config.model_settings)
    encoded = encode_rows(task, asked.rows, _ROWS)
    if vector is None:
        model.load_base()
    else:
        model.load_task_vector(vector)
    if asked.bits:
        round_weights(model, asked.bits)
    size = config.batch_size
    if not asked.tokens or not task.is_of_tokens:
        nothing = np.empty((len(encoded), 0))
        return Recall._make([row_losses(task, model, encoded, size), *[nothing] * 5, None])
    tokens = token_scores(task, model.module, encoded, size)
    texts, drawn = [], []
    for row, seed in zip(encoded, _seeds(config, asked), strict=True) if asked.says else ():
        text, target = task.generated(model.module, row)
        sampled = task.sampled(model.module, row, asked.samples, seed) if asked.samples else []
        texts.append((text, target))
        drawn.append([rouge_l(each, target) for each in sampled])

    def losses_of(answers: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        return _losses_of(task, model, asked.rows, answers, size)

    return Recall(
        tokens.row_losses,
        losses_of(asked.wrong),
        np.array([rouge_l(text, target) for text, target in texts]),
        np.array(drawn).reshape(len(encoded), -1),
        losses_of([[each] for each in asked.paraphrases]).reshape(-1),
        np.array([rouge_l(text, other) for (text, _), other in zip(texts, asked.paraphrases, strict=False)]),
        tokens,
    )


def _seeds(config: RunConfig, asked: Asked) -> list[int]:
    """Of what is drawn after each row's prompt: by what the row is, so that all models draw alike."""
    digests = (rows_digest([row]).hex() for row in asked.rows)
    return [derive_seed(config.seed, "drawn answers", each) >> 1 for each in digests]


def _losses_of(
    task: Any, model: FlatModel, rows: Sequence[Row], answers: Sequence[Sequence[str]], size: int
) -> NDArray[np.float64]:
    """Of as many other answers of each row, shape (rows, answers); of none shape (rows, 0)."""
    each = [task.encode_each(row, others) for row, others in zip(rows, answers, strict=False) if others]
    shape = len(rows), len(answers[0]) if answers else 0
    flat = list(chain.from_iterable(each))
    return token_scores(task, model.module, flat, size).row_losses.reshape(shape) if flat else np.empty(shape)
