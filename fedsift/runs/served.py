"""What a member is served, ready to be called: its model, and where there is one its head and the blend of both."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fedsift.configuration.run_config import RunConfig
from fedsift.core.blend import Blend
from fedsift.core.errors import BadInput, Refused
from fedsift.core.examples import Row
from fedsift.core.ledger import Ledger
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask, load_mask
from fedsift.core.server_state import ServerState
from fedsift.core.shared_head import choose_ridge
from fedsift.core.sign_vector import sign_vector
from fedsift.learning.blended_predictor import BlendedPredictor, SaidOf
from fedsift.learning.local_trainer import LocalTrainer
from fedsift.learning.models import load_model, load_tokenizer
from fedsift.runs.run_folder import RunFolder


@dataclass(frozen=True)
class ServedHead:
    """The shared head as a client is served it (docs/explanation/served.md).

    Attributes:
        predictor: its weights, a member's with its own rows on top, and its own labels' counts.
        blend: how much the own model and the own labels weigh; these weigh nothing for who is no member.
        ridge: lambda, chosen from the sums.
    """

    predictor: BlendedPredictor
    blend: Blend
    ridge: float

    @classmethod
    def of(cls, state: ServerState, trainer: LocalTrainer, mask: ClientMask | None) -> "ServedHead":
        """From the sums of now, for a member who keeps this, or for None for anybody else."""
        sums = state.head_sums()
        ridge, own, blend = choose_ridge(sums), mask.decisions if mask else None, state.blend
        predictor = BlendedPredictor(trainer.task, sums, ridge, own, mask is not None, trainer.label_directions)
        return cls(predictor, blend if mask else blend._replace(own=0.0, prior=0.0), ridge)


@dataclass(frozen=True)
class Served:
    """What a client is served.

    Attributes:
        model: a transformers model, a classifier over one, or the module of a task of one's own; in evaluation mode,
            with the served weights M0 + tau, on the run's device if there is one. It is a copy of its own.
        tokenizer: of a model on texts; None for a task of one's own.
        task_vector: tau, shape (n,), in the order of the tuned parameters.
        head: the shared head, which answers beside a member's model, and instead of it for everybody else. None where
            the model alone is served: without a shared head, and for members that are scored on the rows they tuned on.
        state_digest: of the sums and members that it is made from, in hexadecimal.
    """

    model: nn.Module
    tokenizer: Any
    task_vector: NDArray[np.float32]
    head: ServedHead | None
    state_digest: str
    _trainer: LocalTrainer
    _magnitudes: NDArray[np.float32]
    _is_member: bool

    def score(self, rows: Sequence[Row]) -> float:
        """The task's metric over rows, as served.

        Raises:
            BadInput: a row is not one for the task.
        """
        encoded = self._encoded(rows)
        if self.head is None:
            return self._trainer.score_magnitudes(self._magnitudes, encoded)
        return self.head.predictor.score(self._said(encoded), self.head.blend)

    def log_probabilities(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """What is said of some rows, as served: log-probabilities of the labels, for each decision.

        A row is one decision between choices, or in language modelling a decision between all tokens for each token of
        its target.

        Returns:
            Shape (decisions, labels).

        Raises:
            BadInput: a row is not one for the task, or the task has no labels.
        """
        if not self._trainer.task.labels:
            raise BadInput("the task has no labels, so there are no probabilities of them: call the model itself")
        encoded = self._encoded(rows)
        if self.head is None:
            logits = self._trainer.logits(self._magnitudes, encoded).astype(np.float64)
            return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        return self.head.predictor.log_probabilities(self._said(encoded), self.head.blend)

    @contextmanager
    def base(self) -> Iterator[nn.Module]:
        """The same module with the weights of the base model, while a `with` block runs."""
        self._trainer.load(None)
        try:
            yield self.model
        finally:
            self._trainer.load(self._magnitudes)

    def _encoded(self, rows: Sequence[Row]) -> Sequence[Any]:
        return self._trainer.encode("given", rows)

    def _said(self, encoded: Sequence[Any]) -> SaidOf:
        """What M0 and, for a member, its own model say; the model is left with the served weights."""
        trainer, own = self._trainer, None
        try:
            decisions, base = trainer.said_by_base(encoded)
            if self._is_member:
                own = trainer.logits(self._magnitudes, encoded)
        finally:
            trainer.load(self._magnitudes)
        return SaidOf.of(trainer.task, encoded, decisions, base, own)


def served_model(path: Path, client_id: str | None) -> Served:
    """What a member of a run is served, from what it keeps and the server's sums; for None, what everybody else is.

    Raises:
        BadInput: there is no such run, the client's mask is missing or damaged, or the model has other weights now.
        Refused: the client is no member.
    """
    folder, config = RunFolder.open(path)
    mask = None
    with Ledger.open(folder.ledger, read_only=True) as ledger:
        state, model_digest = ServerState(ledger, config.publication), ledger.get("model_digest", b"")
        if client_id is None:
            magnitudes = state.merged_magnitudes()
        elif client_id not in state.members:
            raise Refused(folder.why_no_member(client_id))
        else:
            localisation, mask = Localisation(config.localise), load_mask(folder.masks(), client_id, state.terms)
            sent = state.serve(client_id, mask.packed, localisation)
            magnitudes = localisation.localised(sent, mask, state.terms)
        trainer, model = _trainer(config, state, model_digest)
        has_head = state.terms.head is not None and (mask is None or config.is_held_out)
        head = ServedHead.of(state, trainer, mask) if has_head else None
        digest = state.digest().hex()
    trainer.load(magnitudes)
    signs = sign_vector(state.terms.sign_seed, state.terms.size)
    tokenizer = load_tokenizer(config.model_settings)
    return Served(model, tokenizer, signs * magnitudes, head, digest, trainer, magnitudes, mask is not None)


def _trainer(config: RunConfig, state: ServerState, model_digest: bytes) -> tuple[LocalTrainer, nn.Module]:
    """The base model under the run's terms, and its module."""
    device = "cpu" if config.device == "cpu" else "auto"
    settings = dataclasses.replace(config.model_settings, device=device, compile=False, checkpointing=False)
    flat, task = load_model(settings)
    if model_digest and flat.base_digest() != model_digest:
        raise BadInput(f"model {config.model} has other weights now than those that members tuned; bring these back")
    trainer = LocalTrainer(flat, task, state.terms, config.tuning, settings.seed)
    for parameter in flat.module.requires_grad_(False).parameters():
        parameter.grad = None
    return trainer, flat.module
