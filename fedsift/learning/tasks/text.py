"""Texts as tokens: what the tasks on text share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsift.core.errors import BadInput
from fedsift.core.examples import Example


def prompt_tokens(tokenizer: Any, prompt: str, closed: bool) -> list[int]:
    """Token ids of a prompt, ending in the end-of-sequence token only if `closed`.

    Raises:
        BadInput: there are none.
    """
    ids: list[int] = tokenizer(prompt).input_ids
    if not closed and len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:  # Some tokenizers close every text.
        ids = ids[:-1]
    if not ids:
        raise BadInput(f"the prompt {prompt[:60]!r} has no tokens")
    return ids


def target_tokens(tokenizer: Any, target: str, closed: bool) -> list[int]:
    """Token ids of a target, ending in the end-of-sequence token if `closed` and the tokenizer has one.

    Raises:
        BadInput: there are none.
    """
    ids: list[int] = tokenizer(target, add_special_tokens=False).input_ids
    if not ids:
        raise BadInput(f"the target {target[:60]!r} has no tokens")
    return [*ids, tokenizer.eos_token_id] if closed and tokenizer.eos_token_id is not None else ids


def without_middle(ids: list[int], length: int) -> list[int]:
    """At most `length` tokens: a text that is too long loses its middle.

    Its beginning says what it is about, and its end holds the question that the template asks.
    """
    if len(ids) <= length:
        return ids
    head = (length + 1) // 2
    return ids[:head] + ids[len(ids) - (length - head) :]


def fit(prompt: list[int], target: list[int], max_length: int) -> tuple[list[int], list[int]]:
    """Cut prompt and target so that they fit together.

    The target loses its end, but keeps half of `max_length`; what is still too much goes from the prompt's middle.
    """
    target = target[: max(max_length // 2, max_length - len(prompt))]
    return without_middle(prompt, max_length - len(target)), target


def is_right(likelihoods: Tensor, answers: Tensor) -> Tensor:
    """1 where the likeliest choice is the answer, else 0; shape (rows,).

    NaN where a likelihood is no number: a weight that is out of range must not look like a wrong answer.
    """
    return torch.where(likelihoods.isfinite().all(1), (likelihoods.argmax(1) == answers).double(), torch.nan)


def mean_answer_probability(log_probabilities: NDArray[Any], targets: NDArray[Any], rows: NDArray[Any]) -> float:
    """The mean over rows of exp of the mean log-probability of a row's tokens; arguments as of `score_decisions`."""
    of_target = log_probabilities[np.arange(len(targets)), targets]
    return float(np.exp(np.bincount(rows, of_target) / np.bincount(rows)).mean())


def pad(rows: Sequence[list[int]], value: int) -> Tensor:
    """Rows padded on the right to the longest, shape (rows, length)."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def gap_of(example: Example) -> str:
    """The white space that sets a target off from its prompt."""
    return example.target[: len(example.target) - len(example.target.lstrip())]


def pad_token(tokenizer: Any) -> int:
    """The id to pad with; where the tokenizer has none any will do, since no score depends on it."""
    return tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
