"""The ClientApp: one client's side of every message, the same in simulation and deployment."""

import dataclasses
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, UserConfig
from flwr.clientapp import ClientApp

from fedsift.client import LocalTrainer, Tuned
from fedsift.contribution import UploadTerms
from fedsift.data.examples import Row
from fedsift.errors import BadInput
from fedsift.localisation import Localisation
from fedsift.mask_file import delete_mask, load_mask, save_mask
from fedsift.model_settings import ModelSettings
from fedsift.models import load_learner
from fedsift.reproducibility import environment_fingerprint
from fedsift.tasks.task import encode_rows
from fedsift.tuning import TuningSettings
from simulations.configuration import RunConfig
from simulations.data import choose_clients, load_dataset
from strategies import messages
from strategies.messages import Wish

app = ClientApp()

MEMBERSHIP = "membership"  # the record in a client's state


_dataset = lru_cache(maxsize=1)(load_dataset)


_learner = lru_cache(maxsize=1)(load_learner)


@lru_cache(maxsize=1)
def _trainer(model: ModelSettings, terms: UploadTerms, settings: TuningSettings) -> LocalTrainer:
    flat_model, task = _learner(model)
    return LocalTrainer(flat_model, task, terms, settings, model.root_seed)


def prepare(run_config: UserConfig) -> None:
    """Load data and model, and try them on the first client: what is wrong there is wrong everywhere.

    Raises:
        BadInput: data and model cannot be loaded, or do not fit together.
    """
    config = RunConfig.from_user_config(run_config)
    dataset = _dataset(config)
    _, task = _learner(config.model_settings)
    first = choose_clients(config, dataset)[0]
    task.batch(encode_rows(task, dataset.train_examples(first)[: config.batch_size], first))


class _Client:
    """A client for the length of one message: who it is, its data, and what it remembers between messages."""

    def __init__(self, context: Context) -> None:
        self.config = RunConfig.from_user_config(context.run_config)
        self._dataset = _dataset(self.config)
        node = context.node_config
        self.id = str(node.get("client-id") or self._dataset.client_ids[int(node["partition-id"])])
        folder = str(context.node_config.get("mask-folder", ""))
        self.mask_folder = Path(folder) if folder else None
        if MEMBERSHIP not in context.state:
            context.state[MEMBERSHIP] = membership()
        self.membership = context.state.config_records[MEMBERSHIP]

    @property
    def train_examples(self) -> Sequence[Row]:
        return self._dataset.train_examples(self.id)

    @property
    def test_examples(self) -> Sequence[Row]:
        return self._dataset.test_examples(self.id)

    def trainer(self, message: Message) -> LocalTrainer:
        terms, config = messages.read_terms(message.content), self.config
        return _trainer(config.model_settings, terms, config.tuning)

    def wish(self, server_round: int) -> Wish:
        """Who is to leave in this simulation asks for it in a round after that in which it joined; who left is away."""
        leave = self.config.leave
        leaver = isinstance(leave, tuple) and self.id in leave
        if not self.membership["member"]:
            return Wish.AWAY if self.membership["removed"] else Wish.JOIN
        return Wish.LEAVE if leaver and server_round > int(str(self.membership["round"])) else Wish.STAY

    def trained(self, message: Message, tuned: Tuned) -> Message:
        """The reply to both kinds of training: the upload and what the server keeps beside it."""
        return messages.client_reply(
            message,
            self.id,
            {
                "upload": tuned.contribution.to_bytes(),
                "saturated": tuned.saturated,
                "steps": self.config.steps,
                "data-digest": tuned.data_digest,
                "environment": json.dumps(environment_fingerprint(), sort_keys=True),
            },
        )


def membership(member: bool = False, server_round: int = 0, removed: bool = False) -> ConfigRecord:
    """What a client remembers of its own standing; a simulation that goes on from a ledger sets it.

    Args:
        member: whether it has contributed.
        server_round: the round in which it did.
        removed: whether it was a member and left.
    """
    return ConfigRecord({"member": member, "round": server_round, "removed": removed})


def _round(message: Message) -> int:
    return int(message.metadata.group_id)


@app.query()
def query(message: Message, context: Context) -> Message:
    """Say who this is and what it wants."""
    client = _Client(context)
    return messages.client_reply(message, client.id, {"wish": client.wish(_round(message)).value})


@app.train()
def train(message: Message, context: Context) -> Message:
    """Tune, keep the mask, upload the contribution; where asked to, score M0 and the client's own tuned model."""
    client = _Client(context)
    trainer = client.trainer(message)
    tuned = trainer.tune(client.id, client.train_examples)
    if client.mask_folder is not None:
        scores = {}
        if message.content.config_records["config"].get("score"):
            test = trainer.encode(client.id, client.test_examples)
            scores["zero_shot"] = trainer.score_magnitudes(None, test)
            scores["local"] = trainer.score_magnitudes(tuned.magnitudes, test)
        save_mask(client.mask_folder, client.id, dataclasses.replace(tuned.mask, scores=scores))
    context.state[MEMBERSHIP] = membership(member=True, server_round=_round(message))
    return client.trained(message, tuned)


@app.train("forget")
def forget(message: Message, context: Context) -> Message:
    """Rerun the training that was merged, for the server to check and subtract."""
    client = _Client(context)
    return client.trained(message, client.trainer(message).tune(client.id, client.train_examples))


@app.query("removed")
def removed(message: Message, context: Context) -> Message:
    """Hear that the removal is done, and forget the mask."""
    client = _Client(context)
    context.state[MEMBERSHIP] = membership(removed=True)
    if client.mask_folder is not None:
        delete_mask(client.mask_folder, client.id)
    return messages.client_reply(message, client.id)


@app.query("mask")
def mask(message: Message, context: Context) -> Message:
    """Send the mask, to be served under it."""
    client = _Client(context)
    if client.mask_folder is None:
        raise BadInput(f"client {client.id!r} has no mask folder, so it cannot be served")
    return messages.client_reply(message, client.id, {"mask": load_mask(client.mask_folder, client.id).packed})


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Score the merged model, and for a member what it was served; add what it scored when it tuned."""
    client = _Client(context)
    trainer = client.trainer(message)
    test = trainer.encode(client.id, client.test_examples)
    merged = messages.read_float_array(message.content.array_records["merged"]["magnitudes"])
    scores = {"merged": trainer.score_magnitudes(merged, test)}
    served = message.content.array_records.get("served")
    if served is not None and client.mask_folder is not None:
        own_mask = load_mask(client.mask_folder, client.id)
        scores |= own_mask.scores
        for name, array in served.items():
            magnitudes = messages.read_float_array(array)
            restores_l1 = Localisation(name).restores_l1
            scores[name] = trainer.score_served(magnitudes, own_mask, test, restores_l1)
    return messages.client_reply(message, client.id, scores=scores)
