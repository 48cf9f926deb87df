"""The task: predict the target's tokens after the prompt, scored by answer probability (TOFU; appendix B)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.seeds import random_order


@dataclass(frozen=True)
class Batch:
    """Rows padded on the right to the longest.

    Attributes:
        input_ids: shape (rows, length).
        row, position: where a target token is predicted: one before the token itself; shape (targets,) each.
        target: the token to predict there, shape (targets,).
        rows: number of rows.
    """

    input_ids: Tensor
    row: Tensor
    position: Tensor
    target: Tensor
    rows: int


class CausalLanguageModelling:
    """Turns examples into batches, a batch into a loss, and a batch into answer probabilities."""

    metric = "answer probability"

    def __init__(self, tokenizer: Any, model: nn.Module, max_length: int) -> None:
        """Use a Hugging Face tokenizer and causal model; rows are cut to `max_length` tokens."""
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self._head_is_plain = _head_is_plain(model)

    def encode(self, example: Example) -> tuple[list[int], int]:
        """Token ids of a row and the number of target tokens at its end.

        A row that is too long loses the end of its target.

        Raises:
            BadInput: nothing is left of the target.
        """
        prompt, target = self.tokens(example)
        kept = min(len(target), self._max_length - len(prompt))
        if kept < 1 or not prompt:
            raise BadInput(
                f"no target token is left of the row with prompt {example.prompt[:60]!r}: the prompt has {len(prompt)} "
                f"tokens, the target {len(target)}, max-length is {self._max_length}"
            )
        return prompt + target[:kept], kept

    def tokens(self, example: Example) -> tuple[list[int], list[int]]:
        """Token ids of prompt and target, tokenised apart: the border between them does not depend on the text."""
        prompt = self._tokenizer(example.prompt).input_ids
        eos = self._tokenizer.eos_token_id
        if prompt and prompt[-1] == eos and len(prompt) > 1:  # Some tokenizers close every text.
            prompt = prompt[:-1]
        return prompt, self._tokenizer(example.target, add_special_tokens=False).input_ids

    def batch(self, rows: Sequence[tuple[list[int], int]]) -> Batch:
        """Pad encoded rows to one batch. No attention mask is needed: with padding on the right, no token sees it."""
        length = max(len(ids) for ids, _ in rows)
        input_ids = torch.full((len(rows), length), self._pad, dtype=torch.long)
        row: list[int] = []
        position: list[int] = []
        for index, (ids, targets) in enumerate(rows):
            input_ids[index, : len(ids)] = torch.tensor(ids)
            row += [index] * targets
            position += range(len(ids) - targets - 1, len(ids) - 1)
        row_index, position_index = torch.tensor(row), torch.tensor(position)
        return Batch(input_ids, row_index, position_index, input_ids[row_index, position_index + 1], len(rows))

    def training_batches(self, examples: Sequence[Example], batch_size: int, steps: int, seed: int) -> Iterator[Batch]:
        """One batch a step: the whole client where it fits, else consecutive rows of a new random order each epoch."""
        encoded = [self.encode(example) for example in examples]
        if len(encoded) <= batch_size:
            whole = self.batch(encoded)
            yield from (whole for _ in range(steps))
            return
        per_epoch = len(encoded) // batch_size
        for step in range(steps):
            epoch, index = divmod(step, per_epoch)
            order = random_order(seed, len(encoded), epoch)
            yield self.batch([encoded[i] for i in order[index * batch_size : (index + 1) * batch_size]])

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Mean cross entropy over the target tokens of the batch."""
        return cross_entropy(self._logits(model, batch), batch.target)

    @torch.no_grad()
    def score(self, model: nn.Module, examples: Sequence[Example], batch_size: int) -> float:
        """Mean over the examples of exp(mean log-probability of the target's tokens).

        Raises:
            BadInput: the score is no number.
        """
        total = 0.0
        for start in range(0, len(examples), batch_size):
            batch = self.batch([self.encode(example) for example in examples[start : start + batch_size]])
            negative = cross_entropy(self._logits(model, batch), batch.target, reduction="none").double()
            sums = torch.zeros(batch.rows, dtype=torch.float64).index_add_(0, batch.row, negative)
            total += torch.exp(-sums / torch.bincount(batch.row, minlength=batch.rows)).sum().item()
        if not math.isfinite(total):
            raise BadInput("the score is no number: the weights are out of range; try a smaller lr")
        return total / len(examples)

    def _logits(self, model: nn.Module, batch: Batch) -> Tensor:
        if not self._head_is_plain:
            return model(input_ids=batch.input_ids).logits[batch.row, batch.position]  # type: ignore[no-any-return]
        hidden = model.base_model(input_ids=batch.input_ids, use_cache=False).last_hidden_state  # type: ignore[operator]
        return model.get_output_embeddings()(hidden[batch.row, batch.position])  # type: ignore[operator, no-any-return]


@torch.no_grad()
def _head_is_plain(model: nn.Module) -> bool:
    """Whether logits are just the head applied to the last hidden state: then it is applied only at targets.

    Some architectures scale or cap their logits; a look at one short input tells.
    """
    input_ids = torch.zeros((1, 2), dtype=torch.long)
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state  # type: ignore[operator]
    head = model.get_output_embeddings()  # type: ignore[operator]
    full = model(input_ids=input_ids).logits
    alone = head(hidden)
    return full.shape == alone.shape and torch.allclose(full, alone, rtol=1e-4, atol=1e-5)
