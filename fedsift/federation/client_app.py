"""The ClientApp: one client's side of every message, the same in simulation and deployment."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from flwr.app import ConfigRecord, Context, Message, MetricRecord
from flwr.clientapp import ClientApp

from fedsift.core.errors import BadInput
from fedsift.core.localisation import Localisation
from fedsift.core.mask_file import ClientMask, aside, delete_mask, load_mask, save_mask
from fedsift.federation.client import MEMBERSHIP, Client, membership, round_of
from fedsift.federation.evaluation import scores_of_served, scores_of_tuned, votes
from fedsift.protocol import messages

if TYPE_CHECKING:
    from fedsift.learning.local_trainer import Tuned

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    """Say who this is and what it wants."""
    client = Client(context)
    return messages.client_reply(message, client.id, {"wish": client.wish(round_of(message)).value})


@app.train()
def train(message: Message, context: Context) -> Message:
    """Tune, keep the mask, upload the contribution; where asked to, score M0 and the client's own tuned model."""
    client = Client(context)
    config = messages.record_of(message.content, "config", ConfigRecord)
    if client.folder is not None and (public_key := config.get(messages.PUBLIC_KEY)):
        client.folder.keep_public_key(str(public_key))
    trainer = client.trainer(message)
    tuned = trainer.tune(client.id, client.train_examples)
    if client.mask_folder is not None:
        scores = scores_of_tuned(client, trainer, tuned) if config.get("score") else {}
        _keep(client, client.mask_folder, tuned, scores)
    context.state[MEMBERSHIP] = membership(member=True, server_round=round_of(message))
    reply = client.trained(message, tuned)
    if client.tells_losses:
        reply.content[messages.LOSSES] = MetricRecord({"loss": list(tuned.losses)})
    return reply


@app.train("forget")
def forget(message: Message, context: Context) -> Message:
    """Rerun the training that was merged, for the server to check and subtract.

    Who stays trains once more, without the rows that it asked to have forgotten; its new mask lies aside until that is
    done.
    """
    client = Client(context)
    trainer, merged = client.trainer(message), client.merged_examples
    reply = client.trained(message, trainer.tune(client.id, merged))
    if messages.record_of(message.content, "client", ConfigRecord).get(messages.STAYS):
        tuned = trainer.tune(client.id, client.train_examples)
        if client.mask_folder is not None:
            _keep(client, aside(client.mask_folder), tuned, {})
        rows = len(merged) - len(client.train_examples)
        reply.content[messages.REPLACEMENT] = ConfigRecord({**client.told(tuned), "rows": rows})
    return reply


def _keep(client: Client, folder: Path, tuned: "Tuned", scores: dict[str, float]) -> None:
    """Write what the client has to be served with."""
    mask = ClientMask.of(tuned.quantised, Localisation(client.config.localise).keeps_levels)
    said = tuned.said_by_base
    if said is not None:
        mask = dataclasses.replace(mask, decisions=said.decisions, base_logits=said.logits)
    save_mask(folder, client.id, dataclasses.replace(mask, scores=scores), tuned.quantised.contribution.terms)


@app.query("removed")
def removed(message: Message, context: Context) -> Message:
    """Hear that the removal is done, and forget the mask."""
    client = Client(context)
    context.state[MEMBERSHIP] = membership(removed=True)
    if client.folder is not None:
        client.folder.removed()
    if client.mask_folder is not None:
        delete_mask(client.mask_folder, client.id)
    return messages.client_reply(message, client.id)


@app.query("mask")
def mask(message: Message, context: Context) -> Message:
    """Send the mask, to be served under it."""
    client = Client(context)
    if client.mask_folder is None:
        raise BadInput(f"client {client.id!r} has no mask folder, so it cannot be served")
    kept = load_mask(client.mask_folder, client.id, messages.read_terms(message.content))
    return messages.client_reply(message, client.id, {"mask": kept.packed})


@app.query("vote")
def vote(message: Message, context: Context) -> Message:
    """Say what each setting of the blend costs on rows of its own."""
    client = Client(context)
    head_losses, own_losses = votes(client, client.trainer(message), message)
    return messages.client_reply(message, client.id, {"head-losses": head_losses, "own-losses": own_losses})


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Score what it is served, and beside it what it could do alone."""
    client = Client(context)
    return messages.client_reply(message, client.id, scores=scores_of_served(client, client.trainer(message), message))
