"""One client's part: tune, quantise, remember the mask, and score what it is served."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedsift.core.contribution import Quantised, UploadTerms, quantise
from fedsift.core.errors import Refused
from fedsift.core.examples import Row, rows_digest
from fedsift.core.head_statistics import HeadStatistics
from fedsift.core.quantisation import QuantisationGrid
from fedsift.core.rouge import rouge_l
from fedsift.core.seeds import derive_seed
from fedsift.core.sign_vector import sign_vector
from fedsift.core.upload import Upload
from fedsift.learning.decisions import SaidByBase, logits_of, said_by_base
from fedsift.learning.encoding import encode
from fedsift.learning.flat_model import FlatModel, Signs
from fedsift.learning.tasks.task import Measure, Task, encode_rows, measure, to_device, training_steps
from fedsift.learning.tuning import Commitment, tune_magnitudes
from fedsift.learning.tuning_settings import TuningSettings

Magnitudes = NDArray[np.float32] | Tensor  # u in float32, shape (n,); a tensor may lie on the model's device


@dataclass(frozen=True)
class Tuned:
    """What a tuning leaves with the client."""

    magnitudes: Tensor  # u >= 0 as tuned, in float32, before quantisation; shape (n,), on the model's device
    quantised: Quantised  # what is uploaded of it
    data_digest: bytes  # SHA-256 of the rows it was tuned on
    steps: int  # how many it took
    said_by_base: SaidByBase | None = None  # of the rows it was tuned on, where the terms have a shared head
    losses: Sequence[float] = ()  # of each step, on its batch

    @property
    def upload(self) -> Upload:
        """All that is uploaded."""
        terms = self.quantised.contribution.terms
        said, head = self.said_by_base, None
        if said and terms.head:
            head = HeadStatistics.of(said.decisions, terms.head)
        return Upload(self.quantised.contribution, head)


def tune_sign_fixed(
    model: FlatModel,
    task: Task,
    signs: Signs,
    encoded: Sequence[Any],
    settings: TuningSettings,
    grid: QuantisationGrid,
    seed: int,
    on_loss: Callable[[float], object] | None = None,
) -> Tensor:
    """Magnitudes u >= 0 of a sign-fixed tuning on encoded rows, in float32 of shape (n,), on the model's device.

    Args:
        model: M0, on some device.
        task: of the rows.
        signs: the sign vector, shape (n,).
        encoded: what to tune on.
        settings: steps, learning rate, Adam's betas, rows a step.
        grid: on which they will be quantised; the commit steps run on it.
        seed: of the order of the rows.
        on_loss: is told each step's loss.
    """
    device = model.weights.device
    number = settings.steps_for(len(encoded))
    steps = training_steps(task, encoded, number, settings.batch_size, settings.micro_batch, seed)
    on_device = ([(to_device(batch, device), share) for batch, share in step] for step in steps)
    committed, factors = round(settings.commit_share * number), settings.lr_factors(number)
    commitment = Commitment(grid, number - committed + 1) if committed else None
    return tune_magnitudes(
        model,
        signs,
        on_device,
        task.loss,
        settings.lr,
        commitment,
        settings.betas,
        factors,
        settings.weight_decay,
        getattr(torch, settings.moments),
        on_loss,
    )


class _SignsOfSeed:
    """The sign vector of a seed, each slice made when it is asked for: of all of it, nothing is kept."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed, self._device = seed, device

    def __getitem__(self, entries: slice) -> Tensor:
        return torch.from_numpy(sign_vector(self._seed, entries.stop - entries.start, entries.start)).to(self._device)


class LocalTrainer:
    """A base model and a task under the server's terms; one serves any number of clients, one after the other.

    Attributes:
        task: of the rows.
        terms: the server's.
    """

    def __init__(
        self, model: FlatModel, task: Task, terms: UploadTerms, settings: TuningSettings, root_seed: int
    ) -> None:
        """Hold the terms against the model.

        Raises:
            Refused: the terms are for another parameter layout than the model's.
        """
        if terms.layout_digest != model.layout.digest:
            raise Refused(
                f"the server merges layout {terms.layout_digest.hex()[:16]}, this client's model has layout "
                f"{model.layout.digest.hex()[:16]}: use the same model and the same tuned layers"
            )
        self.task, self.terms = task, terms
        self._model, self._settings = model, settings
        self._root_seed = root_seed
        signs = _SignsOfSeed(terms.sign_seed, model.weights.device)
        # A GPU has a byte an entry to spare, and would wait for those made here.
        on_gpu = model.weights.device.type == "cuda"
        self._signs: Signs = torch.cat([signs[entries] for entries, _ in model.slices()]) if on_gpu else signs

    def encode(self, client_id: str, rows: Sequence[Row]) -> Sequence[Any]:
        """A client's rows as the task's scores take them."""
        return encode_rows(self.task, rows, client_id)

    def tune(self, client_id: str, rows: Sequence[Row]) -> Tuned:
        """Tune on a client's rows and quantise. The same client, data and environment give the same bits."""
        encoded = self.encode(client_id, rows)
        said = self.said_by_base(encoded, answers=self.task.has_prior) if self.terms.head else None
        seed = derive_seed(self._root_seed, "batches", client_id)
        losses: list[float] = []
        magnitudes = tune_sign_fixed(
            self._model, self.task, self._signs, encoded, self._settings, self.terms.grid, seed, losses.append
        )
        on_gpu = magnitudes.device.type == "cuda"
        quantised = encode(magnitudes, self.terms) if on_gpu else quantise(magnitudes.numpy(), self.terms)
        number = self._settings.steps_for(len(encoded))
        return Tuned(magnitudes, quantised, rows_digest(rows), number, said, losses)

    def said_by_base(self, encoded: Sequence[Any], answers: bool = True) -> SaidByBase:
        """What M0 makes of encoded rows, its answers only where asked to; in a federation with a shared head."""
        assert self.terms.head is not None
        return said_by_base(self.task, self._model, encoded, self._settings.batch_size, self.terms.head, answers)

    @property
    def label_directions(self) -> NDArray[np.float32] | None:
        """Of each label, where M0 knows one from its text; shape (labels, d)."""
        self._model.load_base()
        return self.task.label_directions(self._model.module)

    def logits(self, magnitudes: Magnitudes | None, encoded: Sequence[Any]) -> NDArray[np.float32]:
        """Of each decision with weights M0 + v * u, u of shape (n,), or with M0; shape (decisions, labels)."""
        self.load(magnitudes)
        return logits_of(self.task, self._model, encoded, self._settings.batch_size)

    def score_magnitudes(self, magnitudes: Magnitudes | None, encoded: Sequence[Any]) -> float:
        """The task's metric over encoded rows with weights M0 + v * u, u of shape (n,); with M0 alone for None."""
        return self.measure(magnitudes, encoded).score

    def measure(self, magnitudes: Magnitudes | None, encoded: Sequence[Any]) -> Measure:
        """The same, and the likelihood of their tokens."""
        self.load(magnitudes)
        device = self._model.weights.device
        return measure(self.task, self._model.module, encoded, self._settings.batch_size, device)

    def rouge_l(self, magnitudes: Magnitudes | None, encoded: Sequence[Any]) -> float:
        """The mean ROUGE-L of what those weights say greedily after each row's prompt; of a task that generates."""
        self.load(magnitudes)
        said = (self.task.generated(self._model.module, row) for row in encoded)
        return fmean(rouge_l(text, reference) for text, reference in said)

    def load(self, magnitudes: Magnitudes | None) -> None:
        """Set the model's weights to M0 + v * u, u of shape (n,), or to M0."""
        if magnitudes is None:
            self._model.load_base()
        else:
            self._model.load_magnitudes(self._signs, magnitudes)
