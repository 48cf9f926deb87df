"""Classification with a head on top of any transformers model ("CLS Head" and "ZS Init" of appendix C)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from fedsift.core.errors import BadInput, counted
from fedsift.core.examples import Row, as_example, choice_of
from fedsift.learning.tasks.task import RowReport, Task
from fedsift.learning.tasks.text import is_right, pad, pad_token, prompt_tokens, without_middle


class TextClassifier(nn.Module):
    """A model of texts and one vector a label; a text's label is the one whose vector points most in its direction.

    A text is the mean of its tokens' last hidden states. The head counts as output embeddings: like a language
    model's, it is frozen unless it is chosen to be tuned.
    """

    def __init__(self, texts: nn.Module, hidden_size: int, labels: int) -> None:
        """Put a head of shape (labels, hidden_size), of zeros, on a transformers model without a head of its own."""
        super().__init__()
        self.texts = texts
        self.head = nn.Linear(hidden_size, labels, bias=False)
        nn.init.zeros_(self.head.weight)

    def pooled(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """One vector a text, shape (rows, hidden_size)."""
        hidden = self.texts(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.to(hidden.dtype).unsqueeze(-1)
        mean: Tensor = (hidden * weights).sum(1) / weights.sum(1)
        return mean

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits, float32 of shape (rows, labels)."""
        logits: Tensor = self.head(self.pooled(input_ids, attention_mask))
        return logits.float()

    def get_output_embeddings(self) -> nn.Module:
        """The head, by the name transformers gives it."""
        return self.head

    @torch.no_grad()
    def draw_head(self, seed: int) -> None:
        """Directions drawn from a seed: the same head for every client, known to do nothing at first."""
        generator = torch.Generator().manual_seed(seed % 2**63)
        drawn = torch.randn(self.head.weight.shape, generator=generator)
        self.head.weight.copy_(normalize(drawn, dim=1))

    @torch.no_grad()
    def embed_labels(self, tokenizer: Any, labels: Sequence[str], max_length: int) -> None:
        """The directions of the labels' own texts, as far as they differ from each other ("ZS Init").

        Raises:
            BadInput: one is longer than `max_length` tokens.
        """
        vectors = []
        for label in labels:
            tokens = prompt_tokens(tokenizer, label, closed=True)
            if len(tokens) > max_length:
                raise BadInput(
                    f"choices: {label!r} has {counted(len(tokens), 'token')}, more than max-length = {max_length}"
                )
            ids = torch.tensor([tokens], device=self.head.weight.device)
            vectors.append(self.pooled(ids, torch.ones_like(ids))[0].float())
        stacked = torch.stack(vectors)
        self.head.weight.copy_(normalize(stacked - stacked.mean(0), dim=1))


class ClassificationRow(NamedTuple):
    """Token ids of a text, and the place of its label."""

    ids: list[int]
    label: int


class ClassificationBatch(NamedTuple):
    """Texts padded on the right, shape (rows, length) both, and labels of shape (rows,)."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


class Classification(Task):
    """Mean cross entropy over the labels, scored by accuracy. The prompt is the text, the target its label."""

    metric = "accuracy"

    def __init__(self, tokenizer: Any, labels: Sequence[str], max_length: int, head_means_labels: bool = False) -> None:
        """A text that is longer than `max_length` tokens loses its middle.

        `head_means_labels` says that the head has the directions of the labels' texts.
        """
        self.base_answers = head_means_labels
        self._tokenizer, self._labels, self._max_length = tokenizer, list(labels), max_length
        self.labels = len(self._labels)

    def encode(self, row: Row) -> ClassificationRow:
        """Token ids and label.

        Raises:
            BadInput: the label is none of the choices.
        """
        example = as_example(row)
        label = choice_of(example.target.strip(), self._labels)
        ids = prompt_tokens(self._tokenizer, example.prompt, closed=True)
        return ClassificationRow(without_middle(ids, self._max_length), label)

    def batch(self, encoded: Sequence[ClassificationRow]) -> ClassificationBatch:
        """Pad texts to one batch."""
        ids = pad([row.ids for row in encoded], pad_token(self._tokenizer))
        mask = pad([[1] * len(row.ids) for row in encoded], 0)
        return ClassificationBatch(ids, mask, torch.tensor([row.label for row in encoded]))

    def loss(self, model: nn.Module, batch: ClassificationBatch) -> Tensor:
        """Mean cross entropy."""
        return cross_entropy(model(batch.input_ids, batch.attention_mask), batch.labels)

    def scores(self, model: nn.Module, batch: ClassificationBatch) -> Tensor:
        """1 where the label is right, else 0; shape (rows,)."""
        return is_right(model(batch.input_ids, batch.attention_mask), batch.labels)

    def targets(self, encoded: ClassificationRow) -> list[int]:
        """The label."""
        return [encoded.label]

    def features(self, model: nn.Module, batch: ClassificationBatch) -> Tensor:
        """The text's vector."""
        pooled: Tensor = model.pooled(batch.input_ids, batch.attention_mask)  # type: ignore[operator]
        return pooled.float()

    def logits(self, model: nn.Module, batch: ClassificationBatch) -> Tensor:
        """The head's."""
        logits: Tensor = model(batch.input_ids, batch.attention_mask)
        return logits

    def features_and_logits(
        self, model: nn.Module, batch: ClassificationBatch, score_batch: ClassificationBatch
    ) -> tuple[Tensor, Tensor]:
        """In one pass: the head is applied to the texts' vectors."""
        pooled: Tensor = model.pooled(batch.input_ids, batch.attention_mask)  # type: ignore[operator]
        logits: Tensor = model.head(pooled)  # type: ignore[operator]
        return pooled.float(), logits.float()

    def label_directions(self, model: nn.Module) -> NDArray[np.float32] | None:
        """The head, where it was made of the labels' texts."""
        if not self.base_answers:
            return None
        directions: NDArray[np.float32] = model.head.weight.detach().float().cpu().numpy()  # type: ignore[union-attr, operator]
        return directions

    def describe(self, row: Row) -> RowReport:
        """Decoded from the tokens that are left."""
        encoded = self.encode(row)
        whole = len(prompt_tokens(self._tokenizer, as_example(row).prompt, closed=True))
        text = self._tokenizer.decode(encoded.ids)
        return RowReport(len(encoded.ids), whole - len(encoded.ids), text, self._labels[encoded.label])
