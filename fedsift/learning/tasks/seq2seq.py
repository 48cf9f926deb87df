"""Language modelling with an encoder and a decoder (such as T5): the prompt goes in, the target comes out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fedsift.core.examples import Row, as_example
from fedsift.learning.hidden_states import joined_states
from fedsift.learning.tasks.generation import greedy, sampled
from fedsift.learning.tasks.rendering import PlainText
from fedsift.learning.tasks.task import RowReport, Task, report
from fedsift.learning.tasks.text import (
    mean_answer_probability,
    pad,
    pad_token,
    prompt_tokens,
    target_tokens,
    without_middle,
)

NO_LABEL = -100  # what transformers pads labels with


class Seq2SeqRow(NamedTuple):
    """Token ids of a prompt and of its target, both closed by the end-of-sequence token."""

    prompt: list[int]
    target: list[int]


class Seq2SeqBatch(NamedTuple):
    """Padded on the right."""

    input_ids: Tensor  # the prompts, each once however many rows follow on it; shape (prompts, length)
    attention_mask: Tensor  # likewise
    prompt_of_row: Tensor  # shape (rows,)
    labels: Tensor  # the targets, -100 where there is none; shape (rows, target length)


class Seq2SeqLanguageModelling(Task):
    """Mean cross entropy over the target's tokens, its end among them; scored by answer probability."""

    metric = "answer probability"
    has_prior, base_answers, is_of_tokens = False, True, True

    def __init__(self, tokenizer: Any, model: nn.Module, max_length: int) -> None:
        """Use a Hugging Face tokenizer; a prompt that is too long loses its middle, a target its end."""
        self._tokenizer, self._max_length = tokenizer, max_length
        self.rendering = PlainText(tokenizer, closed=True)
        self.labels = int(model.get_output_embeddings().weight.shape[0])  # type: ignore[operator]

    def encode(self, row: Row) -> Seq2SeqRow:
        """Token ids, cut to fit."""
        return self.encode_each(row)[0]

    def encode_each(self, row: Row, answers: Sequence[str] = ()) -> list[Seq2SeqRow]:
        """With its own target, or with each of the answers that are given, on one and the same prompt."""
        prompt, target = as_example(row)
        targets = answers or [target]
        prompt_ids = without_middle(prompt_tokens(self._tokenizer, prompt, closed=True), self._max_length)
        return [Seq2SeqRow(prompt_ids, self._target(target)[: self._max_length]) for target in targets]

    def terms(self, encoded: Seq2SeqRow) -> int:
        """The target's tokens."""
        return len(encoded.target)

    def batch(self, encoded: Sequence[Seq2SeqRow]) -> Seq2SeqBatch:
        """Pad rows to one batch; neighbours on the same prompt share it, so that it is encoded once."""
        prompts: list[list[int]] = []
        prompt_of_row = []
        for row in encoded:
            if not prompts or prompts[-1] is not row.prompt:
                prompts.append(row.prompt)
            prompt_of_row.append(len(prompts) - 1)
        ids, mask = pad(prompts, pad_token(self._tokenizer)), pad([[1] * len(prompt) for prompt in prompts], 0)
        return Seq2SeqBatch(ids, mask, torch.tensor(prompt_of_row), pad([row.target for row in encoded], NO_LABEL))

    def targets(self, encoded: Seq2SeqRow) -> list[int]:
        """The target's tokens."""
        return encoded.target

    def features(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """The decoder's hidden states where each target token is predicted."""
        states = self._run(model, batch, states=True).decoder_hidden_states
        return joined_states([each[batch.labels != NO_LABEL] for each in states])

    def prompt_features(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """The decoder's hidden states where the first target token of each row is predicted; shape (rows, d)."""
        return joined_states([each[:, 0] for each in self._run(model, batch, states=True).decoder_hidden_states])

    def logits(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """Of each target token, over the vocabulary."""
        return self._logits(model, batch)[batch.labels != NO_LABEL]

    def score_decisions(self, log_probabilities: NDArray[Any], targets: NDArray[Any], rows: NDArray[Any]) -> float:
        """The mean answer probability."""
        return mean_answer_probability(log_probabilities, targets, rows)

    def loss(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """Mean cross entropy over the target tokens of the batch."""
        return cross_entropy(self._logits(model, batch).flatten(0, 1), batch.labels.flatten(), ignore_index=NO_LABEL)

    def scores(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """Answer probabilities, shape (rows,)."""
        return torch.exp(self.log_likelihoods(model, batch) / (batch.labels != NO_LABEL).sum(1))

    def log_likelihoods(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        """Log-probability of each row's whole target, float64 of shape (rows,)."""
        logits, labels = self._logits(model, batch).flatten(0, 1), batch.labels.flatten()
        negative = cross_entropy(logits, labels, reduction="none", ignore_index=NO_LABEL)
        return -negative.view(batch.labels.shape).double().sum(1)

    def generated(self, model: nn.Module, encoded: Seq2SeqRow) -> tuple[str, str]:
        """By the decoder."""
        return greedy(model, self._tokenizer, encoded.prompt, encoded.target)

    def sampled(self, model: nn.Module, encoded: Seq2SeqRow, number: int, seed: int) -> list[str]:
        """By the decoder."""
        return sampled(model, self._tokenizer, encoded.prompt, encoded.target, number, seed)

    def describe(self, row: Row) -> RowReport:
        """Decoded from the tokens that are left."""
        example = as_example(row)
        encoded = self.encode(example)
        whole = len(prompt_tokens(self._tokenizer, example.prompt, closed=True)) + len(self._target(example.target))
        return report(self._tokenizer, whole, encoded.prompt, encoded.target)

    def _target(self, target: str) -> list[int]:
        return target_tokens(self._tokenizer, target.strip(), closed=True)

    def _logits(self, model: nn.Module, batch: Seq2SeqBatch) -> Tensor:
        logits: Tensor = self._run(model, batch).logits
        return logits.float()

    def _run(self, model: nn.Module, batch: Seq2SeqBatch, states: bool = False) -> Any:
        encoder = model.get_encoder()  # type: ignore[operator]
        hidden = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        mask = batch.attention_mask
        if len(batch.prompt_of_row) > len(hidden):
            hidden, mask = hidden[batch.prompt_of_row], mask[batch.prompt_of_row]
        return model(
            encoder_outputs=(hidden,),
            attention_mask=mask,
            labels=batch.labels,
            use_cache=False,
            output_hidden_states=states,
        )
