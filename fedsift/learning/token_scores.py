"""What a model says of each token of a target, those before it given: one forward pass for many metrics."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedsift.learning.tasks.task import Task, to_device

_TOKENS_AT_ONCE = 256  # over the whole vocabulary, which a language model may have 150,000 of
_LEAST_VARIANCE = 1e-6  # of a distribution that is all on one token


class TokenScores(NamedTuple):
    """Of all rows' target tokens, one after the other; t of them in all.

    Attributes:
        counts: how many are each row's, shape (rows,).
        losses: -log p of the token, shape (t,).
        normalised: log p of the token, less the mean of log p over the vocabulary under p itself, by its standard
            deviation, shape (t,) (arXiv 2404.02936).
        greedy: whether no token is likelier, shape (t,).
    """

    counts: NDArray[np.intp]
    losses: NDArray[np.float64]
    normalised: NDArray[np.float64]
    greedy: NDArray[np.bool_]

    def by_row(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Values of all tokens, shape (t,), as those of each row."""
        return np.split(values, np.cumsum(self.counts)[:-1])

    @property
    def row_losses(self) -> NDArray[np.float64]:
        """The mean loss of each row, shape (rows,)."""
        rows = np.repeat(np.arange(len(self.counts)), self.counts)
        return np.bincount(rows, self.losses) / self.counts

    @classmethod
    def mean(cls, models: Sequence["TokenScores"]) -> "TokenScores":
        """Of what several models say of the same tokens; a token is likeliest where it is for most of them."""
        losses, normalised, greedy = (np.mean([each[part] for each in models], axis=0) for part in (1, 2, 3))
        return cls(models[0].counts, losses, normalised, greedy > 1 / 2)

    @classmethod
    def joined(cls, parts: Sequence["TokenScores"]) -> "TokenScores":
        """Those of all rows of several, in their order."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


@torch.no_grad()
def token_scores(task: Task, model: nn.Module, encoded: Sequence[Any], batch_size: int) -> TokenScores:
    """Of a language model, whose labels are its vocabulary.

    Args:
        task: of the rows, with `is_of_tokens`.
        model: with the weights to ask.
        encoded: rows, at least one.
        batch_size: so many run at once.
    """
    device = next(model.parameters()).device
    found: list[tuple[Tensor, ...]] = []
    for start in range(0, len(encoded), batch_size):
        rows = encoded[start : start + batch_size]
        logits = task.logits(model, to_device(task.score_batch(rows), device))
        targets = torch.tensor([token for row in rows for token in task.targets(row)], device=device)
        parts = zip(torch.split(logits, _TOKENS_AT_ONCE), torch.split(targets, _TOKENS_AT_ONCE), strict=True)
        found += [_scores(*part) for part in parts]
    counts = np.array([task.terms(row) for row in encoded], np.intp)
    return TokenScores(counts, *(torch.cat(each).cpu().numpy() for each in zip(*found, strict=True)))


def _scores(logits: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    logs = torch.log_softmax(logits, dim=-1)
    of_target = logs.gather(1, targets[:, None])[:, 0]
    probabilities = logs.exp()
    finite = logs.masked_fill(probabilities == 0, 0)  # What is ruled out has a log of -inf, and counts for nothing.
    mean = (probabilities * finite).sum(1)
    variance = (probabilities * (finite - mean[:, None]) ** 2).sum(1).clamp_min(_LEAST_VARIANCE)
    normalised = (of_target - mean) / variance.sqrt()
    return -of_target.double(), normalised.double(), logits.argmax(1) == targets
