"""Accuracy over given choices: the answer is the choice that the model finds most likely after the prompt."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fedsift.core.errors import BadInput, unknown_name
from fedsift.core.examples import Row, as_example
from fedsift.learning.tasks.causal_lm import CausalLanguageModelling
from fedsift.learning.tasks.seq2seq import Seq2SeqLanguageModelling
from fedsift.learning.tasks.task import RowReport, Task
from fedsift.learning.tasks.text import gap_of


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

    def __init__(self, modelling: CausalLanguageModelling | Seq2SeqLanguageModelling, choices: Sequence[str]) -> None:
        """Answer by `modelling`, which closes its targets."""
        self._modelling, self._choices = modelling, list(choices)
        self._place = {choice: place for place, choice in enumerate(choices)}

    def encode(self, row: Row) -> ChoiceRow:
        """The row with each choice as its target.

        Raises:
            BadInput: its own target is none of the choices.
        """
        example = as_example(row)
        answer = self._place.get(example.target.strip())
        if answer is None:
            raise BadInput(f"target: {unknown_name('choice', example.target.strip(), self._choices)}")
        gap = gap_of(example)
        return ChoiceRow(
            self._modelling.encode_each(example.prompt, [f"{gap}{each}" for each in self._choices]), answer
        )

    def terms(self, encoded: ChoiceRow) -> int:
        """The tokens of the right choice."""
        return self._modelling.terms(encoded.rows[encoded.answer])

    def batch(self, encoded: Sequence[ChoiceRow]) -> Any:
        """The right choices."""
        return self._modelling.batch([each.rows[each.answer] for each in encoded])

    def score_batch(self, encoded: Sequence[ChoiceRow]) -> tuple[Any, Tensor]:
        """All choices of all rows in one batch, and the right ones."""
        return self._modelling.batch([row for each in encoded for row in each.rows]), torch.tensor(
            [each.answer for each in encoded]
        )

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Mean cross entropy over the tokens of the right choices."""
        return self._modelling.loss(model, batch)

    def scores(self, model: nn.Module, batch: tuple[Any, Tensor]) -> Tensor:
        """1 where the right choice is the likeliest, else 0; shape (rows,)."""
        rows, answers = batch
        likelihoods = self._modelling.log_likelihoods(model, rows).view(len(answers), len(self._choices))
        # A weight that is out of range must not look like a wrong answer.
        return torch.where(likelihoods.isfinite().all(1), (likelihoods.argmax(1) == answers).double(), torch.nan)

    def describe(self, row: Row) -> RowReport:
        """As the language modelling sees it."""
        return self._modelling.describe(row)
