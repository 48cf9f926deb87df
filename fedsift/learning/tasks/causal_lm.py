"""Language modelling with a causal model: predict the target's tokens after the prompt (appendix B)."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsift.core.errors import BadInput
from fedsift.core.examples import Row
from fedsift.learning.hidden_states import joined_states
from fedsift.learning.tasks.generation import greedy, sampled
from fedsift.learning.tasks.rendering import Rendering
from fedsift.learning.tasks.task import RowReport, Task, report
from fedsift.learning.tasks.text import fit, mean_answer_probability, pad, pad_token


class CausalRow(NamedTuple):
    """Token ids of a row, the last `targets` of which are its target's."""

    ids: list[int]
    targets: int


def _parts(row: CausalRow) -> tuple[list[int], list[int]]:
    """Prompt and target."""
    return row.ids[: -row.targets], row.ids[-row.targets :]


class CausalBatch(NamedTuple):
    """Rows padded on the right to the longest."""

    input_ids: Tensor  # shape (rows, length)
    row: Tensor  # where a target token is predicted, one before the token itself: shape (targets,)
    position: Tensor  # likewise
    target: Tensor  # the token to predict there, shape (targets,)


class CausalLanguageModelling(Task):
    """Mean cross entropy over the target's tokens; scored by answer probability (TOFU).

    Answer probability is exp of the mean log-probability of the target's tokens.
    """

    metric = "answer probability"
    has_prior, base_answers, is_of_tokens = False, True, True

    def __init__(self, tokenizer: Any, model: nn.Module, max_length: int, rendering: Rendering) -> None:
        """Use a Hugging Face tokenizer and causal model, which is looked at once, to see how its head works.

        A row is what `rendering` makes of it, cut after `max_length` tokens.

        Raises:
            BadInput: the model is not causal: it sees the tokens that it should predict.
        """
        self._tokenizer, self._max_length, self.rendering = tokenizer, max_length, rendering
        self._pad = pad_token(tokenizer)
        self._head_is_plain = _head_is_plain(model)
        self.labels = int(model.get_output_embeddings().weight.shape[0])  # type: ignore[operator]

    def encode(self, row: Row) -> CausalRow:
        """Token ids, cut to fit."""
        return self.encode_each(row)[0]

    def encode_each(self, row: Row, answers: Sequence[str] = ()) -> list[CausalRow]:
        """With its own target, or with each of the answers that are given."""
        prompt_ids, target_ids = self.rendering.tokens(row, answers)
        # One prompt for all, cut to fit the longest: what is left of it says nothing of which target follows.
        kept, _ = fit(prompt_ids, max(target_ids, key=len), self._max_length)
        fitted = [fit(prompt_ids, each, self._max_length)[1] for each in target_ids]
        return [CausalRow(kept + each, len(each)) for each in fitted]

    def terms(self, encoded: CausalRow) -> int:
        """The target's tokens."""
        return encoded.targets

    def batch(self, encoded: Sequence[CausalRow]) -> CausalBatch:
        """Pad rows to one batch. No attention mask is needed: with padding on the right, no token sees it."""
        input_ids = pad([row.ids for row in encoded], self._pad)
        ends = [len(row.ids) - 1 for row in encoded]
        row = torch.tensor([index for index, each in enumerate(encoded) for _ in range(each.targets)])
        places = [range(end - each.targets, end) for each, end in zip(encoded, ends, strict=True)]
        position = torch.tensor([*chain.from_iterable(places)])
        return CausalBatch(input_ids, row, position, input_ids[row, position + 1])

    def targets(self, encoded: CausalRow) -> list[int]:
        """The target's tokens."""
        return encoded.ids[-encoded.targets :]

    def features(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """The hidden states where each target token is predicted."""
        return self._hidden(model, batch, batch.row, batch.position)

    def prompt_features(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Those where the first target token of each row is predicted: at the prompt's end; shape (rows, d)."""
        first = torch.cat([batch.row.new_ones(1), batch.row.diff()]).bool()
        return self._hidden(model, batch, batch.row[first], batch.position[first])

    def features_and_logits(
        self, model: nn.Module, batch: CausalBatch, score_batch: CausalBatch
    ) -> tuple[Tensor, Tensor]:
        """In one pass where the head is plain: it is applied to the last of the hidden states."""
        if not self._head_is_plain:
            return super().features_and_logits(model, batch, score_batch)
        states = self._states(model, batch, batch.row, batch.position)
        logits: Tensor = model.get_output_embeddings()(states[-1])  # type: ignore[operator]
        return joined_states(states), logits.float()

    def _hidden(self, model: nn.Module, batch: CausalBatch, row: Tensor, position: Tensor) -> Tensor:
        return joined_states(self._states(model, batch, row, position))

    def _states(self, model: nn.Module, batch: CausalBatch, row: Tensor, position: Tensor) -> list[Tensor]:
        output = model.base_model(input_ids=batch.input_ids, use_cache=False, output_hidden_states=True)  # type: ignore[operator]
        return [each[row, position] for each in output.hidden_states]

    def logits(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Of each target token, over the vocabulary."""
        return self._logits(model, batch)

    def score_decisions(self, log_probabilities: NDArray[Any], targets: NDArray[Any], rows: NDArray[Any]) -> float:
        """The mean answer probability."""
        return mean_answer_probability(log_probabilities, targets, rows)

    def loss(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Mean cross entropy over the target tokens of the batch."""
        return cross_entropy(self._logits(model, batch), batch.target)

    def scores(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Answer probabilities, shape (rows,)."""
        return torch.exp(self.log_likelihoods(model, batch) / torch.bincount(batch.row))

    def log_likelihoods(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Log-probability of each row's whole target, float64 of shape (rows,)."""
        negative = cross_entropy(self._logits(model, batch), batch.target, reduction="none").double()
        return -negative.new_zeros(len(batch.input_ids)).index_add_(0, batch.row, negative)

    def generated(self, model: nn.Module, encoded: CausalRow) -> tuple[str, str]:
        """After the prompt."""
        return greedy(model, self._tokenizer, *_parts(encoded))

    def sampled(self, model: nn.Module, encoded: CausalRow, number: int, seed: int) -> list[str]:
        """After the prompt."""
        return sampled(model, self._tokenizer, *_parts(encoded), number, seed)

    def describe(self, row: Row) -> RowReport:
        """Decoded from the tokens that are left."""
        ids, targets = self.encode(row)
        prompt, (target,) = self.rendering.tokens(row)
        return report(self._tokenizer, len(prompt) + len(target), ids[:-targets], ids[-targets:])

    def _logits(self, model: nn.Module, batch: CausalBatch) -> Tensor:
        """Where the head is plain, it is applied at the targets only."""
        if not self._head_is_plain:
            logits: Tensor = model(input_ids=batch.input_ids, use_cache=False).logits[batch.row, batch.position]
            return logits.float()
        hidden = model.base_model(input_ids=batch.input_ids, use_cache=False).last_hidden_state  # type: ignore[operator]
        logits = model.get_output_embeddings()(hidden[batch.row, batch.position])  # type: ignore[operator]
        return logits.float()


@torch.no_grad()
def _head_is_plain(model: nn.Module) -> bool:
    """Whether logits are just the head applied to the last hidden state.

    Some architectures scale or cap their logits; their configuration says so, or a look at one short input does.
    """
    device = next(model.parameters()).device
    input_ids = torch.tensor([[0, 0], [0, 1]], device=device)
    full = model(input_ids=input_ids, use_cache=False).logits
    if not torch.allclose(full[0, 0], full[1, 0], rtol=1e-2, atol=1e-3):
        what = f"{type(model).__name__} is no causal model"
        raise BadInput(f"{what}: its first token sees the second; use --task classification")
    settings = model.config.to_dict().items()  # type: ignore[operator, union-attr]
    if any("logit" in name and value not in (None, False, 1, 1.0) for name, value in settings):
        return False
    hidden = model.base_model(input_ids=input_ids, use_cache=False).last_hidden_state  # type: ignore[operator]
    alone = model.get_output_embeddings()(hidden)  # type: ignore[operator]
    return full.shape == alone.shape and torch.allclose(full, alone, rtol=1e-4, atol=1e-5)
