"""One client's part: tune, quantise, remember the mask, and score what it is served."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fedsift.bit_packing import unpack_mask
from fedsift.causal_lm import CausalLanguageModelling
from fedsift.contribution import Contribution, UploadTerms
from fedsift.errors import BadInput, Refused
from fedsift.examples import Example, examples_digest
from fedsift.flat_model import FlatModel
from fedsift.localisation import restore_l1
from fedsift.mask_file import ClientMask
from fedsift.seeds import derive_seed
from fedsift.sign_vector import sign_vector
from fedsift.tuning import TuningSettings, tune_magnitudes


@dataclass(frozen=True)
class Tuned:
    """What a tuning leaves with the client.

    Attributes:
        magnitudes: u >= 0 as tuned, before quantisation; shape (n,).
        contribution: what is uploaded.
        mask: what the client keeps to be served.
        saturated: entries cut by the highest level of the grid.
        data_digest: SHA-256 of the examples.
    """

    magnitudes: NDArray[np.float32]
    contribution: Contribution
    mask: ClientMask
    saturated: int
    data_digest: bytes


class LocalTrainer:
    """A base model and a task under the server's terms; one serves any number of clients, one after the other."""

    def __init__(
        self,
        model: FlatModel,
        task: CausalLanguageModelling,
        terms: UploadTerms,
        settings: TuningSettings,
        root_seed: int,
    ) -> None:
        """Make the sign vector of the terms.

        Raises:
            Refused: the terms are for another parameter layout than the model's.
        """
        if terms.layout_digest != model.layout.digest:
            raise Refused(
                f"the server merges layout {terms.layout_digest.hex()[:16]}, this client's model has layout "
                f"{model.layout.digest.hex()[:16]}: use the same model and the same tuned layers"
            )
        self._model, self._task, self._terms, self._settings = model, task, terms, settings
        self._root_seed = root_seed
        self._signs = torch.from_numpy(sign_vector(terms.sign_seed, terms.size)).float()

    def tune(self, client_id: str, examples: Sequence[Example]) -> Tuned:
        """Tune on a client's examples and quantise. The same client, data and environment give the same bits."""
        if not examples:
            raise BadInput(f"client {client_id!r} has no rows; a client needs at least one")
        settings = self._settings
        seed = derive_seed(self._root_seed, "batches", client_id)
        batches = self._task.training_batches(examples, settings.batch_size, settings.steps, seed)
        magnitudes = tune_magnitudes(self._model, self._signs, batches, self._task.loss, settings.lr).numpy()
        grid = self._terms.grid
        levels = grid.quantise(magnitudes)
        contribution = Contribution.from_levels(levels, self._terms)
        mask = ClientMask(contribution.packed_mask, int(levels.sum(dtype=np.uint64)) * grid.step)
        return Tuned(magnitudes, contribution, mask, grid.saturated(magnitudes), examples_digest(examples))

    def score_magnitudes(self, magnitudes: NDArray[np.float32] | None, examples: Sequence[Example]) -> float:
        """The task's metric with weights M0 + v * magnitudes of shape (n,); with M0 alone for None."""
        task_vector = None if magnitudes is None else self._signs * torch.from_numpy(magnitudes)
        self._model.load_task_vector(task_vector)
        return self._task.score(self._model.module, examples, self._settings.batch_size)

    def score_served(
        self, served: NDArray[np.float32], mask: ClientMask, examples: Sequence[Example], restores_l1: bool
    ) -> float:
        """The metric of a served model: `served` holds the magnitudes of the k entries that the mask keeps."""
        magnitudes = np.zeros(self._terms.size, np.float32)
        magnitudes[unpack_mask(mask.packed, self._terms.size)] = restore_l1(served, mask.l1) if restores_l1 else served
        return self.score_magnitudes(magnitudes, examples)
