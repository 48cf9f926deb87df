"""Accuracy over given choices: the answer is the choice that the model finds most likely after the prompt."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fedsift.core.examples import Row, choice_of
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling
from fedsift.learning.tasks.seq2seq import Seq2SeqLanguageModelling
from fedsift.learning.tasks.task import RowReport, Task
from fedsift.learning.tasks.text import is_right


class ChoiceRow(NamedTuple):
    """A prompt with each of the choices after it, and which of them is right."""

    rows: list[Any]
    answer: int


class Choices(Task):
    """Tuned as language modelling on the right choice, scored by accuracy (appendix B: the label is a text).

    Choices are compared by the probability of their whole text, its end included, so that "java" has no advantage
    over "javascript". The first of two equally likely ones counts.
    """

    metric = "accuracy"
    base_answers = True

    def __init__(self, modelling: CausalLanguageModelling | Seq2SeqLanguageModelling, choices: Sequence[str]) -> None:
        """Answer by `modelling`, which closes its targets."""
        self._modelling, self._choices = modelling, list(choices)
        self.labels = len(self._choices)

    def encode(self, row: Row) -> ChoiceRow:
        """The row with each choice as its target.

        Raises:
            BadInput: its own target is none of the choices.
        """
        answer = choice_of(self._modelling.rendering.answer(row), self._choices)
        return ChoiceRow(self._modelling.encode_each(row, self._choices), answer)

    def terms(self, encoded: ChoiceRow) -> int:
        """The tokens of the right choice."""
        return self._modelling.terms(encoded.rows[encoded.answer])

    def batch(self, encoded: Sequence[ChoiceRow]) -> Any:
        """The right choices."""
        return self._modelling.batch([each.rows[each.answer] for each in encoded])

    def score_batch(self, encoded: Sequence[ChoiceRow]) -> tuple[Any, Tensor]:
        """All choices of all rows in one batch, and the right ones."""
        answers = torch.tensor([each.answer for each in encoded])
        return self._modelling.batch([row for each in encoded for row in each.rows]), answers

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean cross entropy over the tokens of the right choices."""
        return self._modelling.loss(model, batch)

    def targets(self, encoded: ChoiceRow) -> list[int]:
        """The right choice."""
        return [encoded.answer]

    def features(self, model: nn.Module, batch: Any) -> Tensor:
        """Of the prompt, before any choice."""
        return self._modelling.prompt_features(model, batch)

    def logits(self, model: nn.Module, batch: tuple[Any, Tensor]) -> Tensor:
        """The log-likelihoods of the choices."""
        rows, answers = batch
        return self._modelling.log_likelihoods(model, rows).view(len(answers), len(self._choices))

    def scores(self, model: nn.Module, batch: tuple[Any, Tensor]) -> Tensor:
        """1 where the right choice is the likeliest, else 0; shape (rows,)."""
        return is_right(self.logits(model, batch), batch[1])

    def describe(self, row: Row) -> RowReport:
        """As the language modelling sees it.

        Raises:
            BadInput: as of `encode`.
        """
        self.encode(row)
        return self._modelling.describe(row)
