"""What a client scores and votes on, on its own side.

Scores by name, on the rows that it is tested on: `zero_shot` the base model, `majority` the most frequent label of its
own rows, `local` its own tuned model, `own_head` a head of its own rows alone, `merged` the sums' model, one for each
localisation, `shared_head` the head without its own model, `served` what it is served. A client that never joined has
`served` from the others alone and `served_own_rows` with its own rows on top. With `held_in ` before them, on the rows
that it tuned on. Of language modelling, `nll ` before a name is the negative log-likelihood a token and, where it is
asked for, `rouge_l ` ROUGE-L of what is generated.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message
from numpy.typing import NDArray

from fedsift.core.blend import log_softmax
from fedsift.core.errors import BadInput
from fedsift.core.head_statistics import Decisions
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask, load_mask, save_mask
from fedsift.core.seeds import derive_seed, random_order
from fedsift.core.shared_head import HeadSums
from fedsift.federation.client import Client
from fedsift.protocol import messages
from fedsift.protocol.head_service import HeadService, read_head

if TYPE_CHECKING:
    from fedsift.learning.blended_predictor import SaidOf
    from fedsift.learning.local_trainer import LocalTrainer, Magnitudes, Tuned
    from fedsift.learning.tasks.task import Measure

HELD_IN, NLL, ROUGE_L = "held_in ", "nll ", "rouge_l "
_VALIDATION_SHARE = 4  # A voter keeps a row of so many out of its second tuning.


def scores_of_tuned(client: Client, trainer: "LocalTrainer", tuned: "Tuned") -> dict[str, float]:
    """What can be scored while the unquantised model is at hand."""
    scores: dict[str, float] = {}
    if client.test_examples:
        test = trainer.encode(client.id, client.test_examples)
        scores |= _of_weights("local", client, trainer, tuned.magnitudes, test)
    if client.is_held_out:
        own = trainer.encode(client.id, client.train_examples)
        scores[f"{HELD_IN}local"] = trainer.score_magnitudes(tuned.magnitudes, own)
    return scores


def scores_of_served(client: Client, trainer: "LocalTrainer", message: Message) -> dict[str, float]:
    """All other scores, of a member and of anybody else."""
    content, terms = message.content, trainer.terms
    served = messages.find_record(content, "served", ArrayRecord)
    kept = None
    if served is not None and client.mask_folder is not None:
        kept = load_mask(client.mask_folder, client.id, terms)
    scores = dict(kept.scores) if kept else {}
    if not client.test_examples:
        return scores
    test = trainer.encode(client.id, client.test_examples)
    head = read_head(content, trainer.terms.head)
    said = None
    if head is not None:
        from fedsift.learning.blended_predictor import SaidOf

        said = SaidOf.of(trainer.task, test, *trainer.said_by_base(test))
    scores |= _zero_shot(client, trainer, said, test)
    merged = messages.read_float_array(messages.record_of(content, "merged", ArrayRecord)["magnitudes"])
    scores |= _of_weights("merged", client, trainer, merged, test)
    if trainer.task.labels and trainer.task.has_prior and client.train_examples:
        scores["majority"] = _majority(client, trainer, test)
    own = client.config.localise
    own_magnitudes = own_logits = None
    if served is not None and kept is not None:
        for name, array in served.items():
            magnitudes = Localisation(name).localised(messages.read_float_array(array), kept, terms)
            if name == own and said is not None and said.base is not None and client.is_held_out:
                own_logits = trainer.logits(magnitudes, test)  # They are blended, too: one pass for both.
                scores |= _named(name, _of_logits(trainer, said, own_logits))
                scores |= _generated(name, client, trainer, magnitudes, test)
            else:
                scores |= _of_weights(name, client, trainer, magnitudes, test)
            if name == own:
                own_magnitudes = magnitudes
            del magnitudes  # Before the next ones are made.
        scores |= _renamed(scores, own, "served")
    else:
        scores |= _renamed(scores, "merged", "served")
    if head is not None and said is not None:
        scores.pop(f"{ROUGE_L}served", None)  # A blend generates nothing.
        scores |= _scores_of_head(client, trainer, head, test, said, kept, own_magnitudes, own_logits)
    return scores


def _of_weights(
    name: str,
    client: Client,
    trainer: "LocalTrainer",
    magnitudes: "Magnitudes | None",
    test: Sequence[Any],
) -> dict[str, float]:
    """All scores of the weights M0 + v * u, or of M0."""
    scores = _named(name, trainer.measure(magnitudes, test))
    return scores | _generated(name, client, trainer, magnitudes, test)


def _generated(
    name: str,
    client: Client,
    trainer: "LocalTrainer",
    magnitudes: "Magnitudes | None",
    test: Sequence[Any],
) -> dict[str, float]:
    return {f"{ROUGE_L}{name}": trainer.rouge_l(magnitudes, test)} if client.config.generate else {}


def _named(name: str, found: "Measure") -> dict[str, float]:
    return {name: found.score} if found.nll is None else {name: found.score, f"{NLL}{name}": found.nll}


def _renamed(scores: Mapping[str, float], name: str, other: str) -> dict[str, float]:
    """What there is under one name, under another."""
    return {f"{kind}{other}": scores[f"{kind}{name}"] for kind in ("", NLL, ROUGE_L) if f"{kind}{name}" in scores}


def _zero_shot(client: Client, trainer: "LocalTrainer", said: "SaidOf | None", test: Sequence[Any]) -> dict[str, float]:
    """M0's scores, from what it said already, where that answers."""
    if said is None or said.base is None:
        return _of_weights("zero_shot", client, trainer, None, test)
    found = _of_logits(trainer, said, said.base)
    return _named("zero_shot", found) | _generated("zero_shot", client, trainer, None, test)


def _of_logits(trainer: "LocalTrainer", said: "SaidOf", logits: NDArray[np.float32]) -> "Measure":
    """The scores of weights that have said these logits, of a task whose scores they are."""
    from fedsift.learning.tasks.task import Measure

    places, logs = np.unique(said.rows, return_inverse=True)[1], log_softmax(logits)
    score = trainer.task.score_decisions(logs, said.targets, places)
    of_targets = logs[np.arange(len(said.targets)), said.targets]
    return Measure(score, -float(of_targets.mean()) if trainer.task.is_of_tokens else None)


def _scores_of_head(
    client: Client,
    trainer: "LocalTrainer",
    head: HeadService,
    test: Sequence[Any],
    said: "SaidOf",
    kept: ClientMask | None,
    magnitudes: NDArray[np.float32] | None,
    logits: NDArray[np.float32] | None,
) -> dict[str, float]:
    from fedsift.learning.blended_predictor import BlendedPredictor, OwnHead, SaidOf

    task, sums = trainer.task, head.sums
    rows = trainer.encode(client.id, client.train_examples) if client.train_examples else []
    own = kept.decisions if kept else None
    if own is None and rows:
        own = trainer.said_by_base(rows, answers=False).decisions
    alone, directions = head.blend._replace(own=0.0, prior=0.0), trainer.label_directions
    if kept is None or magnitudes is None:
        predictor = BlendedPredictor(task, sums, head.ridge, directions=directions)
        scores = _named("served", predictor.measure(said, alone))
        if own is not None and client.is_held_out:
            with_rows = BlendedPredictor(task, sums, head.ridge, own, directions=directions)
            scores |= _named("served_own_rows", with_rows.measure(said, head.blend))
        return scores
    assert own is not None
    if not client.is_held_out:
        return {}
    predictor = BlendedPredictor(task, sums, head.ridge, own, True, directions)
    scores = _named("own_head", OwnHead(task, own, sums.targets.shape[1]).measure(said, alone))
    scores |= _named("shared_head", predictor.measure(said, head.blend._replace(own=0.0)))
    said = dataclasses.replace(said, own=trainer.logits(magnitudes, test) if logits is None else logits)
    scores |= _named("served", predictor.measure(said, head.blend))
    held_in = SaidOf.of(task, rows, own, _base_logits(trainer, kept, rows), trainer.logits(magnitudes, rows))
    scores[f"{HELD_IN}served"] = predictor.score(held_in, head.blend)
    return scores


def _base_logits(trainer: "LocalTrainer", kept: ClientMask, rows: Sequence[Any]) -> NDArray[np.float32] | None:
    """What M0 says of the client's own rows: kept, or, of a vocabulary, said again."""
    if kept.base_logits is not None or not trainer.task.base_answers:
        return kept.base_logits
    return trainer.logits(None, rows)


def _majority(client: Client, trainer: "LocalTrainer", test: Sequence[Any]) -> float:
    """The score of always answering the most frequent label of its own rows; the first of several."""
    from fedsift.learning.decisions import targets_and_rows

    task = trainer.task
    own, _ = targets_and_rows(task, trainer.encode(client.id, client.train_examples))
    targets, rows = targets_and_rows(task, test)
    said = np.full((len(targets), task.labels), -1.0)
    said[:, np.bincount(own).argmax()] = 0
    return task.score_decisions(said, targets, rows)


def votes(client: Client, trainer: "LocalTrainer", message: Message) -> tuple[list[int], list[int]]:
    """A member's losses: without its own model on each of its rows; a voter's with it, on rows it kept out.

    Raises:
        BadInput: its rows are not those that it was merged with.
    """
    from fedsift.learning.blended_predictor import BlendedPredictor, SaidOf

    task, head = trainer.task, read_head(message.content, trainer.terms.head)
    assert head is not None and client.mask_folder is not None
    kept = load_mask(client.mask_folder, client.id, trainer.terms)
    own = kept.decisions
    assert own is not None
    rows = trainer.encode(client.id, client.train_examples)
    base = _base_logits(trainer, kept, rows)
    directions = trainer.label_directions
    predictor = BlendedPredictor(task, head.sums, head.ridge, own, True, directions)
    said = SaidOf.of(task, rows, own, base)
    if not (np.array_equal(said.rows, own.rows) and np.array_equal(said.targets % predictor.labels, own.labels)):
        raise BadInput(f"client {client.id!r}: its rows are others than those that it was merged with")
    head_losses = predictor.own_votes(said)
    if not messages.record_of(message.content, "vote", ConfigRecord).get("voter") or len(rows) < 2:
        return head_losses, []
    order = random_order(derive_seed(client.config.seed, "vote", client.id), len(rows))
    out = np.zeros(len(rows), np.bool_)
    out[order[: max(1, len(rows) // _VALIDATION_SHARE)]] = True
    validation = [row for row, left_out in zip(rows, out, strict=True) if left_out]
    if kept.voter_logits is None:  # It tunes a second time once, and keeps what that model says.
        fitted = [row for row, left_out in zip(client.train_examples, out, strict=True) if not left_out]
        levels = trainer.tune(client.id, fitted).quantised.contribution.levels()
        said_alone = trainer.logits((levels * trainer.terms.grid.step).astype(np.float32), validation)
        kept = dataclasses.replace(kept, voter_logits=said_alone)
        save_mask(client.mask_folder, client.id, kept, trainer.terms)
    of_validation = out[own.rows]
    base = None if base is None else base[of_validation]
    said = SaidOf.of(task, validation, _chosen(own, of_validation), base, kept.voter_logits)
    others = head.sums - HeadSums.of(own.features, own.labels, head.sums.targets.shape[1])
    voter = BlendedPredictor(task, others, head.ridge, _chosen(own, ~of_validation), directions=directions)
    return head_losses, voter.votes(said)


def _chosen(decisions: Decisions, which: NDArray[np.bool_]) -> Decisions:
    """Some of a client's decisions."""
    return Decisions(decisions.features[which], decisions.labels[which], decisions.rows[which])
