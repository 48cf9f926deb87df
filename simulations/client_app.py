"""The ClientApp: one client's side of every message, the same in simulation and deployment."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp import ClientApp

from fedsift.causal_lm import CausalLanguageModelling
from fedsift.client import LocalTrainer
from fedsift.contribution import UploadTerms
from fedsift.errors import BadInput
from fedsift.examples import Example
from fedsift.flat_model import FlatModel
from fedsift.localisation import Localisation
from fedsift.mask_file import delete_mask, load_mask, save_mask
from fedsift.models import load_model
from fedsift.parameter_layout import hidden_layers
from fedsift.tuning import TuningSettings
from simulations.configuration import RunConfig
from simulations.data import load_dataset
from strategies import messages
from strategies.messages import Wish

app = ClientApp()


_dataset = lru_cache(maxsize=1)(load_dataset)


@lru_cache(maxsize=1)
def _flat_model(model: str, max_length: int) -> tuple[FlatModel, CausalLanguageModelling]:
    module, tokenizer = load_model(model)
    return FlatModel(module, hidden_layers(module)), CausalLanguageModelling(tokenizer, module, max_length)


@lru_cache(maxsize=1)
def _trainer(model: str, max_length: int, terms: UploadTerms, settings: TuningSettings, root_seed: int) -> LocalTrainer:
    flat_model, task = _flat_model(model, max_length)
    return LocalTrainer(flat_model, task, terms, settings, root_seed)


class _Client:
    """A client for the length of one message: who it is, its data, and what it remembers between messages."""

    def __init__(self, context: Context) -> None:
        self.config = RunConfig.from_user_config(context.run_config)
        self._dataset = _dataset(self.config)
        self.id = self._dataset.client_ids[int(context.node_config["partition-id"])]
        folder = str(context.node_config.get("mask-folder", ""))
        self.mask_folder = Path(folder) if folder else None
        if "membership" not in context.state:
            context.state["membership"] = ConfigRecord({"member": False, "leaving": False})
        self.membership = context.state.config_records["membership"]

    @property
    def examples(self) -> Sequence[Example]:
        return self._dataset.examples(self.id)

    def trainer(self, message: Message) -> LocalTrainer:
        terms, config = messages.read_terms(message.content), self.config
        return _trainer(config.model, config.max_length, terms, config.tuning, config.seed)

    def wish(self) -> Wish:
        if self.id in self._leavers():
            if self.membership["member"]:
                return Wish.LEAVE
            return Wish.AWAY if self.membership["leaving"] else Wish.JOIN
        return Wish.STAY if self.membership["member"] else Wish.JOIN

    def _leavers(self) -> tuple[str, ...]:
        leave = self.config.leave
        return leave if isinstance(leave, tuple) else ()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Say who this is and what it wants."""
    client = _Client(context)
    return messages.client_reply(message, client.id, wish=client.wish().value)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Tune, keep the mask, upload the contribution; where asked to, score M0 and the client's own tuned model."""
    client = _Client(context)
    trainer, examples = client.trainer(message), client.examples
    tuned = trainer.tune(client.id, examples)
    scores = {}
    if message.content.config_records["config"].get("score"):
        scores["zero_shot"] = trainer.score_magnitudes(None, examples)
        scores["local"] = trainer.score_magnitudes(tuned.magnitudes, examples)
    if client.mask_folder is not None:
        save_mask(client.mask_folder, client.id, tuned.mask)
    client.membership["member"] = True
    return messages.client_reply(
        message, client.id, scores, upload=tuned.contribution.to_bytes(), saturated=tuned.saturated
    )


@app.train("forget")
def forget(message: Message, context: Context) -> Message:
    """Rerun the training that was merged, for the server to check and subtract."""
    client = _Client(context)
    tuned = client.trainer(message).tune(client.id, client.examples)
    client.membership["leaving"] = True
    return messages.client_reply(message, client.id, upload=tuned.contribution.to_bytes(), steps=client.config.steps)


@app.query("mask")
def mask(message: Message, context: Context) -> Message:
    """Send the mask, to be served under it."""
    client = _Client(context)
    if client.mask_folder is None:
        raise BadInput(f"client {client.id!r} has no mask folder, so it cannot be served")
    return messages.client_reply(message, client.id, mask=load_mask(client.mask_folder, client.id).packed)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Score the merged model, and for a member what it was served. A client that is served nothing forgets its mask."""
    client = _Client(context)
    trainer, examples = client.trainer(message), client.examples
    merged = messages.read_float_array(message.content.array_records["merged"]["magnitudes"])
    scores = {"merged": trainer.score_magnitudes(merged, examples)}
    served = message.content.array_records.get("served")
    if served is None:
        client.membership["member"] = False
        if client.mask_folder is not None:
            delete_mask(client.mask_folder, client.id)
    elif client.mask_folder is not None:
        own_mask = load_mask(client.mask_folder, client.id)
        for name, array in served.items():
            magnitudes = messages.read_float_array(array)
            restores_l1 = Localisation(name).restores_l1
            scores[name] = trainer.score_served(magnitudes, own_mask, examples, restores_l1)
    return messages.client_reply(message, client.id, scores)
